//! The safe facade behind its lock, which is held for a turn or a call and never while on_events runs.

use std::cell::UnsafeCell;
use std::os::fd::RawFd;
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

/// A mutex, and a way past it for a forked child: a lock that is held there is held by nobody.
pub(crate) struct Core {
    lock: Mutex<()>,
    /// `None` once the agent has ended.
    inside: UnsafeCell<Option<Inside>>,
}

// SAFETY: `inside` is used under the lock, or by the only thread of a forked child; what is in it may change threads.
unsafe impl Sync for Core where Inside: Send {}

impl Core {
    pub(crate) fn new(embedded: Embedded) -> Core {
        let inside = Inside { embedded, is_started: false, adopted: 0 };
        Core { lock: Mutex::new(()), inside: UnsafeCell::new(Some(inside)) }
    }

    /// Uses the facade; waits for another thread's use of it, which is a turn at most.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Inside) -> Result<R, Refusal>) -> Result<R, Refusal> {
        let panicked = |_| Refusal::new(SLND_E_PANIC, "an earlier call panicked");
        let mut lock = self.lock.lock().map_err(panicked)?;
        let inside = self.inside(&mut lock).as_mut();
        f(inside.ok_or_else(|| Refusal::new(SLND_E_CLOSED, "the agent has ended"))?)
    }

    /// Takes the facade away, also after a panic.
    pub(crate) fn take(&self) -> Option<Embedded> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.inside(&mut lock).take().map(|inside| inside.embedded)
    }

    /// Takes the facade away in a forked child, if it is whole: the fork did not come while a thread changed it.
    pub(crate) fn take_in_child(&self) -> Option<Embedded> {
        let mut lock = self.lock.try_lock().ok()?;
        self.inside(&mut lock).take().map(|inside| inside.embedded)
    }

    /// The descriptors of an agent that a fork found in the middle of a turn; none if it was not started.
    ///
    /// # Safety
    /// In a forked child, where nobody else is inside.
    pub(crate) unsafe fn descriptors_in_child(&self) -> Vec<RawFd> {
        // SAFETY: whoever was changing it does not exist here, and nothing is read but what a turn leaves in place.
        let inside = unsafe { &*self.inside.get() };
        let started = inside.as_ref().filter(|inside| inside.is_started);
        started.map_or_else(Vec::new, |inside| inside.embedded.descriptors())
    }

    fn inside<'a>(&'a self, _lock: &'a mut MutexGuard<'_, ()>) -> &'a mut Option<Inside> {
        // SAFETY: the lock is held, and by nobody else for as long as the answer lives.
        unsafe { &mut *self.inside.get() }
    }
}
