//! The slots of one plugin instance as safe calls, each timed for the watchdog.
//!
//! Owns the instance's `state` pointer.  Made and used on the instance's own thread only, never two calls at once.
#![allow(unsafe_code, reason = "calls through a plugin's function pointers")]

use std::ffi::{CString, c_char, c_void};
use std::fmt;
use std::ptr;
use std::sync::Arc;

use serialnumberd_plugin::abi::*;
use zeroize::Zeroizing;

use super::foreign::array_text;
use super::limits::STATUS_MAX;
use super::options::Settings;
use super::shared::{Call, Clock, Shared};

/// A slot answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallError {
    pub(super) call: Call,
    pub(super) status: slnd_status,
    pub(super) message: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.status == SLND_E_PANIC { "panicked" } else { "failed" };
        write!(f, "its {} {verb}", self.call.as_str())?;
        if self.message.is_empty() {
            write!(f, " ({})", self.status)
        } else {
            write!(f, ": {}", self.message)
        }
    }
}

pub(super) struct Calls {
    slots: slnd_plugin,
    state: *mut c_void,
    shared: Arc<Shared>,
    clock: Clock,
}

impl Calls {
    /// Makes the instance.
    pub(super) fn create(
        slots: slnd_plugin,
        host: &'static slnd_host,
        instance: &str,
        shared: Arc<Shared>,
        clock: Clock,
    ) -> Result<Calls, CallError> {
        let instance = CString::new(instance).unwrap_or_default();
        // SAFETY: the name lives until it returns.
        unsafe { Calls::create_with(slots, host, instance.as_ptr(), shared, clock) }
    }

    /// The same with a name that the caller has laid out.
    ///
    /// # Safety
    /// The name ends with a NUL and can be read until this returns.
    pub(super) unsafe fn create_with(
        slots: slnd_plugin,
        host: &'static slnd_host,
        instance: *const c_char,
        shared: Arc<Shared>,
        clock: Clock,
    ) -> Result<Calls, CallError> {
        let mut calls = Calls { slots, state: ptr::null_mut(), shared, clock };
        let Some(create) = slots.create else { return Err(unset(Call::Create)) };
        let mut error = slnd_error::NONE;
        let mut state = ptr::null_mut();
        // SAFETY: the slot's type is the ABI's, by the canary; the host's table lives for ever, the other
        // pointers until it returns.
        let status =
            calls.timed(Call::Create, || unsafe { create(host, instance, &raw mut state, &raw mut error) });
        calls.state = state;
        outcome(Call::Create, status, &error).map(|()| calls)
    }

