//! From the words of a line back to the record.  Believes nothing: each error names the member and what it should be.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serialnumberd_core::limits::CLASSIC_BYTES;
use serialnumberd_core::{
    ClaimId, Class, Coverage, Event, EvidenceId, HolderView, Product, ResolvedCause, Stage, State,
};

use super::holder::HolderLine;
use super::{HOLDERS_MAX, LineError, REASON_MAX, ReadRecord, RecordLine};
use crate::hex;
use crate::record::{Body, Decision, Record, Verdict};

impl RecordLine {
    /// The record that these words stand for.
    ///
    /// # Errors
    /// If they stand for none, or break a bound; which member, and what it should be.
    pub fn read(mut self) -> Result<ReadRecord, LineError> {
        let mut interfaces = BTreeMap::new();
        let body = match self.event.as_str() {
            "announcement" => self.announcement(&mut interfaces),
            "duplicate" => self.duplicate(&mut interfaces),
            "resolved" => self.resolved(),
            "state" => self.state(),
            "query" => self.query(),
            "tick" => Ok(Body::Tick),
            _ => return Err(LineError::UnknownEvent(self.event)),
        };
        let record = Record {
            seq: self.seq,
            mono_ns: self.mono_ns,
            real_ns: self.real_ns,
            caused_by_self: self.caused_by_self,
            decide_until_ns: self.decide_until_ns,
            body: body.map_err(LineError::Wrong)?,
        };
        Ok(ReadRecord { record, interfaces })
    }

    fn announcement(&mut self, interfaces: &mut BTreeMap<u32, String>) -> Result<Body, String> {
        let raw = self.raw.take().map(|raw| hex::read(&raw).ok_or_else(|| is_not("raw", "640 hex digits")));
        let mut holders = self.holders(interfaces)?;
        let (Some(holder), true) = (holders.pop(), holders.is_empty()) else {
            return Err("an announcement has exactly one of `holders`".to_owned());
        };
        let (product, claim) = self.subject()?;
        Ok(Body::Engine(Event::Announcement { product, claim, holder, raw: raw.transpose()?.map(Box::new) }))
    }

    fn duplicate(&mut self, interfaces: &mut BTreeMap<u32, String>) -> Result<Body, String> {
        let (product, claim) = self.subject()?;
        Ok(Body::Engine(Event::Duplicate {
            product,
            claim,
            conflict_id: must(self.conflict, "conflict")?,
            evidence: EvidenceId(hex16(self.evidence.as_deref(), "evidence")?),
            stage: known(self.stage.as_deref(), "stage", Stage::of_word)?,
            class: known(self.class.as_deref(), "class", Class::of_word)?,
            seats: must(self.seats, "seats")?,
            coverage: known(self.coverage.as_deref(), "coverage", Coverage::of_word)?,
            holders: self.holders(interfaces)?,
        }))
    }

    fn resolved(&self) -> Result<Body, String> {
        let (product, claim) = self.subject()?;
        let conflict_id = must(self.conflict, "conflict")?;
        let cause = known(self.cause.as_deref(), "cause", ResolvedCause::of_word)?;
        Ok(Body::Engine(Event::Resolved { product, claim, conflict_id, cause }))
    }

    fn state(&mut self) -> Result<Body, String> {
        let (product, claim) = self.subject()?;
        let old = known(self.old_state.as_deref(), "old_state", State::of_word)?;
        let new = known(self.state.as_deref(), "state", State::of_word)?;
        let coverage = known(self.coverage.as_deref(), "coverage", Coverage::of_word)?;
        if let Some(verdict_void) = self.verdict_void {
            return Ok(Body::Engine(Event::State { product, claim, old, new, coverage, verdict_void }));
        }
        let decision = Decision { verdict: self.verdict()?, reason: self.reason.take().unwrap_or_default() };
        at_most(decision.reason.len(), REASON_MAX, "reason", "bytes")?;
        Ok(Body::State { product, claim, old, new, coverage, decision })
    }

    fn verdict(&self) -> Result<Verdict, String> {
        let word = must(self.verdict.as_deref(), "verdict")?;
        match self.verdict_number.map(Verdict) {
            Some(number) if number.as_str() == word => Ok(number),
            Some(number) => {
                Err(format!("its `verdict_number` {} is no \"{}\"", number.0, word.escape_debug()))
            }
            None => known(Some(word), "verdict", Verdict::of_word),
        }
    }

    fn query(&self) -> Result<Body, String> {
        let from = address(must(self.from.as_deref(), "from")?, self.flowinfo, "from")?;
        let raw = must(self.raw.as_deref(), "raw")?;
        at_most(raw.len() / 2, CLASSIC_BYTES, "raw", "bytes")?;
        let text = hex::read_all(raw).ok_or_else(|| is_not("raw", "pairs of hex digits"))?;
        let product = self.product.as_deref().map(product).transpose()?;
        Ok(Body::Engine(Event::Query { from, product, text }))
    }

    fn subject(&self) -> Result<(Product, ClaimId), String> {
        let product = product(must(self.product.as_deref(), "product")?)?;
        Ok((product, ClaimId(hex16(self.claim.as_deref(), "claim")?)))
    }

    fn holders(&mut self, interfaces: &mut BTreeMap<u32, String>) -> Result<Vec<HolderView>, String> {
        let lines = std::mem::take(&mut self.holders);
        at_most(lines.len(), HOLDERS_MAX, "holders", "holders")?;
        let read = |(n, line): (usize, HolderLine)| {
            line.read(interfaces).map_err(|what| format!("of its `holders`, number {n}: {what}"))
        };
        lines.into_iter().enumerate().map(read).collect()
    }
}

pub(super) fn must<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("its member `{name}` is missing"))
}

pub(super) fn is_not(name: &str, wanted: &str) -> String {
    format!("its member `{name}` is not {wanted}")
}

pub(super) fn at_most(found: usize, most: usize, name: &str, unit: &str) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!("its member `{name}` has {found} {unit}, and at most {most} are taken"))
}

/// One of the protocol's words.
pub(super) fn known<T>(word: Option<&str>, name: &str, of: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    let word = must(word, name)?;
    of(word).ok_or_else(|| {
        format!("its member `{name}` is \"{}\", which is none of its words", word.escape_debug())
    })
}

fn hex16(text: Option<&str>, name: &str) -> Result<[u8; 16], String> {
    hex::read(must(text, name)?).ok_or_else(|| is_not(name, "32 hex digits"))
}

fn product(text: &str) -> Result<Product, String> {
    Product::new(text).map_err(|error| format!("its member `product`: {error}"))
}

/// An address with its port; what its text does not tell stands beside it.
pub(super) fn address(text: &str, flowinfo: u32, name: &str) -> Result<SocketAddr, String> {
    let mut address: SocketAddr =
        text.parse().map_err(|_| is_not(name, "an address with a port, such as 192.0.2.7:626"))?;
    match &mut address {
        SocketAddr::V6(v6) => v6.set_flowinfo(flowinfo),
        SocketAddr::V4(_) if flowinfo != 0 => return Err("an IPv4 address has no `flowinfo`".to_owned()),
        SocketAddr::V4(_) => {}
    }
    Ok(address)
}
