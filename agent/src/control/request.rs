//! What may be asked of an agent, and its words on the wire.

use serde_json::{Map, Value};
use serialnumberd_core::{EvidenceId, Product};

use super::claim::{self, ClaimRequest};
use super::protocol::MAX_WAIT_MS;
use crate::evidence::id_of_text;

/// How events are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// [`super::EventView`]: for people, and for programs that want to know no more than they.
    #[default]
    View,
    /// [`crate::record::line::RecordLine`]: all of it, so that the record can be read again.
    Record,
}

/// What may be asked of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The document of [`crate::status::Status`].
    Status,
    /// May the licensed software run?  Answered by [`CheckAnswer`](super::protocol::CheckAnswer).
    Check {
        /// Of which product.
        product: Product,
        /// How long the answer may wait for the end of the start-up burst, in milliseconds.
        wait_ms: u32,
    },
    /// Events from now on.
    Watch {
        /// In which form.
        form: Form,
    },
    /// Announce and ask again now.
    Probe {
        /// Which product; `None` is all of them.
        product: Option<Product>,
    },
    /// Read the configuration again.  Answered by [`ReloadAnswer`](super::protocol::ReloadAnswer).
    Reload,
    /// The kept evidence: [`EvidenceList`](super::protocol::EvidenceList), or of one conflict
    /// [`EvidenceText`](super::protocol::EvidenceText).
    Evidence {
        /// Of which conflict; `None` lists all of them.
        id: Option<EvidenceId>,
    },
    /// Hold a claim for as long as this connection lasts.  Answered by
    /// [`ClaimAnswer`](super::protocol::ClaimAnswer).
    Claim(ClaimRequest),
    /// Give back what this connection claimed.
    Release {
        /// Of which product.
        product: Product,
    },
    /// Say goodbye and end.
    Stop,
}