    pub(super) fn configure(&self, settings: &Settings, is_reload: bool) -> Result<(), CallError> {
        let text = |text: &str| {
            let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() + 1));
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
            bytes
        };
        let texts: Vec<_> =
            settings.0.iter().map(|setting| (text(&setting.name), text(&setting.value))).collect();
        let view = |bytes: &[u8]| slnd_str { ptr: bytes.as_ptr().cast(), len: bytes.len() - 1 };
        let options: Vec<slnd_kv> =
            texts.iter().map(|(key, value)| slnd_kv { key: view(key), value: view(value) }).collect();
        // SAFETY: the options and their texts live until it returns.
        unsafe { self.configure_with(&options, is_reload) }
    }

    /// The same with options that the caller has laid out.
    ///
    /// # Safety
    /// The texts of the options end with a NUL and can be read until this returns.
    pub(super) unsafe fn configure_with(
        &self,
        options: &[slnd_kv],
        is_reload: bool,
    ) -> Result<(), CallError> {
        let Some(configure) = self.slots.configure else { return Ok(()) };
        let mut error = slnd_error::NONE;
        // SAFETY: `state` is what `create` made; the caller's promise for the options.
        let status = self.timed(Call::Configure, || unsafe {
            configure(self.state, options.as_ptr(), options.len(), u32::from(is_reload), &raw mut error)
        });
        outcome(Call::Configure, status, &error)
    }

    pub(super) fn start(&self) -> Result<(), CallError> {
        let Some(start) = self.slots.start else { return Ok(()) };
        let mut error = slnd_error::NONE;
        // SAFETY: `state` is what `create` made.
        let status = self.timed(Call::Start, || unsafe { start(self.state, &raw mut error) });
        outcome(Call::Start, status, &error)
    }

    /// Delivers a batch; `out` has a decision for each event.
    ///
    /// # Safety
    /// Each of `events` points to a valid event of the size in its head, as does all that it points to,
    /// until this returns.
    pub(super) unsafe fn on_events(
        &self,
        events: &[*const slnd_event],
        out: &mut [slnd_decision],
    ) -> Result<(), CallError> {
        assert!(events.len() <= out.len(), "a decision for each event");
        let Some(on_events) = self.slots.on_events else { return Err(unset(Call::OnEvents)) };
        // SAFETY: the caller's promise for the events; `out` has room for as many decisions.
        let status = self.timed(Call::OnEvents, || unsafe {
            on_events(self.state, events.as_ptr(), events.len(), out.as_mut_ptr())
        });
        outcome(Call::OnEvents, status, &slnd_error::NONE)
    }

    /// The plugin's own status, if it tells one that fits.
    pub(super) fn status(&self) -> Result<Option<Vec<u8>>, CallError> {
        if !self.has_status() {
            return Ok(None);
        }
        let mut json: Vec<u8> = vec![0; STATUS_MAX];
        // SAFETY: the buffer has the room that is stated.
        let need = unsafe { self.status_into(json.as_mut_ptr().cast::<c_char>(), json.len())? };
        let fits = need <= json.len();
        json.truncate(need);
        Ok(fits.then_some(json))
    }

    /// Has the status written into a room, if that suffices; how many bytes it takes.
    ///
    /// # Safety
    /// `json` has room for `cap` bytes, which are not read before this returns.
    pub(super) unsafe fn status_into(&self, json: *mut c_char, cap: usize) -> Result<usize, CallError> {
        let Some(tell) = self.slots.status else { return Err(unset(Call::Status)) };
        let mut need = 0;
        // SAFETY: `state` is what `create` made; the caller's promise for the room.
        let status = self.timed(Call::Status, || unsafe { tell(self.state, json, cap, &raw mut need) });
        outcome(Call::Status, status, &slnd_error::NONE).map(|()| need)
    }

    pub(super) fn has_status(&self) -> bool {
        self.slots.status.is_some()
    }

    pub(super) fn flush(&self, deadline_ns: u64) -> Result<(), CallError> {
        let Some(flush) = self.slots.flush else { return Ok(()) };
        // SAFETY: `state` is what `create` made.
        let status = self.timed(Call::Flush, || unsafe { flush(self.state, deadline_ns) });
        outcome(Call::Flush, status, &slnd_error::NONE)
    }

    /// Stops and frees the instance; between the two the host's functions close.
    pub(super) fn stop_and_destroy(self) {
        self.stop();
        self.shared.close();
        self.destroy();
    }

    /// The last call but one.
    pub(super) fn stop(&self) {
        if let Some(stop) = self.slots.stop {
            // SAFETY: `state` is what `create` made.
            self.timed(Call::Stop, || unsafe { stop(self.state) });
        }
    }

    /// The last call.
    pub(super) fn destroy(self) {
        if let Some(destroy) = self.slots.destroy {
            // SAFETY: `state` is what `create` made, and is used no more: `self` ends here.
            self.timed(Call::Destroy, || unsafe { destroy(self.state) });
        }
    }

    fn timed<R>(&self, call: Call, f: impl FnOnce() -> R) -> R {
        self.shared.call_begins(call, (self.clock)());
        let result = f();
        self.shared.call_ends((self.clock)());
        result
    }
}

fn outcome(call: Call, status: slnd_status, error: &slnd_error) -> Result<(), CallError> {
    if status == SLND_OK {
        return Ok(());
    }
    Err(CallError { call, status, message: super::log_line::clean(array_text(&error.message).as_bytes()) })
}

/// The acceptance rules see to it that a required slot is set.
fn unset(call: Call) -> CallError {
    CallError { call, status: SLND_E_UNSUPPORTED, message: "the slot is not set".to_owned() }
}
