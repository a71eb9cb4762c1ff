//! The events that one call of `on_events` gets, and the room for its decisions.
//!
//! Owns the buffers, which are used again for every batch.  Lives on the plugin's thread.
#![allow(unsafe_code, reason = "states that its events may be read by a plugin")]

use std::sync::Arc;

use serialnumberd_core::ClaimId;
use serialnumberd_plugin::abi::{slnd_decision, slnd_event};

use super::calls::{CallError, Calls};
use super::host_table::read_answer;
use super::outbox::{Item, Lost};
use super::text_room::{InterfaceNames, Interfaces};
use super::timers::Due;
use super::view::{Sight, Slot};
use crate::record::{Decision, Record};

pub(super) struct Batch {
    slots: Vec<Slot>,
    used: usize,
    out: Vec<slnd_decision>,
    events: Vec<*const slnd_event>,
    names: InterfaceNames,
    capacity: usize,
    raw: bool,
}

/// A verdict that was awaited.
pub(super) struct Answer {
    pub(super) claim: ClaimId,
    pub(super) seq: u64,
    pub(super) decision: Decision,
}

impl Batch {
    pub(super) fn new(capacity: usize, raw: bool) -> Batch {
        Batch {
            slots: Vec::new(),
            used: 0,
            out: Vec::new(),
            events: Vec::with_capacity(capacity),
            names: InterfaceNames::default(),
            capacity,
            raw,
        }
    }

    /// How many more events it takes.
    pub(super) fn room(&self) -> usize {
        self.capacity - self.used
    }

    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// From here on interfaces are called by these names.
    pub(super) fn learn(&mut self, interfaces: Option<Arc<Interfaces>>) {
        self.names.learn(interfaces);
    }

    pub(super) fn add(&mut self, item: Item) {
        match item {
            Item::Event { record, decide } => self.add_record(record, decide),
            Item::Lost(lost) => self.add_lost(&lost),
        }
    }

    fn add_record(&mut self, record: Arc<Record>, decide: bool) {
        let sight = Sight { decide, raw: self.raw };
        let at = self.next();
        self.slots[at].fill(record, sight, &mut self.names);
    }

    fn add_lost(&mut self, lost: &Lost) {
        let at = self.next();
        self.slots[at].fill_lost(lost);
    }

    pub(super) fn add_due(&mut self, due: &Due, mono_ns: u64, real_ns: u64) {
        let at = self.next();
        self.slots[at].fill_tick(due, mono_ns, real_ns);
    }

    /// The place of a free slot, made if there was never need of so many.
    fn next(&mut self) -> usize {
        let at = self.used;
        self.used += 1;
        if at == self.slots.len() {
            self.slots.push(Slot::new());
            self.out.push(slnd_decision::ABSTAIN);
        }
        at
    }

    /// Gives the batch to the plugin, empties it, and returns the answers that were awaited.
    pub(super) fn deliver(&mut self, calls: &Calls) -> (Vec<Answer>, Result<(), CallError>) {
        let slots = &self.slots[..self.used];
        self.events.clear();
        self.events.extend(slots.iter().map(Slot::event));
        for decision in &mut self.out[..self.used] {
            // Only what is read: a reason ends at its first NUL, so the other bytes need no wiping.
            (decision.verdict, decision.zero, decision.reason[0]) = (0, 0, 0);
        }
        // SAFETY: each slot holds a whole event and, in its own buffers or its record, all that it points
        // to; nothing of them changes or moves before `clear`.
        let result = unsafe { calls.on_events(&self.events, &mut self.out[..self.used]) };
        let asked = slots.iter().zip(&self.out).filter_map(|(slot, answer)| Some((slot.asked?, answer)));
        let answers = asked
            .map(|((claim, seq), answer)| Answer { claim, seq, decision: read_answer(answer) })
            .collect();
        self.clear();
        (answers, result)
    }

    fn clear(&mut self) {
        self.slots[..self.used].iter_mut().for_each(Slot::clear);
        self.names.forget();
        self.used = 0;
    }
}
