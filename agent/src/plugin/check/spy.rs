//! The host's table with an observer before each slot: who called what, when, and with which answer.
//!
//! Decides nothing: every call goes on to the agent's own functions.  One a process, in statics, because a plugin that
//! broke R9 may call at any time.
#![allow(unsafe_code, reason = "called by plugins, with pointers of theirs")]

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serialnumberd_plugin::abi::*;

/// The slots that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Log,
    LogEnabled,
    NowNs,
    IsWorkerThread,
    GetExtension,
    Timer,
    Wake,
    Decide,
    Announce,
    Holders,
    Metric,
}

pub(super) const SLOTS: [(Slot, &str); 11] = [
    (Slot::Log, "log"),
    (Slot::LogEnabled, "log_enabled"),
    (Slot::NowNs, "now_ns"),
    (Slot::IsWorkerThread, "is_worker_thread"),
    (Slot::GetExtension, "get_extension"),
    (Slot::Timer, "timer"),
    (Slot::Wake, "wake"),
    (Slot::Decide, "decide"),
    (Slot::Announce, "announce"),
    (Slot::Holders, "holders"),
    (Slot::Metric, "metric"),
];

/// What is counted of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    /// Called after `stop` had returned.
    Late,
    /// Answered that the permission was not granted.
    Denied,
    /// A \[worker\] slot, called on another thread.
    OffWorker,
    /// Called with a text that is none.
    NoText,
}

/// Of [`Seen`].
const KINDS: usize = 4;

static COUNTS: [[AtomicU64; KINDS]; SLOTS.len()] =
    [const { [const { AtomicU64::new(0) }; KINDS] }; SLOTS.len()];
static STOPPED: AtomicBool = AtomicBool::new(false);
static REAL: OnceLock<Real> = OnceLock::new();

/// The agent's own functions.
struct Real(slnd_host);

// SAFETY: function pointers, and pointers to texts that live for ever.
unsafe impl Sync for Real {}
// SAFETY: as above.
unsafe impl Send for Real {}

fn count(slot: Slot, seen: Seen) {
    COUNTS[slot as usize][seen as usize].fetch_add(1, Ordering::Relaxed);
}

/// The first slot of which something was seen, by name.
pub(super) fn first(seen: Seen) -> Option<(Slot, &'static str)> {
    SLOTS.into_iter().find(|(slot, _)| COUNTS[*slot as usize][seen as usize].load(Ordering::Relaxed) > 0)
}

/// Whether a slot was seen so, and its name.
pub(super) fn of(slot: Slot, seen: Seen) -> (bool, &'static str) {
    let count = COUNTS[slot as usize][seen as usize].load(Ordering::Relaxed);
    (count > 0, SLOTS[slot as usize].1)
}

/// How often that was seen of all slots together.
pub(super) fn total(seen: Seen) -> u64 {
    SLOTS.iter().map(|(slot, _)| COUNTS[*slot as usize][seen as usize].load(Ordering::Relaxed)).sum()
}

/// Whether `stop` of the instance that is watched has returned.
pub(super) fn set_stopped(stopped: bool) {
    STOPPED.store(stopped, Ordering::Release);
}

/// The agent's own functions, as they were in the first table that was watched.
pub(super) fn real() -> Option<&'static slnd_host> {
    REAL.get().map(|real| &real.0)
}

/// The same table with every slot watched.
pub(super) fn watch(table: &slnd_host) -> slnd_host {
    let _first_one_stays = REAL.set(Real(*table));
    slnd_host {
        log: Some(log),
        log_enabled: Some(log_enabled),
        now_ns: Some(now_ns),
        is_worker_thread: Some(is_worker_thread),
        get_extension: Some(get_extension),
        timer: Some(timer),
        wake: Some(wake),
        decide: Some(decide),
        announce: Some(announce),
        holders: Some(holders),
        metric: Some(metric),
        ..*table
    }
}

fn entered(slot: Slot) {
    if STOPPED.load(Ordering::Acquire) {
        count(slot, Seen::Late);
    }
}

