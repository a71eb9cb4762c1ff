//! The slots of an exported plugin: from C to [`Plugin`], each behind the barrier.
#![allow(unsafe_code, reason = "these are the functions that the host calls")]

use core::ffi::{CStr, c_char, c_void};

use crate::abi::{
    self, SLND_OK, slnd_decision, slnd_error, slnd_event, slnd_host, slnd_kv, slnd_plugin, slnd_status,
};
use crate::barrier::guard;
use crate::host::{Host, HostHandle};
use crate::logger::{self, Entered};
use crate::table::Table;
use crate::{Error, Events, Options, Plugin};

struct Instance<P> {
    plugin: P,
    host: HostHandle,
}

/// The descriptor of a plugin, as a constant.
#[doc(hidden)]
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a struct's size, a table's length; try_from is not const"
)]
pub const fn descriptor<P: Plugin>() -> slnd_plugin {
    let about = P::ABOUT;
    slnd_plugin {
        struct_size: size_of::<slnd_plugin>() as u32,
        abi_major: abi::SLND_ABI_MAJOR,
        abi_minor: abi::SLND_ABI_MINOR,
        layout: abi::SLND_LAYOUT,
        id: about.id.as_ptr(),
        name: about.name.as_ptr(),
        version: about.version.as_ptr(),
        description: about.description.as_ptr(),
        vendor: or_null(about.vendor),
        url: or_null(about.url),
        wants: about.wants.0,
        wants_if_granted: about.wants_if_granted.0,
        events: about.events.0,
        queue_hint: about.queue_hint,
        batch_max: about.batch_max,
        options: about.options.as_ptr().cast(),
        n_options: about.options.len() as u32,
        option_stride: size_of::<abi::slnd_option>() as u32,
        create: Some(create::<P>),
        configure: Some(configure::<P>),
        start: Some(start::<P>),
        on_events: Some(on_events::<P>),
        status: Some(status::<P>),
        stop: Some(stop::<P>),
        destroy: Some(destroy::<P>),
        flush: Some(flush::<P>),
        get_extension: None,
    }
}

const fn or_null(text: Option<&'static CStr>) -> *const c_char {
    match text {
        Some(text) => text.as_ptr(),
        None => core::ptr::null(),
    }
}

/// Calls into an instance, behind the barrier.
///
/// # Safety
/// `state` is NULL, or came from `create::<P>` and was not destroyed, and nobody else uses it (R7).
unsafe fn enter<P: Plugin, T>(
    state: *mut c_void,
    what: &str,
    call: impl FnOnce(&mut Instance<P>) -> Result<T, Error>,
) -> Result<T, Error> {
    // SAFETY: the caller's.
    let Some(instance) = (unsafe { state.cast::<Instance<P>>().as_mut() }) else {
        return Err(Error::invalid(format!("{what}: no instance")));
    };
    let _entered = Entered::new(&instance.host);
    guard(what, || call(instance))
}

/// The answer of a slot that can say why.
///
/// # Safety
/// `error` is NULL, or an error can be written there.
unsafe fn answer(result: Result<(), Error>, error: *mut slnd_error) -> slnd_status {
    let Err(e) = result else { return SLND_OK };
    // SAFETY: the caller's.
    if let Some(error) = unsafe { error.as_mut() } {
        e.write(error);
    }
    e.status()
}

/// The answer of a slot that cannot say why: the log does.
///
/// # Safety
/// As [`enter`].
unsafe fn log_answer<P: Plugin>(state: *mut c_void, result: Result<(), Error>) -> slnd_status {
    let Err(e) = result else { return SLND_OK };
    // SAFETY: the caller's.
    if let Some(instance) = unsafe { state.cast::<Instance<P>>().as_ref() } {
        instance.host.log(log::Level::Error, &e.to_string());
    }
    e.status()
}

unsafe extern "C" fn create<P: Plugin>(
    host: *const slnd_host,
    instance: *const c_char,
    state: *mut *mut c_void,
    error: *mut slnd_error,
) -> slnd_status {
    let result = guard("create", || {
        if host.is_null() || instance.is_null() || state.is_null() {
            return Err(Error::invalid("create: a NULL argument"));
        }
        // SAFETY: the host's table, which the ABI promises.
        let host = HostHandle::new(unsafe { Table::read(host) }?);
        logger::register(&host);
        let _entered = Entered::new(&host);
        // SAFETY: the ABI promises a NUL-terminated text.
        let name = unsafe { CStr::from_ptr(instance) }.to_string_lossy();
        let plugin = P::create(Host::new(host.clone()), &name)?;
        let made = Box::into_raw(Box::new(Instance { plugin, host }));
        // SAFETY: not NULL; the ABI promises room for a pointer.
        unsafe { state.write(made.cast()) };
        Ok(())
    });
    // SAFETY: the ABI promises room for an error.
    unsafe { answer(result, error) }
}

