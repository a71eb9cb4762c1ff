//! How many calls are inside an agent, and whether it is to be freed: one word, so that exactly one call is the last.

use std::sync::atomic::{AtomicU32, Ordering};

/// The last call out tears down; free is the last but for those that it was called beside.
#[derive(Debug, Default)]
pub(crate) struct Presence(AtomicU32);

/// It is to be freed.
const FREED: u32 = 1 << 31;
/// It is being torn down: no later call is the last one out.
const TORN: u32 = 1 << 30;

impl Presence {
    pub(crate) fn enter(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether this was the last call of an agent that is to be freed: whoever is told so tears it down.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        let is_last = self.0.fetch_sub(1, Ordering::AcqRel) == FREED | 1;
        if is_last {
            self.0.fetch_or(TORN, Ordering::AcqRel);
        }
        is_last
    }

    /// Whether nobody had freed it before.
    pub(crate) fn free(&self) -> bool {
        self.0.fetch_or(FREED, Ordering::AcqRel) & FREED == 0
    }

    pub(crate) fn is_freed(&self) -> bool {
        self.0.load(Ordering::Acquire) & FREED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_is_the_last() {
        let presence = Presence::default();
        presence.enter();
        assert!(!presence.leave(), "not freed");
        presence.enter();
        presence.enter();
        assert!(presence.free() && !presence.free(), "once");
        assert!(presence.is_freed());
        assert!(!presence.leave(), "another is inside");
        assert!(presence.leave());
        presence.enter();
        assert!(!presence.leave(), "what it logs may come back while it is torn down");
    }
}
