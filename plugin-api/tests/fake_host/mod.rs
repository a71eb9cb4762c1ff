//! A host for tests of plugins, in process: it calls through the C table and remembers what the plugin asked.
//! Time stands still until a test moves it.
#![allow(unsafe_code, reason = "it stands on the other side of the C table")]
#![allow(dead_code, reason = "several test programs share it, and each uses a part")]
#![allow(missing_docs, reason = "test code")]

mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;

use serialnumberd_plugin::Plugin;
use serialnumberd_plugin::abi::*;

pub use events::*;

/// What the plugin did to the host.
#[derive(Default)]
pub struct Seen {
    pub lines: Mutex<Vec<(slnd_level, String)>>,
    pub decisions: Mutex<Vec<([u8; 16], slnd_verdict, String)>>,
    /// By id: when next, then every.
    pub timers: Mutex<BTreeMap<u64, (u64, u64)>>,
    pub wakes: Mutex<Vec<u64>>,
    pub announced: Mutex<Vec<(String, bool)>>,
    pub metrics: Mutex<BTreeMap<String, (f64, bool)>>,
    pub now_ns: AtomicU64,
    pub holders: Mutex<Vec<HolderSpec>>,
    /// Claims that are not held any more.
    pub gone: Mutex<BTreeSet<[u8; 16]>>,
    /// What `decide` answers on those that are held, if not SLND_OK.
    pub refuse_decisions: Mutex<slnd_status>,
    worker: Mutex<Option<ThreadId>>,
}

/// A host with one instance of a plugin; the instance is stopped and destroyed when it is dropped.
pub struct FakeHost {
    pub seen: &'static Seen,
    table: &'static mut slnd_host,
    descriptor: slnd_plugin,
    state: *mut c_void,
    state_dir: PathBuf,
    seq: u64,
}

pub type Failure = (slnd_status, String);

fn text(bytes: &[c_char]) -> String {
    let bytes: Vec<u8> = bytes.iter().flat_map(|c| c.to_ne_bytes()).take_while(|&b| b != 0).collect();
    String::from_utf8(bytes).expect("a plugin's texts are UTF-8")
}

/// Leaked on purpose: tests check what happens after the end.
fn leaked(s: &str) -> slnd_str {
    let c: &'static CStr = Box::leak(CString::new(s).unwrap().into_boxed_c_str());
    slnd_str { ptr: c.as_ptr(), len: c.count_bytes() }
}

fn seen<'a>(ctx: *mut slnd_host_ctx) -> &'a Seen {
    // SAFETY: the context that every slot gets is the leaked `Seen`.
    unsafe { &*ctx.cast::<Seen>() }
}

unsafe extern "C" fn host_log(ctx: *mut slnd_host_ctx, level: slnd_level, msg: *const c_char, len: usize) {
    // SAFETY: the ABI promises `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(msg.cast::<u8>(), len) };
    let line = String::from_utf8(bytes.to_vec()).unwrap();
    seen(ctx).lines.lock().unwrap().push((level, line));
}

unsafe extern "C" fn host_log_enabled(_: *mut slnd_host_ctx, level: slnd_level) -> u32 {
    u32::from(level <= SLND_LOG_INFO)
}

unsafe extern "C" fn host_now(ctx: *mut slnd_host_ctx) -> u64 {
    seen(ctx).now_ns.load(Ordering::SeqCst)
}

unsafe extern "C" fn host_is_worker(ctx: *mut slnd_host_ctx) -> u32 {
    u32::from(*seen(ctx).worker.lock().unwrap() == Some(std::thread::current().id()))
}

unsafe extern "C" fn host_extension(_: *mut slnd_host_ctx, _: *const c_char) -> *const c_void {
    std::ptr::null()
}

unsafe extern "C" fn host_timer(ctx: *mut slnd_host_ctx, id: u64, after: u64, every: u64) -> slnd_status {
    let mut timers = seen(ctx).timers.lock().unwrap();
    match (id, after, every) {
        (SLND_TIMER_BEAT, ..) => return SLND_E_INVALID,
        (_, 0, 0) => drop(timers.remove(&id)),
        _ => drop(timers.insert(id, (seen(ctx).now_ns.load(Ordering::SeqCst) + after, every))),
    }
    SLND_OK
}

unsafe extern "C" fn host_wake(ctx: *mut slnd_host_ctx, id: u64) -> slnd_status {
    seen(ctx).wakes.lock().unwrap().push(id);
    SLND_OK
}

