//! The functions that a plugin may call: the host's side of the ABI's `slnd_host`.
//!
//! Every argument is a stranger's: NULL, misaligned, unterminated, no UTF-8 and huge are answered with a
//! status.  Nothing unwinds out of here, no slot is NULL (R4), and after `stop` every one answers "closed".
#![allow(unsafe_code, reason = "called by plugins, with pointers of theirs")]

use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;

use serialnumberd_core::{ClaimId, Product};
use serialnumberd_plugin::abi::*;
use serialnumberd_plugin::slnd_end;

use super::context::Context;
use super::foreign::{array_text, bytes_up_to, c_text, str_text};
use super::kept::keep;
use super::limits::{LOG_LINE_MAX, METRIC_NAME_MAX};
use super::permission::Permissions;
use super::shared::Message;
use super::text_room::{InterfaceNames, TextRoom};
use super::view::{holder_row, holder_text, size_u32};
use crate::record::{Decision, Verdict};

/// Who the host says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInfo {
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Longest product, as the protocol has it.
const PRODUCT_MAX: usize = 31;
/// What a caller's holder must at least have room for.
const HOLDER_1_0: usize = slnd_end!(slnd_holder, last_proved_ns);

/// Makes the table of one instance.  It lives for ever, as its context does.
pub(super) fn table(
    context: &'static Context,
    host: &HostInfo,
    granted: Permissions,
    state_dir: &Path,
) -> &'static slnd_host {
    let text = |bytes: &[u8]| {
        let text = keep(CString::new(bytes).unwrap_or_default());
        slnd_str { ptr: text.as_ptr(), len: text.as_bytes().len() }
    };
    keep(slnd_host {
        struct_size: size_u32::<slnd_host>(),
        abi_major: SLND_ABI_MAJOR,
        abi_minor: SLND_ABI_MINOR,
        ctx: ptr::from_ref(context).cast_mut().cast(),
        name: text(host.name.as_bytes()),
        version: text(host.version.as_bytes()),
        granted: granted.0,
        state_dir: text(state_dir.as_os_str().as_encoded_bytes()),
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
    })
}

/// Runs a slot's body with the instance that `ctx` names.  A defect of the host must not unwind into a
/// plugin, so it becomes `failed`; so does a `ctx` that is none.
///
/// # Safety
/// `ctx` is NULL or what the host's table says.
unsafe fn with<R>(ctx: *mut slnd_host_ctx, failed: R, body: impl FnOnce(&'static Context) -> R) -> R {
    let context = ctx.cast::<Context>().cast_const();
    if context.is_null() || !context.is_aligned() {
        return failed;
    }
    // SAFETY: a context is never freed.
    let context: &'static Context = unsafe { &*context };
    catch_unwind(AssertUnwindSafe(|| body(context))).unwrap_or(failed)
}

/// As [`with`], for slots that need a permission (or none: 0) and end with `stop`.
///
/// # Safety
/// As of [`with`].
unsafe fn admitted(
    ctx: *mut slnd_host_ctx,
    needed: slnd_perms,
    body: impl FnOnce(&'static Context) -> slnd_status,
) -> slnd_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(ctx, SLND_E_INVALID, |context| match context.admit(needed) {
            SLND_OK => body(context),
            refused => refused,
        })
    }
}

fn level(level: slnd_level) -> log::Level {
    match level {
        SLND_LOG_ERROR => log::Level::Error,
        SLND_LOG_WARN => log::Level::Warn,
        SLND_LOG_INFO => log::Level::Info,
        SLND_LOG_DEBUG => log::Level::Debug,
        _ => log::Level::Trace,
    }
}

unsafe extern "C" fn log(ctx: *mut slnd_host_ctx, at: slnd_level, msg: *const c_char, len: usize) {
    // SAFETY: `ctx` is the host's; the text has `len` bytes, of which one more than is shown is read.
    unsafe {
        with(ctx, (), |context| {
            if context.admit(0) == SLND_OK {
                context.log(level(at), bytes_up_to(msg, len, LOG_LINE_MAX + 1));
            }
        });
    }
}

unsafe extern "C" fn log_enabled(ctx: *mut slnd_host_ctx, at: slnd_level) -> u32 {
    // SAFETY: `ctx` is the host's.
    unsafe {
        with(ctx, 0, |context| {
            let open = context.admit(0) == SLND_OK;
            u32::from(open && log::log_enabled!(target: &context.id, level(at)))
        })
    }
}

unsafe extern "C" fn now_ns(ctx: *mut slnd_host_ctx) -> u64 {
    // SAFETY: `ctx` is the host's.
    unsafe { with(ctx, 0, |context| context.now_ns()) }
}

unsafe extern "C" fn is_worker_thread(ctx: *mut slnd_host_ctx) -> u32 {
    // SAFETY: `ctx` is the host's.
    unsafe { with(ctx, 0, |context| u32::from(context.is_worker())) }
}

/// There is no extension yet: an unknown id is NULL, and so is every id.
unsafe extern "C" fn get_extension(_ctx: *mut slnd_host_ctx, _id: *const c_char) -> *const c_void {
    ptr::null()
}

unsafe extern "C" fn timer(ctx: *mut slnd_host_ctx, id: u64, after_ns: u64, every_ns: u64) -> slnd_status {
    // SAFETY: `ctx` is the host's.
    unsafe {
        admitted(ctx, 0, |context| {
            if !context.is_worker() {
                return SLND_E_NOT_WORKER;
            }
            context.set_timer(id, after_ns, every_ns)
        })
    }
}

