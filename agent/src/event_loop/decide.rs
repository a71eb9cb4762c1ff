//! From the engine's events to records, from records to questions, from answers to verdicts.

use std::collections::BTreeSet;
use std::sync::Arc;

use serialnumberd_core::{ClaimId, ClaimView, Coverage, Event, State};

use super::Agent;
use crate::control::EventView;
use crate::control::protocol::Form;
use crate::plugin::{self, Action};
use crate::record::line::{Raw, RecordLine};
use crate::record::{Body, Record};
use crate::verdict::{Facts, PATIENCE, Policy};

/// Records kept for whoever polls them; who does not poll loses the oldest.
const RECORDS: usize = 1024;

impl Agent {
    /// Turns what the engine concluded into records.
    pub(super) fn take_events(&mut self) {
        let events: Vec<Event> = std::iter::from_fn(|| self.engine.poll_event()).collect();
        self.publish_holders();
        for event in events {
            log_event(&event);
            self.note_evidence(&event);
            self.take_event(event);
        }
        if self.engine.beats() != self.beats {
            self.beats = self.engine.beats();
            if self.state.lacks(self.held.keys()) {
                self.remember_since();
            }
            self.publish(Body::Tick, None);
        }
    }

    /// Before the records: a plugin that is asked looks up the holders on its own thread, at once.
    fn publish_holders(&mut self) {
        if !self.plugins.wants_holders() {
            return;
        }
        let changed: BTreeSet<ClaimId> = self.engine.take_changed().collect();
        if changed.is_empty() {
            return;
        }
        for view in self.engine.claims(self.now).filter(|v| changed.contains(&v.claim)) {
            self.plugins.set_holders(view.product, Some(view.holders.into()));
        }
    }

    fn take_event(&mut self, event: Event) {
        self.unsettled = true;
        let touched = claim_of(&event);
        match event {
            Event::State { product, claim, old, new, coverage, verdict_void } => {
                if verdict_void && let Some(held) = self.held.get_mut(&claim) {
                    held.verdict.forget(self.seq);
                }
                let decision = self.held.get(&claim).map(|h| h.verdict.decision.clone()).unwrap_or_default();
                // A conflict is asked about by its own record, which names the holders.
                let asks = matches!(new, State::Clear | State::Suspected);
                self.publish(
                    Body::State { product, claim, old, new, coverage, decision },
                    asks.then_some(claim),
                );
            }
            event => {
                let asks = matches!(event, Event::Duplicate { .. });
                self.publish(Body::Engine(event), touched.filter(|_| asks));
            }
        }
    }

    /// Asks for every verdict: other plugins may count now, or have other options.
    pub(super) fn ask_anew(&mut self) {
        for claim in self.held.keys().copied().collect::<Vec<_>>() {
            let Some(state) = self.engine.claim_brief(&claim).map(|b| b.state) else { continue };
            let Some(held) = self.held.get(&claim).filter(|_| state != State::Probing) else { continue };
            let (product, decision) = (held.product, held.verdict.decision.clone());
            let coverage = self.engine.coverage_state();
            self.publish(
                Body::State { product, claim, old: state, new: state, coverage, decision },
                Some(claim),
            );
        }
    }

    /// Tells how it stands with every claim, and asks for every verdict: a plugin has started anew and remembers nothing.
    fn tell_anew(&mut self) {
        let coverage = self.engine.coverage_state();
        let conflicts: Vec<Event> =
            self.engine.claims(self.now).filter_map(|view| conflict_of(view, coverage)).collect();
        self.ask_anew();
        // Of these the state alone would not do: who decides wants to know who the holders are.
        for event in conflicts {
            let claim = claim_of(&event);
            self.publish(Body::Engine(event), claim);
        }
    }

    /// Numbers a record and hands it to everyone; `asks` for verdicts on that claim.
    fn publish(&mut self, body: Body, asks: Option<ClaimId>) {
        self.seq += 1;
        // Of a claim that was let go meanwhile no verdict would be taken.
        let asks = asks.filter(|claim| self.held.contains_key(claim));
        let until = self.now.boot.after(PATIENCE);
        let record = Arc::new(Record {
            seq: self.seq,
            mono_ns: self.now.boot.0,
            real_ns: self.now.wall_ms.saturating_mul(1_000_000),
            caused_by_self: matches!(body, Body::Tick),
            decide_until_ns: asks.map(|_| until.0),
            body,
        });
        self.ask(&record, asks);
        if let Some(control) = &mut self.control {
            let names = |index| Agent::interface_name(&self.links, index);
            control.tell(Form::View, || EventView::of(&record, &names));
            control.tell(Form::Record, || RecordLine::of(&record, &names, Raw::Keep));
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.record(&record);
        }
        if self.setup.records {
            self.records.push_back(record);
            if self.records.len() > RECORDS {
                self.records.pop_front();
            }
        }
    }

    /// Hands a record to those who may have an opinion, and notes whose is awaited.
    fn ask(&mut self, record: &Arc<Record>, asks: Option<ClaimId>) {
        let mut asked: BTreeSet<Policy> =
            self.plugins.publish(record).into_iter().map(Policy::Plugin).collect();
        if self.program.as_mut().is_some_and(|program| program.publish(record)) {
            asked.insert(Policy::Program);
        }
        if let Some(held) = asks.and_then(|claim| self.held.get_mut(&claim)) {
            let program = self.program.iter().filter(|p| p.missed(record.seq)).map(|_| Policy::Program);
            let missed = self.plugins.missed(record.seq).map(Policy::Plugin).chain(program);
            held.verdict.ask(record.seq, asked, missed, self.now.boot);
        }
    }

