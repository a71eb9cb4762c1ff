//! Points in time, as the caller read them.  The core never reads a clock.

use core::time::Duration;

/// Nanoseconds of a clock that never jumps back; which clock is said where it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// A point no deadline ever reaches.
    pub const NEVER: Mono = Mono(u64::MAX);

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self` + `d`, never past [`Mono::NEVER`].
    #[must_use]
    pub fn after(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// `self` - `d`, never below zero.
    #[must_use]
    pub fn before(self, d: Duration) -> Mono {
        Mono(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The clocks, read together once a turn of the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// `CLOCK_BOOTTIME`: goes on during suspend; every deadline and age is on it.
    pub boot: Mono,
    /// `CLOCK_MONOTONIC`: stands still during suspend; the difference tells of a resume.
    pub awake: Mono,
    /// `CLOCK_REALTIME` in Unix milliseconds: shown to people, never trusted for a decision.
    pub wall_ms: u64,
}
