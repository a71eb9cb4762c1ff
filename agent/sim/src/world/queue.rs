//! What is due, in the order of time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

use serialnumberd_core::Mono;

use super::network::Frame;
use crate::scenario::{Deed, HostId};

/// Something due.
pub(super) enum Due {
    /// A step of the story, or one that followed from it.
    Step(Box<Deed>),
    /// What hosts must say now.
    Say(usize),
    /// A datagram reaches everybody on its segment, or whom it is addressed to.
    Frame(Rc<Frame>),
    /// A datagram reaches one card, so many times.
    Card(Rc<Frame>, HostId, u32),
    /// A process wants to turn.
    Wake(HostId),
    /// A process goes on.
    Thaw(HostId),
}

pub(super) struct Entry {
    pub(super) at: Mono,
    /// In the order of being queued, at one time.
    serial: u64,
    pub(super) due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    /// The earliest is the greatest: the heap gives the greatest first.
    fn cmp(&self, other: &Entry) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

/// All that is due.
#[derive(Default)]
pub(super) struct Queue {
    entries: BinaryHeap<Entry>,
    serial: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Mono, due: Due) {
        self.serial += 1;
        self.entries.push(Entry { at, serial: self.serial, due });
    }

    /// The earliest; of several at one time the one that was pushed first.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop()
    }
}
