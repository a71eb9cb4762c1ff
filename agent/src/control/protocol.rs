//! The control protocol, version 1: JSON lines over a Unix stream, the same in both directions.
//!
//! Each side opens with `{"proto":1}` and may then ask: `{"id":1,"request":"status"}` is answered by
//! `{"id":1,"ok":...}` or `{"id":1,"error":"sentence"}`, in any order.  `{"event":{...}}` needs no
//! answer.  An error without an id is about the connection, which ends; whom the agent does not serve
//! gets one in place of the opening line.  An unknown request is
//! answered by an error; unknown fields and unknown kinds of lines are ignored.
//!
//! Bounds: an agent takes lines of at most 64 KiB, a client of at most 64 MiB.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use serialnumberd_core::{EvidenceId, Product};

pub use crate::evidence::EvidenceSummary;
use crate::evidence::id_of_text;

/// The version that both sides open with.  Two sides speak the lower of their versions.
pub const PROTO: u32 = 1;

/// Longest line that an agent takes, its newline not counted: requests are short.
pub const MAX_REQUEST_LINE: usize = 64 * 1024;

/// Longest line that a client takes: 64 claims of 1,024 holders at some 700 bytes each.
pub const MAX_ANSWER_LINE: usize = 64 * 1024 * 1024;

/// Longest wait that `check` may ask for, in milliseconds.
pub const MAX_WAIT_MS: u32 = 60_000;

/// What may be asked of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The document of [`crate::status::Status`].
    Status,
    /// May the licensed software run?  Answered by [`CheckAnswer`].
    Check {
        /// Of which product.
        product: Product,
        /// How long the answer may wait for the end of the start-up burst, in milliseconds.
        wait_ms: u32,
    },
    /// Events from now on.
    Watch,
    /// Announce and ask again now.
    Probe {
        /// Which product; `None` is all of them.
        product: Option<Product>,
    },
    /// Read the configuration again.  Answered by [`ReloadAnswer`].
    Reload,
    /// The kept evidence: [`EvidenceList`], or of one conflict [`EvidenceText`].
    Evidence {
        /// Of which conflict; `None` lists all of them.
        id: Option<EvidenceId>,
    },
    /// Say goodbye and end.
    Stop,
}

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

/// The line that asks `request` under `id`.
#[must_use]
pub fn request_line(id: u64, request: &Request) -> Vec<u8> {
    let mut fields =
        Map::from_iter([("id".to_owned(), id.into()), ("request".to_owned(), request.name().into())]);
    match request {
        Request::Check { product, wait_ms } => {
            fields.insert("product".to_owned(), product.as_str().into());
            fields.insert("wait_ms".to_owned(), (*wait_ms).into());
        }
        Request::Probe { product: Some(product) } => {
            fields.insert("product".to_owned(), product.as_str().into());
        }
        Request::Evidence { id: Some(id) } => {
            fields.insert("evidence".to_owned(), id.to_string().into());
        }
        Request::Probe { product: None }
        | Request::Evidence { id: None }
        | Request::Status
        | Request::Watch
        | Request::Reload
        | Request::Stop => {}
    }
    line(&Value::Object(fields))
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
    // Fails only for maps with keys that are no text, and there are none.
    let mut bytes = serde_json::to_vec(value)
        .unwrap_or_else(|_| br#"{"error":"this agent made an answer that is no JSON"}"#.to_vec());
    bytes.push(b'\n');
    bytes
}

impl Request {
    const NAMES: [&'static str; 7] = ["status", "check", "watch", "probe", "reload", "evidence", "stop"];

    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Request::Status => "status",
            Request::Check { .. } => "check",
            Request::Watch => "watch",
            Request::Probe { .. } => "probe",
            Request::Reload => "reload",
            Request::Evidence { .. } => "evidence",
            Request::Stop => "stop",
        }
    }

    /// Reads the request `name` and its arguments.
    ///
    /// # Errors
    /// A sentence for whoever asked: an unknown request, a missing or wrong argument.
    pub fn read(name: &str, arguments: &Map<String, Value>) -> Result<Request, String> {
        Ok(match name {
            "status" => Request::Status,
            "check" => Request::Check {
                product: product(arguments)?.ok_or("check needs a `product`, such as \"xsvr\"")?,
                wait_ms: wait_ms(arguments)?,
            },
            "watch" => Request::Watch,
            "probe" => Request::Probe { product: product(arguments)? },
            "reload" => Request::Reload,
            "evidence" => Request::Evidence { id: evidence(arguments)? },
            "stop" => Request::Stop,
            _ => {
                let known = Request::NAMES.join(", ");
                return Err(format!("unknown request \"{}\"; this agent answers {known}", excerpt(name)));
            }
        })
    }
}

/// The start of a stranger's text, without control characters.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn product(arguments: &Map<String, Value>) -> Result<Option<Product>, String> {
    match arguments.get("product") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Product::new(text).map(Some).map_err(|e| e.to_string()),
        Some(_) => Err("`product` is a text, such as \"xsvr\"".to_owned()),
    }
}

fn evidence(arguments: &Map<String, Value>) -> Result<Option<EvidenceId>, String> {
    let id = match arguments.get("evidence") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_str().and_then(id_of_text),
    };
    id.map(Some).ok_or_else(|| "`evidence` is an id of 32 hex digits in lower case".to_owned())
}

fn wait_ms(arguments: &Map<String, Value>) -> Result<u32, String> {
    let Some(value) = arguments.get("wait_ms") else { return Ok(0) };
    let wait = value.as_u64().and_then(|ms| u32::try_from(ms).ok()).filter(|ms| *ms <= MAX_WAIT_MS);
    wait.ok_or_else(|| format!("`wait_ms` is a whole number of milliseconds up to {MAX_WAIT_MS}"))
}

#[cfg(test)]
mod tests {
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
    fn every_request_comes_back_as_it_went() {
        let product = Product::new("xsvr").unwrap();
        for request in [
            Request::Status,
            Request::Check { product, wait_ms: 60_000 },
            Request::Watch,
            Request::Probe { product: None },
            Request::Probe { product: Some(product) },
            Request::Reload,
            Request::Evidence { id: None },
            Request::Evidence { id: Some(EvidenceId([0xab; 16])) },
            Request::Stop,
        ] {
            let Line::Request { id: 9, name, arguments } = read(&request_line(9, &request)) else {
                panic!("{request:?} is no request")
            };
            assert_eq!(Request::read(&name, &arguments), Ok(request));
        }
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

    #[test]
    fn wrong_requests_get_a_sentence() {
        for (name, arguments, said) in [
            ("statsu", json!({}), "unknown request \"statsu\"; this agent answers status, check"),
            ("check", json!({}), "check needs a `product`"),
            ("check", json!({"product": "XSVR"}), "a product is made of a-z"),
            ("check", json!({"product": 1}), "`product` is a text"),
            ("check", json!({"product": "x", "wait_ms": 60_001}), "up to 60000"),
            ("check", json!({"product": "x", "wait_ms": -1}), "up to 60000"),
            ("evidence", json!({"evidence": "../memory"}), "32 hex digits"),
            ("evidence", json!({"evidence": 7}), "32 hex digits"),
        ] {
            let error = Request::read(name, arguments.as_object().unwrap()).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
