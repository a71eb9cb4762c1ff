//! The anti-replay window of one instance: 64 wide (RFC 6479, RFC 4303 s3.4.3).

/// Which sequence numbers of an instance were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    highest: u64,
    /// Bit i: `highest - i` was seen.
    seen: u64,
}

impl Window {
    /// Whether `sequence` is new: neither seen nor older than the window.
    pub(crate) fn is_new(&self, sequence: u64) -> bool {
        if sequence > self.highest || self.seen == 0 {
            return true;
        }
        let age = self.highest - sequence;
        age < 64 && self.seen & (1 << age) == 0
    }

    /// Marks `sequence` as seen; only after its signature was checked.
    pub(crate) fn mark(&mut self, sequence: u64) {
        if self.seen == 0 || sequence > self.highest {
            let shift = sequence.saturating_sub(self.highest);
            self.seen = if self.seen == 0 || shift >= 64 { 1 } else { (self.seen << shift) | 1 };
            self.highest = sequence;
        } else if self.highest - sequence < 64 {
            self.seen |= 1 << (self.highest - sequence);
        }
    }

    /// The highest sequence seen.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    #[test]
    fn each_sequence_is_new_once_and_old_ones_never() {
        let mut w = Window::default();
        for s in [5, 3, 7, 70, 8, 69] {
            assert!(w.is_new(s), "{s}");
            w.mark(s);
            assert!(!w.is_new(s), "{s}");
        }
        assert!(!w.is_new(6), "70 - 6 is beyond the window");
        assert!(w.is_new(9));
        w.mark(u64::MAX);
        assert!(!w.is_new(70) && !w.is_new(u64::MAX) && w.is_new(u64::MAX - 63));
    }

    #[test]
    fn it_agrees_with_a_set_of_all_that_was_seen() {
        // Near the lower end, and so that 64 steps lie both within and beyond.
        let sequence = prop_oneof![0..200u64, u64::MAX - 100..=u64::MAX];
        proptest!(|(sequences in proptest::collection::vec(sequence, 1..300))| {
            let (mut window, mut seen) = (Window::default(), BTreeSet::new());
            for s in sequences {
                let highest = seen.last().copied();
                let new = !seen.contains(&s) && highest.is_none_or(|h: u64| s > h || h - s < 64);
                prop_assert_eq!(window.is_new(s), new, "{} after {:?}", s, highest);
                window.mark(s);
                seen.insert(s);
            }
        });
    }
}
