//! One `slnd_agent`: who is inside it, who turns its loop, and who frees it.
//!
//! Every call counts itself in and out ([`Call`]), and the last one out after slnd_agent_free tears the agent down:
//! so free is legal inside a callback, and takes effect when the call around it ends.
#![allow(non_camel_case_types, reason = "the C name is the name")]

use std::cell::Cell;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use agent::embed::{Embedded, Handle};
use serialnumberd_plugin::abi::{SLND_E_AGAIN, SLND_E_CLOSED, SLND_E_NOT_WORKER, slnd_status};

use crate::argument::usable;
use crate::barrier::{Refusal, caught};
use crate::callbacks::{Callbacks, LogGate, is_logging};
use crate::core::Core;
use crate::origin::Origin;
use crate::presence::Presence;

/// Opaque: an agent. Made by slnd_agent_new, freed by slnd_agent_free.
pub struct slnd_agent {
    /// Which process made it.
    origin: Origin,
    presence: Presence,
    /// Somebody sets it up or turns its loop: the seat is taken.
    is_seated: AtomicBool,
    /// Why the loop of spawn ended before it was asked to.
    pub(crate) failure: OnceLock<(slnd_status, String)>,
    pub(crate) handle: Handle,
    pub(crate) fd: RawFd,
    pub(crate) core: Core,
    pub(crate) callbacks: Callbacks,
    log: Arc<LogGate>,
    /// Nothing may be bound.
    pub(crate) no_bind: bool,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
    /// Freed in a forked child, which keeps the memory.
    is_forsaken: AtomicBool,
}

