//! Evidence that outlasts the agent and convinces a third party.
//!
//! `file` is the text of one conflict's evidence, signed by its recorder; `shelf` the folder of such files, bounded;
//! `archivist` the thread that writes and reads them, so that a slow disk never keeps the loop waiting.  What counts as
//! evidence is judged by [`serialnumberd_core::evidence`] and nowhere else.

mod archivist;
mod document;
mod file;
#[cfg(test)]
pub(crate) mod fixture;
mod shelf;

use serialnumberd_core::evidence::{Exhibit, Findings, check};
use serialnumberd_core::{Coverage, EvidenceId, ResolvedCause, Stage, Standard};

pub(crate) use archivist::{Archivist, Done, Wanted};
pub(crate) use file::{LONGEST, open, seal};
pub(crate) use shelf::Shelf;
pub use shelf::Summary as EvidenceSummary;

use crate::hex;

/// The evidence of one conflict with what its recorder says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// What a third party can check.
    pub exhibit: Exhibit,
    /// The conflict's number within that run of the agent.
    pub conflict: u64,
    /// How far it was established.
    pub stage: Stage,
    /// What the recorder could hear when it was told.
    pub coverage: Coverage,
    /// When it was declared, Unix ms.
    pub declared_ms: u64,
    /// When and why it ended, if the recorder saw that.
    pub ended: Option<(u64, ResolvedCause)>,
    /// The recorder's host name, empty if it does not tell.
    pub host: String,
    /// The recorder's version.
    pub version: String,
}

/// What a file shows, or why it shows nothing.
pub(crate) fn judge(bytes: &[u8]) -> Result<(Case, Findings), String> {
    let case = open(bytes).map_err(|refusal| refusal.to_string())?;
    let findings = check::<Standard>(&case.exhibit).map_err(|flaw| flaw.to_string())?;
    Ok((case, findings))
}

/// What `evidence verify` judges a file by: the evidence's name, if the file proves what it says.
///
/// # Errors
/// Why it proves nothing, in a sentence.
pub fn verify(bytes: &[u8]) -> Result<EvidenceId, String> {
    judge(bytes).map(|(case, _)| case.exhibit.id)
}

/// Reads an evidence's id as it is shown: 32 hex digits in lower case.
pub(crate) fn id_of_text(text: &str) -> Option<EvidenceId> {
    hex::read(text).map(EvidenceId)
}
