//! Lays tales out as the ABI's events, in memory that notices misuse: as a host of this minor would, or of a later one.

use std::ffi::c_char;
use std::ptr;

use serialnumberd_plugin::abi::*;

use super::arena::Arena;
use super::fault::{Thing, Trap};
use super::tale::{Body, Row, Tale};
use crate::plugin::numbers::address;
use crate::plugin::view::size_u32;

/// How much more than 1.0 the structs have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Bytes after each event's last known field.
    pub(super) event_tail: u32,
    /// Bytes between two holders.
    pub(super) holder_tail: u32,
    /// Bytes after the last slot of the host's table.
    pub(super) host_tail: u32,
    /// The minor that the host says it has.
    pub(super) minor: u16,
}

impl Shape {
    /// A host of this very minor.
    pub(super) const SAME: Shape =
        Shape { event_tail: 0, holder_tail: 0, host_tail: 0, minor: SLND_ABI_MINOR };
    /// The first host of this major.
    pub(super) const OLDEST: Shape = Shape { minor: 0, ..Shape::SAME };
    /// One that knows more of everything.  The tail of a holder has two whole ones' room, so that whoever ignores the
    /// stride finds nothing in it but traps.
    pub(super) const NEWER: Shape = Shape {
        event_tail: 64,
        holder_tail: 2 * size_u32::<slnd_holder>(),
        host_tail: 128,
        minor: SLND_ABI_MINOR + 7,
    };
}

fn bytes(n: u32) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// Lays one tale out; the event is valid until the arena is retired.
pub(super) fn event(arena: &mut Arena, shape: Shape, tale: &Tale) -> *const slnd_event {
    let [product] = arena.texts(Thing::Text, [&tale.product]);
    let claim = slnd_id16 { b: tale.claim };
    match &tale.body {
        Body::Announcement { holder, raw } => {
            let holder = rows(arena, shape, std::slice::from_ref(holder)).0;
            let is_raw = !raw.is_empty();
            let raw_len = raw.len();
            let raw = if is_raw { arena.bytes(Thing::Datagram, raw) } else { ptr::null() };
            let h = head::<slnd_ev_announcement>(shape, tale);
            put(arena, shape, slnd_ev_announcement { h, product, claim, holder, raw, raw_len, zero: 0 })
        }
        Body::Duplicate { .. } => duplicate(arena, shape, tale, product),
        Body::Resolved { conflict, cause } => {
            let h = head::<slnd_ev_resolved>(shape, tale);
            put(
                arena,
                shape,
                slnd_ev_resolved { h, product, claim, conflict_id: *conflict, cause: *cause, zero: 0 },
            )
        }
        Body::State { old, new, coverage, verdict, reason } => {
            let [reason] = arena.texts(Thing::Text, [reason]);
            let event = slnd_ev_state {
                h: head::<slnd_ev_state>(shape, tale),
                product,
                claim,
                old_state: *old,
                state: *new,
                coverage: *coverage,
                zero: 0,
                verdict: *verdict,
                zero2: 0,
                reason,
                deadline_ns: tale.deadline_ns(),
            };
            put(arena, shape, event)
        }
        Body::Query { from, text } => {
            let (text_len, h) = (text.len(), head::<slnd_ev_query>(shape, tale));
            let text = arena.bytes(Thing::Datagram, text);
            put(arena, shape, slnd_ev_query { h, product, from: address(Some(*from)), text, text_len })
        }
        Body::Tick { timer, overruns } => {
            let h = head::<slnd_ev_tick>(shape, tale);
            put(arena, shape, slnd_ev_tick { h, timer_id: *timer, overruns: *overruns })
        }
        Body::Lost { first, last, by_kind } => {
            let h = head::<slnd_ev_lost>(shape, tale);
            let (first_seq, last_seq, count) = (*first, *last, by_kind.iter().sum());
            put(arena, shape, slnd_ev_lost { h, first_seq, last_seq, count, by_kind: *by_kind })
        }
        Body::Unknown { bytes, .. } => {
            let size = size_u32::<slnd_event>().saturating_add(u32::try_from(*bytes).unwrap_or(0));
            let h = slnd_event { struct_size: size, ..head::<slnd_event>(Shape::SAME, tale) };
            arena.put(Thing::Event, &h, *bytes, Trap::UnknownBody)
        }
    }
}

