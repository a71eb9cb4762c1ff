//! What the agent says of itself: the status document.

use std::collections::BTreeMap;

use serialnumberd_core::{ClaimId, ClaimView, ConflictView, EvidencePair, Mono, Stage, crypto};

use super::{Agent, Owner, host_name};
use crate::counters::Counters;
use crate::status::{
    self, AgentStatus, ClaimStatus, ClaimantStatus, ConflictStatus, CoverageStatus, HolderStatus,
    InterfaceStatus, InventoryEntry, NextStep, Opinion, PluginStatus, Status, rfc3339, wall_time,
};
use crate::verdict::Policy;

/// What the program that embeds the agent is called among those who have opinions; no plugin's id has parentheses.
const PROGRAM: &str = "(program)";

impl Agent {
    pub(super) fn report(&mut self) -> Status {
        let claims: Vec<ClaimView> = self.engine.claims(self.now).collect();
        let names = |index| Agent::interface_name(&self.links, index);
        let inventory = self.engine.inventory(self.now).map(|(product, claim, view)| InventoryEntry {
            product: product.to_string(),
            claim: claim.to_string(),
            holder: HolderStatus::of(view, &self.now, &names),
        });
        let inventory = inventory.collect();
        let claims = claims.iter().map(|view| self.report_claim(view)).collect();
        let plugins = self.report_plugins();
        let directory = self.report_directory();
        let (agent, counters) = (self.report_agent(), self.report_counters());
        Status { agent, claims, inventory, plugins, directory, counters }
    }

