//! Own mode: an agent in this process.  Carries wishes to it, and what it found to the board.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use serialnumberd_core::limits::CLAIMS;
use serialnumberd_core::{Fate, Product, State};

use super::Mode;
use super::board::{Board, Counts, Standing};
use super::failure::Failure;
use super::handle::Wish;
use super::settings::Plan;
use crate::config::LicenseConfig;
use crate::event_loop::{Agent, Dispatched, Program, Setup};
use crate::plugin::Answer;

/// An agent of this process.
pub(super) struct Own {
    agent: Agent,
    /// Group and role of what is yet to be claimed.
    terms: BTreeMap<Product, LicenseConfig>,
    /// What the board shows.
    shown: BTreeMap<Product, Standing>,
    counts: Counts,
}

impl Own {
    pub(super) fn start(plan: Plan, mut program: Program, board: &Board) -> Result<Own, Failure> {
        program.plugins = plan.plugins;
        let setup = Setup { config: plan.config, control: plan.control_set, records: false };
        let agent = Agent::embed(setup, program).map_err(Failure::fail)?;
        let terms = plan.terms.into_iter().map(|license| (license.product, license)).collect();
        let mut own = Own { agent, terms, shown: BTreeMap::new(), counts: Counts::default() };
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
        let outcome = match wish {
            Wish::Claim { keys, seats } => {
                let terms = self.terms.get(&product);
                self.agent.hold_for_program(product, keys, seats, terms)
            }
            Wish::Release => {
                self.agent.let_go_for_program(product);
                if self.shown.remove(&product).is_none() {
                    board.write([(product, None)]);
                }
                return;
            }
        };
        if let Err(sentence) = outcome {
            log::warn!("{sentence}");
            board.write([(product, Some(Standing::refused(sentence)))]);
        }
    }

    /// Writes to the board what changed since it was last written to.
    fn show(&mut self, board: &Board) {
        let now: BTreeMap<Product, Standing> = self.standings().collect();
        if now != self.shown {
            let gone = self.shown.keys().filter(|product| !now.contains_key(product)).map(|p| (*p, None));
            let changed = now.iter().filter(|(product, standing)| self.shown.get(product) != Some(standing));
            let changed = changed.map(|(product, standing)| (*product, Some(standing.clone())));
            board.write(gone.chain(changed).collect::<Vec<_>>());
            self.shown = now;
        }
        let counts = self.tally();
        if counts != self.counts {
            board.set_counts(counts);
            self.counts = counts;
        }
    }

    fn standings(&self) -> impl Iterator<Item = (Product, Standing)> {
        self.agent.standings().map(|s| {
            let settled = s.state != State::Probing && !s.pending;
            let decision = s.decision.clone();
            (s.product, Standing { decision, state: s.state, settled, refused: None, away: None })
        })
    }

    fn tally(&self) -> Counts {
        let state = |s: &&Standing| matches!(s.state, State::Conflict | State::Duplicate);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        debug_assert!(self.shown.len() <= CLAIMS);
        let counters = self.agent.counters();
        Counts {
            received: counters.received(),
            sent: counters.transmitted,
            malformed: [Fate::WrongLength, Fate::WrongMagic, Fate::WrongKind, Fate::WrongText]
                .map(|fate| counters.fate(fate))
                .iter()
                .sum(),
            claims: count(self.shown.len()),
            conflicts: count(self.shown.values().filter(state).count()),
            state: self.shown.values().map(|standing| standing.state).max(),
            lost_events: self.agent.lost_events(),
            plugins: 0,
            stalled: 0,
            mode: Some(Mode::Own),
            connected: true,
        }
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

    pub(super) fn forsake(self) {
        std::mem::forget(self.agent);
    }
}

impl AsFd for Own {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.agent.as_fd()
    }
}