unsafe extern "C" fn host_decide(
    ctx: *mut slnd_host_ctx,
    claim: slnd_id16,
    decision: *const slnd_decision,
) -> slnd_status {
    if seen(ctx).gone.lock().unwrap().contains(&claim.b) {
        return SLND_E_INVALID;
    }
    let refusal = *seen(ctx).refuse_decisions.lock().unwrap();
    if refusal != SLND_OK {
        return refusal;
    }
    // SAFETY: the ABI promises a decision.
    let d = unsafe { &*decision };
    seen(ctx).decisions.lock().unwrap().push((claim.b, d.verdict, text(&d.reason)));
    SLND_OK
}

unsafe extern "C" fn host_announce(ctx: *mut slnd_host_ctx, product: slnd_str, probe: u32) -> slnd_status {
    // SAFETY: the ABI promises a NUL-terminated text.
    let product = unsafe { CStr::from_ptr(product.ptr) }.to_str().unwrap().to_owned();
    seen(ctx).announced.lock().unwrap().push((product, probe == 1));
    SLND_OK
}

unsafe extern "C" fn host_holders(
    ctx: *mut slnd_host_ctx,
    _: slnd_str,
    out: *mut slnd_holder,
    stride: u32,
    cap: usize,
    need: *mut usize,
    _texts: *mut c_char,
    text_cap: usize,
    text_need: *mut usize,
) -> slnd_status {
    let holders = seen(ctx).holders.lock().unwrap();
    // SAFETY: the ABI promises room for two sizes.
    unsafe { need.write(holders.len()) };
    // SAFETY: as above.
    unsafe { text_need.write(16 * holders.len()) };
    if cap < holders.len() || text_cap < 16 * holders.len() {
        return SLND_E_AGAIN;
    }
    for (i, holder) in holders.iter().enumerate() {
        // SAFETY: there is room for `cap` holders, `stride` bytes apart.
        unsafe { out.byte_add(i * stride as usize).write(holder.raw()) };
    }
    SLND_OK
}

unsafe extern "C" fn host_metric(
    ctx: *mut slnd_host_ctx,
    name: *const c_char,
    value: f64,
    is_counter: u32,
) -> slnd_status {
    // SAFETY: the ABI promises a NUL-terminated text.
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned();
    seen(ctx).metrics.lock().unwrap().insert(name, (value, is_counter == 1));
    SLND_OK
}

fn table(seen: &'static Seen, state_dir: &Path) -> slnd_host {
    slnd_host {
        struct_size: u32::try_from(size_of::<slnd_host>()).unwrap(),
        abi_major: SLND_ABI_MAJOR,
        abi_minor: SLND_ABI_MINOR,
        ctx: (&raw const *seen).cast_mut().cast(),
        name: leaked("fake"),
        version: leaked("0"),
        granted: SLND_PERM_VERDICT,
        state_dir: leaked(state_dir.to_str().unwrap()),
        log: Some(host_log),
        log_enabled: Some(host_log_enabled),
        now_ns: Some(host_now),
        is_worker_thread: Some(host_is_worker),
        get_extension: Some(host_extension),
        timer: Some(host_timer),
        wake: Some(host_wake),
        decide: Some(host_decide),
        announce: Some(host_announce),
        holders: Some(host_holders),
        metric: Some(host_metric),
    }
}

impl FakeHost {
    /// A host of an SDK plugin, with no instance yet.
    pub fn new<P: Plugin>(state_dir: &Path) -> FakeHost {
        FakeHost::of(serialnumberd_plugin::private::descriptor::<P>(), state_dir)
    }

    /// A host of any plugin, with no instance yet.
    pub fn of(descriptor: slnd_plugin, state_dir: &Path) -> FakeHost {
        let seen: &'static Seen = Box::leak(Box::default());
        *seen.worker.lock().unwrap() = Some(std::thread::current().id());
        seen.now_ns.store(1_000_000_000, Ordering::SeqCst);
        FakeHost {
            seen,
            table: Box::leak(Box::new(table(seen, state_dir))),
            descriptor,
            state: std::ptr::null_mut(),
            state_dir: state_dir.to_owned(),
            seq: 0,
        }
    }

    /// Lets a test break or shrink the table.
    pub fn table(&mut self) -> &mut slnd_host {
        self.table
    }

    pub fn descriptor(&self) -> &slnd_plugin {
        &self.descriptor
    }

    fn call(&self, f: impl FnOnce(*mut slnd_error) -> slnd_status) -> Result<(), Failure> {
        let mut error = slnd_error::NONE;
        let status = f(&raw mut error);
        if status == SLND_OK {
            return Ok(());
        }
        assert_eq!(error.code, status, "the error says another status than the call");
        Err((status, text(&error.message)))
    }

    pub fn create(&mut self) -> Result<(), Failure> {
        let mut state = std::ptr::null_mut();
        let create = self.descriptor.create.unwrap();
        // SAFETY: all arguments live through the call, the table for ever.
        let result = self.call(|e| unsafe { create(&*self.table, c"test".as_ptr(), &raw mut state, e) });
        self.state = state;
        result
    }

