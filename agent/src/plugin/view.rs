//! Records as the ABI's events: built on the plugin's thread, into buffers that are used again.
//!
//! Zero-copy where the record already has the form: datagrams and classic texts are pointed at inside the
//! shared record, which a slot keeps alive until its batch is over.  Texts are copied, because the ABI promises
//! a NUL after each.  Nothing here calls a plugin.

use std::ptr;
use std::sync::Arc;

use serialnumberd_core::{ClaimId, Coverage, Event, HolderView, PeerRole, State};
use serialnumberd_plugin::abi::*;

use super::limits::SLOT_KEEP_BYTES;
use super::numbers::{address, cause_number, class_number, coverage_number, stage_number, state_number};
use super::outbox::Lost;
use super::text_room::{InterfaceNames, TextRoom};
use super::timers::Due;
use crate::record::{Body, Decision, Record};

/// What of a record this instance may see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// Its verdict is awaited.
    pub(super) decide: bool,
    /// It may see datagrams.
    pub(super) raw: bool,
}

#[derive(Debug)]
enum View {
    Announcement(slnd_ev_announcement),
    Duplicate(slnd_ev_duplicate),
    Resolved(slnd_ev_resolved),
    State(slnd_ev_state),
    Query(slnd_ev_query),
    Tick(slnd_ev_tick),
    Lost(slnd_ev_lost),
}

/// One event of a batch with all that it points to.  May move: the pointers go to its heap buffers.
#[derive(Debug)]
pub(super) struct Slot {
    view: View,
    holders: Vec<slnd_holder>,
    text: TextRoom,
    record: Option<Arc<Record>>,
    /// The claim and event for which a verdict is awaited.
    pub(super) asked: Option<(ClaimId, u64)>,
}

impl Slot {
    pub(super) fn new() -> Slot {
        Slot {
            view: View::Tick(tick(&Due { id: 0, overruns: 0 })),
            holders: Vec::new(),
            text: TextRoom::default(),
            record: None,
            asked: None,
        }
    }

    /// The event, for as long as this slot is neither changed, cleared nor moved.
    pub(super) fn event(&self) -> *const slnd_event {
        // From the whole struct, so that the plugin may read past the head.
        match &self.view {
            View::Announcement(event) => ptr::from_ref(event).cast(),
            View::Duplicate(event) => ptr::from_ref(event).cast(),
            View::Resolved(event) => ptr::from_ref(event).cast(),
            View::State(event) => ptr::from_ref(event).cast(),
            View::Query(event) => ptr::from_ref(event).cast(),
            View::Tick(event) => ptr::from_ref(event).cast(),
            View::Lost(event) => ptr::from_ref(event).cast(),
        }
    }

    /// Lets go of the record, and of buffers that one large event made grow.
    pub(super) fn clear(&mut self) {
        self.record = None;
        self.asked = None;
        self.holders.clear();
        if self.holders.capacity() * size_of::<slnd_holder>() > SLOT_KEEP_BYTES {
            self.holders = Vec::new();
        }
        self.text.clear(SLOT_KEEP_BYTES);
    }

    pub(super) fn fill_lost(&mut self, lost: &Lost) {
        let mut h = head::<slnd_ev_lost>(SLND_EV_LOST);
        (h.seq, h.mono_ns, h.real_ns) = (lost.last_seq, lost.mono_ns, lost.real_ns);
        self.view = View::Lost(slnd_ev_lost {
            h,
            first_seq: lost.first_seq,
            last_seq: lost.last_seq,
            count: lost.count,
            by_kind: lost.by_kind,
        });
    }

    /// A timer or a wake: an event of this instance alone, so it has no number among the agent's.
    pub(super) fn fill_tick(&mut self, due: &Due, mono_ns: u64, real_ns: u64) {
        let mut event = tick(due);
        (event.h.mono_ns, event.h.real_ns) = (mono_ns, real_ns);
        self.view = View::Tick(event);
    }