thread_local! {
    /// Calls of this thread that are inside some agent: more than the one that asks means inside a callback.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

impl slnd_agent {
    pub(crate) fn new(
        embedded: Embedded,
        callbacks: Callbacks,
        log: Arc<LogGate>,
        no_bind: bool,
    ) -> slnd_agent {
        slnd_agent {
            origin: Origin::here(),
            presence: Presence::default(),
            is_seated: AtomicBool::new(false),
            failure: OnceLock::new(),
            handle: embedded.handle(),
            fd: embedded.fd(),
            core: Core::new(embedded),
            callbacks,
            log,
            no_bind,
            thread: Mutex::new(None),
            is_forsaken: AtomicBool::new(false),
        }
    }

    /// Whether this process may use it.
    pub(crate) fn check_origin(&self) -> Result<(), Refusal> {
        if self.origin.is_here() {
            return Ok(());
        }
        let what = "this agent belongs to the process that forked this one: free it, and make another";
        Err(Refusal::new(SLND_E_CLOSED, what))
    }

    pub(crate) fn is_freed(&self) -> bool {
        self.presence.is_freed()
    }

    /// Takes the seat, for setting it up or for turning its loop.
    pub(crate) fn sit(&self) -> Result<Seat, Refusal> {
        if self.is_seated.swap(true, Ordering::AcqRel) {
            let what = "another thread, or the caller of this callback, sets this agent up or turns its loop";
            return Err(Refusal::new(SLND_E_NOT_WORKER, what));
        }
        Ok(Seat(NonNull::from(self)))
    }
}

/// A pointer from C, looked at as far as that is possible.
///
/// # Safety
/// `agent` is NULL, misaligned, or an agent that is not freed yet.
pub(crate) unsafe fn look<'a>(agent: *const slnd_agent) -> Result<&'a slnd_agent, Refusal> {
    usable(agent, "agent")?;
    // SAFETY: the caller's promise.
    let agent = unsafe { &*agent };
    agent.check_origin()?;
    Ok(agent)
}

/// Begins a call.
///
/// # Safety
/// As [`look`].
pub(crate) unsafe fn enter(agent: *const slnd_agent) -> Result<Call, Refusal> {
    // SAFETY: the caller's promise.
    let agent = unsafe { look(agent) }?;
    if is_logging() {
        return Err(Refusal::new(SLND_E_AGAIN, "not from inside on_log"));
    }
    let call = Call::new(agent);
    if call.is_freed() {
        return Err(Refusal::new(SLND_E_CLOSED, "this agent was freed"));
    }
    Ok(call)
}

/// A call that is inside the agent, which therefore stays.
pub(crate) struct Call {
    entry: Entry,
    _depth: Depth,
}

impl Call {
    fn new(agent: &slnd_agent) -> Call {
        Call { entry: Entry::new(agent), _depth: Depth::new() }
    }

    /// Whether a callback of some agent is around this call.
    pub(crate) fn is_in_callback(&self) -> bool {
        DEPTH.get() > 1
    }
}

impl std::ops::Deref for Call {
    type Target = slnd_agent;

    fn deref(&self) -> &slnd_agent {
        self.entry.agent()
    }
}

/// Keeps the agent; may move to another thread.
pub(crate) struct Entry(NonNull<slnd_agent>);

// SAFETY: an agent is used by several threads at once; the entry keeps it until it is dropped.
unsafe impl Send for Entry {}

impl Entry {
    pub(crate) fn new(agent: &slnd_agent) -> Entry {
        agent.presence.enter();
        Entry(NonNull::from(agent))
    }

    pub(crate) fn agent(&self) -> &slnd_agent {
        // SAFETY: counted in, so not torn down.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let agent = self.agent();
        // A child that was forked inside a callback: what it inherited is nobody's to tear down.
        if !agent.origin.is_here() {
            return;
        }
        if agent.presence.leave() {
            tear_down(agent);
            // SAFETY: it came from a box; nobody is inside, and whoever comes now breaks the rule of free.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

/// Says goodbye and ends.
fn tear_down(agent: &slnd_agent) {
    let torn = caught(|| {
        if let Some(embedded) = agent.core.take() {
            embedded.shut_down();
        }
        Ok(())
    });
    // After a panic there is nobody to be told: free has no status.
    drop(torn);
    agent.log.close();
}

/// Marks this thread as inside.
pub(crate) struct Depth(());

impl Depth {
    pub(crate) fn new() -> Depth {
        DEPTH.set(DEPTH.get() + 1);
        Depth(())
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// The right to set the agent up or to turn its loop; an [`Entry`] of whoever has it outlives it.
pub(crate) struct Seat(NonNull<slnd_agent>);

// SAFETY: only an atomic of the agent's is used through it.
unsafe impl Send for Seat {}

impl Drop for Seat {
    fn drop(&mut self) {
        // SAFETY: the agent outlives its seat.
        unsafe { self.0.as_ref() }.is_seated.store(false, Ordering::Release);
    }
}

/// Frees an agent, now or when the last call that is inside ends.
///
/// # Safety
/// `agent` is NULL, misaligned, or an agent that is not freed yet, but for its callbacks.
pub(crate) unsafe fn free(agent: *mut slnd_agent) -> Result<(), Refusal> {
    usable(agent, "agent")?;
    // SAFETY: the caller's promise.
    let agent = unsafe { &*agent };
    if !agent.origin.is_here() {
        forsake(agent);
        return Ok(());
    }
    if is_logging() {
        // Some call is around this, or this thread is a plugin's: the last call that ends tears it down.
        agent.presence.free();
        agent.handle.stop();
        return Ok(());
    }
    let call = Call::new(agent);
    agent.handle.stop();
    if agent.presence.free() && !call.is_in_callback() {
        let thread = agent.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It caught its panics.
        let _ended = thread.map(JoinHandle::join);
    }
    Ok(())
}

/// In a forked child: closes the descriptors, which the parent goes on using, and leaks the rest.
fn forsake(agent: &slnd_agent) {
    if agent.is_forsaken.swap(true, Ordering::AcqRel) {
        return;
    }
    if let Some(embedded) = agent.core.take_in_child() {
        embedded.forsake();
        agent.handle.clone().forsake();
        return;
    }
    // SAFETY: a forked child, which the other threads did not follow.
    for fd in unsafe { agent.core.descriptors_in_child() } {
        // SAFETY: the agent's, which is never used here again, nor dropped.
        unsafe { libc::close(fd) };
    }
}