    fn report_agent(&self) -> AgentStatus {
        let config = &self.setup.config.agent;
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            installation: self.engine.installation().to_string(),
            boot: self.engine.instance().boot.to_string(),
            runs: self.state.runs(),
            host: host_name(),
            pid: std::process::id(),
            now: rfc3339(self.now.wall_ms),
            uptime_s: self.now.boot.since(self.started.boot).as_secs(),
            port: self.sockets.port(),
            state_dir: self.state.path().display().to_string(),
            observe: config.observe,
            legacy: config.legacy.to_string(),
            health: self
                .broken
                .iter()
                .chain(&self.unjoined)
                .map(|(i, why)| self.broken_text(*i, why))
                .chain(self.filing.trouble().map(str::to_owned))
                .chain(self.directory_trouble())
                .collect(),
        }
    }

    fn broken_text(&self, index: u32, why: &str) -> String {
        format!("{}: {why}", self.interface_text(index))
    }

    fn report_claim(&self, view: &ClaimView) -> ClaimStatus {
        let names = |index| Agent::interface_name(&self.links, index);
        let verdict = self.held.get(&view.claim).map(|h| h.verdict.clone()).unwrap_or_default();
        let proved = view.holders.iter().filter(|h| h.is_self || h.proved).count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        ClaimStatus {
            product: view.product.to_string(),
            claim: view.claim.to_string(),
            state: view.state.to_string(),
            state_since: wall_time(&self.now, view.state_since),
            verdict: verdict.decision.verdict.to_string(),
            reason: verdict.decision.reason.clone(),
            verdict_since: rfc3339(verdict.since_ms),
            verdict_pending: verdict.is_pending(),
            opinions: self.report_opinions(&verdict),
            seats: view.seats,
            heard: count(view.holders.len()),
            proved: count(proved),
            group: view.group.clone(),
            role: if view.standby { "standby" } else { "active" }.to_owned(),
            standbys: view.standbys,
            held_by: self.report_claimants(&view.claim),
            since: (view.since_ms > 0).then(|| rfc3339(view.since_ms)),
            holders: view.holders.iter().map(|h| HolderStatus::of(h, &self.now, &names)).collect(),
            holders_full: view.more_holders > 0,
            coverage: self.report_coverage(),
            conflict: view.conflict.as_ref().map(|c| self.report_conflict(c)),
            next: self.report_next(view),
        }
    }

    fn report_claimants(&self, claim: &ClaimId) -> Vec<ClaimantStatus> {
        let claimants = self.held.get(claim).into_iter().flat_map(|held| &held.claimants);
        let claimants = claimants.map(|claimant| ClaimantStatus {
            kind: if claimant.owner == Owner::Configuration { "configuration" } else { "program" }.to_owned(),
            program: Some(claimant.program.clone()).filter(|name| !name.is_empty()),
            pid: claimant.pid,
        });
        claimants.collect()
    }

    fn report_opinions(&self, verdict: &crate::verdict::ClaimVerdict) -> Vec<Opinion> {
        let plugins = self.plugins.deciders().map(|d| (Policy::Plugin(d.plugin), d.id, d.counts));
        let program = self.program.iter().map(|_| (Policy::Program, PROGRAM, true));
        plugins
            .chain(program)
            .filter_map(|(policy, id, counted)| {
                let decision = verdict.opinions.get(&policy)?;
                Some(Opinion {
                    plugin: id.to_owned(),
                    verdict: decision.verdict.to_string(),
                    reason: decision.reason.clone(),
                    counted,
                })
            })
            .collect()
    }

    fn report_coverage(&self) -> CoverageStatus {
        let (state, why) = self.engine.coverage(self.now);
        let interfaces = self.engine.interface_coverage();
        let since = interfaces.iter().filter(|i| i.state == state).map(|i| i.since).min();
        CoverageStatus {
            state: state.to_string(),
            since: wall_time(&self.now, since.unwrap_or(self.started.boot)),
            peers: u32::try_from(self.engine.peers()).unwrap_or(u32::MAX),
            why,
            interfaces: interfaces.iter().map(|i| InterfaceStatus::of(i, &self.now)).collect(),
        }
    }

    fn report_conflict(&self, conflict: &ConflictView) -> ConflictStatus {
        let evidence = self.engine.evidence(conflict.evidence);
        let rounds = evidence.map(|e| [(1, &e.first.pairs), (2, &e.second.pairs)]).into_iter().flatten();
        let pairs: Vec<status::EvidencePair> = rounds
            .flat_map(|(round, pairs)| pairs.iter().map(move |p| (round, p)))
            .map(|(r, p)| self.report_pair(r, p))
            .collect();
        let confirmed =
            evidence.and_then(|e| e.second.pairs.first()).filter(|_| conflict.stage == Stage::Duplicate);
        ConflictStatus {
            id: conflict.id,
            class: conflict.class.to_string(),
            stage: conflict.stage.to_string(),
            since: rfc3339(conflict.since_ms),
            confirmed: confirmed.map(|p| rfc3339(p.answered_ms)),
            evidence: conflict.evidence.to_string(),
            pairs,
        }
    }

    fn report_pair(&self, round: u32, pair: &EvidencePair) -> status::EvidencePair {
        status::EvidencePair {
            question: crypto::tag::<serialnumberd_core::Standard>(&pair.question).to_string(),
            answer: crypto::tag::<serialnumberd_core::Standard>(&pair.answer).to_string(),
            installation: pair.instance.installation.to_string(),
            boot: pair.instance.boot.to_string(),
            asked: wall_time(&self.now, pair.asked_at),
            answered: rfc3339(pair.answered_ms),
            address: pair.from.to_string(),
            interface: self.interface_text(pair.interface),
            round,
        }
    }

    fn report_next(&self, view: &ClaimView) -> Vec<NextStep> {
        let round = if view.asking {
            "the round under way asks all holders heard"
        } else {
            "all holders heard are asked again"
        };
        let round_at = if view.asking { Some(self.now.boot) } else { view.next_round };
        let mut steps: Vec<_> = round_at.map(|at| (at, round)).into_iter().collect();
        steps.push((view.next_announcement, "this host announces itself"));
        steps.sort();
        steps
            .into_iter()
            .map(|(at, what)| NextStep { at: wall_time(&self.now, at), what: what.to_owned() })
            .collect()
    }

    fn report_plugins(&mut self) -> Vec<PluginStatus> {
        let plugins = self.plugins.status(self.now.boot.0);
        plugins
            .into_iter()
            .enumerate()
            .map(|(place, p)| PluginStatus {
                id: p.id,
                path: p.path.display().to_string(),
                version: p.version,
                isolation: p.isolation.as_str().to_owned(),
                pid: p.pid,
                crashes: p.crashes,
                sandbox: p.sandbox,
                verdict: p.verdict.as_str().to_owned(),
                health: p.health.as_str().to_owned(),
                why: p
                    .present_call
                    .map(|(call, since)| busy(call, self.now.boot.since(Mono(since))))
                    .unwrap_or_default(),
                delivered: p.delivered,
                lost: p.lost,
                queued: p.queued as u64,
                granted: p.granted.names().map(str::to_owned).collect(),
                errors: p.errors,
                last_error: p.last_error,
                late: self.counters.late_verdicts.get(&Policy::Plugin(place)).copied().unwrap_or(0),
                longest_call_ms: p.slowest_call_ns / 1_000_000,
                metrics: p.metrics.into_iter().map(|m| (m.name, m.value)).collect(),
                detail: p.detail.and_then(|text| serde_json::from_str(&text).ok()),
            })
            .collect()
    }

    fn report_counters(&mut self) -> status::Counters {
        let counters: &Counters = &self.counters;
        let control = self.control.as_ref().map(|c| c.counters()).unwrap_or_default();
        let more = BTreeMap::from([
            ("datagrams_made".to_owned(), self.engine.sent()),
            ("foreign_seen".to_owned(), self.engine.foreign_seen()),
            ("events_dropped".to_owned(), self.engine.events_dropped()),
            ("beats".to_owned(), self.engine.beats()),
            ("turns".to_owned(), counters.turns),
            ("control_accepted".to_owned(), control.accepted),
            ("control_refused".to_owned(), control.refused),
            ("control_slow".to_owned(), control.slow),
            ("control_lost".to_owned(), control.lost),
        ]);
        status::Counters {
            received: counters.received(),
            fates: counters.fates(),
            sent: counters.transmitted,
            send_errors: counters.send_errors,
            kernel_drops: self.sockets.kernel_drops().unwrap_or_default(),
            more,
        }
    }
}

/// Why a plugin that is in a call may not be well.
fn busy(call: &str, for_: std::time::Duration) -> String {
    if for_.as_millis() < 100 {
        String::new()
    } else {
        format!("in its {call} since {:.1} s", for_.as_secs_f64())
    }
}
