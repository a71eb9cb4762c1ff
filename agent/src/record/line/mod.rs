//! A record as one line of JSON from which the same record can be read again: on the pipe to a plugin's process, in
//! recordings, and for programs that follow an agent.
//!
//! The words are those of [`crate::control::EventView`], which shows the same to people: a time is in nanoseconds here,
//! an interface has its index beside its name, and bytes are hex.  Owns the text and its bounds; sends and stores
//! nothing.  No serial is in it, since none is in a record.  Members that are unknown are passed over: the format grows.

mod holder;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serialnumberd_core::limits::{HOLDERS, HOLDERS_PER_SEAT};
use serialnumberd_core::{ClaimId, Coverage, Event, Product, State};

pub(crate) use self::holder::HolderLine;
use super::{Body, Record, Verdict};
use crate::hex;
use crate::status::InterfaceNames;

/// Longest reason, in bytes: the 1016 of the plugin interface, each replaced since none of them was UTF-8.
pub const REASON_MAX: usize = 3 * 1016;
/// Most holders: the greatest table that the core keeps, and this agent.
pub const HOLDERS_MAX: usize = {
    let of_seats = 0xffff * HOLDERS_PER_SEAT;
    1 + if of_seats > HOLDERS { of_seats } else { HOLDERS }
};
/// Longest name of an interface: the kernel's `IFNAMSIZ` without its NUL.
pub const INTERFACE_NAME_MAX: usize = 15;

/// Whether the datagram of an announcement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw {
    /// It is: the record that is read is the record that was written.
    Keep,
    /// It is not: more than half of an announcement, and the reader may not or need not see it.
    Omit,
}

/// A record with the names that its interfaces had when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    /// The record.
    pub record: Record,
    /// Names by index; a name that the writer did not know is missing.
    pub interfaces: BTreeMap<u32, String>,
}

/// Why a text is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineError {
    /// A kind of event that a newer agent may know: it can be passed over.
    UnknownEvent(String),
    /// Anything else, in one sentence.
    Wrong(String),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::UnknownEvent(word) => {
                write!(
                    f,
                    "the record is of the kind \"{}\", which this version does not know",
                    word.escape_debug()
                )
            }
            LineError::Wrong(what) => write!(f, "the record cannot be read: {what}"),
        }
    }
}

impl std::error::Error for LineError {}

/// Writes a record as one line, without a newline.
#[must_use]
pub fn write(record: &Record, names: InterfaceNames<'_>, raw: Raw) -> String {
    serde_json::to_string(&RecordLine::of(record, names, raw)).expect("numbers and texts are always JSON")
}

/// Reads a record that [`write`] wrote, by this version or another.
///
/// # Errors
/// If it is none, or breaks a bound; which member, and what it should be.
pub fn read(line: &str) -> Result<ReadRecord, LineError> {
    let line: RecordLine = serde_json::from_str(line).map_err(|error| LineError::Wrong(error.to_string()))?;
    line.read()
}

/// A record in words and numbers, to be a member of a greater JSON document.  Which members are there depends on the
/// kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordLine {
    event: String,
    seq: u64,
    mono_ns: u64,
    real_ns: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    caused_by_self: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    decide_until_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holders: Vec<HolderLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seats: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<String>,
    /// The engine's own change of state, before the agent adds its verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict_void: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    /// The verdict's number, where it is not that of its word.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict_number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    flowinfo: u32,
    /// An announcement's datagram, or a classic text: the bytes as they came.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

impl RecordLine {
    /// Puts a record into words.
    #[must_use]
    pub fn of(record: &Record, names: InterfaceNames<'_>, raw: Raw) -> RecordLine {
        let head = RecordLine {
            seq: record.seq,
            mono_ns: record.mono_ns,
            real_ns: record.real_ns,
            caused_by_self: record.caused_by_self,
            decide_until_ns: record.decide_until_ns,
            ..RecordLine::default()
        };
        match &record.body {
            Body::Engine(event) => head.of_engine(event, names, raw),
            Body::State { product, claim, old, new, coverage, decision } => {
                let word = decision.verdict.as_str();
                let is_known = Verdict::of_word(word) == Some(decision.verdict);
                RecordLine {
                    verdict: Some(word.to_owned()),
                    verdict_number: (!is_known).then_some(decision.verdict.0),
                    reason: Some(decision.reason.clone()).filter(|reason| !reason.is_empty()),
                    ..head.of_claim("state", product, claim).of_state(*old, *new, *coverage)
                }
            }
            Body::Tick => RecordLine { event: "tick".to_owned(), ..head },
        }
    }

    fn of_claim(self, event: &str, product: &Product, claim: &ClaimId) -> RecordLine {
        RecordLine { event: event.to_owned(), product: word(product), claim: word(claim), ..self }
    }

    fn of_state(self, old: State, new: State, coverage: Coverage) -> RecordLine {
        RecordLine { old_state: word(&old), state: word(&new), coverage: word(&coverage), ..self }
    }

    fn of_engine(self, event: &Event, names: InterfaceNames<'_>, keep: Raw) -> RecordLine {
        match event {
            Event::Announcement { product, claim, holder, raw } => RecordLine {
                holders: vec![HolderLine::of(holder, names)],
                raw: raw.as_ref().filter(|_| keep == Raw::Keep).map(|raw| hex::write(&raw[..])),
                ..self.of_claim("announcement", product, claim)
            },
            Event::Duplicate {
                product,
                claim,
                conflict_id,
                evidence,
                stage,
                class,
                seats,
                coverage,
                holders,
            } => RecordLine {
                conflict: Some(*conflict_id),
                evidence: word(evidence),
                stage: word(stage),
                class: word(class),
                seats: Some(*seats),
                coverage: word(coverage),
                holders: holders.iter().map(|holder| HolderLine::of(holder, names)).collect(),
                ..self.of_claim("duplicate", product, claim)
            },
            Event::Resolved { product, claim, conflict_id, cause } => RecordLine {
                conflict: Some(*conflict_id),
                cause: word(cause),
                ..self.of_claim("resolved", product, claim)
            },
            Event::State { product, claim, old, new, coverage, verdict_void } => RecordLine {
                verdict_void: Some(*verdict_void),
                ..self.of_claim("state", product, claim).of_state(*old, *new, *coverage)
            },
            Event::Query { from, product, text } => RecordLine {
                event: "query".to_owned(),
                product: product.as_ref().and_then(word),
                from: word(from),
                flowinfo: holder::flowinfo(from),
                raw: Some(hex::write(text)),
                ..self
            },
        }
    }
}

fn word(value: &impl fmt::Display) -> Option<String> {
    Some(value.to_string())
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
