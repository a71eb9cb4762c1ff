//! How many signatures may be checked: per source and in total, with a reserve for answers to my own questions.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use crate::Mono;
use crate::bucket::{Bucket, Rate};
use crate::limits::{RATE_SOURCES, VERIFY_RESERVED, VERIFY_SOURCE, VERIFY_TOTAL};

const SOURCE_RATE: Rate = Rate::per_second(VERIFY_SOURCE);
const TOTAL_RATE: Rate = Rate::per_second(VERIFY_TOTAL);

/// Token buckets before signature checks.
#[derive(Clone, Debug)]
pub(crate) struct VerifyBudget {
    total: Bucket,
    sources: Sources,
}

impl VerifyBudget {
    pub(crate) fn new() -> VerifyBudget {
        VerifyBudget { total: Bucket::FULL, sources: Sources::default() }
    }

    /// Whether a signature from `source` may be checked now; `awaited` if it answers a live question of mine.
    pub(crate) fn take(&mut self, now: Mono, source: IpAddr, awaited: bool) -> bool {
        let reserve = if awaited { 0 } else { VERIFY_RESERVED };
        self.total.ready_at(TOTAL_RATE, reserve) <= now
            && (awaited || self.sources.take(now, source, SOURCE_RATE))
            && self.total.take(now, TOTAL_RATE, reserve)
    }
}

/// A bucket a source address, bounded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    buckets: BTreeMap<IpAddr, Bucket>,
}

impl Sources {
    pub(crate) fn take(&mut self, now: Mono, source: IpAddr, rate: Rate) -> bool {
        if !self.buckets.contains_key(&source) && self.buckets.len() >= RATE_SOURCES {
            self.buckets.retain(|_, b| !b.is_full(now));
            if self.buckets.len() >= RATE_SOURCES {
                // All are in use: the one that is nearest to full loses least by being forgotten.
                let nearest = self
                    .buckets
                    .iter()
                    .min_by_key(|(_, b)| b.ready_at(rate, rate.size - 1))
                    .map(|(ip, _)| *ip);
                nearest.map(|ip| self.buckets.remove(&ip));
            }
        }
        self.buckets.entry(source).or_insert(Bucket::FULL).take(now, rate, 0)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    #[test]
    fn a_flood_leaves_room_for_answers_and_the_table_is_bounded() {
        let mut budget = VerifyBudget::new();
        let now = Mono(1_000_000_000_000);
        let flood =
            (0..100_000u32).filter(|i| budget.take(now, Ipv4Addr::from_bits(*i).into(), false)).count();
        assert_eq!(flood, 750);
        let same = Ipv4Addr::LOCALHOST.into();
        assert_eq!((0..1000).filter(|_| budget.take(now, same, true)).count(), 250);
        assert!(budget.sources.len() <= RATE_SOURCES);
    }

    #[test]
    fn one_source_cannot_take_it_all() {
        let mut budget = VerifyBudget::new();
        let now = Mono(1_000_000_000_000);
        let one = (0..10_000).filter(|_| budget.take(now, Ipv4Addr::LOCALHOST.into(), false)).count();
        assert_eq!(one, 100);
        assert!(budget.take(now, Ipv4Addr::BROADCAST.into(), false));
    }
}
