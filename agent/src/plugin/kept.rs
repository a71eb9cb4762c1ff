//! What outlives its instance, for ever: the host's table and what its functions use.
//!
//! A plugin may keep a thread that its `stop` should have joined, and that calls the host once more.  What such a call
//! finds is closed, but there.

use std::sync::{Mutex, PoisonError};

/// Where it all is.  Only for leak checkers: what nothing points to looks lost to them.
static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());

pub(super) fn keep<T>(value: T) -> &'static T {
    let kept: &'static T = Box::leak(Box::new(value));
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(std::ptr::from_ref(kept).expose_provenance());
    kept
}
