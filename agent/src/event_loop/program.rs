//! The program that embeds the agent: what it brings, what it is told, and what it thinks of a claim.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use serialnumberd_core::{ClaimId, ClaimKeys, License, Product, State};
use serialnumberd_plugin::abi::slnd_ev_bit;

use super::Agent;
use crate::clock;
use crate::config::LicenseConfig;
use crate::counters::Counters;
use crate::plugin::{self, Answer, Outbox, PluginSpec};
use crate::record::{Decision, Record};
use crate::verdict::Policy;

/// What a program gives to the agent that it embeds.
#[derive(Debug, Default)]
pub struct Program {
    /// Bound UDP sockets, at most one of a family: none are opened then.
    pub sockets: Vec<OwnedFd>,
    /// Plugins beside the configuration's.
    pub plugins: Vec<PluginSpec>,
    /// Where records go that the program wants.
    pub(crate) audience: Option<Audience>,
}

/// The program as one that is told of events and asked for verdicts.
#[derive(Debug)]
pub(crate) struct Audience {
    /// `SLND_EV_BIT` of each kind that it wants.
    wants: u64,
    outbox: Outbox,
    /// The newest record that asked for its verdict and did not reach it.
    missed: Option<u64>,
}

impl Audience {
    pub(crate) fn new(wants: u64, outbox: Outbox) -> Audience {
        Audience { wants, outbox, missed: None }
    }

    /// Queues a record if the program wants its kind; true if its verdict is awaited.
    pub(crate) fn publish(&mut self, record: &Arc<Record>) -> bool {
        if self.wants & slnd_ev_bit(plugin::kind(&record.body)) == 0 {
            return false;
        }
        let decide = record.decide_until_ns.is_some();
        let queued = self.outbox.offer(record, decide);
        if decide && !queued {
            self.missed = Some(record.seq);
        }
        decide && queued
    }

    /// Tells a loss for which there was no room before.
    pub(crate) fn settle(&mut self) {
        self.outbox.settle_between();
    }

    pub(super) fn missed(&self, seq: u64) -> bool {
        self.missed == Some(seq)
    }

    pub(crate) fn lost(&self) -> u64 {
        self.outbox.lost_by_kind().iter().sum()
    }
}

/// How a claim stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing<'a> {
    pub(crate) product: Product,
    pub(crate) state: State,
    pub(crate) decision: &'a Decision,
    /// A verdict is awaited.
    pub(crate) pending: bool,
}

impl Agent {
    /// How every claim stands, in the order of their ids.
    pub(crate) fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.held.iter().filter_map(|(claim, held)| {
            let state = self.engine.claim_brief(claim)?.state;
            let (decision, pending) = (&held.verdict.decision, held.verdict.is_pending());
            Some(Standing { product: held.product, state, decision, pending })
        })
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Events that the program did not get.
    pub(crate) fn lost_events(&self) -> u64 {
        self.program.as_ref().map_or(0, Audience::lost)
    }

    /// Holds a license for the program.
    pub(crate) fn hold_for_program(
        &mut self,
        product: Product,
        keys: ClaimKeys,
        seats: u16,
        terms: Option<&LicenseConfig>,
    ) -> Result<(), String> {
        self.now = clock::now();
        let id = keys.id();
        let since_ms = self.state.since_ms(&id);
        let held =
            super::Held { product, keys: keys.clone(), verdict: crate::verdict::ClaimVerdict::default() };
        let license = License {
            product,
            keys,
            seats,
            group: terms.map(|t| t.group.clone()).unwrap_or_default(),
            standby: terms.is_some_and(|t| t.standby),
            standbys: terms.map_or(0, |t| t.standbys),
            since_ms,
        };
        self.engine
            .claim(self.now, &mut super::os_entropy, license)
            .map_err(|e| format!("license {product}: {e}"))?;
        self.held.insert(id, held);
        self.remember_since();
        self.tell_claims();
        Ok(())
    }

    /// Gives a license of the program back.
    pub(crate) fn let_go_for_program(&mut self, product: Product) {
        self.now = clock::now();
        let held: Vec<ClaimId> =
            self.held.iter().filter(|(_, h)| h.product == product).map(|(claim, _)| *claim).collect();
        for claim in held {
            self.engine.release(self.now, &mut super::os_entropy, &claim);
            self.held.remove(&claim);
            self.plugins.set_holders(product, None);
        }
        self.tell_claims();
    }

    fn tell_claims(&mut self) {
        self.plugins.set_claims(self.held.iter().map(|(claim, held)| (*claim, held.product)).collect());
    }

    /// The program's opinion, asked for or given of its own accord; it counts from the next turn on, which is due at
    /// once.
    pub(crate) fn answer(&mut self, answer: Answer) {
        let Answer { claim, seq, decision } = answer;
        if let Some(held) = self.held.get_mut(&claim) {
            held.verdict.answer(Policy::Program, Some(seq), decision);
            (self.unsettled, self.again) = (true, true);
        }
    }
}
