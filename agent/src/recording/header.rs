//! The first line of a recording.

use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::record::line::RecordLine;

/// A claim that was held when the recording began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldClaim {
    /// Its product.
    pub product: String,
    /// Its id, in hex.
    pub claim: String,
}

/// What stands in the first line.  Members that are unknown are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`] of the form.
    pub slr: u32,
    /// The version of the agent that wrote it.
    pub agent: String,
    /// When this file was begun, RFC 3339.
    pub started: String,
    /// The same on `CLOCK_BOOTTIME`, nanoseconds: the clock of all records.
    pub mono_ns: u64,
    /// The claims that were held when the agent started.
    #[serde(default)]
    pub claims: Vec<HeldClaim>,
    /// How things stood when this file was begun: records of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standing: Vec<RecordLine>,
}

impl Header {
    /// The header of an agent of this version.
    #[must_use]
    pub fn new(started: String, mono_ns: u64, claims: Vec<HeldClaim>) -> Header {
        let agent = env!("CARGO_PKG_VERSION").to_owned();
        Header { slr: VERSION, agent, started, mono_ns, claims, standing: Vec::new() }
    }

    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are always JSON") + "\n"
    }
}
