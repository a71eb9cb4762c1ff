//! The truth: who really holds which license, and when there were more of them than seats.

use std::collections::BTreeMap;
use std::time::Duration;

use serialnumberd_core::Mono;
use serialnumberd_core::limits::{LIVE_FOR, ROUND_OPEN, ROUND_SEATS_PER_S};

use crate::scenario::span::written;
use crate::scenario::{HostId, Scenario, TruthLine};

/// A time from ... until; `None` is to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub from: Mono,
    pub until: Option<Mono>,
}

impl Span {
    pub(crate) fn end(self) -> Mono {
        self.until.unwrap_or(Mono::NEVER)
    }

    pub(crate) fn covers(self, at: Mono) -> bool {
        self.from <= at && at < self.end()
    }
}

/// A host that really held a license.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub host: HostId,
    pub span: Span,
}

/// The truth about one license.
#[derive(Debug)]
pub(crate) struct ClaimTruth {
    pub seats: u16,
    standbys: u16,
    /// Who holds it now, and whether as a STANDBY of a group.
    holders: BTreeMap<HostId, bool>,
    pub lives: Vec<Life>,
    /// When there were more holders than seats.
    pub over: Vec<Span>,
    lines: Vec<TruthLine>,
}

/// The truth about all licenses.
#[derive(Debug)]
pub(crate) struct Truth {
    pub claims: Vec<ClaimTruth>,
    changed: bool,
}

impl Truth {
    pub(crate) fn new(scenario: &Scenario) -> Truth {
        let claim = |(license, plan): (usize, &crate::scenario::LicensePlan)| ClaimTruth {
            seats: plan.seats,
            standbys: if plan.group.is_empty() { 0 } else { plan.standbys },
            holders: BTreeMap::new(),
            lives: Vec::new(),
            over: Vec::new(),
            lines: scenario.truth.iter().filter(|t| t.license == license).copied().collect(),
        };
        Truth { claims: scenario.licenses.iter().enumerate().map(claim).collect(), changed: false }
    }

    /// `host` holds `license` from now on: `Some(whether as a grouped STANDBY)`, or no more.
    pub(crate) fn set(&mut self, at: Mono, license: usize, host: HostId, role: Option<bool>) {
        let claim = &mut self.claims[license];
        if claim.holders.get(&host).copied() == role {
            return;
        }
        self.changed = true;
        let was = match role {
            Some(standby) => claim.holders.insert(host, standby),
            None => claim.holders.remove(&host),
        };
        match (was, role) {
            (None, Some(_)) => claim.lives.push(Life { host, span: Span { from: at, until: None } }),
            (Some(_), None) => {
                if let Some(life) = claim.lives.iter_mut().rfind(|l| l.host == host) {
                    life.span.until = Some(at);
                }
            }
            _ => {}
        }
        claim.recount(at);
    }

    pub(crate) fn set_seats(&mut self, at: Mono, license: usize, seats: u16) {
        self.claims[license].seats = seats;
        self.claims[license].recount(at);
    }

    /// Whether what the scenario states is so, if anything changed: asked once all that happens at `at` has happened.
    pub(crate) fn check(&mut self, at: Mono) -> Option<String> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        self.claims.iter().enumerate().find_map(|(license, claim)| {
            let line = claim.lines.iter().rfind(|l| l.at <= at)?;
            let holders = claim.holders.len();
            (holders < line.least || holders > line.most).then(|| {
                format!(
                    "at {} there are {holders} holders of license {license}, but the scenario's truth says {} to {}",
                    written(at),
                    line.least,
                    line.most
                )
            })
        })
    }
}

impl ClaimTruth {
    fn recount(&mut self, at: Mono) {
        let standby = self.holders.values().filter(|s| **s).count();
        let active = self.holders.len() - standby;
        let taken = active + standby.saturating_sub(usize::from(self.standbys));
        let over = self.seats != 0 && taken > usize::from(self.seats);
        match self.over.last_mut() {
            Some(span) if span.until.is_none() => span.until = (!over).then_some(at),
            _ if over => self.over.push(Span { from: at, until: None }),
            _ => {}
        }
    }

    /// How old that can be which a conflict declared now rests on: the beginning of the round, and before that the
    /// flight of an answer that was still live when the round's first question had been sent.
    pub(crate) fn grace(&self) -> Duration {
        let round = Duration::from_secs(u64::from(u32::from(self.seats) / ROUND_SEATS_PER_S));
        round.max(ROUND_OPEN) + LIVE_FOR
    }

    /// Whether there were more holders than seats at some moment of these.
    pub(crate) fn was_over(&self, from: Mono, until: Mono) -> bool {
        self.over.iter().rev().take_while(|s| s.end() >= from).any(|s| s.from <= until)
    }

    /// How many held it at some moment of these; who was restarted counts twice.
    pub(crate) fn lived(&self, from: Mono, until: Mono) -> usize {
        self.lives.iter().filter(|l| l.span.end() >= from && l.span.from <= until).count()
    }
}
