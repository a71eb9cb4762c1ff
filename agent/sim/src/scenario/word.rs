//! The words that hosts must say: a state, a coverage, or how many holders count in a conflict.

use std::fmt;

use serialnumberd_core::{Coverage, State};

/// What a host must say at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    State(State),
    Coverage(Coverage),
    /// In its conflict so many holders count, itself included, and so many of them are over the seats.
    Counts(usize, usize),
}

impl Word {
    /// Reads `clear`, `one-way`, `counts 6, 1 over`.
    ///
    /// # Errors
    /// A sentence that names the words there are.
    pub(crate) fn read(text: &str) -> Result<Word, String> {
        let counts = || {
            let (counted, over) = text.strip_prefix("counts ")?.strip_suffix(" over")?.split_once(", ")?;
            Some(Word::Counts(counted.parse().ok()?, over.parse().ok()?))
        };
        let state = State::of_word(text).map(Word::State);
        state.or_else(|| Coverage::of_word(text).map(Word::Coverage)).or_else(counts).ok_or_else(|| {
            let states = State::ALL.iter().map(|s| s.as_str());
            let words: Vec<&str> = states.chain(Coverage::ALL.iter().map(|c| c.as_str())).collect();
            format!(
                "\"{text}\" is nothing that a host says; write one of {}, or like \"counts 6, 1 over\"",
                words.join(", ")
            )
        })
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::State(state) => state.fmt(f),
            Word::Coverage(coverage) => coverage.fmt(f),
            Word::Counts(counted, over) => write!(f, "counts {counted}, {over} over"),
        }
    }
}