    pub fn configure(&self, options: &[(&str, &str)], reload: bool) -> Result<(), Failure> {
        let pairs: Vec<slnd_kv> =
            options.iter().map(|(k, v)| slnd_kv { key: leaked(k), value: leaked(v) }).collect();
        let configure = self.descriptor.configure.unwrap();
        // SAFETY: the pairs live through the call.
        self.call(|e| unsafe { configure(self.state, pairs.as_ptr(), pairs.len(), u32::from(reload), e) })
    }

    pub fn start(&self) -> Result<(), Failure> {
        let start = self.descriptor.start.unwrap();
        // SAFETY: the instance lives.
        self.call(|e| unsafe { start(self.state, e) })
    }

    /// Delivers a batch; the answers as verdict and reason.
    pub fn deliver(&mut self, events: &[Event]) -> Result<Vec<(slnd_verdict, String)>, slnd_status> {
        let now_ns = self.seen.now_ns.load(Ordering::SeqCst);
        let sent: Vec<Event> = events.iter().map(|e| e.sent(self.number(e), now_ns)).collect();
        let pointers: Vec<*const slnd_event> = sent.iter().map(Event::head).collect();
        let mut out = vec![slnd_decision::ABSTAIN; events.len()];
        let on_events = self.descriptor.on_events.unwrap();
        // SAFETY: events and decisions live through the call, and there are as many of both.
        let status = unsafe { on_events(self.state, pointers.as_ptr(), pointers.len(), out.as_mut_ptr()) };
        let answers = out.iter().map(|d| (d.verdict, text(&d.reason))).collect();
        if status == SLND_OK { Ok(answers) } else { Err(status) }
    }

    fn number(&mut self, event: &Event) -> u64 {
        let counted = u64::from(event.is_counted());
        self.seq += counted;
        self.seq * counted
    }

    /// Delivers one event that asks; its answer.
    pub fn ask(&mut self, event: Event) -> (slnd_verdict, String) {
        self.deliver(&[event.asking()]).unwrap().remove(0)
    }

    /// Moves time, and delivers the ticks of the timers that ran out, in order.
    pub fn advance(&mut self, by: std::time::Duration) {
        let end = self.seen.now_ns.load(Ordering::SeqCst) + u64::try_from(by.as_nanos()).unwrap();
        loop {
            let due = {
                let mut timers = self.seen.timers.lock().unwrap();
                let next = timers.iter().map(|(id, t)| (t.0, *id, t.1)).min();
                next.filter(|t| t.0 <= end).inspect(|&(at, id, every)| {
                    if every == 0 {
                        timers.remove(&id);
                    } else {
                        timers.insert(id, (at + every, every));
                    }
                })
            };
            let Some((at, id, _)) = due else { break };
            self.seen.now_ns.store(at, Ordering::SeqCst);
            self.deliver(&[tick(id)]).unwrap();
        }
        self.seen.now_ns.store(end, Ordering::SeqCst);
    }

    pub fn status(&self) -> String {
        let status = self.descriptor.status.unwrap();
        let mut need = 0;
        // SAFETY: no room, only the size.
        assert_eq!(unsafe { status(self.state, std::ptr::null_mut(), 0, &raw mut need) }, SLND_OK);
        let mut room = vec![0; need];
        // SAFETY: room for `need` bytes.
        assert_eq!(unsafe { status(self.state, room.as_mut_ptr(), need, &raw mut need) }, SLND_OK);
        String::from_utf8(room.iter().flat_map(|c| c.to_ne_bytes()).collect()).unwrap()
    }

    pub fn flush(&self) -> slnd_status {
        // SAFETY: the instance lives.
        unsafe { self.descriptor.flush.unwrap()(self.state, u64::MAX) }
    }

    pub fn stop(&self) {
        if let Some(stop) = self.descriptor.stop {
            // SAFETY: the instance lives.
            unsafe { stop(self.state) }
        }
    }

    pub fn destroy(&mut self) {
        let state = std::mem::replace(&mut self.state, std::ptr::null_mut());
        // SAFETY: the instance lives, and this is its last use; NULL is allowed.
        unsafe { self.descriptor.destroy.unwrap()(state) }
    }

    /// Takes what was logged.
    pub fn lines(&self) -> Vec<(slnd_level, String)> {
        std::mem::take(&mut self.seen.lines.lock().unwrap())
    }

    /// Takes the standing verdicts that were set by `decide`.
    pub fn decisions(&self) -> Vec<([u8; 16], slnd_verdict, String)> {
        std::mem::take(&mut self.seen.decisions.lock().unwrap())
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        if !self.state.is_null() {
            self.stop();
            self.destroy();
        }
    }
}
