//! Why something was refused: a kind for programs, a sentence for people.

use std::fmt;

/// What a refusal is like; each is a status of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `SLND_E_FAIL`: the system or the agent refused.
    Fail,
    /// `SLND_E_NOMEM`: no memory, or a bound is reached.
    NoMemory,
    /// `SLND_E_INVALID`: what was given is wrong, or its time is over or has not come.
    Invalid,
    /// `SLND_E_UNSUPPORTED`: this agent cannot do that.
    Unsupported,
    /// `SLND_E_AGAIN`: not now; ask again.
    Again,
    /// `SLND_E_DENIED`: it is not permitted.
    Denied,
    /// `SLND_E_TIMEOUT`: it was not done in time.
    Timeout,
    /// `SLND_E_CLOSED`: the agent has stopped.
    Closed,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it is like.
    pub kind: Kind,
    /// What is wrong, where, and what to do; without a final full stop.
    pub sentence: String,
}

impl Failure {
    /// A refusal of this kind.
    pub fn new(kind: Kind, sentence: impl Into<String>) -> Failure {
        Failure { kind, sentence: sentence.into() }
    }

    pub(super) fn fail(sentence: impl Into<String>) -> Failure {
        Failure::new(Kind::Fail, sentence)
    }

    pub(super) fn invalid(sentence: impl Into<String>) -> Failure {
        Failure::new(Kind::Invalid, sentence)
    }

    pub(super) fn closed() -> Failure {
        Failure::new(Kind::Closed, "the embedded agent has stopped")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}
