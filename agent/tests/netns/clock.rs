//! Waiting for what another process does: the only clock of these tests, and always with a bound.
#![allow(clippy::disallowed_methods, reason = "the agent is measured from outside, on a clock of our own")]

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(15);

/// Shorthand that keeps the tests readable.
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Shorthand that keeps the tests readable.
pub const fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A stopwatch.
#[derive(Clone, Copy)]
pub struct Watch(Instant);

impl Watch {
    /// Starts it.
    pub fn start() -> Watch {
        Watch(Instant::now())
    }

    /// What it shows.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The first `Some` that `look` gives within `bound`, and how long that took.
///
/// # Panics
/// If there is none; the message names `what`.
pub fn within<T>(bound: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> (T, Duration) {
    let watch = Watch::start();
    loop {
        if let Some(found) = look() {
            return (found, watch.elapsed());
        }
        assert!(watch.elapsed() < bound, "not within {bound:?}: {what}");
        sleep(POLL);
    }
}

/// Looks again and again for the whole of `span`.
///
/// # Panics
/// At the first moment when `holds` says why not.
pub fn throughout(span: Duration, mut holds: impl FnMut() -> Result<(), String>) {
    let watch = Watch::start();
    while watch.elapsed() < span {
        if let Err(why) = holds() {
            panic!("after {:?} of {span:?}: {why}", watch.elapsed());
        }
        sleep(POLL * 2);
    }
}

/// Lets time pass, where the passing itself is what is tested.
pub fn pass(span: Duration) {
    sleep(span);
}
