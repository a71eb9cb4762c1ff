//! One slot that always holds the newest value, passed between threads without a lock on either side.
//! `agent/tests/handshake` tries all interleavings.
#![allow(unsafe_code, reason = "an atomic pointer that owns a box")]

use std::ptr;

use super::sync::atomic::{AtomicPtr, Ordering};

/// Holds the newest value that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Mailbox<T>(AtomicPtr<T>);

// SAFETY: a value goes in on one thread and out, whole, on another; nothing is shared.
unsafe impl<T: Send> Sync for Mailbox<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Mailbox<T> {}

impl<T> Mailbox<T> {
    pub(super) fn new() -> Mailbox<T> {
        Mailbox(AtomicPtr::new(ptr::null_mut()))
    }

    pub(super) fn holding(value: T) -> Mailbox<T> {
        let mailbox = Mailbox::new();
        mailbox.put(value);
        mailbox
    }

    /// Replaces what waits.
    pub(super) fn put(&self, value: T) {
        drop(self.swap(Box::into_raw(Box::new(value))));
    }

    /// Takes what waits.
    pub(super) fn take(&self) -> Option<T> {
        self.swap(ptr::null_mut()).map(|value| *value)
    }

    fn swap(&self, new: *mut T) -> Option<Box<T>> {
        let old = self.0.swap(new, Ordering::AcqRel);
        // SAFETY: each pointer came from `Box::into_raw` and leaves the slot by exactly one swap.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
