//! Whether this agent itself is well: late, asleep, or with a clock that stepped.  Then it doubts itself
//! before it concludes anything.

use core::time::Duration;

use crate::limits::{CLOCK_STEP_MS, SLEPT, STALL};
use crate::{Mono, Now};

/// What happened to this agent since its last turn: it may have missed what others said, so it asks afresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The loop was late by more than [`STALL`].
    Stalled,
    /// The machine slept for more than [`SLEPT`].
    Resumed,
    /// The wall clock stepped by more than [`CLOCK_STEP_MS`].
    ClockStepped,
}

/// Watches the clocks against each other.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    seen: Now,
    /// When the loop promised to turn again.
    promised: Mono,
}

impl Health {
    pub(crate) fn new(now: Now) -> Health {
        Health { seen: now, promised: Mono::NEVER }
    }

    /// The loop will turn again by `deadline`; at once, if that is over: it cannot be late for what was due before.
    pub(crate) fn promise(&mut self, deadline: Mono) {
        self.promised = deadline.max(self.seen.boot);
    }

    /// What happened since the last turn, the gravest if more than one did, and for how long nobody could be heard.
    pub(crate) fn check(&mut self, now: Now) -> Option<(Mishap, Duration)> {
        let before = core::mem::replace(&mut self.seen, now);
        let late = now.boot.since(self.promised);
        let slept = now.boot.since(before.boot).saturating_sub(now.awake.since(before.awake));
        // Where the wall clock should be by now, had it gone with CLOCK_BOOTTIME.
        let passed_ms = u64::try_from(now.boot.since(before.boot).as_millis()).unwrap_or(u64::MAX);
        let step = now.wall_ms.abs_diff(before.wall_ms.saturating_add(passed_ms));
        // A clock that shows the same millisecond still stands: nobody set it, and it is no news every turn.
        let stepped = step > CLOCK_STEP_MS && now.wall_ms != before.wall_ms;
        self.promised = Mono::NEVER;
        match () {
            () if slept > SLEPT => Some((Mishap::Resumed, slept.max(late))),
            () if stepped => Some((Mishap::ClockStepped, late)),
            () if late > STALL => Some((Mishap::Stalled, late)),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn at(s: u64) -> Now {
        Now { boot: Mono(s * S), awake: Mono(s * S), wall_ms: 1_800_000_000_000 + s * 1000 }
    }

    fn check(h: &mut Health, now: Now) -> Option<Mishap> {
        h.check(now).map(|(mishap, _)| mishap)
    }

    #[test]
    fn lateness_sleep_and_clock_steps_are_told_apart() {
        let mut h = Health::new(at(100));
        h.promise(Mono(110 * S));
        assert_eq!(check(&mut h, at(115)), None, "5 s late is not yet too late");
        h.promise(Mono(120 * S));
        assert_eq!(h.check(at(126)), Some((Mishap::Stalled, Duration::from_secs(6))));
        assert_eq!(check(&mut h, at(400)), None, "nothing was promised");
        h.promise(Mono(300 * S));
        assert_eq!(check(&mut h, at(401)), None, "late is who does not do at once what is due already");
        let slept = Now { awake: Mono(410 * S), ..at(1000) };
        assert_eq!(check(&mut h, slept), Some(Mishap::Resumed));
        assert_eq!(
            h.check(Now { awake: Mono(410 * S), ..at(1010) }),
            Some((Mishap::Resumed, Duration::from_secs(10)))
        );
        let slept = Now { awake: Mono(410 * S), ..at(1010) };
        let back = Now { awake: Mono(411 * S), wall_ms: slept.wall_ms - 31_000, ..at(1011) };
        assert_eq!(check(&mut h, back), Some(Mishap::ClockStepped));
        let frozen = Now { awake: Mono(712 * S), wall_ms: back.wall_ms, ..at(1312) };
        assert_eq!(check(&mut h, frozen), None);
        let set_right = Now { awake: Mono(713 * S), ..at(1313) };
        assert_eq!(check(&mut h, set_right), Some(Mishap::ClockStepped));
    }
}
