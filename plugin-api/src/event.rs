//! Events as Rust sees them: borrowed from the host until the call returns.
#![allow(unsafe_code, reason = "reads the host's structs")]

use core::net::SocketAddr;

use crate::abi::{
    self, slnd_decision, slnd_ev_announcement, slnd_ev_duplicate, slnd_ev_lost, slnd_ev_query,
    slnd_ev_resolved, slnd_ev_state, slnd_ev_tick, slnd_event,
};
use crate::holder::address;
use crate::{
    Cause, ClaimId, Class, Coverage, Decision, EvidenceId, Holder, Holders, Stage, State, Verdict, text,
};

/// What every event has.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Head {
    /// Rises strictly per agent, and a gap means that events were lost or not asked for.  0 for the ticks of timers and
    /// wakes: they are this instance's alone, and not counted.
    pub seq: u64,
    /// When, on the host's clock, nanoseconds.
    pub mono_ns: u64,
    /// When, Unix nanoseconds; for people only.
    pub real_ns: u64,
    /// From a recording, not from the wire.
    pub replay: bool,
    /// A verdict is awaited.
    pub asks: bool,
    /// Caused by this agent's own announcement.
    pub by_self: bool,
}

/// A valid announcement was heard.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Announcement<'a> {
    /// Of which product.
    pub product: &'a str,
    /// Of which claim.
    pub claim: ClaimId,
    /// Who.
    pub holder: Holder<'a>,
    /// The datagram itself, with [`Permissions::RAW`](crate::Permissions::RAW); else empty.
    pub raw: &'a [u8],
}

/// A claim held here is over-subscribed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Duplicate<'a> {
    /// Of which product.
    pub product: &'a str,
    /// Of which claim.
    pub claim: ClaimId,
    /// Under which name the evidence is kept.
    pub evidence: EvidenceId,
    /// Numbers this agent's conflicts; the same in both stages and in [`Resolved`].
    pub conflict_id: u64,
    /// How far it is established.
    pub stage: Stage,
    /// What kind it is.
    pub class: Class,
    /// The local license's seats; 0 is unlimited.
    pub seats: u32,
    /// What this agent could hear.
    pub coverage: Coverage,
    /// All holders, in order.
    pub holders: Holders<'a>,
    /// Until when a verdict is awaited, on the host's clock; 0 if none is.
    pub deadline_ns: u64,
}

/// A conflict ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Resolved<'a> {
    /// Of which product.
    pub product: &'a str,
    /// Of which claim.
    pub claim: ClaimId,
    /// Which conflict.
    pub conflict_id: u64,
    /// Why it ended.
    pub cause: Cause,
}

/// State, coverage or verdict of a local claim changed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StateChange<'a> {
    /// Of which product.
    pub product: &'a str,
    /// Of which claim.
    pub claim: ClaimId,
    /// The state before; the same if only coverage or verdict changed.
    pub old: State,
    /// The state now.
    pub state: State,
    /// What this agent can hear.
    pub coverage: Coverage,
    /// The verdict in force when the event was made.
    pub verdict: Verdict,
    /// Its reason.
    pub reason: &'a str,
    /// Until when a verdict is awaited, on the host's clock; 0 if none is.
    pub deadline_ns: u64,
}

/// A classic text query or response was seen.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Query<'a> {
    /// For which product; empty if it names no valid one.
    pub product: &'a str,
    /// From whom.
    pub from: Option<SocketAddr>,
    /// What it said, any bytes.
    pub text: &'a [u8],
}

/// The scheduler's beat, a timer or a wake.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Tick {
    /// `None` for the scheduler's beat, else the id given to [`Host::timer`](crate::Host::timer) or
    /// [`HostHandle::wake`](crate::HostHandle::wake).
    pub timer: Option<u64>,
    /// How many ticks of this timer passed undelivered before this one.
    pub overruns: u64,
}