    /// Does what plugins want.
    pub(super) fn take_actions(&mut self) {
        while let Some(action) = self.plugins.poll_action() {
            self.unsettled = true;
            match action {
                Action::Decided { plugin, claim, decision, answers } => {
                    if let Some(held) = self.held.get_mut(&claim) {
                        held.verdict.answer(Policy::Plugin(plugin), answers, decision);
                    }
                }
                Action::NoAnswer { plugin, claim, seq } => {
                    if let Some(held) = self.held.get_mut(&claim) {
                        held.verdict.fail(Policy::Plugin(plugin), seq);
                    }
                }
                Action::PutOff { plugin, claim, seq } => {
                    if let Some(held) = self.held.get_mut(&claim) {
                        held.verdict.put_off(Policy::Plugin(plugin), seq);
                    }
                }
                Action::AskAnew { .. } => self.ask_anew(),
                Action::TellAnew { .. } => self.tell_anew(),
                Action::Announce { product, probe, .. } => self.announce(product, probe),
            }
        }
    }

    fn announce(&mut self, product: Option<serialnumberd_core::Product>, probe: bool) {
        let products: Vec<_> =
            self.held.values().map(|h| h.product).filter(|p| product.is_none_or(|q| q == *p)).collect();
        for product in products {
            if probe {
                self.engine.burst(self.now, &mut super::os_entropy, Some(product));
            } else {
                self.engine.announce(self.now, &mut super::os_entropy, product);
            }
        }
    }

    /// Works out the verdicts; one that changed is a record of its own.
    pub(super) fn settle_verdicts(&mut self) {
        let late = |h: &super::claims::Held| h.verdict.deadline().is_some_and(|at| at <= self.now.boot);
        if !std::mem::take(&mut self.unsettled) && !self.held.values().any(late) {
            return;
        }
        let deciders: Vec<_> = self.plugins.deciders().filter(|d| d.counts).collect();
        let plugins = deciders.iter().map(|d| Policy::Plugin(d.plugin));
        let counted: BTreeSet<Policy> = plugins.chain(self.program.iter().map(|_| Policy::Program)).collect();
        let dead = deciders.iter().filter(|d| d.is_dead).map(|d| Policy::Plugin(d.plugin)).collect();
        for place in 0..self.held.len() {
            let Some((claim, held)) = self.held.iter_mut().nth(place) else { return };
            let claim = *claim;
            let late = held.verdict.expire(self.now.boot);
            for policy in late {
                *self.counters.late_verdicts.entry(policy).or_default() += 1;
            }
            let Some(brief) = self.engine.claim_brief(&claim) else { continue };
            let facts = Facts {
                state: brief.state,
                standby_of: brief.standby.then_some(brief.group),
                counted: &counted,
                dead: &dead,
                on_failure: self.setup.config.agent.on_policy_failure,
                wall_ms: self.now.wall_ms,
            };
            if held.verdict.settle(&facts) {
                let decision = held.verdict.decision.clone();
                // A plugin's words: no line of the log may be forged with them.
                let reason = plugin::clean(decision.reason.as_bytes());
                log::info!("{}: verdict {}: {reason}", held.product, decision.verdict);
                let (product, coverage, state) = (held.product, self.engine.coverage_state(), brief.state);
                self.publish(
                    Body::State { product, claim, old: state, new: state, coverage, decision },
                    None,
                );
            }
        }
    }
}

/// A claim's conflict as it was last told.
fn conflict_of(view: ClaimView, coverage: Coverage) -> Option<Event> {
    let conflict = view.conflict?;
    Some(Event::Duplicate {
        product: view.product,
        claim: view.claim,
        conflict_id: conflict.id,
        evidence: conflict.evidence,
        stage: conflict.stage,
        class: conflict.class,
        seats: view.seats,
        coverage,
        holders: view.holders,
    })
}

fn claim_of(event: &Event) -> Option<ClaimId> {
    match event {
        Event::Announcement { claim, .. }
        | Event::Duplicate { claim, .. }
        | Event::Resolved { claim, .. }
        | Event::State { claim, .. } => Some(*claim),
        Event::Query { .. } => None,
    }
}

fn log_event(event: &Event) {
    match event {
        Event::Duplicate { product, stage, class, seats, holders, evidence, .. } => {
            let who: Vec<String> = holders
                .iter()
                .filter(|h| !h.is_self && h.proved)
                .map(|h| {
                    format!(
                        "{} ({})",
                        h.host.escape_debug(),
                        h.from.map_or_else(String::new, |a| a.to_string())
                    )
                })
                .collect();
            log::warn!(
                "{product}: {stage} ({class}): more holders than seats, which are {seats}: {}; evidence {evidence}",
                who.join(", ")
            );
        }
        Event::Resolved { product, cause, .. } => log::info!("{product}: resolved ({cause})"),
        Event::State { product, old, new, coverage, .. } if old != new => {
            log::info!("{product}: {old} -> {new} (coverage {coverage})");
        }
        _ => {}
    }
}
