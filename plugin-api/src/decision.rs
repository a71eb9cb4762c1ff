//! A verdict with its reason.

use crate::abi::{self, slnd_decision, slnd_verdict};
use crate::text;

/// May the licensed software run?  An open set; the greater, the more restrictive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verdict(pub slnd_verdict);

impl Verdict {
    /// No opinion.
    pub const ABSTAIN: Verdict = Verdict(abi::SLND_VERDICT_ABSTAIN);
    /// Run.
    pub const ALLOW: Verdict = Verdict(abi::SLND_VERDICT_ALLOW);
    /// Run, and tell people.
    pub const WARN: Verdict = Verdict(abi::SLND_VERDICT_WARN);
    /// Run restricted: read-only, fewer users.
    pub const LIMIT: Verdict = Verdict(abi::SLND_VERDICT_LIMIT);
    /// Do not run.
    pub const DENY: Verdict = Verdict(abi::SLND_VERDICT_DENY);
}

/// A verdict with its reason for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// May it run?
    pub verdict: Verdict,
    /// For people.  What is beyond 1015 bytes is cut off on the way to the host, between two characters.
    pub reason: String,
}

impl Decision {
    /// That verdict, for that reason.
    pub fn new(verdict: Verdict, reason: impl Into<String>) -> Decision {
        Decision { verdict, reason: reason.into() }
    }

    /// No opinion.
    #[must_use]
    pub fn abstain() -> Decision {
        Decision::default()
    }

    /// Run.
    pub fn allow(reason: impl Into<String>) -> Decision {
        Decision::new(Verdict::ALLOW, reason)
    }

    /// Run, and tell people.
    pub fn warn(reason: impl Into<String>) -> Decision {
        Decision::new(Verdict::WARN, reason)
    }

    /// Run restricted.
    pub fn limit(reason: impl Into<String>) -> Decision {
        Decision::new(Verdict::LIMIT, reason)
    }

    /// Do not run.
    pub fn deny(reason: impl Into<String>) -> Decision {
        Decision::new(Verdict::DENY, reason)
    }

    pub(crate) fn write(&self, out: &mut slnd_decision) {
        out.verdict = self.verdict.0;
        out.zero = 0;
        text::write(&mut out.reason, &self.reason);
    }
}
