//! The safe facade behind its lock, which is held for a turn or a call and never while on_events runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use agent::embed::Embedded;
use serialnumberd_plugin::abi::{SLND_E_CLOSED, SLND_E_PANIC};

use crate::barrier::Refusal;

/// What the lock protects.
pub(crate) struct Inside {
    pub(crate) embedded: Embedded,
    pub(crate) is_started: bool,
    /// Sockets that the program passed.
    pub(crate) adopted: usize,
}

/// `None` once the agent has ended.
pub(crate) struct Core(Mutex<Option<Inside>>);

impl Core {
    pub(crate) fn new(embedded: Embedded) -> Core {
        Core(Mutex::new(Some(Inside { embedded, is_started: false, adopted: 0 })))
    }

    /// Uses the facade; waits for another thread's use of it, which is a turn at most.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Inside) -> Result<R, Refusal>) -> Result<R, Refusal> {
        let mut inside = self.0.lock().map_err(|_| Refusal::new(SLND_E_PANIC, "an earlier call panicked"))?;
        f(inside.as_mut().ok_or_else(|| Refusal::new(SLND_E_CLOSED, "the agent has ended"))?)
    }

    /// Takes the facade away, also after a panic.
    pub(crate) fn take(&self) -> Option<Embedded> {
        facade(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the facade away in a forked child, if it is whole: not if the fork came while another thread changed it,
    /// which does not exist here and will never unlock it.
    pub(crate) fn take_in_child(&self) -> Option<Embedded> {
        self.0.try_lock().ok().and_then(facade)
    }
}

fn facade(mut inside: MutexGuard<'_, Option<Inside>>) -> Option<Embedded> {
    inside.take().map(|inside| inside.embedded)
}
