//! The program's callbacks: events out, opinions in; and lines of the log.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use agent::embed::{Batch, Opinion, Sink};
use serialnumberd_plugin::abi::*;

use crate::types::{slnd_config, slnd_event_cb, slnd_log_cb};

/// As the program gave them.
#[derive(Clone, Copy)]
pub(crate) struct Callbacks {
    on_events: slnd_event_cb,
    on_log: slnd_log_cb,
    user: *mut c_void,
}

// SAFETY: the header says on which threads each of them is called; `user` is the program's, and only handed on.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Callbacks {
    pub(crate) fn new(config: &slnd_config) -> Callbacks {
        Callbacks { on_events: config.on_events, on_log: config.on_log, user: config.user }
    }

    /// Gives the program a batch; its opinions where one is awaited.
    pub(crate) fn deliver(&self, batch: &mut Batch) -> Vec<Opinion> {
        let Some(on_events) = self.on_events else { return Vec::new() };
        let (opinions, ()) = batch.hand_over(|events, out| {
            // SAFETY: the program's function, and as many events as decisions, which live until it returns.
            unsafe { on_events(self.user, events.as_ptr(), events.len(), out.as_mut_ptr()) };
        });
        opinions
    }
}

thread_local! {
    static LOGGING: Cell<bool> = const { Cell::new(false) };
}

/// Whether on_log is around this call.
pub(crate) fn is_logging() -> bool {
    LOGGING.get()
}

/// The way of log lines to the program, until it closes: a plugin that was abandoned may still log then.
pub(crate) struct LogGate {
    callbacks: Callbacks,
    /// Lines that are being taken, and [`CLOSED`].
    passing: AtomicU32,
}

const CLOSED: u32 = 1 << 31;

impl LogGate {
    pub(crate) fn new(callbacks: Callbacks) -> Arc<LogGate> {
        Arc::new(LogGate { callbacks, passing: AtomicU32::new(0) })
    }

    /// What the facade logs to; nothing if the program does not want to know.
    pub(crate) fn sink(self: &Arc<LogGate>) -> Option<Arc<dyn Sink>> {
        self.callbacks.on_log.map(|_| Arc::clone(self) as Arc<dyn Sink>)
    }

    /// Lets no further line through, and waits for those that are on their way.
    pub(crate) fn close(&self) {
        self.passing.fetch_or(CLOSED, Ordering::AcqRel);
        while self.passing.load(Ordering::Acquire) != CLOSED {
            thread::yield_now();
        }
    }
}

impl Sink for LogGate {
    fn log(&self, level: log::Level, line: &str) {
        let Some(on_log) = self.callbacks.on_log else { return };
        if self.passing.fetch_add(1, Ordering::AcqRel) & CLOSED == 0 {
            let mut text = String::with_capacity(line.len() + 1);
            text.push_str(line);
            text.push('\0');
            let before = LOGGING.replace(true);
            // SAFETY: the program's function, which may be called on any thread; the text lives until it returns.
            unsafe { on_log(self.callbacks.user, number(level), text.as_ptr().cast(), line.len()) };
            LOGGING.set(before);
        }
        self.passing.fetch_sub(1, Ordering::AcqRel);
    }
}

fn number(level: log::Level) -> slnd_level {
    match level {
        log::Level::Error => SLND_LOG_ERROR,
        log::Level::Warn => SLND_LOG_WARN,
        log::Level::Info => SLND_LOG_INFO,
        log::Level::Debug | log::Level::Trace => SLND_LOG_DEBUG,
    }
}
