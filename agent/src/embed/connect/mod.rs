//! Connect mode: a client of the agent on this host, which claims for this program and is asked how that stands.
//!
//! ```text
//!   wishes ──▶ ledger ──▶ requests ──▶ stream ──▶ the agent's control socket
//!   board  ◀──   │    ◀── answers  ◀──   │   link: looks for the agent, loses it, finds it again
//!   inbox  ◀─────┴─────── records  ◀─────┘
//! ```
//!
//! The agent releases what this program claimed when the connection ends, however this program ends.  While there is
//! no agent, the last verdict stands, and its age is told.

mod back_off;
mod ledger;
mod link;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::epoll::EpollTimeout;
use serialnumberd_core::{Mono, Product, State};

pub(in crate::embed) use self::link::Link;
use super::Mode;
use super::board::{Board, Counts, Entry};
use super::failure::{Failure, Kind};
use super::handle::Wish;
use super::settings::Plan;
use crate::clock;
use crate::control::ClaimRequest;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::event_loop::{Audience, Dispatched, Terms, derive};
use crate::paths::Environment;

/// How long the start waits for an agent's greeting, and so for its refusal: its loop turns in milliseconds, and one that
/// takes longer is heard later.
const GREETING: Duration = Duration::from_millis(250);

/// A client of the agent on this host.
pub(super) struct Connected {
    link: Link,
    places: Vec<PathBuf>,
    audience: Option<Audience>,
    /// Group and role of what the program may claim.
    terms: BTreeMap<Product, Terms>,
    /// Its name, for people.
    program: String,
    /// What the board shows.
    shown: BTreeMap<Product, Entry>,
    counts: Counts,
}

/// Where the agent of this host may be.
fn places(plan: &Plan) -> Vec<PathBuf> {
    if plan.control_set {
        vec![plan.config.agent.control.clone()]
    } else {
        Environment::of_this_process().control_candidates()
    }
}

/// Looks for the agent of this host.  Where one is, it is given a moment to say that it does not serve this program.
///
/// # Errors
/// [`Kind::Denied`] if it says so, or if its socket is closed to this program.
pub(super) fn look(plan: &Plan) -> Result<Link, Failure> {
    let now = || Mono(clock::boottime_ns());
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|e| Failure::fail(format!("no randomness: {e}")))?;
    let mut link = Link::new(places(plan), u64::from_ne_bytes(seed), now()).map_err(Failure::fail)?;
    let until = now().after(GREETING);
    link.turn(now());
    while link.is_there() && !link.is_connected() && now() < until {
        let left = until.min(link.deadline()).since(now());
        let left = EpollTimeout::try_from(left.as_millis() + 1).unwrap_or(EpollTimeout::ZERO);
        // Interrupted or not, the time is looked at.
        let _ = link.wait(left);
        link.turn(now());
    }
    match link.refusal() {
        Some(sentence) => Err(Failure::new(Kind::Denied, sentence)),
        None => Ok(link),
    }
}

impl Connected {
    /// Begins with what [`look`] found.  That there is no agent yet is no error: it may be started later.
    pub(super) fn start(
        link: Link,
        plan: Plan,
        audience: Option<Audience>,
        board: &Board,
    ) -> Result<Connected, Failure> {
        let mut connected = Connected {
            link,
            places: places(&plan),
            audience,
            terms: plan.terms,
            program: super::program_name(),
            shown: BTreeMap::new(),
            counts: Counts::default(),
        };
        for license in &plan.config.licenses {
            let keys = derive(license).map_err(Failure::invalid)?;
            let program = connected.program.clone();
            connected.link.ledger.claim(ClaimRequest { program, ..ClaimRequest::of_license(license, keys) });
        }
        connected.turn(Mono(clock::boottime_ns()), board);
        Ok(connected)
    }

    pub(super) fn timeout(&mut self) -> Option<Duration> {
        let deadline = self.link.deadline();
        (deadline != Mono::NEVER).then(|| deadline.since(Mono(clock::boottime_ns())))
    }

    /// Takes the wishes up, turns, and shows what came of it.
    pub(super) fn dispatch(&mut self, wishes: BTreeMap<Product, Wish>, board: &Board) -> Dispatched {
        for (product, wish) in wishes {
            match wish {
                Wish::Claim { keys, seats } => {
                    // What the board has of it by now is the wish.
                    self.shown.remove(&product);
                    let terms = Terms { seats, ..self.terms.get(&product).cloned().unwrap_or_default() };
                    let program = self.program.clone();
                    self.link.ledger.claim(ClaimRequest { product, keys, terms, program });
                }
                Wish::Release => {
                    self.link.ledger.release(product);
                    board.forget_refusal(product);
                }
            }
        }
        self.turn(Mono(clock::boottime_ns()), board);
        Dispatched::Idle
    }

    fn turn(&mut self, now: Mono, board: &Board) {
        self.link.turn(now);
        while let Some(read) = self.link.poll_record() {
            if let Some(audience) = &mut self.audience {
                audience.publish(&Arc::new(read.record));
            }
        }
        self.show(board);
    }

    /// Writes to the board what changed since it was last written to.
    fn show(&mut self, board: &Board) {
        let now: BTreeMap<Product, Entry> = self.link.ledger.entries(self.link.trouble()).collect();
        // First, so that nobody reads a verdict of an agent that has gone as one of an agent that is there.
        let counts = self.tally(&now);
        if counts != self.counts {
            board.set_counts(counts);
            self.counts = counts;
        }
        if now != self.shown {
            let gone = self.shown.iter().filter(|(product, _)| !now.contains_key(product));
            board.remove(gone.map(|(product, entry)| (*product, entry.claim())));
            let changed = now.iter().filter(|(product, entry)| self.shown.get(product) != Some(entry));
            board.write(changed.map(|(product, entry)| (*product, entry.clone())));
            self.shown = now;
        }
    }

    fn tally(&self, now: &BTreeMap<Product, Entry>) -> Counts {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let held = || {
            now.values().filter_map(|entry| match entry {
                Entry::Held(standing) => Some(standing.state),
                Entry::Wished(_) | Entry::Refused(..) => None,
            })
        };
        Counts {
            claims: count(held().count()),
            conflicts: count(held().filter(|s| matches!(s, State::Conflict | State::Duplicate)).count()),
            state: held().max(),
            lost_events: self.link.lost() + self.audience.as_ref().map_or(0, Audience::lost),
            mode: Some(Mode::Connect),
            connected: self.link.is_connected(),
            ..Counts::default()
        }
    }

    /// Tells a loss for which there was no room before.
    pub(super) fn settle(&mut self) {
        self.audience.iter_mut().for_each(Audience::settle);
    }

    /// The agent's status, asked over a connection of its own.
    pub(super) fn status_json(&self) -> Result<String, Failure> {
        let mut client = Client::connect(&self.places).map_err(Failure::fail)?;
        let status: serde_json::Value =
            client.ask(&Request::Status, Duration::ZERO).map_err(Failure::fail)?;
        serde_json::to_string(&status).map_err(|e| Failure::fail(e.to_string()))
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.link.descriptors()
    }

    pub(super) fn shut_down(self) {
        self.link.end();
    }

    /// In a forked child: closes its copies, and the parent's connection goes on.
    pub(super) fn forsake(self) {
        drop(self);
    }
}

impl AsFd for Connected {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}
