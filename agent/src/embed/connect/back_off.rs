//! When an agent that was not there is looked for again.

use std::time::Duration;

use serialnumberd_core::Mono;

/// After the first failure: an agent that is restarted is back in a moment.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause, and how long a connection must last to be no failure.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Pauses that double, each varied, so that the programs of one host do not all come back at once.
#[derive(Clone, Debug)]
pub(super) struct BackOff {
    pause: Duration,
    /// State of a generator (SplitMix64): chance enough to drift apart.
    seed: u64,
}

impl BackOff {
    pub(super) fn new(seed: u64) -> BackOff {
        BackOff { pause: FIRST, seed }
    }

    /// When to try again after a failure: half to all of the pause.
    pub(super) fn after(&mut self, now: Mono) -> Mono {
        let half = self.pause / 2;
        let span = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        let varied = half + Duration::from_nanos(self.draw() % span);
        self.pause = (self.pause * 2).min(LONGEST);
        now.after(varied)
    }

    /// It went well for long enough.
    pub(super) fn reset(&mut self) {
        self.pause = FIRST;
    }

    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds_and_vary_by_half() {
        let mut all = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let mut back_off = BackOff::new(seed);
            for pause_ms in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
                let after_ms = back_off.after(Mono(0)).0 / 1_000_000;
                assert!(
                    (pause_ms / 2..=pause_ms).contains(&after_ms),
                    "seed {seed}: {after_ms} of {pause_ms}"
                );
                all.insert(after_ms);
            }
            back_off.reset();
            assert!(back_off.after(Mono(0)) <= Mono(0).after(FIRST));
        }
        assert!(all.len() > 300, "they vary: {}", all.len());
    }
}
