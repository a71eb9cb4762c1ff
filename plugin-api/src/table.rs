//! The host's table, read once: what a smaller host does not have is not there.
#![allow(unsafe_code, reason = "reads the host's table and calls through it")]

use core::ffi::{CStr, c_char};
use core::ptr;
use std::path::PathBuf;

use crate::abi::{
    self, slnd_decision, slnd_holder, slnd_host, slnd_host_ctx, slnd_id16, slnd_level, slnd_status, slnd_str,
};
use crate::{Error, Holders, Permissions, text};

/// How often `holders` is asked anew while the table grows under it.
const HOLDERS_TRIES: usize = 4;

/// The slots that the SDK calls, with their first argument.
pub(crate) struct Table {
    ctx: *mut slnd_host_ctx,
    host: slnd_host,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) granted: Permissions,
    pub(crate) state_dir: PathBuf,
}

// SAFETY: only [any] slots are called without a check of the thread, and `ctx` may go to any thread.
unsafe impl Send for Table {}
// SAFETY: [any] slots may be called by several threads at once.
unsafe impl Sync for Table {}

/// Copies a slot if the host is large enough to have it.
macro_rules! copy_slots {
    ($from:expr, $size:expr, $to:expr, [$($slot:ident),*]) => {$(
        // SAFETY: the macro looks at the size before it reads.
        $to.$slot = unsafe { crate::slnd_read!(slnd_host, $from, $size, $slot) }.flatten();
    )*};
}

impl Table {
    /// Reads the host's table.
    ///
    /// # Errors
    /// If the host is of another major, or too small to be one.
    ///
    /// # Safety
    /// `host` points to a table of the host, whose size is true and whose texts can be read.
    pub(crate) unsafe fn read(host: *const slnd_host) -> Result<Table, Error> {
        // SAFETY: a table starts with its size.
        let size = unsafe { (&raw const (*host).struct_size).read() };
        // SAFETY: the macro looks at the size before it reads.
        let major = unsafe { crate::slnd_read!(slnd_host, host, size, abi_major) };
        if !crate::slnd_has!(slnd_host, size, state_dir) || major != Some(abi::SLND_ABI_MAJOR) {
            let message = format!("a host of ABI {}, and this plugin is of {}", major.unwrap_or(0), 1);
            return Err(Error::new(abi::SLND_E_VERSION, message));
        }
        // SAFETY: the size covers these.
        let (ctx, granted) = unsafe { ((*host).ctx, (*host).granted) };
        // SAFETY: the size covers these.
        let texts = unsafe { [(*host).name, (*host).version, (*host).state_dir] };
        // SAFETY: texts of the host.
        let [name, version, state_dir] = texts.map(|s| unsafe { text::read(s) }.to_owned());
        let mut slots = NO_HOST;
        copy_slots!(host, size, slots, [log, log_enabled, now_ns, is_worker_thread, timer, wake, decide]);
        copy_slots!(host, size, slots, [announce, holders, metric]);
        Ok(Table {
            ctx,
            host: slots,
            name,
            version,
            granted: Permissions(granted),
            state_dir: PathBuf::from(state_dir),
        })
    }

    pub(crate) fn log(&self, level: slnd_level, line: &str) {
        if let Some(log) = self.host.log {
            // SAFETY: a slot of this host with its context; the line lives through the call.
            unsafe { log(self.ctx, level, line.as_ptr().cast(), line.len()) };
        }
    }

    pub(crate) fn log_enabled(&self, level: slnd_level) -> bool {
        // SAFETY: a slot of this host with its context.
        self.host.log_enabled.is_none_or(|enabled| unsafe { enabled(self.ctx, level) } != 0)
    }

    pub(crate) fn now_ns(&self) -> u64 {
        // SAFETY: a slot of this host with its context.
        self.host.now_ns.map_or(0, |now| unsafe { now(self.ctx) })
    }

    pub(crate) fn is_worker_thread(&self) -> bool {
        // SAFETY: a slot of this host with its context.
        self.host.is_worker_thread.is_some_and(|is| unsafe { is(self.ctx) } != 0)
    }

    pub(crate) fn timer(&self, id: u64, after_ns: u64, every_ns: u64) -> slnd_status {
        // SAFETY: a slot of this host with its context; the host checks the thread itself.
        self.host.timer.map_or(abi::SLND_E_UNSUPPORTED, |t| unsafe { t(self.ctx, id, after_ns, every_ns) })
    }

