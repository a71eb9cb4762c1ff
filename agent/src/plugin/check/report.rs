//! What a child found: one file, written when its trial is over.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serialnumberd_plugin::abi::SLND_E_PANIC;

use super::said;

use crate::plugin::calls::CallError;

/// A broken rule: which, what was done, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Breach {
    /// R1 to R9, or the word for what else was expected.
    pub(super) rule: String,
    /// What the plugin did.
    pub(super) what: String,
    /// How to mend it; may be empty where `what` says that.
    pub(super) mend: String,
}

impl Breach {
    pub(super) fn new(rule: impl fmt::Display, what: impl Into<String>, mend: impl Into<String>) -> Breach {
        Breach { rule: rule.to_string(), what: what.into(), mend: mend.into() }
    }
}

impl From<CallError> for Breach {
    /// A slot answered with an error where all was well.
    fn from(error: CallError) -> Breach {
        let (rule, mend) = match error.status {
            SLND_E_PANIC => ("R8", "a panic is a defect, also where the SDK's barrier catches it"),
            _ => ("life cycle", "answer SLND_OK, and tell of what goes wrong by the log and the status"),
        };
        let said = said::last_error().filter(|_| error.message.is_empty());
        let said = said.map_or_else(String::new, |line| format!(", and logged: {line}"));
        Breach::new(rule, format!("{error}{said}"), mend)
    }
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// All is as it must be; what was tried.
    Passed(String),
    /// It says nothing about this plugin, and why.
    Skipped(String),
    /// A rule is broken.
    Failed(Breach),
    /// The plugin cannot be tried like this: a sentence for whoever called.
    Unfit(String),
}

impl Report {
    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, serde_json::to_vec(self)?)
    }

    /// `None` if the child died before it had one.
    pub(super) fn read(path: &Path) -> Option<Report> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}
