//! Randomness as an argument.

/// A source of random bytes: the operating system's in the agent, a seeded one in tests and simulations.
pub trait Entropy {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// A uniform number below `n`; zero if `n` is zero.  Biased by less than n / 2^64.
pub(crate) fn below(entropy: &mut dyn Entropy, n: u64) -> u64 {
    if n == 0 {
        return 0;
    }
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes) % n
}

/// True with probability min(1, `k` / `n`).
pub(crate) fn chance(entropy: &mut dyn Entropy, k: u32, n: u64) -> bool {
    u64::from(k) >= n || below(entropy, n) < u64::from(k)
}