fn answered(slot: Slot, status: slnd_status) -> slnd_status {
    match status {
        SLND_E_DENIED => count(slot, Seen::Denied),
        SLND_E_NOT_WORKER => count(slot, Seen::OffWorker),
        _ => {}
    }
    status
}

/// Passes a call on; without a table there is no plugin to call.
macro_rules! pass {
    ($slot:expr, $field:ident, $otherwise:expr, ($($argument:expr),*)) => {{
        entered($slot);
        match real().and_then(|real| real.$field) {
            // SAFETY: the plugin's own arguments, which the agent's function checks.
            Some(function) => unsafe { function($($argument),*) },
            None => $otherwise,
        }
    }};
}

unsafe extern "C" fn log(ctx: *mut slnd_host_ctx, level: slnd_level, msg: *const c_char, len: usize) {
    // SAFETY: the text has the bytes that it says.
    let text = unsafe { crate::plugin::foreign::bytes_up_to(msg, len, len) };
    let is_level = (SLND_LOG_ERROR..=SLND_LOG_DEBUG).contains(&level);
    if std::str::from_utf8(text).is_err() || !is_level {
        count(Slot::Log, Seen::NoText);
    }
    pass!(Slot::Log, log, (), (ctx, level, msg, len));
}

unsafe extern "C" fn log_enabled(ctx: *mut slnd_host_ctx, level: slnd_level) -> u32 {
    pass!(Slot::LogEnabled, log_enabled, 0, (ctx, level))
}

unsafe extern "C" fn now_ns(ctx: *mut slnd_host_ctx) -> u64 {
    pass!(Slot::NowNs, now_ns, 0, (ctx))
}

unsafe extern "C" fn is_worker_thread(ctx: *mut slnd_host_ctx) -> u32 {
    pass!(Slot::IsWorkerThread, is_worker_thread, 0, (ctx))
}

unsafe extern "C" fn get_extension(ctx: *mut slnd_host_ctx, id: *const c_char) -> *const c_void {
    pass!(Slot::GetExtension, get_extension, ptr::null(), (ctx, id))
}

unsafe extern "C" fn timer(ctx: *mut slnd_host_ctx, id: u64, after_ns: u64, every_ns: u64) -> slnd_status {
    let status = pass!(Slot::Timer, timer, SLND_E_UNSUPPORTED, (ctx, id, after_ns, every_ns));
    answered(Slot::Timer, status)
}

unsafe extern "C" fn wake(ctx: *mut slnd_host_ctx, id: u64) -> slnd_status {
    let status = pass!(Slot::Wake, wake, SLND_E_UNSUPPORTED, (ctx, id));
    answered(Slot::Wake, status)
}

unsafe extern "C" fn decide(
    ctx: *mut slnd_host_ctx,
    claim: slnd_id16,
    decision: *const slnd_decision,
) -> slnd_status {
    let status = pass!(Slot::Decide, decide, SLND_E_UNSUPPORTED, (ctx, claim, decision));
    answered(Slot::Decide, status)
}

unsafe extern "C" fn announce(ctx: *mut slnd_host_ctx, product: slnd_str, probe: u32) -> slnd_status {
    let status = pass!(Slot::Announce, announce, SLND_E_UNSUPPORTED, (ctx, product, probe));
    answered(Slot::Announce, status)
}

unsafe extern "C" fn holders(
    ctx: *mut slnd_host_ctx,
    product: slnd_str,
    out: *mut slnd_holder,
    stride: u32,
    cap: usize,
    need: *mut usize,
    text: *mut c_char,
    text_cap: usize,
    text_need: *mut usize,
) -> slnd_status {
    let status = pass!(
        Slot::Holders,
        holders,
        SLND_E_UNSUPPORTED,
        (ctx, product, out, stride, cap, need, text, text_cap, text_need)
    );
    answered(Slot::Holders, status)
}

unsafe extern "C" fn metric(
    ctx: *mut slnd_host_ctx,
    name: *const c_char,
    value: f64,
    is_counter: u32,
) -> slnd_status {
    let status = pass!(Slot::Metric, metric, SLND_E_UNSUPPORTED, (ctx, name, value, is_counter));
    answered(Slot::Metric, status)
}
