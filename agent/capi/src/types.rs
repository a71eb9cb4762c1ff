//! What a C program passes to the library and gets from it, beside the plugin ABI's types.
//!
//! `serialnumberd.h` is generated from here: the names are C's, and the comments are its documentation.
#![allow(non_camel_case_types, reason = "the C names are the names; cbindgen copies them as they are")]

use core::ffi::{c_char, c_void};

use serialnumberd_plugin::abi::{slnd_decision, slnd_event, slnd_level};

/// Takes `n` events, and has room for as many decisions in `out`, all ABSTAIN. Those of events with SLND_EVF_DECIDE
/// are read: they are the program's own opinion, which counts. Called only by slnd_agent_dispatch, by slnd_agent_run,
/// or on the thread of slnd_agent_spawn, never two at once for one agent, and without any lock of the library held.
/// Events and all that they point to live until it returns. It must not throw, longjmp, or end its thread.
pub type slnd_event_cb = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        events: *const *const slnd_event,
        n: usize,
        out: *mut slnd_decision,
    ),
>;

/// Takes a line of the log: `len` bytes of UTF-8 and a NUL, without a newline. On any thread, several at once, and also
/// from inside other calls: it must not block, and functions that take an agent answer SLND_E_AGAIN here, but for
/// slnd_agent_stop. After slnd_agent_free returned, or what it was deferred to, it is not called any more.
pub type slnd_log_cb =
    Option<unsafe extern "C" fn(user: *mut c_void, level: slnd_level, msg: *const c_char, len: usize)>;

/// GROWS. What an agent is made with; filled in by slnd_config_init, changed where wanted, copied by slnd_agent_new.
/// In `connect` the agent of this host has a configuration of its own: mode, events and the callbacks count.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_config {
    /// Bytes of this struct as the program knows it.
    pub struct_size: u32,
    /// `SLND_CONFIG_*`.
    pub flags: u32,
    /// UDP port of the announcements: 626; 0 is the same.
    pub port: u16,
    /// Zero.
    pub zero16: u16,
    /// `SLND_MODE_*`; 0 is SLND_MODE_AUTO.
    pub mode: u32,
    /// Names or patterns, separated by commas: "eth0,wlan*"; NULL for all. Copied.
    pub interfaces: *const c_char,
    /// Announce at least this often: whole seconds, 1 s to 1 h; 0 is 5 min.
    pub announce_ns: u64,
    /// Others forget this program so long after it died without a goodbye, which is 3.3 intervals: the interval is
    /// what this and announce_ns both allow. 0 is no wish.
    pub expire_ns: u64,
    /// SLND_EV_BIT of each kind that on_events is called for; LOST always is, unless this is 0.
    pub events: u64,
    /// NULL for none.
    pub on_events: slnd_event_cb,
    /// NULL for none: the library then logs nowhere.
    pub on_log: slnd_log_cb,
    /// Handed to the callbacks.
    pub user: *mut c_void,
}

/// GROWS. An agent in numbers; the caller sets struct_size. Fields beyond what the library knows become zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_status_info {
    /// Bytes of this struct as the program knows it.
    pub struct_size: u32,
    /// The gravest state of the claims, `SLND_STATE_*`; 0 without a claim.
    pub state: u32,
    /// Datagrams received.
    pub rx: u64,
    /// Datagrams sent.
    pub tx: u64,
    /// Datagrams received that are none of the protocol's.
    pub rx_malformed: u64,
    /// Claims held.
    pub claims: u64,
    /// Conflicts under way.
    pub conflicts: u64,
    /// Events that were dropped because nobody took them in time.
    pub lost_events: u64,
    /// Plugins that run.
    pub plugins: u32,
    /// Of these: those that have not returned from a call for 5 s.
    pub plugins_stalled: u32,
    /// What the agent does, SLND_MODE_CONNECT or SLND_MODE_OWN; 0 before the start.
    pub mode: u32,
    /// 1 if what it knows is up to date: always in `own`, in `connect` while the agent of this host answers.
    pub connected: u32,
}

/// GROWS. A claim as slnd_agent_check sees it, in numbers; the caller sets struct_size. Fields beyond what the
/// library knows become zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_claim_info {
    /// Bytes of this struct as the program knows it.
    pub struct_size: u32,
    /// `SLND_STATE_*`.
    pub state: u32,
    /// The verdict in force.
    pub verdict: u32,
    /// 1 if it is up to date; else the agent of this host is away, and it is as old as age_ns says.
    pub connected: u32,
    /// Since when the verdict is no longer known to hold; 0 if it is.
    pub age_ns: u64,
}
