//! Own mode: an agent in this process.  Carries wishes to it, and what it found to the board.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::time::Duration;

use serialnumberd_core::{ClaimKeys, Fate, Product, State};

use super::Mode;
use super::board::{Board, Counts, Standing};
use super::failure::Failure;
use super::handle::Wish;
use super::settings::Plan;
use super::writer::Writer;
use crate::event_loop::{self, Agent, ClaimRequest, Dispatched, Owner, Program, Setup, Terms};
use crate::plugin::Answer;
use crate::record::Decision;
use crate::verdict::STILL_PROBING;

/// An agent of this process.
pub(super) struct Own {
    agent: Agent,
    /// Group and role of what the program may claim.
    terms: BTreeMap<Product, Terms>,
    /// Its name, for people.
    program: String,
    writer: Writer,
    counts: Counts,
}

impl Own {
    pub(super) fn start(plan: Plan, mut program: Program, board: &Board) -> Result<Own, Failure> {
        program.plugins = plan.plugins;
        let setup =
            Setup { config: plan.config, control: plan.control_set, records: false, directory: false };
        let agent = Agent::embed(setup, program).map_err(Failure::fail)?;
        let program = super::program_name();
        let mut own =
            Own { agent, terms: plan.terms, program, writer: Writer::default(), counts: Counts::default() };
        own.show(board);
        Ok(own)
    }

    pub(super) fn timeout(&mut self) -> Option<Duration> {
        self.agent.timeout()
    }

    /// Takes the wishes up, turns, and shows what came of it.
    pub(super) fn dispatch(
        &mut self,
        max: usize,
        wishes: BTreeMap<Product, Wish>,
        board: &Board,
    ) -> Result<Dispatched, Failure> {
        for (product, wish) in wishes {
            self.fulfil(product, wish, board);
        }
        let outcome = self.agent.dispatch(max);
        self.show(board);
        outcome.map_err(|e| Failure::fail(format!("the kernel refuses to poll: {e}")))
    }

    fn fulfil(&mut self, product: Product, wish: Wish, board: &Board) {
        self.writer.wish(product, board);
        match wish {
            Wish::Claim { keys, seats } => {
                let claim = keys.id();
                if let Err(sentence) = self.claim(product, keys, seats) {
                    log::warn!("{sentence}");
                    self.writer.refuse(product, claim, sentence, board);
                }
            }
            Wish::Release => {
                // One that was refused is not held.
                if let Err(sentence) = self.agent.let_go(Owner::Program, product) {
                    log::debug!("{sentence}");
                }
            }
        }
    }

    fn claim(&mut self, product: Product, keys: ClaimKeys, seats: u16) -> Result<(), String> {
        let claim = keys.id();
        if self.writer.shown().get(&product).is_some_and(|shown| shown.claim != claim) {
            // Another serial takes the place of the one before; where that is the configuration's, `hold` says so.
            let _ = self.agent.let_go(Owner::Program, product);
        }
        let terms = self.terms.get(&product).cloned().unwrap_or_default();
        let request =
            ClaimRequest { product, keys, terms: Terms { seats, ..terms }, program: self.program.clone() };
        self.agent.hold(Owner::Program, request).map(drop)
    }

    /// Writes to the board what changed since it was last written to.
    fn show(&mut self, board: &Board) {
        let now = self.agent.standings().map(standing).collect();
        self.writer.show(now, board);
        let counts = self.tally();
        if counts != self.counts {
            board.set_counts(counts);
            self.counts = counts;
        }
    }

    fn tally(&self) -> Counts {
        let state = |s: &&Standing| matches!(s.state, State::Conflict | State::Duplicate);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let counters = self.agent.counters();
        let (plugins, stalled) = self.agent.plugins_and_stalled();
        Counts {
            received: counters.received(),
            sent: counters.transmitted,
            malformed: [Fate::WrongLength, Fate::WrongMagic, Fate::WrongKind, Fate::WrongText]
                .map(|fate| counters.fate(fate))
                .iter()
                .sum(),
            claims: count(self.writer.shown().len()),
            conflicts: count(self.writer.shown().values().filter(state).count()),
            state: self.writer.shown().values().map(|standing| standing.state).max(),
            lost_events: self.agent.lost_events(),
            plugins,
            stalled,
            mode: Some(Mode::Own),
            connected: true,
        }
    }

    /// Tells a loss for which there was no room before.
    pub(super) fn settle(&mut self) {
        self.agent.settle_losses();
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        self.agent.answer(answer);
    }

    pub(super) fn status_json(&mut self) -> Result<String, Failure> {
        serde_json::to_string(&self.agent.status()).map_err(|e| Failure::fail(e.to_string()))
    }

    pub(super) fn shut_down(self) {
        self.agent.shut_down();
    }

    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        self.agent.descriptors()
    }

    pub(super) fn forsake(self) {
        self.agent.forsake();
    }
}

fn standing(found: event_loop::Standing<'_>) -> (Product, Standing) {
    let event_loop::Standing { product, claim, state, decision, pending } = found;
    let settled = state != State::Probing && !pending;
    let mut decision = decision.clone();
    if decision == Decision::default() && !settled {
        decision.reason = STILL_PROBING.to_owned();
    }
    (product, Standing { claim, decision, state, settled, away: None })
}

impl AsFd for Own {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.agent.as_fd()
    }
}