/// This instance was too slow: events were dropped.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Lost {
    /// `seq` of the first one.
    pub first_seq: u64,
    /// `seq` of the last one.
    pub last_seq: u64,
    /// How many in sum.
    pub count: u64,
    /// How many of each kind, by `SLND_EV_*`; in \[0\] those of any other kind.
    pub by_kind: [u64; 8],
}

/// What happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A valid announcement was heard.
    Announcement(Announcement<'a>),
    /// A claim held here is over-subscribed.
    Duplicate(Duplicate<'a>),
    /// A conflict ended.
    Resolved(Resolved<'a>),
    /// State, coverage or verdict of a local claim changed.
    State(StateChange<'a>),
    /// A classic text query or response was seen.
    Query(Query<'a>),
    /// The scheduler's beat, a timer or a wake.
    Tick(Tick),
    /// This instance was too slow.
    Lost(Lost),
}

/// An event, and the place for its answer.
#[derive(Debug)]
pub struct Delivery<'a> {
    head: Head,
    event: Event<'a>,
    out: &'a mut slnd_decision,
}

impl<'a> Delivery<'a> {
    /// Number, times and flags.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// What happened.
    #[must_use]
    pub fn event(&self) -> Event<'a> {
        self.event
    }

    /// Whether a verdict is awaited; an answer to any other event is not read.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.head.asks
    }

    /// Answers; without an answer it is ABSTAIN.
    pub fn answer(&mut self, decision: &Decision) {
        decision.write(self.out);
    }
}

/// A batch of events.  Events that this SDK does not know are passed over, their answer is ABSTAIN.
#[derive(Debug)]
pub struct Events<'a> {
    events: &'a [*const slnd_event],
    out: core::slice::IterMut<'a, slnd_decision>,
}

impl<'a> Events<'a> {
    /// Takes a batch of the host's.
    ///
    /// # Safety
    /// `n` pointers to events and `n` decisions can be read there, the decisions also written, for as long as `'a`,
    /// and nobody else touches them.  `events` and `out` are not NULL.
    pub(crate) unsafe fn new(
        events: *const *const slnd_event,
        n: usize,
        out: *mut slnd_decision,
    ) -> Events<'a> {
        // SAFETY: the caller's.
        let events = unsafe { core::slice::from_raw_parts(events, n) };
        // SAFETY: the caller's.
        let out = unsafe { core::slice::from_raw_parts_mut(out, n) };
        Events { events, out: out.iter_mut() }
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Delivery<'a>;

    fn next(&mut self) -> Option<Delivery<'a>> {
        loop {
            let (&event, rest) = self.events.split_first()?;
            self.events = rest;
            let out = self.out.next()?;
            // SAFETY: `new` was promised events that live as long as 'a.
            if let Some((head, event)) = unsafe { read(event) } {
                return Some(Delivery { head, event, out });
            }
        }
    }
}

/// The body, if its size covers what 1.0 has.
macro_rules! body {
    ($type:ty, $last:ident, $p:expr, $size:expr) => {
        if crate::slnd_has!($type, $size, $last) {
            // SAFETY: an event of that kind, whose size covers the whole struct as 1.0 has it.
            unsafe { &*$p.cast::<$type>() }
        } else {
            return None;
        }
    };
}