    pub(super) fn fill(&mut self, record: Arc<Record>, sight: Sight, names: &mut InterfaceNames) {
        let deadline_ns = record.decide_until_ns.filter(|_| sight.decide).unwrap_or(0);
        self.view = match &record.body {
            Body::Engine(event) => self.engine_view(event, sight.raw, deadline_ns, names),
            Body::State { product, claim, old, new, coverage, decision } => {
                self.state_view((product.as_str(), *claim), (*old, *new, *coverage), decision, deadline_ns)
            }
            Body::Tick => View::Tick(tick(&Due { id: SLND_TIMER_BEAT, overruns: 0 })),
        };
        self.stamp(&record, sight.decide);
        self.asked = claim_of(&record.body).filter(|_| sight.decide).map(|claim| (claim, record.seq));
        self.record = Some(record);
    }

    fn engine_view(
        &mut self,
        event: &Event,
        raw: bool,
        deadline_ns: u64,
        names: &mut InterfaceNames,
    ) -> View {
        match event {
            Event::Announcement { product, claim, holder, raw: datagram } => {
                let datagram = datagram.as_ref().filter(|_| raw).map(|datagram| &datagram[..]);
                let (product, holder) = self.texts(product.as_str(), std::slice::from_ref(holder), names);
                View::Announcement(slnd_ev_announcement {
                    h: head::<slnd_ev_announcement>(SLND_EV_ANNOUNCEMENT),
                    product,
                    claim: claim_id(*claim),
                    holder,
                    raw: datagram.map_or(ptr::null(), <[u8]>::as_ptr),
                    raw_len: datagram.map_or(0, <[u8]>::len),
                    zero: 0,
                })
            }
            Event::Duplicate {
                product,
                claim,
                conflict_id,
                evidence,
                stage,
                class,
                seats,
                coverage,
                holders,
            } => {
                let (product, rows) = self.texts(product.as_str(), holders, names);
                View::Duplicate(slnd_ev_duplicate {
                    h: head::<slnd_ev_duplicate>(SLND_EV_DUPLICATE),
                    product,
                    claim: claim_id(*claim),
                    evidence: slnd_id16 { b: evidence.0 },
                    conflict_id: *conflict_id,
                    stage: stage_number(*stage),
                    conflict_class: class_number(*class),
                    seats: u32::from(*seats),
                    coverage: coverage_number(*coverage),
                    holders: rows,
                    n_holders: u32::try_from(holders.len()).unwrap_or(u32::MAX),
                    holder_stride: size_u32::<slnd_holder>(),
                    deadline_ns,
                })
            }
            Event::Resolved { product, claim, conflict_id, cause } => View::Resolved(slnd_ev_resolved {
                h: head::<slnd_ev_resolved>(SLND_EV_RESOLVED),
                product: self.texts(product.as_str(), &[], names).0,
                claim: claim_id(*claim),
                conflict_id: *conflict_id,
                cause: cause_number(*cause),
                zero: 0,
            }),
            Event::State { product, claim, old, new, coverage, .. } => {
                let subject = (product.as_str(), *claim);
                self.state_view(subject, (*old, *new, *coverage), &Decision::default(), deadline_ns)
            }
            Event::Query { from, product, text } => View::Query(slnd_ev_query {
                h: head::<slnd_ev_query>(SLND_EV_QUERY),
                product: self.texts(product.as_ref().map_or("", |product| product.as_str()), &[], names).0,
                from: address(Some(*from)),
                text: text.as_ptr(),
                text_len: text.len(),
            }),
        }
    }

    /// Copies a product's name and the holders with their texts into this slot's buffers.
    fn texts(
        &mut self,
        product: &str,
        holders: &[HolderView],
        names: &mut InterfaceNames,
    ) -> (slnd_str, *const slnd_holder) {
        let texts: usize = holders.iter().map(|holder| holder_text(holder, names)).sum();
        self.text.reserve(product.len() + 1 + texts);
        self.holders.clear();
        self.holders.reserve_exact(holders.len());
        for holder in holders {
            self.holders.push(holder_row(holder, &mut self.text, names));
        }
        (self.text.add(product), self.holders.as_ptr())
    }

    fn stamp(&mut self, record: &Record, decide: bool) {
        let h = self.head_mut();
        (h.seq, h.mono_ns, h.real_ns) = (record.seq, record.mono_ns, record.real_ns);
        h.flags = if decide { SLND_EVF_DECIDE } else { 0 };
        h.flags |= if record.caused_by_self { SLND_EVF_SELF } else { 0 };
    }

