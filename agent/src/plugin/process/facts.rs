//! What the loop sees of a plugin's process: atomics and a mailbox, as of a plugin's thread.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::plugin::mailbox::Mailbox;

/// How many calls there were, how they went and what they took: since the process started, or since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::plugin) struct Figures {
    pub(in crate::plugin) taken: u64,
    pub(in crate::plugin) delivered: u64,
    pub(in crate::plugin) calls: u64,
    pub(in crate::plugin) slow_calls: u64,
    pub(in crate::plugin) slowest_ns: u64,
    pub(in crate::plugin) latest_ns: u64,
    pub(in crate::plugin) errors: u64,
    pub(in crate::plugin) panics: u64,
}

impl Figures {
    /// What came since `earlier`; `None` if a count went back, which none does.
    pub(super) fn since(&self, earlier: &Figures) -> Option<Figures> {
        Some(Figures {
            taken: self.taken.checked_sub(earlier.taken)?,
            delivered: self.delivered.checked_sub(earlier.delivered)?,
            calls: self.calls.checked_sub(earlier.calls)?,
            slow_calls: self.slow_calls.checked_sub(earlier.slow_calls)?,
            errors: self.errors.checked_sub(earlier.errors)?,
            panics: self.panics.checked_sub(earlier.panics)?,
            ..*self
        })
    }
}

/// Written by the supervisor, read by the loop.
#[derive(Debug)]
pub(in crate::plugin) struct ProcessFacts {
    /// 0: there is none now.
    pid: AtomicU32,
    crashes: AtomicU64,
    /// It crashed, and none has started since.
    is_down: AtomicBool,
    /// Events that it was sent and has not taken.
    in_flight: AtomicU64,
    /// Events that it was sent and had not taken when it crashed, by kind.
    lost_by_kind: [AtomicU64; 8],
    /// What is in force of its sandbox, and what is not.
    pub(in crate::plugin) sandbox: Mailbox<Vec<String>>,
}

impl ProcessFacts {
    pub(in crate::plugin) fn new() -> ProcessFacts {
        ProcessFacts {
            pid: AtomicU32::new(0),
            crashes: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            lost_by_kind: Default::default(),
            sandbox: Mailbox::new(),
        }
    }

    pub(super) fn born(&self, pid: u32) {
        self.pid.store(pid, Ordering::Release);
    }

    pub(super) fn died(&self) {
        self.pid.store(0, Ordering::Release);
    }

    pub(super) fn crashed(&self) {
        self.crashes.fetch_add(1, Ordering::Release);
        self.is_down.store(true, Ordering::Release);
    }

    pub(super) fn started_again(&self) {
        self.is_down.store(false, Ordering::Release);
    }

    pub(super) fn set_in_flight(&self, n: usize) {
        self.in_flight.store(n as u64, Ordering::Relaxed);
    }

    pub(super) fn lose(&self, by_kind: &[u64; 8]) {
        self.lost_by_kind.iter().zip(by_kind).for_each(|(sum, more)| {
            sum.fetch_add(*more, Ordering::Relaxed);
        });
    }

    pub(in crate::plugin) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Acquire)).filter(|&pid| pid != 0)
    }

    pub(in crate::plugin) fn crashes(&self) -> u64 {
        self.crashes.load(Ordering::Acquire)
    }

    /// It crashed, and the next one has not started yet.
    pub(in crate::plugin) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Acquire)
    }

    pub(in crate::plugin) fn in_flight(&self) -> usize {
        usize::try_from(self.in_flight.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    pub(in crate::plugin) fn lost_by_kind(&self) -> [u64; 8] {
        std::array::from_fn(|kind| self.lost_by_kind[kind].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_what_came_since_and_no_count_goes_back() {
        let before = Figures { taken: 1, calls: 2, slowest_ns: 70, latest_ns: 9, ..Figures::default() };
        let after = Figures { taken: 4, calls: 2, slowest_ns: 80, latest_ns: 5, ..Figures::default() };
        let news = Figures { taken: 3, slowest_ns: 80, latest_ns: 5, ..Figures::default() };
        assert_eq!(after.since(&before), Some(news));
        assert_eq!(before.since(&after), None);
    }

    #[test]
    fn it_is_down_between_a_crash_and_its_next_start() {
        let facts = ProcessFacts::new();
        assert!(!facts.is_down(), "it has not even started");
        facts.born(7);
        facts.died();
        facts.crashed();
        assert!(facts.is_down());
        facts.born(8);
        assert!(facts.is_down(), "it is being started");
        facts.started_again();
        assert_eq!((facts.is_down(), facts.pid(), facts.crashes()), (false, Some(8), 1));
    }
}
