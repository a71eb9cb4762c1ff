//! Losses in bursts: a channel of two states, one of which loses all (Gilbert 1960, Elliott 1963).

use crate::wire::Random;

/// A mean burst of so many frames.
const BURST: f64 = 5.0;

/// What one card loses of what comes in.
pub struct Bursts {
    random: Random,
    lossy: bool,
    begins: f64,
    ends: f64,
}

impl Bursts {
    /// Loses the fraction `mean` of all frames in the long run.
    pub fn of(mean: f64, seed: u64) -> Bursts {
        let ends = 1.0 / BURST;
        // In the long run as many bursts begin as end: (1 - mean) * begins = mean * ends.
        Bursts { random: Random(seed), lossy: false, begins: mean * ends / (1.0 - mean), ends }
    }

    /// Whether the next frame is lost.
    pub fn loses(&mut self) -> bool {
        let drawn = self.random.next() as f64 / u64::MAX as f64;
        self.lossy ^= drawn < if self.lossy { self.ends } else { self.begins };
        self.lossy
    }
}

#[test]
fn bursts_lose_what_they_shall_and_in_bursts() {
    const FRAMES: usize = 200_000;
    let mut bursts = Bursts::of(0.3, 1);
    let lost: Vec<bool> = (0..FRAMES).map(|_| bursts.loses()).collect();
    let all = lost.iter().filter(|l| **l).count() as f64;
    let begun = lost.windows(2).filter(|w| !w[0] && w[1]).count() as f64;
    assert!((all / FRAMES as f64 - 0.3).abs() < 0.02, "{all} of {FRAMES}");
    assert!((all / begun - BURST).abs() < 0.5, "{all} in {begun} bursts");
}
