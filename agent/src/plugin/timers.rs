//! The timers of one plugin instance, served by its own thread: the event loop never wakes for them.
//!
//! Reads no clock: `now` is an argument, in nanoseconds of the host's clock.

use std::collections::BTreeMap;

use serialnumberd_plugin::abi::{
    SLND_E_INVALID, SLND_E_NOMEM, SLND_OK, SLND_TIMER_BEAT, SLND_TIMERS_MAX, slnd_status,
};

use super::limits::TIMER_PERIOD_MIN;

/// A tick that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) id: u64,
    /// Ticks of the same timer that passed undelivered before it.
    pub(super) overruns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    due_ns: u64,
    /// 0: once.
    every_ns: u64,
}

#[derive(Debug, Default)]
pub(super) struct Timers(BTreeMap<u64, Timer>);

impl Timers {
    /// Sets, replaces or (0 and 0) ends a timer.
    pub(super) fn set(&mut self, now_ns: u64, id: u64, after_ns: u64, every_ns: u64) -> slnd_status {
        if id == SLND_TIMER_BEAT {
            return SLND_E_INVALID;
        }
        if after_ns == 0 && every_ns == 0 {
            self.0.remove(&id);
            return SLND_OK;
        }
        let full = u64::try_from(self.0.len()).unwrap_or(u64::MAX) >= u64::from(SLND_TIMERS_MAX);
        if full && !self.0.contains_key(&id) {
            return SLND_E_NOMEM;
        }
        let least = u64::try_from(TIMER_PERIOD_MIN.as_nanos()).unwrap_or(u64::MAX);
        let every_ns = if every_ns == 0 { 0 } else { every_ns.max(least) };
        self.0.insert(id, Timer { due_ns: now_ns.saturating_add(after_ns), every_ns });
        SLND_OK
    }

    /// When the next one is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.0.values().map(|timer| timer.due_ns).min()
    }

    /// Takes those that are due; a periodic one that missed several periods ticks once, and says so.
    pub(super) fn take_due(&mut self, now_ns: u64, due: &mut Vec<Due>) {
        self.0.retain(|&id, timer| {
            let Some(late_ns) = now_ns.checked_sub(timer.due_ns) else { return true };
            let Some(overruns) = late_ns.checked_div(timer.every_ns) else {
                due.push(Due { id, overruns: 0 });
                return false;
            };
            due.push(Due { id, overruns });
            let passed_ns = timer.every_ns.saturating_mul(overruns.saturating_add(1));
            timer.due_ns = timer.due_ns.saturating_add(passed_ns);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn due(timers: &mut Timers, now_ns: u64) -> Vec<(u64, u64)> {
        let mut due = Vec::new();
        timers.take_due(now_ns, &mut due);
        due.iter().map(|d| (d.id, d.overruns)).collect()
    }

    #[test]
    fn once_and_periodic() {
        let mut timers = Timers::default();
        assert_eq!(timers.next_ns(), None);
        assert_eq!(timers.set(100, 1, 50, 0), SLND_OK);
        assert_eq!(timers.set(0, 2, 10 * MS, 10 * MS), SLND_OK);
        assert_eq!(timers.next_ns(), Some(150));
        assert_eq!(due(&mut timers, 149), []);
        assert_eq!(due(&mut timers, 150), [(1, 0)]);
        assert_eq!(timers.next_ns(), Some(10 * MS));
        assert_eq!(due(&mut timers, 10 * MS), [(2, 0)]);
        assert_eq!(due(&mut timers, 45 * MS), [(2, 2)], "20, 30 and 40 ms in one");
        assert_eq!(timers.next_ns(), Some(50 * MS));
        assert_eq!(timers.set(45 * MS, 2, 0, 0), SLND_OK);
        assert_eq!(timers.next_ns(), None);
    }

    #[test]
    fn bounds() {
        let mut timers = Timers::default();
        assert_eq!(timers.set(0, SLND_TIMER_BEAT, 1, 1), SLND_E_INVALID);
        for id in 1..=u64::from(SLND_TIMERS_MAX) {
            assert_eq!(timers.set(0, id, u64::MAX, 1), SLND_OK);
        }
        assert_eq!(timers.set(0, 1_000, 1, 0), SLND_E_NOMEM);
        assert_eq!(timers.set(0, 1, 0, 1), SLND_OK, "replacing needs no room");
        assert_eq!(due(&mut timers, 0), [(1, 0)]);
        assert_eq!(timers.next_ns(), Some(MS), "no period below a millisecond");
        assert_eq!(due(&mut timers, u64::MAX).len(), 64);
    }
}