unsafe extern "C" fn configure<P: Plugin>(
    state: *mut c_void,
    options: *const slnd_kv,
    n: usize,
    is_reload: u32,
    error: *mut slnd_error,
) -> slnd_status {
    // SAFETY: the ABI promises this instance and `n` pairs.
    let result = unsafe {
        enter::<P, _>(state, "configure", |i| i.plugin.configure(&Options::new(options, n), is_reload != 0))
    };
    // SAFETY: the ABI promises room for an error.
    unsafe { answer(result, error) }
}

unsafe extern "C" fn start<P: Plugin>(state: *mut c_void, error: *mut slnd_error) -> slnd_status {
    // SAFETY: the ABI promises this instance.
    let result = unsafe { enter::<P, _>(state, "start", |i| i.plugin.start()) };
    // SAFETY: the ABI promises room for an error.
    unsafe { answer(result, error) }
}

unsafe extern "C" fn on_events<P: Plugin>(
    state: *mut c_void,
    events: *const *const slnd_event,
    n: usize,
    out: *mut slnd_decision,
) -> slnd_status {
    if n == 0 {
        return SLND_OK;
    }
    if events.is_null() || out.is_null() {
        return abi::SLND_E_INVALID;
    }
    // SAFETY: the ABI promises this instance and `n` events and decisions, which live until we return.
    let result =
        unsafe { enter::<P, _>(state, "on_events", |i| i.plugin.on_events(Events::new(events, n, out))) };
    if result.is_err() {
        // SAFETY: as above; the plugin's view of them has ended.
        let out = unsafe { core::slice::from_raw_parts_mut(out, n) };
        // A half-answered batch is no answer.
        out.iter_mut().for_each(|d| *d = slnd_decision::ABSTAIN);
    }
    // SAFETY: the ABI promises this instance.
    unsafe { log_answer::<P>(state, result) }
}

unsafe extern "C" fn status<P: Plugin>(
    state: *mut c_void,
    json: *mut c_char,
    cap: usize,
    need: *mut usize,
) -> slnd_status {
    // SAFETY: the ABI promises this instance.
    let result = unsafe { enter::<P, _>(state, "status", |i| Ok(i.plugin.status())) };
    let result = result.map(|text| {
        if !need.is_null() {
            // SAFETY: not NULL; the ABI promises room for a size.
            unsafe { need.write(text.len()) };
        }
        if !json.is_null() && text.len() <= cap {
            // SAFETY: not NULL; the ABI promises room for `cap` bytes, and it is none of ours.
            unsafe { json.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        }
    });
    // SAFETY: the ABI promises this instance.
    unsafe { log_answer::<P>(state, result) }
}

unsafe extern "C" fn flush<P: Plugin>(state: *mut c_void, deadline_ns: u64) -> slnd_status {
    // SAFETY: the ABI promises this instance.
    let result = unsafe { enter::<P, _>(state, "flush", |i| i.plugin.flush(deadline_ns)) };
    // SAFETY: the ABI promises this instance.
    unsafe { log_answer::<P>(state, result) }
}

unsafe extern "C" fn stop<P: Plugin>(state: *mut c_void) {
    // SAFETY: the ABI promises this instance.
    let result = unsafe {
        enter::<P, _>(state, "stop", |i| {
            i.plugin.stop();
            Ok(())
        })
    };
    // SAFETY: the ABI promises this instance.
    unsafe { log_answer::<P>(state, result) };
    // SAFETY: the ABI promises this instance.
    if let Some(instance) = unsafe { state.cast::<Instance<P>>().as_ref() } {
        instance.host.close();
    }
}

unsafe extern "C" fn destroy<P: Plugin>(state: *mut c_void) {
    if state.is_null() {
        return;
    }
    // SAFETY: the ABI promises that it came from `create`, and that this is its last use.
    let instance = unsafe { Box::from_raw(state.cast::<Instance<P>>()) };
    let host = instance.host.clone();
    let _entered = Entered::new(&host);
    let dropped = guard("destroy", || {
        drop(instance);
        Ok(())
    });
    if let Err(e) = dropped {
        host.log(log::Level::Error, &e.to_string());
    }
    host.close();
}