    pub(crate) fn wake(&self, id: u64) -> slnd_status {
        // SAFETY: a slot of this host with its context.
        self.host.wake.map_or(abi::SLND_E_UNSUPPORTED, |wake| unsafe { wake(self.ctx, id) })
    }

    pub(crate) fn decide(&self, claim: slnd_id16, decision: &slnd_decision) -> slnd_status {
        // SAFETY: a slot of this host with its context; the decision lives through the call.
        self.host.decide.map_or(abi::SLND_E_UNSUPPORTED, |d| unsafe { d(self.ctx, claim, decision) })
    }

    pub(crate) fn announce(&self, product: &CStr, probe: bool) -> slnd_status {
        // SAFETY: a slot of this host with its context; the text lives through the call.
        self.host.announce.map_or(abi::SLND_E_UNSUPPORTED, |announce| unsafe {
            announce(self.ctx, borrowed(product), u32::from(probe))
        })
    }

    pub(crate) fn metric(&self, name: &CStr, value: f64, is_counter: bool) -> slnd_status {
        // SAFETY: a slot of this host with its context; the name lives through the call.
        self.host.metric.map_or(abi::SLND_E_UNSUPPORTED, |metric| unsafe {
            metric(self.ctx, name.as_ptr(), value, u32::from(is_counter))
        })
    }

    /// The holders of a product's claim, copied into room of our own.
    pub(crate) fn holders(&self, product: &CStr) -> Result<HolderTable, Error> {
        let slot = self.host.holders.ok_or_else(|| {
            Error::new(abi::SLND_E_UNSUPPORTED, "holders: this host cannot do that".to_owned())
        })?;
        let mut table = HolderTable { holders: Vec::new(), texts: Vec::new() };
        let (mut need, mut text_need) = (0, 0);
        for _ in 0..HOLDERS_TRIES {
            table.holders.resize(need, NO_HOLDER);
            table.texts.resize(text_need, 0);
            // SAFETY: a slot of this host with its context; both rooms are as large as told.
            let status = unsafe {
                slot(
                    self.ctx,
                    borrowed(product),
                    table.holders.as_mut_ptr(),
                    NO_HOLDER.struct_size,
                    table.holders.len(),
                    &raw mut need,
                    table.texts.as_mut_ptr(),
                    table.texts.len(),
                    &raw mut text_need,
                )
            };
            if status != abi::SLND_E_AGAIN {
                Error::check("holders", status)?;
                table.holders.truncate(need);
                return Ok(table);
            }
        }
        Err(Error::new(abi::SLND_E_AGAIN, "holders: they change too fast; try again".to_owned()))
    }
}

/// Holders in room of our own, with the texts that they point to.
pub(crate) struct HolderTable {
    holders: Vec<slnd_holder>,
    texts: Vec<c_char>,
}

impl HolderTable {
    pub(crate) fn view(&self) -> Holders<'_> {
        let _ = &self.texts;
        // SAFETY: our own array, whose texts are beside it; both live as long as the view.
        unsafe { Holders::new(self.holders.as_ptr(), self.holders.len(), size_of::<slnd_holder>()) }
    }
}

fn borrowed(text: &CStr) -> slnd_str {
    slnd_str { ptr: text.as_ptr(), len: text.count_bytes() }
}

/// A host that can do nothing.
const NO_HOST: slnd_host = slnd_host {
    struct_size: 0,
    abi_major: 0,
    abi_minor: 0,
    ctx: ptr::null_mut(),
    name: slnd_str::EMPTY,
    version: slnd_str::EMPTY,
    granted: 0,
    state_dir: slnd_str::EMPTY,
    log: None,
    log_enabled: None,
    now_ns: None,
    is_worker_thread: None,
    get_extension: None,
    timer: None,
    wake: None,
    decide: None,
    announce: None,
    holders: None,
    metric: None,
};

/// Room for one holder.
#[expect(clippy::cast_possible_truncation, reason = "a struct of a few hundred bytes; try_from is not const")]
const NO_HOLDER: slnd_holder = slnd_holder {
    struct_size: size_of::<slnd_holder>() as u32,
    flags: 0,
    public_key: [0; 32],
    boot_id: 0,
    from: abi::slnd_addr { family: 0, zero: 0, port: 0, scope_id: 0, ip: [0; 16] },
    ifindex: 0,
    interval_s: 0,
    host: slnd_str::EMPTY,
    group: slnd_str::EMPTY,
    transport: slnd_str::EMPTY,
    ifname: slnd_str::EMPTY,
    since_ms: 0,
    first_heard_ns: 0,
    last_heard_ns: 0,
    last_proved_ns: 0,
};