/// Reads an event; `None` if it is NULL, of an unknown kind, or smaller than in 1.0.
///
/// # Safety
/// `p` is NULL, or points to an event of the host that lives, with all it points to, as long as `'a`.
unsafe fn read<'a>(p: *const slnd_event) -> Option<(Head, Event<'a>)> {
    if p.is_null() {
        return None;
    }
    // SAFETY: not NULL; every event starts with its head, which is FROZEN.
    let h = unsafe { p.read() };
    let size = h.struct_size;
    let event = match h.kind {
        abi::SLND_EV_ANNOUNCEMENT => {
            Event::Announcement(announcement(body!(slnd_ev_announcement, zero, p, size))?)
        }
        abi::SLND_EV_DUPLICATE => Event::Duplicate(duplicate(body!(slnd_ev_duplicate, deadline_ns, p, size))),
        abi::SLND_EV_RESOLVED => Event::Resolved(resolved(body!(slnd_ev_resolved, zero, p, size))),
        abi::SLND_EV_STATE => Event::State(state(body!(slnd_ev_state, deadline_ns, p, size))),
        abi::SLND_EV_QUERY => Event::Query(query(body!(slnd_ev_query, text_len, p, size))),
        abi::SLND_EV_TICK => Event::Tick(tick(body!(slnd_ev_tick, overruns, p, size))),
        abi::SLND_EV_LOST => Event::Lost(lost(body!(slnd_ev_lost, by_kind, p, size))),
        _ => return None,
    };
    let head = Head {
        seq: h.seq,
        mono_ns: h.mono_ns,
        real_ns: h.real_ns,
        replay: h.flags & abi::SLND_EVF_REPLAY != 0,
        asks: h.flags & abi::SLND_EVF_DECIDE != 0,
        by_self: h.flags & abi::SLND_EVF_SELF != 0,
    };
    Some((head, event))
}

// The bodies below come from `read`, whose caller promised that all they point to lives as long as they do.

fn announcement(e: &slnd_ev_announcement) -> Option<Announcement<'_>> {
    // SAFETY: a holder of the event, which lives as long as the event.
    let holder = unsafe { Holder::read(e.holder) }?;
    // SAFETY: a text of the event.
    let product = unsafe { text::read(e.product) };
    // SAFETY: NULL or a datagram of the event.
    let raw = unsafe { text::bytes(e.raw, e.raw_len) };
    Some(Announcement { product, claim: ClaimId(e.claim.b), holder, raw })
}

fn duplicate(e: &slnd_ev_duplicate) -> Duplicate<'_> {
    let (len, stride) = (e.n_holders as usize, e.holder_stride as usize);
    // SAFETY: the array of the event, which lives as long as the event.
    let holders = unsafe { Holders::new(e.holders, len, stride) };
    Duplicate {
        // SAFETY: a text of the event.
        product: unsafe { text::read(e.product) },
        claim: ClaimId(e.claim.b),
        evidence: EvidenceId(e.evidence.b),
        conflict_id: e.conflict_id,
        stage: e.stage.into(),
        class: e.conflict_class.into(),
        seats: e.seats,
        coverage: e.coverage.into(),
        holders,
        deadline_ns: e.deadline_ns,
    }
}

fn resolved(e: &slnd_ev_resolved) -> Resolved<'_> {
    // SAFETY: a text of the event.
    let product = unsafe { text::read(e.product) };
    Resolved { product, claim: ClaimId(e.claim.b), conflict_id: e.conflict_id, cause: e.cause.into() }
}

fn state(e: &slnd_ev_state) -> StateChange<'_> {
    StateChange {
        // SAFETY: a text of the event.
        product: unsafe { text::read(e.product) },
        claim: ClaimId(e.claim.b),
        old: e.old_state.into(),
        state: e.state.into(),
        coverage: e.coverage.into(),
        verdict: Verdict(e.verdict),
        // SAFETY: a text of the event.
        reason: unsafe { text::read(e.reason) },
        deadline_ns: e.deadline_ns,
    }
}

fn query(e: &slnd_ev_query) -> Query<'_> {
    // SAFETY: a text of the event.
    let product = unsafe { text::read(e.product) };
    // SAFETY: bytes of the event.
    let text = unsafe { text::bytes(e.text, e.text_len) };
    Query { product, from: address(e.from), text }
}

fn tick(e: &slnd_ev_tick) -> Tick {
    Tick { timer: (e.timer_id != abi::SLND_TIMER_BEAT).then_some(e.timer_id), overruns: e.overruns }
}

fn lost(e: &slnd_ev_lost) -> Lost {
    Lost { first_seq: e.first_seq, last_seq: e.last_seq, count: e.count, by_kind: e.by_kind }
}
