//! The loop's end of the queue to one plugin: bounded, never waits, and remembers what it had to drop.
//!
//! Overflow drops the newest.  Announcements, queries and beats leave [`QUEUE_RESERVED`] slots to
//! duplicate, resolved and state events, so that a flood on the network cannot hide a verdict's reason.  What was
//! dropped is told in band, by one [`Lost`] before the next event that fits.

use std::sync::Arc;

use rtrb::{Producer, PushError, RingBuffer};
use serde::{Deserialize, Serialize};
use serialnumberd_core::{ClaimId, Event};
use serialnumberd_plugin::abi::{
    SLND_EV_ANNOUNCEMENT, SLND_EV_DUPLICATE, SLND_EV_QUERY, SLND_EV_RESOLVED, SLND_EV_STATE, SLND_EV_TICK,
    slnd_kind,
};

use super::limits::QUEUE_RESERVED;
use super::view;
use crate::record::{Body, Decision, Record};

/// Which kind of event a record becomes.
pub(crate) fn kind(body: &Body) -> slnd_kind {
    match body {
        Body::Engine(Event::Announcement { .. }) => SLND_EV_ANNOUNCEMENT,
        Body::Engine(Event::Duplicate { .. }) => SLND_EV_DUPLICATE,
        Body::Engine(Event::Resolved { .. }) => SLND_EV_RESOLVED,
        Body::Engine(Event::State { .. }) | Body::State { .. } => SLND_EV_STATE,
        Body::Engine(Event::Query { .. }) => SLND_EV_QUERY,
        Body::Tick => SLND_EV_TICK,
    }
}

/// What a full queue dropped since its reader was last told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Number of the first record lost.
    pub first_seq: u64,
    /// Number of the last one.
    pub last_seq: u64,
    /// How many.
    pub count: u64,
    /// How many of each kind, `SLND_EV_*`; `[0]` is any other.
    pub by_kind: [u64; 8],
    /// `CLOCK_BOOTTIME` of the last one lost, nanoseconds.
    pub mono_ns: u64,
    /// `CLOCK_REALTIME` of the last one lost, nanoseconds.
    pub real_ns: u64,
}

impl Lost {
    pub(super) fn add(&mut self, record: &Record) {
        if self.count == 0 {
            self.first_seq = record.seq;
        }
        (self.last_seq, self.mono_ns, self.real_ns) = (record.seq, record.mono_ns, record.real_ns);
        self.count += 1;
        self.by_kind[place(kind(&record.body))] += 1;
    }

    /// Adds losses that were about to be told, and were lost themselves.
    pub(super) fn merge(&mut self, other: &Lost) {
        if self.count == 0 {
            *self = *other;
            return;
        }
        if other.last_seq > self.last_seq {
            (self.last_seq, self.mono_ns, self.real_ns) = (other.last_seq, other.mono_ns, other.real_ns);
        }
        self.first_seq = self.first_seq.min(other.first_seq);
        self.count += other.count;
        self.by_kind.iter_mut().zip(other.by_kind).for_each(|(sum, more)| *sum += more);
    }
}

/// Its place in `by_kind`; kinds beyond the array share the first.
fn place(kind: slnd_kind) -> usize {
    if kind < 8 { usize::from(kind) } else { 0 }
}

/// What stands in the queue.
#[derive(Clone, Debug)]
pub enum Item {
    /// Something happened.
    Event {
        /// What.
        record: Arc<Record>,
        /// The reader's verdict is awaited.
        decide: bool,
    },
    /// Records were lost here, for want of room.
    Lost(Box<Lost>),
}

impl Item {
    /// The record that asks for the reader's verdict, and on which claim, if one is awaited.
    #[must_use]
    pub fn question(&self) -> Option<(u64, ClaimId)> {
        let Item::Event { record, decide: true } = self else { return None };
        Some((record.seq, view::claim_of(&record.body)?))
    }

    /// The reader's verdict, if one is awaited.
    #[must_use]
    pub fn answer(&self, decision: Decision) -> Option<Answer> {
        self.question().map(|(seq, claim)| Answer { claim, seq, decision })
    }
}

/// A verdict that was awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// On which claim.
    pub claim: ClaimId,
    /// The record that asked.
    pub seq: u64,
    /// What is thought of it.
    pub decision: Decision,
}

/// The loop's end.
#[derive(Debug)]
pub(crate) struct Outbox {
    ring: Producer<Item>,
    untold: Option<Box<Lost>>,
    lost_by_kind: [u64; 8],
}

impl Outbox {
    pub(crate) fn new(capacity: usize) -> (Outbox, rtrb::Consumer<Item>) {
        let (ring, consumer) = RingBuffer::new(capacity);
        (Outbox { ring, untold: None, lost_by_kind: [0; 8] }, consumer)
    }

    /// Queues a record, or counts it as lost; whether it was queued.
    pub(crate) fn offer(&mut self, record: &Arc<Record>, decide: bool) -> bool {
        let kind = kind(&record.body);
        let is_urgent = matches!(kind, SLND_EV_DUPLICATE | SLND_EV_RESOLVED | SLND_EV_STATE);
        let reserved = if is_urgent { 0 } else { QUEUE_RESERVED };
        let needed = 1 + usize::from(self.untold.is_some());
        if !self.has_room(needed + reserved) || !self.settle() {
            self.drop_newest(record);
            return false;
        }
        let queued = self.push(Item::Event { record: Arc::clone(record), decide });
        debug_assert!(queued, "room was seen, and only this end takes it");
        queued
    }

