//! The control protocol, version 1: JSON lines over a Unix stream, the same in both directions.
//!
//! Each side opens with `{"proto":1}` and may then ask: `{"id":1,"request":"status"}` is answered by
//! `{"id":1,"ok":...}` or `{"id":1,"error":"sentence"}`, in any order.  `{"event":{...}}` needs no
//! answer.  An error without an id is about the connection, which ends; whom the agent does not serve
//! gets one in place of the opening line.  An unknown request is
//! answered by an error; unknown fields and unknown kinds of lines are ignored.
//!
//! A program that is licensed claims its license with
//! `{"id":2,"request":"claim","product":"xsvr","key":"<64 hex digits>","seats":1,"program":"httpd"}`, and is
//! answered by `{"id":2,"ok":{"claim":"<32 hex digits>"}}`.  `key` is [`serialnumberd_core::ClaimKeys::secret`]: the
//! serial number stays in the program, and deriving the key from it is the program's work.  `group`, `standby` and
//! `standbys` are those of a `[[license]]`.  The claim lasts until `{"id":3,"request":"release","product":"xsvr"}` or
//! until the connection ends, however that comes about; then the agent says goodbye to the network.  Whoever claims
//! the same on one host shares it.
//!
//! `{"id":4,"request":"watch"}` asks for events in the form of [`super::EventView`], with `"form":"record"` in that of
//! [`crate::record::line`].  A watcher that does not read is dropped, but one that holds claims only misses events:
//! their numbers have a gap then.
//!
//! Bounds: an agent takes lines of at most 64 KiB, a client of at most 64 MiB.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::claim::wipe;
pub use super::request::{Form, Request};
pub use crate::evidence::EvidenceSummary;

/// The version that both sides open with.  Two sides speak the lower of their versions.
pub const PROTO: u32 = 1;

/// Longest line that an agent takes, its newline not counted: requests are short.
pub const MAX_REQUEST_LINE: usize = 64 * 1024;

/// Longest line that a client takes: 64 claims of 1,024 holders at some 700 bytes each.
pub const MAX_ANSWER_LINE: usize = 64 * 1024 * 1024;

/// Longest wait that `check` may ask for, in milliseconds.
pub const MAX_WAIT_MS: u32 = 60_000;

/// The answer to [`Request::Check`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckAnswer {
    /// Of which product.
    pub product: String,
    /// The claim's state.
    pub state: String,
    /// The verdict in force: `abstain` only while nothing has been found out yet.
    pub verdict: String,
    /// Why, for people.
    pub reason: String,
    /// The start-up burst is still under way and there is no verdict of an earlier time.
    pub probing: bool,
}

/// The answer to [`Request::Reload`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadAnswer {
    /// What is allowed but unwise.
    pub warnings: Vec<String>,
}

/// The answer to [`Request::Claim`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimAnswer {
    /// The claim's id, 32 hex digits.
    pub claim: String,
}

/// The answer to [`Request::Evidence`] without an id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceList {
    /// What is kept, the newest conflict first.
    pub evidence: Vec<EvidenceSummary>,
}

/// The answer to [`Request::Evidence`] with an id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceText {
    /// The file, byte for byte.
    pub text: String,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// `{"proto":1}`.
    Hello {
        /// The highest version that the other side speaks.
        proto: u32,
    },
    /// A question to this side.
    Request {
        /// To be repeated in the answer.
        id: u64,
        /// What is asked, with its arguments among the line's other fields.
        name: String,
        /// The line's other fields.
        arguments: Map<String, Value>,
    },
    /// An answer to this side.
    Answer {
        /// Of the question.
        id: u64,
        /// The answer, or why there is none.
        result: Result<Value, String>,
    },
    /// Something happened.
    Event(Value),
    /// The connection ends, and this is why.
    Farewell(String),
    /// A kind of line that this version does not know.
    Unknown,
}

