//! What the plugin gives: a constant descriptor with its options and its slots.
#![allow(unsafe_code, reason = "constant descriptors hold pointers to constants: Sync is asserted for them")]

use core::ffi::{c_char, c_void};

use super::{slnd_decision, slnd_error, slnd_event, slnd_host, slnd_kv, slnd_perms, slnd_status};

/// GROWS, stride in the descriptor. One option. The host checks what the configuration says against it and hands
/// `configure` every option that is given or has a default, once each, in the order of this table, as text:
/// STRING and PATH as they are; INT in decimal; BOOL true or false; DURATION as whole nanoseconds in decimal;
/// ENUM one of the choices.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_option {
    /// Bytes of this struct as the plugin knows it.
    pub struct_size: u32,
    /// One of `SLND_OPT_STRING` to `SLND_OPT_ENUM`; the table is refused with a type the host does not know.
    pub value_type: u32,
    /// `SLND_OPTF_*`.
    pub flags: u32,
    /// Zero.
    pub zero: u32,
    /// Its key in the configuration: `[a-z][a-z0-9_]*`.
    pub name: *const c_char,
    /// As one would write it in the configuration, durations as "15m"; NULL for none.
    pub default_value: *const c_char,
    /// One sentence for people.
    pub help: *const c_char,
    /// INT and DURATION (nanoseconds): the least allowed; `min` = `max` = 0 is no bound.
    pub min: i64,
    /// INT and DURATION (nanoseconds): the greatest allowed.
    pub max: i64,
    /// ENUM: the words, separated by '|'; else NULL.
    pub choices: *const c_char,
    /// INT: the unit shown to people; NULL for none.
    pub unit: *const c_char,
}

/// GROWS. The descriptor: constant data; the host reads it before any other code of the plugin runs.
/// Texts are UTF-8 and NUL-terminated. Order of calls: create, configure, start,
/// on_events as often as there are events, flush, stop, destroy; after a failed create nothing,
/// after a failed configure or start only stop and destroy. status may come between any two of them after start.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_plugin {
    /// Bytes of this struct as the plugin knows it.
    pub struct_size: u32,
    /// SLND_ABI_MAJOR the plugin was built with.
    pub abi_major: u16,
    /// SLND_ABI_MINOR the plugin was built with.
    pub abi_minor: u16,
    /// SLND_LAYOUT: catches packing flags and edited headers.
    pub layout: u64,
    /// Its id, as in the manifest: `[a-z0-9][a-z0-9._-]{0,62}`.
    pub id: *const c_char,
    /// Its name for people.
    pub name: *const c_char,
    /// Its version, as in the manifest.
    pub version: *const c_char,
    /// One sentence: what it does.
    pub description: *const c_char,
    /// Who makes it; NULL for none.
    pub vendor: *const c_char,
    /// Where to read more; NULL for none.
    pub url: *const c_char,
    /// `SLND_PERM_*` without which it is refused.
    pub wants: slnd_perms,
    /// `SLND_PERM_*` that it uses if they are granted.
    pub wants_if_granted: slnd_perms,
    /// SLND_EV_BIT of each kind that it wants delivered; LOST always is. A plugin that decides on DUPLICATE wants
    /// STATE, too: without it nobody asks once the conflict is resolved, and its last verdict stays in force until
    /// it calls decide.
    pub events: u64,
    /// How many events may wait; the host bounds it; 0 is its default.
    pub queue_hint: u32,
    /// How many events on_events takes at once at most; the host bounds it; 0 is its default.
    pub batch_max: u32,
    /// Its options.
    pub options: *const slnd_option,
    /// How many.
    pub n_options: u32,
    /// Bytes from one to the next.
    pub option_stride: u32,

    /// \[worker\] REQUIRED. Makes an instance: `*state` is handed to every other slot. `instance` is its name in the
    /// configuration, only for this call. No thread may be started yet.
    pub create: Option<
        unsafe extern "C" fn(
            host: *const slnd_host,
            instance: *const c_char,
            state: *mut *mut c_void,
            error: *mut slnd_error,
        ) -> slnd_status,
    >,
    /// \[worker\] Takes the options; see slnd_option. With `is_reload` 1 it is a transaction: on an error the old ones stay in force.
    pub configure: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            options: *const slnd_kv,
            n: usize,
            is_reload: u32,
            error: *mut slnd_error,
        ) -> slnd_status,
    >,
    /// \[worker\] After the agent's fork, chdir and sandbox: threads from here on.
    pub start: Option<unsafe extern "C" fn(state: *mut c_void, error: *mut slnd_error) -> slnd_status>,
    /// \[worker\] REQUIRED. `n` events, and as many decisions in `out`, all ABSTAIN: those of events with SLND_EVF_DECIDE are
    /// read, if the answer is SLND_OK and in time. Each replaces this instance's standing verdict on the claim, which
    /// holds until the next: the end of a conflict asks by its STATE event.
    pub on_events: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            events: *const *const slnd_event,
            n: usize,
            out: *mut slnd_decision,
        ) -> slnd_status,
    >,
    /// \[worker\] Tells its status as one JSON object: `*need` becomes its bytes, and if `cap` suffices they are in `json`,
    /// without a NUL. If it does not, nothing is, and the host may call again; both are SLND_OK.
    pub status: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            json: *mut c_char,
            cap: usize,
            need: *mut usize,
        ) -> slnd_status,
    >,
    /// \[worker\] Joins its own threads. After it returned, no function of the host may be called.
    pub stop: Option<unsafe extern "C" fn(state: *mut c_void)>,
    /// \[worker\] REQUIRED. Frees the instance.
    pub destroy: Option<unsafe extern "C" fn(state: *mut c_void)>,
    /// \[worker\] Writes out what it holds back, until `deadline_ns` of CLOCK_BOOTTIME: before stop.
    pub flush: Option<unsafe extern "C" fn(state: *mut c_void, deadline_ns: u64) -> slnd_status>,
    /// \[worker\] The table of an extension that the plugin offers; NULL if there is none.
    pub get_extension: Option<unsafe extern "C" fn(state: *mut c_void, id: *const c_char) -> *const c_void>,
}

/// The type of the one symbol that a plugin exports, SLND_PLUGIN_ENTRY; it runs no other code.
pub type slnd_plugin_entry_fn = Option<unsafe extern "C" fn() -> *const slnd_plugin>;

// SAFETY: a descriptor and its options are constant data that point only to constant data.
unsafe impl Sync for slnd_option {}
// SAFETY: as above.
unsafe impl Sync for slnd_plugin {}
