//! The log of a child: every level is wanted, so that the plugin's own code for its lines runs; the last error is kept,
//! because a slot that answers with a number alone has said there what was wrong.

use std::sync::{Mutex, PoisonError};

static LAST: Mutex<Option<String>> = Mutex::new(None);

struct Output;

impl log::Log for Output {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() == log::Level::Error {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// From here on lines are heard.
pub(super) fn listen() {
    // Nobody was before it: this process has just begun.
    if log::set_logger(&Output).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

/// What the last error line said.
pub(super) fn last_error() -> Option<String> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