    /// It comes from a recording.
    pub(super) fn mark_replayed(&mut self) {
        self.head_mut().flags |= SLND_EVF_REPLAY;
    }

    fn head_mut(&mut self) -> &mut slnd_event {
        match &mut self.view {
            View::Announcement(event) => &mut event.h,
            View::Duplicate(event) => &mut event.h,
            View::Resolved(event) => &mut event.h,
            View::State(event) => &mut event.h,
            View::Query(event) => &mut event.h,
            View::Tick(event) => &mut event.h,
            View::Lost(event) => &mut event.h,
        }
    }

    fn state_view(
        &mut self,
        (product, claim): (&str, ClaimId),
        (old, new, coverage): (State, State, Coverage),
        decision: &Decision,
        deadline_ns: u64,
    ) -> View {
        self.text.reserve(product.len() + 1 + decision.reason.len() + 1);
        View::State(slnd_ev_state {
            h: head::<slnd_ev_state>(SLND_EV_STATE),
            product: self.text.add(product),
            claim: claim_id(claim),
            old_state: state_number(old),
            state: state_number(new),
            coverage: coverage_number(coverage),
            zero: 0,
            verdict: decision.verdict.0,
            zero2: 0,
            reason: self.text.add(&decision.reason),
            deadline_ns,
        })
    }
}

/// The claim that a record can ask a verdict for.
pub(super) fn claim_of(body: &Body) -> Option<ClaimId> {
    match body {
        Body::Engine(Event::Duplicate { claim, .. } | Event::State { claim, .. })
        | Body::State { claim, .. } => Some(*claim),
        _ => None,
    }
}

/// A holder as the ABI shows it; its texts are copied into `text`, which has room for [`holder_text`].
pub(super) fn holder_row(
    holder: &HolderView,
    text: &mut TextRoom,
    names: &mut InterfaceNames,
) -> slnd_holder {
    let flags = [
        (holder.is_self, SLND_HOLDER_SELF),
        (holder.verified, SLND_HOLDER_VERIFIED),
        (holder.proved, SLND_HOLDER_PROVED),
        (holder.role == PeerRole::Standby, SLND_HOLDER_STANDBY),
        (holder.over, SLND_HOLDER_OVER),
        (holder.silent, SLND_HOLDER_SILENT),
    ];
    slnd_holder {
        struct_size: size_u32::<slnd_holder>(),
        flags: flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag),
        public_key: holder.instance.installation.0,
        boot_id: u64::from_be_bytes(holder.instance.boot.0),
        from: address(holder.from),
        ifindex: holder.interface,
        interval_s: u32::from(holder.interval_s),
        host: text.add(&holder.host),
        group: text.add(&holder.group),
        transport: text.add(TRANSPORT),
        ifname: text.add(names.of(holder.interface)),
        since_ms: holder.since_ms,
        first_heard_ns: holder.first_heard.0,
        last_heard_ns: holder.last_heard.0,
        last_proved_ns: holder.last_proved.map_or(0, |at| at.0),
    }
}

/// How every holder is heard until plugins carry announcements too.
const TRANSPORT: &str = "lan";

/// Bytes of the texts of a holder, their NULs included.
pub(super) fn holder_text(holder: &HolderView, names: &mut InterfaceNames) -> usize {
    holder.host.len() + holder.group.len() + TRANSPORT.len() + names.of(holder.interface).len() + 4
}

fn head<T>(kind: slnd_kind) -> slnd_event {
    slnd_event { struct_size: size_u32::<T>(), kind, flags: 0, seq: 0, mono_ns: 0, real_ns: 0 }
}

fn tick(due: &Due) -> slnd_ev_tick {
    slnd_ev_tick { h: head::<slnd_ev_tick>(SLND_EV_TICK), timer_id: due.id, overruns: due.overruns }
}

/// The size of an ABI struct; they are all far below 4 GiB.
pub(super) const fn size_u32<T>() -> u32 {
    const { assert!(size_of::<T>() <= 4096) };
    #[expect(clippy::cast_possible_truncation, reason = "at most 4096, asserted at compile time")]
    let size = size_of::<T>() as u32;
    size
}

fn claim_id(claim: ClaimId) -> slnd_id16 {
    slnd_id16 { b: claim.0 }
}
