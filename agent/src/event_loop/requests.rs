//! What clients of the control socket ask, and what they are told.

use serde_json::{Value, json};
use serialnumberd_core::{Mono, Product, State};

use super::{Agent, ClaimRequest, Owner, os_entropy};
use crate::control::protocol::{CheckAnswer, ClaimAnswer, Request};
use crate::control::server::{ClientId, Incoming};
use crate::evidence::Wanted;
use crate::record::Verdict;
use crate::verdict::{PATIENCE, STILL_PROBING};

/// Who asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub client: ClientId,
    pub id: u64,
}

/// A check that waits for a verdict.
#[derive(Debug)]
pub(super) struct PendingCheck {
    asker: Asker,
    product: Product,
    /// A verdict under way is awaited until then ...
    pub until: Mono,
    /// ... and the end of the start-up burst, if the client asked to wait for it.
    wait: bool,
}

impl Agent {
    pub(super) fn serve_control(&mut self) {
        let Some(control) = &mut self.control else { return };
        let (incoming, gone) = (control.turn(), control.take_gone());
        for client in gone {
            self.drop_claims(Owner::Client(client));
        }
        for Incoming { client, id, request } in incoming {
            self.serve(Asker { client, id }, request);
        }
    }

    fn serve(&mut self, asker: Asker, request: Request) {
        match request {
            Request::Status => {
                let status = serde_json::to_value(self.report()).map_err(|e| e.to_string());
                self.reply(asker, &status);
            }
            Request::Check { product, wait_ms } => {
                let wait = wait_ms > 0;
                let wait_for = std::time::Duration::from_millis(u64::from(wait_ms)).max(PATIENCE);
                let until = self.now.boot.after(wait_for);
                self.checks.push(PendingCheck { asker, product, until, wait });
            }
            Request::Probe { product } => {
                let answer = self.probe(product);
                self.reply(asker, &answer);
            }
            Request::Reload => self.reload(Some(asker)),
            Request::Stop => self.stop_wanted.push(asker),
            Request::Evidence { id } => {
                let begun = self.archivist.answer(asker, id.map_or(Wanted::List, Wanted::Text));
                if let Err(sentence) = begun {
                    self.reply(asker, &Err(sentence));
                }
            }
            Request::Claim(request) => {
                let answer = self.claim_for(asker.client, request);
                self.reply(asker, &answer);
            }
            Request::Release { product } => {
                let answer = self.drop_claim(Owner::Client(asker.client), product).map(|()| json!({}));
                self.reply(asker, &answer);
            }
            // The server keeps the list of watchers.
            Request::Watch { .. } => self.reply(asker, &Ok(json!({}))),
        }
    }

    fn claim_for(&mut self, client: ClientId, request: ClaimRequest) -> Result<Value, String> {
        // Of one that asked and left in the same turn nobody would ever tell that it has gone.
        if !self.control.as_ref().is_some_and(|control| control.is_here(client)) {
            return Err("the client has gone".to_owned());
        }
        let id = self.take_claim(Owner::Client(client), request)?;
        if let Some(control) = &mut self.control {
            control.holds(client);
        }
        serde_json::to_value(ClaimAnswer { claim: id.to_string() }).map_err(|e| e.to_string())
    }

    fn probe(&mut self, product: Option<Product>) -> Result<Value, String> {
        if let Some(product) = product.filter(|p| !self.held.values().any(|h| h.product == *p)) {
            return Err(self.not_held(product));
        }
        self.engine.burst(self.now, &mut os_entropy, product);
        Ok(json!({}))
    }

    fn not_held(&self, product: Product) -> String {
        let held: Vec<&str> = self.held.values().map(|h| h.product.as_str()).collect();
        let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
        format!("no license for {product} is claimed here; claimed: {held}")
    }

    /// Answers the checks that need not wait any longer.
    pub(super) fn answer_checks(&mut self) {
        let mut checks = std::mem::take(&mut self.checks);
        checks.retain(|check| {
            // Nobody waits any more; kept, they would pile up for as long as a check may wait.
            if !self.control.as_ref().is_some_and(|c| c.is_here(check.asker.client)) {
                return false;
            }
            let answer = self.check(check.product);
            let waits = match &answer {
                Ok((answer, pending)) => *pending || (check.wait && answer.probing),
                Err(_) => false,
            };
            if waits && self.now.boot < check.until {
                return true;
            }
            let answer = answer.and_then(|(a, _)| serde_json::to_value(a).map_err(|e| e.to_string()));
            self.reply(check.asker, &answer);
            false
        });
        // Nothing was added meanwhile: only requests add, and they were taken in before.
        self.checks = checks;
    }

    /// The verdict on a product, and whether one is under way.
    fn check(&self, product: Product) -> Result<(CheckAnswer, bool), String> {
        let (claim, held) =
            self.held.iter().find(|(_, h)| h.product == product).ok_or_else(|| self.not_held(product))?;
        let state = self.engine.claim_brief(claim).ok_or_else(|| self.not_held(product))?.state;
        let decision = &held.verdict.decision;
        let probing = state == State::Probing && decision.verdict == Verdict::ABSTAIN;
        let reason = if probing { STILL_PROBING.to_owned() } else { decision.reason.clone() };
        let answer = CheckAnswer {
            product: product.to_string(),
            state: state.to_string(),
            verdict: decision.verdict.to_string(),
            reason,
            probing,
        };
        Ok((answer, held.verdict.is_pending()))
    }

    pub(super) fn reply(&mut self, asker: Asker, result: &Result<Value, String>) {
        if let Some(control) = &mut self.control {
            control.reply(asker.client, asker.id, result);
        }
    }

    /// What signal handlers and other threads asked for.
    pub(super) fn take_flags(&mut self) {
        // While a reload waits for plugins a further one is not refused but comes after it: the file changed again.
        if self.reloading.is_none() && self.wake.reload.swap(false, std::sync::atomic::Ordering::AcqRel) {
            self.reload(None);
        }
    }
}
