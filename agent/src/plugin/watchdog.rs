//! How well a plugin does: a pure function of what its thread reports and of the time.
//!
//! Reads no clock and touches no thread.

use std::collections::VecDeque;
use std::time::Duration;

use super::limits::{CALL_SLOW, CALL_STALLED, PANIC_WINDOW, PANICS};

/// How well a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Its calls return in time.
    Ok,
    /// Its latest call took, or takes, more than 100 ms.
    Slow,
    /// Its present call takes more than 5 s.
    Stalled,
    /// Its process is gone, and another one is about to be started.
    Restarting,
    /// Three crashes or panics in ten minutes: it is not called any more.
    Quarantined,
    /// Its thread is gone: a defect of the agent itself.
    Failed,
}

impl Health {
    /// The word in status and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Slow => "slow",
            Health::Stalled => "stalled",
            Health::Restarting => "restarting",
            Health::Quarantined => "quarantined",
            Health::Failed => "failed",
        }
    }
}

/// Health of a plugin that is being called: from the start of the present call (`None`: none), and from
/// how long the latest finished one took.
pub(super) fn of_calls(present_since_ns: Option<u64>, latest_ns: u64, now_ns: u64) -> Health {
    let present = Duration::from_nanos(present_since_ns.map_or(0, |since| now_ns.saturating_sub(since)));
    if present > CALL_STALLED {
        Health::Stalled
    } else if present > CALL_SLOW || Duration::from_nanos(latest_ns) > CALL_SLOW {
        Health::Slow
    } else {
        Health::Ok
    }
}

/// Counts panics, and crashes of a plugin's process, within a sliding window.
#[derive(Debug, Default)]
pub(super) struct Panics(VecDeque<u64>);

impl Panics {
    /// Notes one; true if it was one too many.
    pub(super) fn note(&mut self, now_ns: u64) -> bool {
        let window_ns = u64::try_from(PANIC_WINDOW.as_nanos()).unwrap_or(u64::MAX);
        self.0.push_back(now_ns);
        while self.0.front().is_some_and(|&at| now_ns.saturating_sub(at) > window_ns) {
            self.0.pop_front();
        }
        self.0.len() >= PANICS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const S: u64 = 1_000 * MS;

    #[test]
    fn a_call_is_slow_then_stalled_then_over() {
        assert_eq!(of_calls(None, 0, 50 * S), Health::Ok);
        assert_eq!(of_calls(Some(10 * S), 0, 10 * S + 100 * MS), Health::Ok);
        assert_eq!(of_calls(Some(10 * S), 0, 10 * S + 101 * MS), Health::Slow);
        assert_eq!(of_calls(Some(10 * S), 0, 15 * S), Health::Slow);
        assert_eq!(of_calls(Some(10 * S), 0, 15 * S + 1), Health::Stalled);
        assert_eq!(of_calls(None, 60 * S, 70 * S), Health::Slow);
        assert_eq!(of_calls(None, MS, 71 * S), Health::Ok);
        assert_eq!(
            of_calls(Some(10 * S), 0, 9 * S),
            Health::Ok,
            "a clock read on another thread a little earlier"
        );
    }

    #[test]
    fn three_panics_in_ten_minutes() {
        let mut panics = Panics::default();
        assert!(!panics.note(0));
        assert!(!panics.note(300 * S));
        assert!(!panics.note(601 * S), "the first one is too old");
        assert!(panics.note(602 * S));
    }
}