unsafe extern "C" fn wake(ctx: *mut slnd_host_ctx, id: u64) -> slnd_status {
    // SAFETY: `ctx` is the host's.
    unsafe { admitted(ctx, 0, |context| context.wake(id)) }
}

unsafe extern "C" fn decide(
    ctx: *mut slnd_host_ctx,
    claim: slnd_id16,
    decision: *const slnd_decision,
) -> slnd_status {
    // SAFETY: `ctx` is the host's; the decision is NULL or one, checked before it is read.
    unsafe {
        admitted(ctx, SLND_PERM_VERDICT, |context| {
            if decision.is_null() || !decision.is_aligned() {
                return SLND_E_INVALID;
            }
            let decision = decision.read();
            let Ok(reason) = c_text(decision.reason.as_ptr(), decision.reason.len()) else {
                return SLND_E_INVALID;
            };
            let claim = ClaimId(claim.b);
            if !context.holds(claim) {
                return SLND_E_INVALID;
            }
            let decision = Decision { verdict: Verdict(decision.verdict), reason: reason.to_owned() };
            queue(context, Message::Decided { claim, decision, answers: None })
        })
    }
}

/// What the plugin wrote into a decision that it was asked for.
pub(super) fn read_answer(answer: &slnd_decision) -> Decision {
    Decision { verdict: Verdict(answer.verdict), reason: array_text(&answer.reason) }
}

unsafe extern "C" fn announce(ctx: *mut slnd_host_ctx, product: slnd_str, probe: u32) -> slnd_status {
    // SAFETY: `ctx` is the host's; the text has the bytes that it says.
    unsafe {
        admitted(ctx, SLND_PERM_ANNOUNCE, |context| {
            let product = match str_text(product, PRODUCT_MAX) {
                Some("") => None,
                Some(text) => match Product::new(text) {
                    Ok(product) if context.holds_product(product) => Some(product),
                    _ => return SLND_E_INVALID,
                },
                None => return SLND_E_INVALID,
            };
            queue(context, Message::Announce { product, probe: probe != 0 })
        })
    }
}

fn queue(context: &Context, message: Message) -> slnd_status {
    if context.tell(message).is_ok() { SLND_OK } else { SLND_E_AGAIN }
}

unsafe extern "C" fn metric(
    ctx: *mut slnd_host_ctx,
    name: *const c_char,
    value: f64,
    is_counter: u32,
) -> slnd_status {
    // SAFETY: `ctx` is the host's; the name is NULL or NUL-terminated, and read no further than it may be long.
    unsafe {
        admitted(ctx, 0, |context| match c_text(name, METRIC_NAME_MAX + 1) {
            Ok(name) => {
                let status = context.shared.metrics.set(name, value, is_counter != 0);
                context.shared.touch();
                status
            }
            Err(_) => SLND_E_INVALID,
        })
    }
}

/// The caller's two rooms for [`holders`].
struct Rooms {
    out: *mut slnd_holder,
    stride: usize,
    cap: usize,
    text: *mut c_char,
    text_cap: usize,
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
    let stride = usize::try_from(stride).unwrap_or(usize::MAX);
    let rooms = Rooms { out, stride, cap, text, text_cap };
    // SAFETY: `ctx` is the host's; the pointers are checked, and otherwise as the ABI says.
    unsafe {
        admitted(ctx, SLND_PERM_HOLDERS, |context| {
            let sound = |p: *mut usize| !p.is_null() && p.is_aligned();
            if !sound(need) || !sound(text_need) || !rooms.are_sound() {
                return SLND_E_INVALID;
            }
            let Some(product) = str_text(product, PRODUCT_MAX).and_then(|text| Product::new(text).ok())
            else {
                return SLND_E_INVALID;
            };
            let Some(holders) = context.holders(product) else {
                return SLND_E_INVALID;
            };
            let mut names = InterfaceNames::told(context.interfaces());
            let text_bytes = holders.iter().map(|holder| holder_text(holder, &mut names)).sum();
            need.write(holders.len());
            text_need.write(text_bytes);
            if holders.len() > rooms.cap || text_bytes > rooms.text_cap {
                return SLND_E_AGAIN;
            }
            let mut copied = TextRoom::default();
            copied.reserve(text_bytes);
            let rows: Vec<slnd_holder> =
                holders.iter().map(|holder| holder_row(holder, &mut copied, &mut names)).collect();
            rooms.fill(&rows, &copied);
            SLND_OK
        })
    }
}

impl Rooms {
    fn are_sound(&self) -> bool {
        let rows = self.cap == 0
            || (!self.out.is_null()
                && self.out.is_aligned()
                && self.stride >= HOLDER_1_0
                && self.stride.is_multiple_of(align_of::<slnd_holder>()));
        rows && (self.text_cap == 0 || !self.text.is_null())
    }

    /// # Safety
    /// The rooms are as large as they say and sound, and the rows and texts fit.
    unsafe fn fill(&self, rows: &[slnd_holder], texts: &TextRoom) {
        let bytes = texts.as_bytes();
        if !bytes.is_empty() {
            // SAFETY: the texts fit; the caller's memory is not ours.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.text.cast::<u8>(), bytes.len()) };
        }
        let moved = |text: slnd_str| {
            let offset = text.ptr.addr() - bytes.as_ptr().addr();
            slnd_str { ptr: self.text.wrapping_add(offset), len: text.len }
        };
        for (index, row) in rows.iter().enumerate() {
            let row = slnd_holder {
                host: moved(row.host),
                group: moved(row.group),
                transport: moved(row.transport),
                ifname: moved(row.ifname),
                ..*row
            };
            // SAFETY: the rows fit, each within its stride.
            unsafe { self.out.byte_add(index * self.stride).write(row) };
        }
    }
}
