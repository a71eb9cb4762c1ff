//! Token buckets, in whole nanoseconds: no floating point, no drift.

use core::time::Duration;

use crate::Mono;

/// A bucket of `size` tokens, one refilled every `refill`.  Kept as the time at which it was, or will be, full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    full_at: Mono,
}

/// Size and refill of a bucket; kept apart so that a table of buckets holds eight bytes each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub size: u32,
    pub refill: Duration,
}

impl Rate {
    /// `size` tokens, `size` refilled a second.
    pub(crate) const fn per_second(size: u32) -> Rate {
        Rate { size, refill: Duration::from_nanos(1_000_000_000 / size as u64) }
    }
}

impl Bucket {
    pub(crate) const FULL: Bucket = Bucket { full_at: Mono(0) };

    /// Takes a token if that leaves at least `reserve` in the bucket.
    pub(crate) fn take(&mut self, now: Mono, rate: Rate, reserve: u32) -> bool {
        if self.ready_at(rate, reserve) > now {
            return false;
        }
        self.full_at = self.full_at.max(now).after(rate.refill);
        true
    }

    /// From when on [`Bucket::take`] succeeds.
    pub(crate) fn ready_at(&self, rate: Rate, reserve: u32) -> Mono {
        self.full_at.before(rate.refill * rate.size.saturating_sub(reserve + 1))
    }

    /// Whether the bucket is full: forgetting it then changes nothing.
    pub(crate) fn is_full(&self, now: Mono) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn a_bucket_gives_its_size_at_once_and_then_its_rate() {
        let rate = Rate { size: 4, refill: Duration::from_secs(1) };
        let mut bucket = Bucket::FULL;
        let at = |ms: u64| Mono(100_000_000_000 + ms * 1_000_000);
        assert_eq!((0..10).filter(|_| bucket.take(at(0), rate, 0)).count(), 4);
        assert!(!bucket.take(at(999), rate, 0));
        assert!(bucket.take(at(1000), rate, 0));
        assert!(!bucket.take(at(1000), rate, 0));
        assert_eq!(
            (0..10).filter(|_| bucket.take(at(60_000), rate, 0)).count(),
            4,
            "never more than its size"
        );
    }

    #[test]
    fn a_reserve_stays_for_those_who_may_use_it() {
        let rate = Rate::per_second(20);
        let mut bucket = Bucket::FULL;
        let now = Mono(5_000_000_000);
        assert_eq!((0..40).filter(|_| bucket.take(now, rate, 5)).count(), 15);
        assert_eq!((0..40).filter(|_| bucket.take(now, rate, 0)).count(), 5);
    }

    #[test]
    fn no_window_of_time_lets_more_through_than_size_and_refill() {
        let rate = Rate { size: 4, refill: Duration::from_secs(1) };
        proptest!(|(gaps in proptest::collection::vec(0..3_000u64, 1..200), reserve in 0..4u32)| {
            let (mut bucket, mut now, mut taken) = (Bucket::FULL, 100_000u64, Vec::new());
            for gap in gaps {
                now += gap;
                let at = Mono(now * 1_000_000);
                let ready = bucket.ready_at(rate, reserve) <= at;
                prop_assert_eq!(bucket.take(at, rate, reserve), ready, "what is ready can be taken");
                if ready {
                    taken.push(now);
                }
            }
            for (i, from) in taken.iter().enumerate() {
                for (n, to) in taken[i..].iter().enumerate() {
                    prop_assert!((n as u64) < u64::from(rate.size - reserve) + (to - from) / 1000);
                }
            }
        });
    }
}
