//! When a plugin's process that crashed is started again, and when not any more.  Reads no clock.

use std::time::Duration;

use crate::plugin::limits::{PANIC_WINDOW, RESTART_FIRST, RESTART_LONGEST};
use crate::plugin::watchdog::Panics;

/// What follows from a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is started again at this time.
    At(u64),
    /// It was one too many.
    Never,
}

/// The crashes and panics of one plugin.
#[derive(Debug)]
pub(super) struct Restarts {
    failures: Panics,
    pause: Duration,
    /// When the present process started.
    since_ns: u64,
}

fn ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl Restarts {
    pub(super) fn new() -> Restarts {
        Restarts { failures: Panics::default(), pause: RESTART_FIRST, since_ns: 0 }
    }

    /// A process of it has started.
    pub(super) fn started(&mut self, now_ns: u64) {
        self.since_ns = now_ns;
    }

    /// It panicked, and goes on; true if that was one too many.
    pub(super) fn panicked(&mut self, now_ns: u64) -> bool {
        self.failures.note(now_ns)
    }

    /// It is gone, or did not start.
    pub(super) fn crashed(&mut self, now_ns: u64) -> Next {
        if self.failures.note(now_ns) {
            return Next::Never;
        }
        if now_ns.saturating_sub(self.since_ns) > ns(PANIC_WINDOW) {
            // It did well for long enough: whatever ailed it is another matter.
            self.pause = RESTART_FIRST;
        }
        let at_ns = now_ns.saturating_add(ns(self.pause));
        self.pause = (2 * self.pause).min(RESTART_LONGEST);
        // Until it starts the time does not count as well spent.
        self.since_ns = at_ns;
        Next::At(at_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn the_third_in_ten_minutes_is_the_last() {
        let mut restarts = Restarts::new();
        restarts.started(100 * S);
        assert_eq!(restarts.crashed(110 * S), Next::At(111 * S));
        restarts.started(111 * S);
        assert_eq!(restarts.crashed(200 * S), Next::At(202 * S));
        restarts.started(202 * S);
        assert_eq!(restarts.crashed(709 * S), Next::Never);
    }

    #[test]
    fn panics_count_as_crashes_do() {
        let mut restarts = Restarts::new();
        restarts.started(0);
        assert!(!restarts.panicked(S));
        assert_eq!(restarts.crashed(2 * S), Next::At(3 * S));
        assert!(restarts.panicked(3 * S));
    }

    #[test]
    fn the_pause_doubles_to_a_minute_and_begins_anew_after_ten_good_ones() {
        let mut restarts = Restarts::new();
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            restarts.started(now);
            // Slowly enough never to be quarantined.
            now += 400 * S;
            let Next::At(at) = restarts.crashed(now) else { panic!("quarantined at {now}") };
            pauses.push((at - now) / S);
            now = at;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        restarts.started(now);
        now += 601 * S;
        assert_eq!(restarts.crashed(now), Next::At(now + S));
    }
}
