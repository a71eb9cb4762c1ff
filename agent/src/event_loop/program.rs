//! The program that embeds the agent: what it brings, what it is told, and what it thinks of a claim.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use serialnumberd_core::{ClaimId, Product, State};
use serialnumberd_plugin::abi::slnd_ev_bit;

use super::Agent;
use crate::control::server::Server;
use crate::counters::Counters;
use crate::generation::Generation;
use crate::plugin::{self, Answer, Outbox, PluginSpec};
use crate::record::{Decision, Record};
use crate::socket::Adopted;
use crate::verdict::Policy;

/// What a program gives to the agent that it embeds.
#[derive(Debug, Default)]
pub struct Program {
    /// Bound UDP sockets: if there are any, none are opened, whatever port and address the configuration has.
    pub sockets: Adopted,
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
    pub(crate) claim: ClaimId,
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
            Some(Standing { product: held.product, claim: *claim, state, decision, pending })
        })
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many plugins there are, and how many of them are stalled.
    pub(crate) fn plugins_and_stalled(&self) -> (u32, u32) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (all, stalled) = self.plugins.count();
        (count(all), count(stalled))
    }

    /// Events that the program did not get.
    pub(crate) fn lost_events(&self) -> u64 {
        self.program.as_ref().map_or(0, Audience::lost)
    }

    /// Tells the program what it lost, if there is room for that.
    pub(crate) fn settle_losses(&mut self) {
        self.program.iter_mut().for_each(Audience::settle);
    }

    /// Every descriptor that lasts longer than a turn.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        let fixed = [
            self.poll.as_raw_fd(),
            self.wake.end.as_raw_fd(),
            self.wake_end.as_raw_fd(),
            self.monitor.source(),
            self.state.as_raw_fd(),
        ];
        let sockets = self.sockets.sources().map(|(_, fd)| fd);
        let generation = self.generation.iter().map(Generation::source);
        let control = self.control.iter().flat_map(Server::descriptors);
        let directory = self.directory.iter().flat_map(crate::directory::Directory::descriptors);
        fixed.into_iter().chain(sockets).chain(generation).chain(control).chain(directory).collect()
    }

    /// Ends in a forked child, where the agent is the parent's: closes this process's copies of the descriptors, and
    /// neither says goodbye nor removes, unlocks or joins anything.
    ///
    /// Threads are not copied by a fork, and may have held any lock: what they share is left alone.
    pub fn forsake(self) {
        let Agent { state, archivist, plugins, control, .. } = self;
        std::mem::forget((archivist, plugins));
        state.forsake();
        control.into_iter().for_each(Server::forsake);
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