impl Request {
    const NAMES: [&'static str; 9] =
        ["status", "check", "watch", "probe", "reload", "evidence", "claim", "release", "stop"];

    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Request::Status => "status",
            Request::Check { .. } => "check",
            Request::Watch { .. } => "watch",
            Request::Probe { .. } => "probe",
            Request::Reload => "reload",
            Request::Evidence { .. } => "evidence",
            Request::Claim(_) => "claim",
            Request::Release { .. } => "release",
            Request::Stop => "stop",
        }
    }

    /// Its members on the wire, but for its id and name.
    pub(super) fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        match self {
            Request::Check { product, wait_ms } => {
                put("product", product.as_str().into());
                put("wait_ms", (*wait_ms).into());
            }
            Request::Watch { form: Form::Record } => put("form", "record".into()),
            Request::Probe { product: Some(product) } | Request::Release { product } => {
                put("product", product.as_str().into());
            }
            Request::Evidence { id: Some(id) } => put("evidence", id.to_string().into()),
            Request::Claim(claim) => claim.write(&mut members),
            Request::Probe { product: None }
            | Request::Evidence { id: None }
            | Request::Watch { form: Form::View }
            | Request::Status
            | Request::Reload
            | Request::Stop => {}
        }
        members
    }

    /// Reads the request `name` and its members; no copy of a claim's key is left behind.
    ///
    /// # Errors
    /// A sentence for whoever asked: an unknown request, a missing or wrong member.
    pub fn read(name: &str, mut members: Map<String, Value>) -> Result<Request, String> {
        let request = Request::of(name, &mut members);
        claim::wipe(&mut members);
        request
    }

    fn of(name: &str, members: &mut Map<String, Value>) -> Result<Request, String> {
        let needed =
            |members| product(members)?.ok_or_else(|| format!("{name} needs a `product`, such as \"xsvr\""));
        Ok(match name {
            "status" => Request::Status,
            "check" => Request::Check { product: needed(members)?, wait_ms: wait_ms(members)? },
            "watch" => Request::Watch { form: form(members)? },
            "probe" => Request::Probe { product: product(members)? },
            "reload" => Request::Reload,
            "evidence" => Request::Evidence { id: evidence(members)? },
            "claim" => Request::Claim(ClaimRequest::read(needed(members)?, members)?),
            "release" => Request::Release { product: needed(members)? },
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

fn product(members: &Map<String, Value>) -> Result<Option<Product>, String> {
    match members.get("product") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Product::new(text).map(Some).map_err(|e| e.to_string()),
        Some(_) => Err("`product` is a text, such as \"xsvr\"".to_owned()),
    }
}

fn form(members: &Map<String, Value>) -> Result<Form, String> {
    match members.get("form") {
        None => Ok(Form::View),
        Some(form) if form == "record" => Ok(Form::Record),
        Some(_) => Err("`form` is \"record\", or left out".to_owned()),
    }
}

fn evidence(members: &Map<String, Value>) -> Result<Option<EvidenceId>, String> {
    let id = match members.get("evidence") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_str().and_then(id_of_text),
    };
    id.map(Some).ok_or_else(|| "`evidence` is an id of 32 hex digits in lower case".to_owned())
}

fn wait_ms(members: &Map<String, Value>) -> Result<u32, String> {
    let Some(value) = members.get("wait_ms") else { return Ok(0) };
    let wait = value.as_u64().and_then(|ms| u32::try_from(ms).ok()).filter(|ms| *ms <= MAX_WAIT_MS);
    wait.ok_or_else(|| format!("`wait_ms` is a whole number of milliseconds up to {MAX_WAIT_MS}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serialnumberd_core::{ClaimKeys, Standard};
    use zeroize::Zeroizing;

    use super::super::Terms;
    use super::super::protocol::{Line, request_line};
    use super::*;

    fn product() -> Product {
        Product::new("xsvr").unwrap()
    }

    fn claim() -> ClaimRequest {
        ClaimRequest {
            product: product(),
            keys: ClaimKeys::of_secret::<Standard>(Zeroizing::new([0xa5; 32])),
            terms: Terms { seats: 2, group: "pair".to_owned(), standby: true, standbys: 1 },
            program: "httpd".to_owned(),
        }
    }

    #[test]
    fn every_request_comes_back_as_it_went() {
        for request in [
            Request::Status,
            Request::Check { product: product(), wait_ms: 60_000 },
            Request::Watch { form: Form::View },
            Request::Watch { form: Form::Record },
            Request::Probe { product: None },
            Request::Probe { product: Some(product()) },
            Request::Reload,
            Request::Evidence { id: None },
            Request::Evidence { id: Some(EvidenceId([0xab; 16])) },
            Request::Claim(claim()),
            Request::Release { product: product() },
            Request::Stop,
        ] {
            let Ok(Line::Request { id: 9, name, arguments }) = Line::read(&request_line(9, &request)) else {
                panic!("{request:?} is no request")
            };
            assert_eq!(Request::read(&name, arguments), Ok(request));
        }
    }

    #[test]
    fn a_claim_that_says_little_is_that_of_a_license_that_says_little() {
        let members = json!({"product": "xsvr", "key": "a5".repeat(32)});
        let Ok(Request::Claim(read)) = Request::read("claim", members.as_object().unwrap().clone()) else {
            panic!("it is complete")
        };
        let terms = Terms { seats: 1, ..Terms::default() };
        assert_eq!(read, ClaimRequest { terms, program: "a program".to_owned(), ..claim() });
    }

    #[test]
    fn wrong_requests_get_a_sentence() {
        for (name, members, said) in [
            ("statsu", json!({}), "unknown request \"statsu\"; this agent answers status, check"),
            ("check", json!({}), "check needs a `product`"),
            ("check", json!({"product": "XSVR"}), "a product is made of a-z"),
            ("check", json!({"product": 1}), "`product` is a text"),
            ("check", json!({"product": "x", "wait_ms": 60_001}), "up to 60000"),
            ("check", json!({"product": "x", "wait_ms": -1}), "up to 60000"),
            ("evidence", json!({"evidence": "../memory"}), "32 hex digits"),
            ("evidence", json!({"evidence": 7}), "32 hex digits"),
            ("watch", json!({"form": "poem"}), "`form` is \"record\""),
            ("release", json!({}), "release needs a `product`"),
        ] {
            let error = Request::read(name, members.as_object().unwrap().clone()).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_wrong_claim_gets_a_sentence_without_its_key() {
        let long = "x".repeat(65);
        for (member, value, said) in [
            ("product", Value::Null, "claim needs a `product`"),
            ("key", Value::Null, "64 hex digits"),
            ("key", json!("A5".repeat(32)), "64 hex digits"),
            ("key", json!("a5".repeat(33)), "64 hex digits"),
            ("seats", json!(65_536), "`seats` is a whole number up to 65535"),
            ("seats", json!("2"), "`seats` is a whole number"),
            ("group", json!(7), "`group` is a text"),
            ("group", json!(long), "at most 64 bytes"),
            ("group", json!("a\nb"), "no control characters"),
            ("group", json!(""), "need a fail-over group"),
            ("standby", json!(1), "`standby` is true or false"),
            ("standbys", json!(-1), "`standbys` is a whole number"),
            ("program", json!(""), "1 to 64 bytes"),
            ("program", json!(long), "1 to 64 bytes"),
            ("program", json!("\u{1b}[2J"), "without control characters"),
        ] {
            let mut members = Request::Claim(claim()).members();
            members.insert(member.to_owned(), value);
            let error = Request::read("claim", members).unwrap_err();
            assert!(error.contains(said), "{member}: {error}");
            assert!(!error.to_lowercase().contains("a5a5"), "{error}");
        }
    }
}
