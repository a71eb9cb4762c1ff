//! The program's callbacks: events out, opinions in; and lines of the log.

use std::ffi::c_void;
use std::sync::Arc;

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

    pub(crate) fn sink(self) -> Option<Arc<dyn Sink>> {
        self.on_log.map(|_| Arc::new(self) as Arc<dyn Sink>)
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

impl Sink for Callbacks {
    fn log(&self, level: log::Level, line: &str) {
        let Some(on_log) = self.on_log else { return };
        let mut text = String::with_capacity(line.len() + 1);
        text.push_str(line);
        text.push('\0');
        // SAFETY: the program's function, which may be called on any thread; the text lives until it returns.
        unsafe { on_log(self.user, number(level), text.as_ptr().cast(), line.len()) };
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
