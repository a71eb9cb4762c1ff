//! What the host gives: its name and grants, and the functions that a plugin may call.

use core::ffi::{c_char, c_void};

use super::{slnd_decision, slnd_holder, slnd_id16, slnd_level, slnd_perms, slnd_status, slnd_str};

/// Opaque, one per instance; lives from `create` until `destroy` returns.
#[derive(Debug)]
pub struct slnd_host_ctx {
    _opaque: [u8; 0],
}

/// GROWS. The host's table, one per instance; lives, as all it points to, from `create` until `destroy` returns.
/// No slot that `struct_size` covers is NULL. \[any\] slots may be called from `create` until `stop` returns;
/// what is called later answers SLND_E_CLOSED or does nothing, while `ctx` lives.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_host {
    /// Bytes of this struct as the host knows it.
    pub struct_size: u32,
    /// SLND_ABI_MAJOR of the host.
    pub abi_major: u16,
    /// SLND_ABI_MINOR of the host.
    pub abi_minor: u16,
    /// First argument of every function below.
    pub ctx: *mut slnd_host_ctx,
    /// The host program's name.
    pub name: slnd_str,
    /// The host program's version.
    pub version: slnd_str,
    /// What was granted to this instance.
    pub granted: slnd_perms,
    /// An absolute path: this instance's own directory, mode 0700, which exists.
    pub state_dir: slnd_str,

    /// \[any\] Writes one line to the log: UTF-8, `len` bytes, no newline needed.
    pub log: Option<
        unsafe extern "C" fn(ctx: *mut slnd_host_ctx, level: slnd_level, msg: *const c_char, len: usize),
    >,
    /// \[any\] 1 if a line of that level would be written, else 0.
    pub log_enabled: Option<unsafe extern "C" fn(ctx: *mut slnd_host_ctx, level: slnd_level) -> u32>,
    /// \[any\] CLOCK_BOOTTIME in nanoseconds; a replay has its own time.
    pub now_ns: Option<unsafe extern "C" fn(ctx: *mut slnd_host_ctx) -> u64>,
    /// \[any\] 1 on the instance's own thread, else 0.
    pub is_worker_thread: Option<unsafe extern "C" fn(ctx: *mut slnd_host_ctx) -> u32>,
    /// \[any\] The table of an extension, e.g. "serialnumberd.directory/1"; NULL if there is none.
    pub get_extension:
        Option<unsafe extern "C" fn(ctx: *mut slnd_host_ctx, id: *const c_char) -> *const c_void>,
    /// \[worker\] A tick with that id after `after_ns`, then every `every_ns` if that is not 0. The same id again
    /// replaces it; 0 and 0 ends it. SLND_TIMER_BEAT is SLND_E_INVALID; beyond SLND_TIMERS_MAX is SLND_E_NOMEM.
    pub timer: Option<
        unsafe extern "C" fn(ctx: *mut slnd_host_ctx, id: u64, after_ns: u64, every_ns: u64) -> slnd_status,
    >,
    /// \[any\] A tick with that id soon; several before it is delivered become one.
    pub wake: Option<unsafe extern "C" fn(ctx: *mut slnd_host_ctx, id: u64) -> slnd_status>,
    /// \[any\] SLND_PERM_VERDICT: replaces this instance's standing verdict on a claim held here. The host copies it.
    /// A claim that is not held here, or not any more, is SLND_E_INVALID.
    pub decide: Option<
        unsafe extern "C" fn(
            ctx: *mut slnd_host_ctx,
            claim: slnd_id16,
            decision: *const slnd_decision,
        ) -> slnd_status,
    >,
    /// \[any\] SLND_PERM_ANNOUNCE: asks for an announcement of a product, empty for all; with `probe` 1 for the
    /// whole burst and a round. Queued, and subject to the protocol's rate limits. A product that is not held here is
    /// SLND_E_INVALID.
    pub announce:
        Option<unsafe extern "C" fn(ctx: *mut slnd_host_ctx, product: slnd_str, probe: u32) -> slnd_status>,
    /// \[any\] SLND_PERM_HOLDERS: copies the holders of a product's claim, in order, into `out` (room for `cap`,
    /// `stride` bytes each) and their texts into `text` (`text_cap` bytes), to which they point. `need` and
    /// `text_need` tell what a whole answer takes; if either room is too small nothing is copied, and the
    /// answer is SLND_E_AGAIN. Both rooms may be NULL with 0. An unknown product is SLND_E_INVALID.
    pub holders: Option<
        unsafe extern "C" fn(
            ctx: *mut slnd_host_ctx,
            product: slnd_str,
            out: *mut slnd_holder,
            stride: u32,
            cap: usize,
            need: *mut usize,
            text: *mut c_char,
            text_cap: usize,
            text_need: *mut usize,
        ) -> slnd_status,
    >,
    /// \[any\] Sets a figure shown with the agent's own: name `[a-z0-9_]{1,64}`; with `is_counter` 1 the value is
    /// a total that only rises, else a level.
    pub metric: Option<
        unsafe extern "C" fn(
            ctx: *mut slnd_host_ctx,
            name: *const c_char,
            value: f64,
            is_counter: u32,
        ) -> slnd_status,
    >,
}