#[derive(Deserialize)]
struct RawLine {
    proto: Option<u32>,
    id: Option<u64>,
    request: Option<String>,
    ok: Option<Value>,
    error: Option<String>,
    event: Option<Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Line {
    /// Reads one line.
    ///
    /// # Errors
    /// A sentence, if it is no JSON object with fields of the right types.
    pub fn read(bytes: &[u8]) -> Result<Line, String> {
        let raw: RawLine = serde_json::from_slice(bytes)
            .map_err(|e| format!("a line of the control protocol is one JSON object: {e}"))?;
        Ok(match raw {
            RawLine { request: Some(name), id: Some(id), rest, .. } => {
                Line::Request { id, name, arguments: rest }
            }
            RawLine { request: Some(_), id: None, .. } => {
                return Err("a request needs an `id`, a whole number".to_owned());
            }
            RawLine { error: Some(error), id: Some(id), .. } => Line::Answer { id, result: Err(error) },
            RawLine { error: Some(error), id: None, .. } => Line::Farewell(error),
            RawLine { ok: Some(value), id: Some(id), .. } => Line::Answer { id, result: Ok(value) },
            RawLine { event: Some(event), .. } => Line::Event(event),
            RawLine { proto: Some(proto), .. } => Line::Hello { proto },
            _ => Line::Unknown,
        })
    }
}

/// The opening line.
#[must_use]
pub fn hello_line() -> Vec<u8> {
    line(&json!({"proto": PROTO}))
}

/// The line that asks `request` under `id`.  That of a claim is a secret.
#[must_use]
pub fn request_line(id: u64, request: &Request) -> Vec<u8> {
    let mut members = request.members();
    members.extend([("id".to_owned(), id.into()), ("request".to_owned(), request.name().into())]);
    let members = Value::Object(members);
    let bytes = line(&members);
    if let Value::Object(mut members) = members {
        wipe(&mut members);
    }
    bytes
}

/// The line that answers the question `id`.
#[must_use]
pub fn answer_line(id: u64, result: &Result<Value, String>) -> Vec<u8> {
    match result {
        Ok(value) => line(&BTreeMap::from([("id", &Value::from(id)), ("ok", value)])),
        Err(sentence) => line(&json!({"id": id, "error": sentence})),
    }
}

/// The line that tells an event.
#[must_use]
pub fn event_line<T: Serialize>(event: &T) -> Vec<u8> {
    line(&BTreeMap::from([("event", event)]))
}

/// The line before the connection is closed.
#[must_use]
pub fn farewell_line(sentence: &str) -> Vec<u8> {
    line(&json!({"error": sentence}))
}

/// JSON has no raw newline within a value, so one ends a line.
fn line<T: Serialize>(value: &T) -> Vec<u8> {
    // Room for a request from the start: growing would leave copies of a secret behind.
    let mut bytes = Vec::with_capacity(512);
    // Fails only for maps with keys that are no text, and there are none.
    if serde_json::to_writer(&mut bytes, value).is_err() {
        bytes = br#"{"error":"this agent made an answer that is no JSON"}"#.to_vec();
    }
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use serialnumberd_core::Product;

    use super::*;

    fn read(bytes: &[u8]) -> Line {
        assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 1);
        Line::read(bytes).unwrap()
    }

    #[test]
    fn the_bytes_of_each_kind_of_line() {
        let xsvr = Product::new("xsvr").unwrap();
        assert_eq!(hello_line(), b"{\"proto\":1}\n");
        assert_eq!(request_line(1, &Request::Status), b"{\"id\":1,\"request\":\"status\"}\n");
        assert_eq!(
            request_line(2, &Request::Check { product: xsvr, wait_ms: 5 }),
            b"{\"id\":2,\"product\":\"xsvr\",\"request\":\"check\",\"wait_ms\":5}\n"
        );
        assert_eq!(answer_line(3, &Ok(json!({"a": 1}))), b"{\"id\":3,\"ok\":{\"a\":1}}\n");
        assert_eq!(answer_line(4, &Err("no".to_owned())), b"{\"error\":\"no\",\"id\":4}\n");
        assert_eq!(event_line(&json!(7)), b"{\"event\":7}\n");
        assert_eq!(farewell_line("full"), b"{\"error\":\"full\"}\n");
    }

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(read(&hello_line()), Line::Hello { proto: 1 });
        assert_eq!(read(&answer_line(1, &Ok(json!([])))), Line::Answer { id: 1, result: Ok(json!([])) });
        let refusal = Line::Answer { id: 1, result: Err("no".to_owned()) };
        assert_eq!(read(&answer_line(1, &Err("no".to_owned()))), refusal);
        assert_eq!(read(&event_line(&json!({}))), Line::Event(json!({})));
        assert_eq!(read(&farewell_line("x")), Line::Farewell("x".to_owned()));
        assert_eq!(read(b"{\"new\":true}\n"), Line::Unknown);
        assert_eq!(read(b"{\"proto\":2,\"new\":true}\n"), Line::Hello { proto: 2 });
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for bad in [&b""[..], b"{", b"[]", b"1", b"\xff", b"{\"proto\":\"1\"}", b"{\"request\":\"status\"}"] {
            assert!(Line::read(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
