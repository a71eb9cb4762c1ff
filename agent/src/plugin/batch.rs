//! The events that one call of `on_events` gets, and the room for its decisions.
//!
//! Owns the buffers, which are used again for every batch.  Lives on the plugin's thread.
#![allow(unsafe_code, reason = "states that its events may be read by a plugin")]

use std::sync::Arc;

use serialnumberd_plugin::abi::{slnd_decision, slnd_event};

use super::calls::{CallError, Calls};
use super::host_table::read_answer;
use super::outbox::{Answer, Item, Lost};
use super::text_room::{InterfaceNames, Interfaces};
use super::timers::Due;
use super::view::{Sight, Slot};
use crate::record::Record;

/// A batch; its buffers are used again for the next.
pub struct Batch {
    slots: Vec<Slot>,
    used: usize,
    out: Vec<slnd_decision>,
    events: Vec<*const slnd_event>,
    names: InterfaceNames,
    capacity: usize,
    raw: bool,
}

impl Batch {
    /// An empty one for `capacity` events, of which whoever gets it may see the datagrams if `raw`.
    #[must_use]
    pub fn new(capacity: usize, raw: bool) -> Batch {
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
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity - self.used
    }

    /// How many events it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// From here on interfaces are called by these names.
    pub(crate) fn learn(&mut self, interfaces: Option<Arc<Interfaces>>) {
        self.names.learn(interfaces);
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes one more, for which there must be [`Batch::room`].
    pub fn add(&mut self, item: Item) {
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
        // SAFETY: what `hand_over` promises is what the call needs.
        self.hand_over(|events, out| unsafe { calls.on_events(events, out) })
    }

    /// The same, of events that come from a recording.
    pub(super) fn replay(&mut self, calls: &Calls) -> (Vec<Answer>, Result<(), CallError>) {
        self.slots[..self.used].iter_mut().for_each(Slot::mark_replayed);
        self.deliver(calls)
    }

    /// Shows the events as the ABI has them, with room for a decision on each, empties the batch, and returns the
    /// answers that were awaited beside what `give` returned.
    ///
    /// While `give` runs each pointer is to a whole event, and all that an event points to lives; neither changes.
    pub fn hand_over<R>(
        &mut self,
        give: impl FnOnce(&[*const slnd_event], &mut [slnd_decision]) -> R,
    ) -> (Vec<Answer>, R) {
        let slots = &self.slots[..self.used];
        self.events.clear();
        self.events.extend(slots.iter().map(Slot::event));
        for decision in &mut self.out[..self.used] {
            // Only what is read: a reason ends at its first NUL, so the other bytes need no wiping.
            (decision.verdict, decision.zero, decision.reason[0]) = (0, 0, 0);
        }
        // Each slot holds a whole event and, in its own buffers or its record, all that it points to; nothing of them
        // changes or moves before `clear`.
        let result = give(&self.events, &mut self.out[..self.used]);
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
