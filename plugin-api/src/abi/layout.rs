//! What holds the layout still: const asserts, the canary, and the reader for structs that grow.

use core::mem::offset_of;

use super::{
    slnd_addr, slnd_decision, slnd_error, slnd_ev_announcement, slnd_ev_duplicate, slnd_ev_lost,
    slnd_ev_query, slnd_ev_resolved, slnd_ev_state, slnd_ev_tick, slnd_event, slnd_holder, slnd_host,
    slnd_id16, slnd_kv, slnd_option, slnd_plugin, slnd_str,
};

/// Where a field ends, counted from the start of its struct.  `_field` only tells its type.
#[doc(hidden)]
#[must_use]
pub const fn field_end<T, F>(offset: usize, _field: fn(&T) -> &F) -> usize {
    offset + size_of::<F>()
}

/// Where a field of a `#[repr(C)]` struct ends: the least `struct_size` that covers it.
#[macro_export]
macro_rules! slnd_end {
    ($type:ty, $field:ident) => {
        $crate::abi::field_end(::core::mem::offset_of!($type, $field), |s: &$type| &s.$field)
    };
}

/// Whether a struct that grows, of which the writer says it has `struct_size` bytes, has a field (R2).
#[macro_export]
macro_rules! slnd_has {
    ($type:ty, $struct_size:expr, $field:ident) => {
        u64::from($struct_size) >= $crate::slnd_end!($type, $field) as u64
    };
}

/// Reads a field of a struct that grows, through a pointer: `Some` if `struct_size` covers it (R2).  Expands to a
/// raw read: it stands in an `unsafe` block whose author knows that `struct_size` bytes can be read there.
#[macro_export]
macro_rules! slnd_read {
    ($type:ty, $pointer:expr, $struct_size:expr, $field:ident) => {
        if $crate::slnd_has!($type, $struct_size, $field) {
            let p: *const $type = $pointer;
            Some((&raw const (*p).$field).read())
        } else {
            None
        }
    };
}

const fn fold(hash: u64, value: usize) -> u64 {
    // FNV-1a's prime, one whole word at a time; plugin.h does the same.
    (hash ^ value as u64).wrapping_mul(1_099_511_628_211)
}

const fn layout() -> u64 {
    let words = [
        size_of::<slnd_str>(),
        size_of::<slnd_addr>(),
        size_of::<slnd_id16>(),
        size_of::<slnd_error>(),
        size_of::<slnd_kv>(),
        size_of::<slnd_decision>(),
        size_of::<slnd_event>(),
        offset_of!(slnd_holder, last_proved_ns),
        offset_of!(slnd_ev_announcement, zero),
        offset_of!(slnd_ev_duplicate, deadline_ns),
        offset_of!(slnd_ev_resolved, zero),
        offset_of!(slnd_ev_state, deadline_ns),
        offset_of!(slnd_ev_query, text_len),
        offset_of!(slnd_ev_tick, overruns),
        offset_of!(slnd_ev_lost, by_kind),
        offset_of!(slnd_host, metric),
        offset_of!(slnd_option, unit),
        offset_of!(slnd_plugin, get_extension),
    ];
    let mut hash = 14_695_981_039_346_656_037; // FNV's offset basis
    let mut i = 0;
    while i < words.len() {
        hash = fold(hash, words[i]);
        i += 1;
    }
    hash
}

/// The canary: folds the FROZEN sizes and the offset of the last 1.0 field of every GROWS struct.  Equal to
/// `SLND_LAYOUT` in C, and never to change within major 1.
pub const SLND_LAYOUT: u64 = layout();

macro_rules! frozen {
    ($($type:ty: $size:literal,)*) => { $(const _: () = assert!(size_of::<$type>() == $size);)* };
}

macro_rules! no_tail_padding {
    ($($type:ty: $last:ident,)*) => { $(const _: () = assert!(slnd_end!($type, $last) == size_of::<$type>());)* };
}

frozen! {
    *const u8: 8, // major 1 is for 64-bit ELF systems
    slnd_str: 16,
    slnd_addr: 24,
    slnd_id16: 16,
    slnd_error: 256,
    slnd_kv: 32,
    slnd_decision: 1024,
    slnd_event: 32,
}

no_tail_padding! {
    slnd_holder: last_proved_ns,
    slnd_ev_announcement: zero,
    slnd_ev_duplicate: deadline_ns,
    slnd_ev_resolved: zero,
    slnd_ev_state: deadline_ns,
    slnd_ev_query: text_len,
    slnd_ev_tick: overruns,
    slnd_ev_lost: by_kind,
    slnd_option: unit,
    slnd_host: metric,
    slnd_plugin: get_extension,
}
