//! The crate `log` over the host's log.  Every cdylib has a `log` of its own, so this touches no other plugin.

use std::cell::RefCell;
use std::sync::{Mutex, Once, PoisonError, Weak};

use crate::abi::{self, slnd_level};
use crate::host::{HostHandle, Shared};

/// The instances of this plugin that are alive, the newest last.
static INSTANCES: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

thread_local! {
    /// Whose lines this thread writes.
    static CURRENT: RefCell<Option<HostHandle>> = const { RefCell::new(None) };
}

struct HostLog;

/// The ABI's number of a level; it has no "trace".
pub(crate) fn level(level: log::Level) -> slnd_level {
    match level {
        log::Level::Error => abi::SLND_LOG_ERROR,
        log::Level::Warn => abi::SLND_LOG_WARN,
        log::Level::Info => abi::SLND_LOG_INFO,
        log::Level::Debug | log::Level::Trace => abi::SLND_LOG_DEBUG,
    }
}

/// The logger is installed once, or never.
static INSTALL: Once = Once::new();

/// For plugins in the host's own program, which has one `log` with it: no logger is installed.
pub fn leave_alone() {
    INSTALL.call_once(|| {});
}

/// Registers an instance; the first one installs the logger, unless the plugin has one of its own.
pub(crate) fn register(handle: &HostHandle) {
    INSTALL.call_once(|| {
        if log::set_logger(&HostLog).is_ok() {
            log::set_max_level(log::LevelFilter::Debug);
        }
    });
    let mut instances = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
    instances.retain(|i| i.strong_count() > 0);
    instances.push(std::sync::Arc::downgrade(&handle.0));
}

/// Says whose lines this thread writes from now on; answers whose they were.
pub(crate) fn set_current(handle: Option<HostHandle>) -> Option<HostHandle> {
    CURRENT.try_with(|c| c.replace(handle)).ok().flatten()
}

fn current() -> Option<HostHandle> {
    let own = CURRENT.try_with(|c| c.borrow().clone()).ok().flatten();
    own.or_else(|| {
        let instances = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
        instances.iter().rev().find_map(Weak::upgrade).map(HostHandle)
    })
}

impl log::Log for HostLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        current().is_some_and(|host| host.log_enabled(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Some(host) = current().filter(|host| host.log_enabled(record.level())) {
            // Formatted before the host is called: arguments are the plugin's code, and may call it too.
            let line = record.args().to_string();
            host.log(record.level(), &line);
        }
    }

    fn flush(&self) {}
}

/// While it lives, this thread's lines are an instance's.
pub(crate) struct Entered {
    before: Option<HostHandle>,
}

impl Entered {
    pub(crate) fn new(handle: &HostHandle) -> Entered {
        Entered { before: set_current(Some(handle.clone())) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        set_current(self.before.take());
    }
}
