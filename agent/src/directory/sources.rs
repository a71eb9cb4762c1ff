//! How often each source may read over UDP.

use std::collections::HashMap;
use std::net::IpAddr;

use serialnumberd_core::Mono;

use super::limits::{UDP_BURST, UDP_REFILL, UDP_SOURCES};

/// A bucket for each source that is not full: kept as the time at which it will be.
#[derive(Debug, Default)]
pub(super) struct Sources {
    full_at: HashMap<IpAddr, Mono>,
}

impl Sources {
    /// Takes a token of `source`, if it has one.
    pub(super) fn take(&mut self, source: IpAddr, now: Mono) -> bool {
        if !self.full_at.contains_key(&source) && self.full_at.len() >= UDP_SOURCES {
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= UDP_SOURCES {
                return false;
            }
        }
        let full_at = self.full_at.entry(source).or_insert(now);
        let begun = (*full_at).max(now);
        if begun.since(now) > UDP_REFILL * (UDP_BURST - 1) {
            return false;
        }
        *full_at = begun.after(UDP_REFILL);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono(1_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate_and_others_theirs() {
        let mut sources = Sources::default();
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let taken = (0..1000).filter(|_| sources.take(a, at(0))).count();
        assert_eq!(taken, UDP_BURST as usize);
        assert!(sources.take(b, at(0)));
        assert!(!sources.take(a, at(9)));
        assert!(sources.take(a, at(10)));
        assert!(!sources.take(a, at(10)));
    }

    #[test]
    fn more_sources_than_are_remembered_are_refused_until_the_others_are_done() {
        let mut sources = Sources::default();
        let source = |n: u32| IpAddr::from(n.to_be_bytes());
        let places = u32::try_from(UDP_SOURCES).unwrap();
        assert!((0..places).all(|n| sources.take(source(n), at(0))));
        assert!(!sources.take(source(places), at(5)));
        assert!(sources.take(source(0), at(5)));
        assert!(sources.take(source(places), at(11)));
        assert!(sources.full_at.len() < 10);
    }
}