    /// Looks at what the plugin's thread wrote only if the room last seen there does not suffice.
    fn has_room(&self, slots: usize) -> bool {
        self.ring.cached_slots() >= slots || self.ring.slots() >= slots
    }

    /// Counts a record that the plugin will not get.
    pub(super) fn drop_newest(&mut self, record: &Record) {
        self.untold.get_or_insert_default().add(record);
        self.lost_by_kind[place(kind(&record.body))] += 1;
    }

    /// Tells of losses if there are any and room for it; true if nothing is left to be told.
    pub(super) fn settle(&mut self) -> bool {
        let Some(lost) = self.untold.take() else { return true };
        match self.ring.push(Item::Lost(lost)) {
            Ok(()) => true,
            Err(PushError::Full(item)) => {
                if let Item::Lost(lost) = item {
                    self.untold = Some(lost);
                }
                false
            }
        }
    }

    /// Tells of losses between two events, but only where an announcement would find room, too: told one by one, turn
    /// by turn, losses would else fill what is reserved for urgent events.
    pub(crate) fn settle_between(&mut self) -> bool {
        self.has_room(1 + QUEUE_RESERVED) && self.settle()
    }

    fn push(&mut self, item: Item) -> bool {
        self.ring.push(item).is_ok()
    }

    pub(super) fn has_untold(&self) -> bool {
        self.untold.is_some()
    }

    pub(crate) fn lost_by_kind(&self) -> [u64; 8] {
        self.lost_by_kind
    }

    /// Items that wait now, and how many may.
    pub(super) fn fill(&self) -> (usize, usize) {
        let capacity = self.ring.buffer().capacity();
        (capacity - self.ring.slots(), capacity)
    }
}

#[cfg(test)]
mod tests {
    use serialnumberd_core::{Product, ResolvedCause};

    use super::*;

    fn record(seq: u64, urgent: bool) -> Arc<Record> {
        let product = Product::new("xsvr").expect("a product");
        let resolved = Event::Resolved {
            product,
            claim: ClaimId::default(),
            conflict_id: 1,
            cause: ResolvedCause::Goodbye,
        };
        let body = if urgent { Body::Engine(resolved) } else { Body::Tick };
        Arc::new(Record { seq, mono_ns: seq, real_ns: 0, caused_by_self: false, decide_until_ns: None, body })
    }

    /// What comes out: sequence numbers, and losses as (first, last, count).
    fn drain(ring: &mut rtrb::Consumer<Item>) -> Vec<(u64, Option<(u64, u64)>)> {
        std::iter::from_fn(|| ring.pop().ok())
            .map(|item| match item {
                Item::Event { record, .. } => (record.seq, None),
                Item::Lost(lost) => (lost.first_seq, Some((lost.last_seq, lost.count))),
            })
            .collect()
    }

    #[test]
    fn urgent_events_have_room_that_others_cannot_take() {
        let (mut outbox, mut ring) = Outbox::new(QUEUE_RESERVED + 2);
        assert!(outbox.offer(&record(1, false), false) && outbox.offer(&record(2, false), false));
        assert!(!outbox.offer(&record(3, false), false), "the rest is reserved");
        assert!(outbox.offer(&record(4, true), false));
        assert_eq!(outbox.fill(), (4, QUEUE_RESERVED + 2), "two, the loss in band, and the urgent one");
        assert_eq!(drain(&mut ring), [(1, None), (2, None), (3, Some((3, 1))), (4, None)]);
        assert_eq!(outbox.lost_by_kind()[usize::from(SLND_EV_TICK)], 1);
    }

    #[test]
    fn losses_are_told_before_what_follows() {
        let (mut outbox, mut ring) = Outbox::new(QUEUE_RESERVED + 1);
        assert!(outbox.offer(&record(1, false), false));
        for seq in 2..=5 {
            assert!(!outbox.offer(&record(seq, false), false));
        }
        assert!(outbox.has_untold());
        assert_eq!(drain(&mut ring), [(1, None)]);
        assert!(!outbox.offer(&record(6, false), false), "room for one, but the loss comes first");
        assert!(outbox.settle_between());
        assert_eq!(drain(&mut ring), [(2, Some((6, 5)))]);
        assert!(outbox.settle_between() && outbox.offer(&record(7, false), false));
        assert_eq!(drain(&mut ring), [(7, None)]);
    }

    #[test]
    fn a_full_queue_drops_even_the_urgent() {
        let (mut outbox, mut ring) = Outbox::new(QUEUE_RESERVED);
        let queued = (0..100).filter(|&seq| outbox.offer(&record(seq, true), false)).count();
        assert_eq!((queued, outbox.fill().0), (QUEUE_RESERVED, QUEUE_RESERVED));
        assert!(!outbox.settle(), "no room to tell it");
        assert_eq!(drain(&mut ring).len(), QUEUE_RESERVED);
        assert!(outbox.settle());
        assert_eq!(drain(&mut ring), [(64, Some((99, 36)))]);
        assert_eq!(outbox.lost_by_kind()[usize::from(SLND_EV_RESOLVED)], 36);
    }
}
