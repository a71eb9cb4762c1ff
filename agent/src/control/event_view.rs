//! An event as `watch` shows it: one JSON object, or one line for people.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use serialnumberd_core::{Event, HolderView, Mono, Now};

use crate::record::{Body, Record, Verdict};
use crate::status::{HolderStatus, InterfaceNames, rfc3339};
use crate::text::count;

/// An event.  Which fields are there depends on its kind; those that are not are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventView {
    /// `announcement`, `duplicate`, `resolved`, `state`, `query` or `tick`.
    pub event: String,
    /// Strictly rising per agent; a gap means loss.
    pub seq: u64,
    /// When, RFC 3339.
    pub time: String,
    /// Of which product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Of which claim, 32 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Caused by this agent's own announcement.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub caused_by_self: bool,
    /// `announcement`: who; `duplicate`: all of them, in the protocol's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<HolderStatus>,
    /// `duplicate`: seats of the local license.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seats: Option<u16>,
    /// `duplicate`, `resolved`: which conflict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<u64>,
    /// `duplicate`: the evidence's id, 32 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// `duplicate`: `conflict` or `duplicate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// `duplicate`: `copy`, `clone` or `split-brain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// `resolved`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// `state`: the state before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_state: Option<String>,
    /// `state`: the state now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `duplicate`, `state`: what this agent can hear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<String>,
    /// `state`: the verdict in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// `state`: why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `query`: from whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `query`: what it said; what is no UTF-8 is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl EventView {
    /// Shows a record.
    #[must_use]
    pub fn of(record: &Record, names: InterfaceNames<'_>) -> EventView {
        let wall_ms = record.real_ns / 1_000_000;
        let now = Now { boot: Mono(record.mono_ns), awake: Mono(record.mono_ns), wall_ms };
        let head = EventView {
            seq: record.seq,
            time: rfc3339(wall_ms),
            caused_by_self: record.caused_by_self,
            ..EventView::default()
        };
        match &record.body {
            Body::Engine(event) => of_engine(head, event, |h| HolderStatus::of(h, &now, names)),
            Body::State { product, claim, old, new, coverage, decision } => EventView {
                event: "state".to_owned(),
                product: word(product),
                claim: word(claim),
                old_state: word(old),
                state: word(new),
                coverage: word(coverage),
                verdict: word(&decision.verdict),
                reason: Some(decision.reason.clone()).filter(|r| !r.is_empty()),
                ..head
            },
            Body::Tick => EventView { event: "tick".to_owned(), ..head },
        }
    }
}

fn word(value: &impl fmt::Display) -> Option<String> {
    Some(value.to_string())
}

fn of_engine(head: EventView, event: &Event, holder: impl Fn(&HolderView) -> HolderStatus) -> EventView {
    match event {
        Event::Announcement { product, claim, holder: who, raw: _ } => EventView {
            event: "announcement".to_owned(),
            product: word(product),
            claim: word(claim),
            holders: vec![holder(who)],
            ..head
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
        } => EventView {
            event: "duplicate".to_owned(),
            product: word(product),
            claim: word(claim),
            conflict: Some(*conflict_id),
            evidence: word(evidence),
            stage: word(stage),
            class: word(class),
            seats: Some(*seats),
            coverage: word(coverage),
            holders: holders.iter().map(holder).collect(),
            ..head
        },
        Event::Resolved { product, claim, conflict_id, cause } => EventView {
            event: "resolved".to_owned(),
            product: word(product),
            claim: word(claim),
            conflict: Some(*conflict_id),
            cause: word(cause),
            ..head
        },
        Event::State { product, claim, old, new, coverage, verdict_void: _ } => EventView {
            event: "state".to_owned(),
            product: word(product),
            claim: word(claim),
            old_state: word(old),
            state: word(new),
            coverage: word(coverage),
            verdict: word(&Verdict::ABSTAIN),
            ..head
        },
        Event::Query { from, product, text } => EventView {
            event: "query".to_owned(),
            product: product.as_ref().and_then(word),
            from: word(from),
            text: Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()),
            ..head
        },
    }
}

/// One line for people, without a newline.
impl fmt::Display for EventView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |field: &Option<String>| field.clone().unwrap_or_default();
        write!(f, "{}  ", time_of_day(&self.time))?;
        if let Some(product) = &self.product {
            write!(f, "{product}: ")?;
        }
        match self.event.as_str() {
            "announcement" => write!(f, "announced by {}", list(&self.holders)),
            "duplicate" => write!(
                f,
                "{} {} ({}): {} hold {}: {}",
                known(&self.stage).to_uppercase(),
                self.conflict.unwrap_or(0),
                known(&self.class),
                count(self.holders.len() as u64, "instance"),
                count(u64::from(self.seats.unwrap_or(0)), "seat"),
                list(&self.holders)
            ),
            "resolved" => {
                write!(f, "conflict {} resolved: {}", self.conflict.unwrap_or(0), known(&self.cause))
            }
            "state" => self.write_state(f),
            "query" => write!(f, "classic query from {}: {:?}", known(&self.from), known(&self.text)),
            "tick" => f.write_str("announced"),
            other => write!(f, "{other}"),
        }
    }
}

