//! The members of a file of evidence, in the order in which they are written, and how they become a [`Case`].
//!
//! Nothing is said twice, so that nothing can contradict: who answered what, and when by his clock, is in the datagrams.

use serde::{Deserialize, Serialize};
use serialnumberd_core::evidence::{Exchange, Exhibit, Proof};
use serialnumberd_core::{ClaimId, Class, Coverage, Installation, Product, ResolvedCause, Stage};

use super::{Case, id_of_text};
use crate::hex;
use crate::status::{parse_rfc3339, rfc3339};

/// The first member: what the rest is.
pub(super) const FORMAT: &str = "serialnumberd evidence 1";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    format: String,
    id: String,
    product: String,
    claim: String,
    class: String,
    stage: String,
    conflict: u64,
    coverage: String,
    declared: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<End>,
    recorder: Recorder,
    first: Round,
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<Round>,
    /// Empty while the text to be signed is made.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) signature: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    at: String,
    cause: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorder {
    installation: String,
    host: String,
    version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Round {
    seats: u16,
    standbys: u16,
    pairs: Vec<Pair>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    heard: String,
    asked: String,
    answered: String,
    address: String,
    interface: String,
    question: String,
    answer: String,
}

impl Document {
    /// Without its signature.
    pub(super) fn of(case: &Case) -> Document {
        let e = &case.exhibit;
        Document {
            format: FORMAT.to_owned(),
            id: e.id.to_string(),
            product: e.product.to_string(),
            claim: e.claim.to_string(),
            class: e.class.to_string(),
            stage: case.stage.to_string(),
            conflict: case.conflict,
            coverage: case.coverage.to_string(),
            declared: rfc3339(case.declared_ms),
            ended: case.ended.map(|(at, cause)| End { at: rfc3339(at), cause: cause.to_string() }),
            recorder: Recorder {
                installation: e.recorder.to_string(),
                host: case.host.clone(),
                version: case.version.clone(),
            },
            first: Round::of(&e.first),
            second: (!e.second.pairs.is_empty()).then(|| Round::of(&e.second)),
            signature: String::new(),
        }
    }

    /// Who signed it, as it says.
    pub(super) fn recorder(&self) -> Result<Installation, String> {
        let key = hex::read(&self.recorder.installation).map(Installation);
        key.ok_or_else(|| wrong("recorder.installation", "64 hex digits"))
    }

    /// What it says; an error names the member that says nothing.
    pub(super) fn case(self) -> Result<Case, String> {
        let recorder = self.recorder()?;
        let time = |name: &str, text: &str| parse_rfc3339(text).ok_or_else(|| wrong(name, "a time in UTC"));
        let ended = match &self.ended {
            Some(End { at, cause }) => {
                Some((time("ended.at", at)?, word("ended.cause", ResolvedCause::of_word(cause))?))
            }
            None => None,
        };
        let exhibit = Exhibit {
            id: id_of_text(&self.id).ok_or_else(|| wrong("id", "32 hex digits"))?,
            product: Product::new(&self.product).map_err(|e| format!("its member `product`: {e}"))?,
            claim: hex::read(&self.claim).map(ClaimId).ok_or_else(|| wrong("claim", "32 hex digits"))?,
            recorder,
            class: word("class", Class::of_word(&self.class))?,
            first: self.first.proof("first")?,
            second: self.second.map_or(Ok(Proof::default()), |second| second.proof("second"))?,
        };
        let declared_ms = time("declared", &self.declared)?;
        if ended.is_some_and(|(at, _)| at < declared_ms) {
            return Err("it is said to have ended before it was declared".to_owned());
        }
        if exhibit.first.pairs.iter().map(|e| e.asked_ms).min() > Some(declared_ms) {
            return Err("it is said to have been declared before its first question was asked".to_owned());
        }
        Ok(Case {
            exhibit,
            conflict: self.conflict,
            stage: word("stage", Stage::of_word(&self.stage))?,
            coverage: word("coverage", Coverage::of_word(&self.coverage))?,
            declared_ms,
            ended,
            host: self.recorder.host,
            version: self.recorder.version,
        })
    }
}

impl Round {
    fn of(proof: &Proof<Exchange>) -> Round {
        let pairs = proof.pairs.iter().map(Pair::of).collect();
        Round { seats: proof.seats, standbys: proof.standbys, pairs }
    }

    fn proof(&self, name: &str) -> Result<Proof<Exchange>, String> {
        let pair = |(n, pair): (usize, &Pair)| pair.exchange(&format!("{name}.pairs[{n}]"));
        let pairs = self.pairs.iter().enumerate().map(pair).collect::<Result<Vec<_>, _>>()?;
        Ok(Proof { seats: self.seats, standbys: self.standbys, pairs })
    }
}

impl Pair {
    fn of(exchange: &Exchange) -> Pair {
        Pair {
            heard: rfc3339(exchange.heard_ms),
            asked: rfc3339(exchange.asked_ms),
            answered: rfc3339(exchange.answered_ms),
            address: exchange.from.to_string(),
            interface: exchange.interface.clone(),
            question: hex::write(&exchange.question[..]),
            answer: hex::write(&exchange.answer[..]),
        }
    }

    fn exchange(&self, place: &str) -> Result<Exchange, String> {
        let time = |name: &str, text: &str| {
            parse_rfc3339(text).ok_or_else(|| wrong(&format!("{place}.{name}"), "a time in UTC"))
        };
        let datagram = |name: &str, text: &str| {
            let bytes = hex::read(text).map(Box::new);
            bytes.ok_or_else(|| wrong(&format!("{place}.{name}"), "640 hex digits"))
        };
        Ok(Exchange {
            question: datagram("question", &self.question)?,
            answer: datagram("answer", &self.answer)?,
            heard_ms: time("heard", &self.heard)?,
            asked_ms: time("asked", &self.asked)?,
            answered_ms: time("answered", &self.answered)?,
            from: self
                .address
                .parse()
                .map_err(|_| wrong(&format!("{place}.address"), "an address with its port"))?,
            interface: self.interface.clone(),
        })
    }
}

fn wrong(member: &str, expected: &str) -> String {
    format!("its member `{member}` is not {expected}")
}

fn word<T>(member: &str, known: Option<T>) -> Result<T, String> {
    known.ok_or_else(|| wrong(member, "a word that this format has"))
}