fn duplicate(arena: &mut Arena, shape: Shape, tale: &Tale, product: slnd_str) -> *const slnd_event {
    let Body::Duplicate { conflict, stage, class, seats, coverage, holders } = &tale.body else {
        return ptr::null();
    };
    let (rows, holder_stride) = rows(arena, shape, holders);
    let event = slnd_ev_duplicate {
        h: head::<slnd_ev_duplicate>(shape, tale),
        product,
        claim: slnd_id16 { b: tale.claim },
        evidence: slnd_id16 { b: [4; 16] },
        conflict_id: *conflict,
        stage: *stage,
        conflict_class: *class,
        seats: *seats,
        coverage: *coverage,
        holders: rows,
        n_holders: u32::try_from(holders.len()).unwrap_or(u32::MAX),
        holder_stride,
        deadline_ns: tale.deadline_ns(),
    };
    put(arena, shape, event)
}

fn put<T: Copy>(arena: &mut Arena, shape: Shape, event: T) -> *const slnd_event {
    arena.put(Thing::Event, &event, bytes(shape.event_tail), Trap::EventTail).cast()
}

fn head<T>(shape: Shape, tale: &Tale) -> slnd_event {
    slnd_event {
        struct_size: size_u32::<T>() + shape.event_tail,
        kind: tale.body.kind(),
        flags: tale.flags,
        seq: tale.seq,
        mono_ns: tale.mono_ns,
        real_ns: tale.real_ns(),
    }
}

/// The first of the holders, and from one to the next.
fn rows(arena: &mut Arena, shape: Shape, rows: &[Row]) -> (*const slnd_holder, u32) {
    let stride = size_u32::<slnd_holder>() + shape.holder_tail;
    let rows: Vec<slnd_holder> = rows.iter().map(|row| holder(arena, stride, row)).collect();
    (arena.rows(Thing::Holders, &rows, bytes(shape.holder_tail), Trap::HolderTail), stride)
}

fn holder(arena: &mut Arena, struct_size: u32, row: &Row) -> slnd_holder {
    let [host, group, transport, ifname] =
        arena.texts(Thing::Text, [&row.host, &row.group, "lan", &row.ifname]);
    slnd_holder {
        struct_size,
        flags: row.flags,
        public_key: [row.key; 32],
        boot_id: row.boot,
        from: address(row.from),
        ifindex: u32::from(row.from.is_some()),
        interval_s: row.interval_s,
        host,
        group,
        transport,
        ifname,
        since_ms: row.since_ms,
        first_heard_ns: row.heard_ns,
        last_heard_ns: row.heard_ns,
        last_proved_ns: row.heard_ns,
    }
}

/// Options as `configure` gets them: the pairs, and how many.
pub(super) fn options(arena: &mut Arena, settings: &[(&str, &str)]) -> *const slnd_kv {
    let pairs: Vec<slnd_kv> = settings
        .iter()
        .map(|(key, value)| {
            let [key, value] = arena.texts(Thing::Options, [key, value]);
            slnd_kv { key, value }
        })
        .collect();
    arena.rows(Thing::Options, &pairs, 0, Trap::EventTail)
}

/// The host's table as this host shows it; the texts that it points to stay, too.
pub(super) fn host(arena: &mut Arena, shape: Shape, table: &slnd_host, state_dir: &str) -> *const slnd_host {
    let [name, version, state_dir] =
        arena.texts(Thing::Host, ["serialnumberd", env!("CARGO_PKG_VERSION"), state_dir]);
    let table = slnd_host {
        struct_size: size_u32::<slnd_host>() + shape.host_tail,
        abi_minor: shape.minor,
        name,
        version,
        state_dir,
        ..*table
    };
    arena.put(Thing::Host, &table, bytes(shape.host_tail), Trap::HostTail)
}

/// The room for a status of `cap` bytes, full of what is no JSON.
pub(super) fn status_room(arena: &mut Arena, cap: usize) -> *mut c_char {
    arena.room(Thing::Status, cap, 0xA5).cast()
}
