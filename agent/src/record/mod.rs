//! An event with its number and times: what plugins, `watch` and embedders get.
//!
//! The core says what happened ([`serialnumberd_core::Event`]); the agent adds the verdict to a change of
//! state, the scheduler's beat and the sequence number, and hands out one shared, immutable record.

pub mod line;

use std::fmt;

use serialnumberd_core::{ClaimId, Coverage, Event, Product, State};

/// A verdict: may the licensed software run?  An open set; the numbers are the ABI's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verdict(pub u32);

impl Verdict {
    /// No opinion.
    pub const ABSTAIN: Verdict = Verdict(0);
    /// Run.
    pub const ALLOW: Verdict = Verdict(100);
    /// Run, and tell people.
    pub const WARN: Verdict = Verdict(200);
    /// Run restricted.
    pub const LIMIT: Verdict = Verdict(300);
    /// Do not run.
    pub const DENY: Verdict = Verdict(400);

    /// The known ones.
    pub const KNOWN: [Verdict; 5] =
        [Verdict::ABSTAIN, Verdict::ALLOW, Verdict::WARN, Verdict::LIMIT, Verdict::DENY];

    /// What a word stands for.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Verdict> {
        Verdict::KNOWN.into_iter().find(|known| known.as_str() == word)
    }

    /// The lower-case word; an unknown number is read as the next more restrictive known one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self.0 {
            0 => "abstain",
            1..=100 => "allow",
            101..=200 => "warn",
            201..=300 => "limit",
            _ => "deny",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A verdict with its reason for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// May it run?
    pub verdict: Verdict,
    /// One sentence for people, UTF-8, at most 1015 bytes.
    pub reason: String,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// What the engine concluded; of these [`Event::State`] is always turned into [`Body::State`].
    Engine(Event),
    /// State, coverage or verdict of a local claim changed.
    State {
        /// Of which product.
        product: Product,
        /// Of which claim.
        claim: ClaimId,
        /// The state before; the same if only verdict or coverage changed.
        old: State,
        /// The state now.
        new: State,
        /// What this agent can hear.
        coverage: Coverage,
        /// The verdict in force when the record was made.
        decision: Decision,
    },
    /// The scheduler's beat: a round of announcements was sent.
    Tick,
}

/// An event with its number and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Strictly rising per agent; a gap means loss.
    pub seq: u64,
    /// `CLOCK_BOOTTIME` nanoseconds.
    pub mono_ns: u64,
    /// `CLOCK_REALTIME` nanoseconds.
    pub real_ns: u64,
    /// Caused by this agent's own announcement.
    pub caused_by_self: bool,
    /// A verdict is awaited until this time, `CLOCK_BOOTTIME` nanoseconds (the flag DECIDE).
    pub decide_until_ns: Option<u64>,
    /// What happened.
    pub body: Body,
}