impl EventView {
    fn write_state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |field: &Option<String>| field.clone().unwrap_or_default();
        let (old, new) = (known(&self.old_state), known(&self.state));
        if old == new {
            write!(f, "still {new}")?;
        } else {
            write!(f, "{old} -> {new}")?;
        }
        write!(f, ", verdict {}", known(&self.verdict).to_uppercase())?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        write!(f, ", coverage {}", known(&self.coverage))
    }
}

/// `12:04:31.250` of an RFC 3339 time; the time itself if it is none.
fn time_of_day(time: &str) -> &str {
    time.split_once('T').map_or(time, |(_, clock)| clock.trim_end_matches('Z'))
}

/// Holders in a few words each.
fn list(holders: &[HolderStatus]) -> String {
    /// More make a line that nobody reads; the JSON has all.
    const SHOWN: usize = 4;
    let mut text = String::new();
    for (i, holder) in holders.iter().take(SHOWN).enumerate() {
        let separator = if i == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{}", holder.short());
    }
    match holders.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use serialnumberd_core::{ClaimId, Class, Coverage, EvidenceId, Product, ResolvedCause, Stage, State};

    use super::*;
    use crate::record::Decision;
    use crate::status::{SECOND, other_holder};

    fn view(body: Body) -> EventView {
        let record = Record {
            seq: 7,
            mono_ns: 100 * SECOND,
            real_ns: 1_795_446_271_250_000_000,
            caused_by_self: false,
            decide_until_ns: None,
            body,
        };
        EventView::of(&record, &|_| Some("eth0".to_owned()))
    }

    fn xsvr() -> Product {
        Product::new("xsvr").unwrap()
    }

    fn conflict() -> Body {
        let own = HolderView { is_self: true, from: None, interface: 0, over: false, ..other_holder() };
        Body::Engine(Event::Duplicate {
            product: xsvr(),
            claim: ClaimId([1; 16]),
            conflict_id: 1,
            evidence: EvidenceId([2; 16]),
            stage: Stage::Conflict,
            class: Class::Copy,
            seats: 1,
            coverage: Coverage::Good,
            holders: vec![own, other_holder()],
        })
    }

    #[test]
    fn one_line_for_people() {
        let state = Body::State {
            product: xsvr(),
            claim: ClaimId([1; 16]),
            old: State::Clear,
            new: State::Conflict,
            coverage: Coverage::Good,
            decision: Decision { verdict: Verdict::WARN, reason: "also on alpha".to_owned() },
        };
        let resolved = Body::Engine(Event::Resolved {
            product: xsvr(),
            claim: ClaimId([1; 16]),
            conflict_id: 1,
            cause: ResolvedCause::Goodbye,
        });
        let query = Body::Engine(Event::Query {
            from: "192.0.2.9:4000".parse().unwrap(),
            product: None,
            text: b"SNQUERY: \x1b[2J\0".to_vec(),
        });
        for (body, line) in [
            (
                conflict(),
                "15:04:31.250  xsvr: CONFLICT 1 (copy): 2 instances hold 1 seat: \
                 this host, alpha (192.0.2.7, eth0)",
            ),
            (state, "15:04:31.250  xsvr: clear -> conflict, verdict WARN (also on alpha), coverage good"),
            (resolved, "15:04:31.250  xsvr: conflict 1 resolved: goodbye"),
            (query, "15:04:31.250  classic query from 192.0.2.9:4000: \"SNQUERY: \\u{1b}[2J\""),
            (Body::Tick, "15:04:31.250  announced"),
        ] {
            assert_eq!(view(body).to_string(), line);
        }
    }

    #[test]
    fn the_json_has_what_its_kind_has() {
        let json = serde_json::to_value(view(Body::Tick)).unwrap();
        assert_eq!(json, serde_json::json!({"event": "tick", "seq": 7, "time": "2026-11-23T15:04:31.250Z"}));
        let json = serde_json::to_value(view(conflict())).unwrap();
        assert_eq!(json["stage"], "conflict");
        assert_eq!(json["evidence"], "02".repeat(16));
        assert_eq!(json["holders"][1]["last_heard"], "2026-11-23T15:04:26.250Z");
        assert_eq!(serde_json::from_value::<EventView>(json).unwrap(), view(conflict()));
    }
}
