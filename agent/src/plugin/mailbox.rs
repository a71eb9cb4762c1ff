//! One slot that always holds the newest value, passed between threads without a lock on either side.
#![allow(unsafe_code, reason = "an atomic pointer that owns a box")]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Holds the newest value that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Mailbox<T>(AtomicPtr<T>);

// SAFETY: a value goes in on one thread and out, whole, on another; nothing is shared.
unsafe impl<T: Send> Sync for Mailbox<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Mailbox<T> {}

impl<T> Mailbox<T> {
    pub(super) const fn new() -> Mailbox<T> {
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
        // Looking is cheaper than swapping, and mostly nothing waits.
        if self.0.load(Ordering::Relaxed).is_null() {
            return None;
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn holds_the_newest_and_frees_the_rest() {
        let mailbox = Mailbox::new();
        let value = Arc::new(());
        assert!(mailbox.take().is_none());
        mailbox.put(Arc::clone(&value));
        mailbox.put(Arc::clone(&value));
        assert_eq!(Arc::strong_count(&value), 2, "the replaced one is gone");
        assert!(mailbox.take().is_some() && mailbox.take().is_none());
        mailbox.put(Arc::clone(&value));
        drop(mailbox);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn every_value_comes_out_at_most_once() {
        let mailbox = Arc::new(Mailbox::new());
        let reader = {
            let mailbox = Arc::clone(&mailbox);
            std::thread::spawn(move || {
                let mut last = 0;
                while last < 20_000 {
                    if let Some(value) = mailbox.take() {
                        assert!(value > last, "{value} after {last}");
                        last = value;
                    } else {
                        std::hint::spin_loop();
                    }
                }
            })
        };
        (1..=20_000).for_each(|value: u32| mailbox.put(value));
        reader.join().expect("the reader saw a rising sequence");
    }
}
