//! The safe facade, and the lock before it: held for a turn or a call, never while a callback runs.
//!
//! In a forked child whoever held the lock does not exist; [`Core::take_in_child`] is the one way past it.

use std::cell::{Cell, UnsafeCell};
use std::sync::{Mutex, PoisonError};

use agent::embed::Embedded;
use serialnumberd_plugin::abi::{SLND_E_AGAIN, SLND_E_CLOSED, SLND_E_PANIC};

use crate::barrier::Refusal;

thread_local! {
    /// This thread is inside [`Core::with`]: a callback of the log that wants in again would wait for itself.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
}

/// What the lock protects.
pub(crate) struct Inside {
    pub(crate) embedded: Embedded,
    pub(crate) is_started: bool,
    /// Sockets that the program passed.
    pub(crate) adopted: usize,
}

pub(crate) struct Core {
    lock: Mutex<()>,
    inside: UnsafeCell<Option<Inside>>,
}

// SAFETY: `inside` is only touched under the lock, or by the only thread of a forked child; `Inside` is Send.
unsafe impl Sync for Core {}

const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Inside>();
};

impl Core {
    pub(crate) fn new(embedded: Embedded) -> Core {
        let inside = Inside { embedded, is_started: false, adopted: 0 };
        Core { lock: Mutex::new(()), inside: UnsafeCell::new(Some(inside)) }
    }

    /// Uses the facade; waits for another thread's use of it, which is a turn at most.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Inside) -> Result<R, Refusal>) -> Result<R, Refusal> {
        if HOLDS.get() {
            return Err(Refusal::new(SLND_E_AGAIN, "not from inside on_log"));
        }
        let _lock = self.lock.lock().map_err(|_| Refusal::new(SLND_E_PANIC, "an earlier call panicked"))?;
        HOLDS.set(true);
        let _held = Held;
        // SAFETY: under the lock.
        let inside = unsafe { &mut *self.inside.get() };
        f(inside.as_mut().ok_or_else(|| Refusal::new(SLND_E_CLOSED, "the agent has ended"))?)
    }

    /// Takes the facade away, also after a panic.
    pub(crate) fn take(&self) -> Option<Embedded> {
        let _lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: under the lock.
        unsafe { &mut *self.inside.get() }.take().map(|inside| inside.embedded)
    }

    /// Takes the facade away in a forked child, whoever held the lock in the parent.  It may be in the middle of
    /// a change: fit for [`Embedded::forsake`] and nothing else.
    ///
    /// # Safety
    /// In a forked child, by the only thread that it has of the parent's.
    pub(crate) unsafe fn take_in_child(&self) -> Option<Embedded> {
        // SAFETY: the caller's promise: nobody else is here.
        unsafe { &mut *self.inside.get() }.take().map(|inside| inside.embedded)
    }
}

struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        HOLDS.set(false);
    }
}
