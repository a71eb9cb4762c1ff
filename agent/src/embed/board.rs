//! What [`Handle::check`](super::Handle::check) reads: the standing of every claim, written by the loop after a turn
//! that changed it, read by any thread.
//!
//! One short lock, held for a copy and never while anything waits: not by the loop, not by who asks.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serialnumberd_core::{ClaimId, Mono, Product, State};

use super::Mode;
use super::failure::{Failure, Kind};
use crate::clock;
use crate::record::{Decision, Verdict};

/// The answer to the question that licensed software asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// May it run?
    pub verdict: Verdict,
    /// The claim's state.
    pub state: State,
    /// One sentence for people.
    pub reason: String,
    /// How long ago the verdict was last known to hold: zero in own mode and while the agent answers.
    pub age: Duration,
    /// The agent that holds the claim is there: always in own mode.
    pub connected: bool,
}

/// What is counted, for [`Handle::counts`](super::Handle::counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams received; 0 in connect mode.
    pub received: u64,
    /// Datagrams sent; 0 in connect mode.
    pub sent: u64,
    /// Datagrams refused for their form; 0 in connect mode.
    pub malformed: u64,
    /// Claims that are held.
    pub claims: u64,
    /// Claims in conflict, confirmed or not.
    pub conflicts: u64,
    /// The gravest state of the claims; `None` without one.
    pub state: Option<State>,
    /// Events that this program did not get since its queue was full.
    pub lost_events: u64,
    /// Plugins that run in this process's agent.
    pub plugins: u32,
    /// Those that have not returned from a call for 5 s.
    pub stalled: u32,
    /// How the agent works; `None` before it is decided.
    pub mode: Option<Mode>,
    /// The agent is there: always in own mode.
    pub connected: bool,
}

/// A claim as the board shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) claim: ClaimId,
    pub(super) decision: Decision,
    pub(super) state: State,
    /// The probe is over and no verdict is awaited.
    pub(super) settled: bool,
    /// Since when nobody knows whether the verdict still holds; `None` while it is known.
    pub(super) away: Option<Mono>,
}

/// What the board has of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A claim that the loop has not taken up yet.
    Wished(ClaimId),
    /// A claim that is not held, and why.
    Refused(ClaimId, String),
    /// A claim that is held.
    Held(Standing),
}

impl Entry {
    pub(super) fn claim(&self) -> ClaimId {
        match self {
            Entry::Wished(claim) | Entry::Refused(claim, _) => *claim,
            Entry::Held(standing) => standing.claim,
        }
    }
}

#[derive(Debug, Default)]
struct Content {
    entries: BTreeMap<Product, Entry>,
    counts: Counts,
    /// Loops that turn the agent: `run` and `spawn`.
    loops: usize,
    over: bool,
}

/// The board.
#[derive(Debug, Default)]
pub(super) struct Board {
    content: Mutex<Content>,
    changed: Condvar,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Content> {
        // Whole between any two statements, so a panic while it was held leaves nothing half done.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what became of claims.  A wish that is newer than what was found stays.
    pub(super) fn write(&self, changes: impl IntoIterator<Item = (Product, Entry)>) {
        let mut content = self.lock();
        for (product, entry) in changes {
            match content.entries.get(&product) {
                Some(Entry::Wished(claim)) if *claim != entry.claim() => {}
                _ => drop(content.entries.insert(product, entry)),
            }
        }
        drop(content);
        self.changed.notify_all();
    }

    /// Takes off claims that are not held any more.
    pub(super) fn remove(&self, gone: impl IntoIterator<Item = (Product, ClaimId)>) {
        let mut content = self.lock();
        for (product, claim) in gone {
            if matches!(content.entries.get(&product), Some(Entry::Held(held)) if held.claim == claim) {
                content.entries.remove(&product);
            }
        }
        drop(content);
        self.changed.notify_all();
    }

    /// Takes off a claim that was refused, and now is given back.
    pub(super) fn forget_refusal(&self, product: Product) {
        let mut content = self.lock();
        if matches!(content.entries.get(&product), Some(Entry::Refused(..))) {
            content.entries.remove(&product);
        }
    }

    /// Shows that a claim is wished for, unless it is held.
    ///
    /// # Errors
    /// [`Kind::NoMemory`] beyond `most` claims, and [`Kind::Closed`].
    pub(super) fn wish(&self, product: Product, claim: ClaimId, most: usize) -> Result<(), Failure> {
        let mut content = self.lock();
        if content.over {
            return Err(Failure::closed());
        }
        match content.entries.get(&product) {
            Some(Entry::Held(standing)) if standing.claim == claim => return Ok(()),
            None if content.entries.len() >= most => {
                return Err(Failure::new(
                    Kind::NoMemory,
                    format!("license {product}: {most} licenses are claimed already; release one first"),
                ));
            }
            _ => {}
        }
        content.entries.insert(product, Entry::Wished(claim));
        Ok(())
    }

    /// Takes back what is wished for a product.  What is held or refused stays until the loop has let it go.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if there is no claim on the product, and [`Kind::Closed`].
    pub(super) fn withdraw(&self, product: Product) -> Result<(), Failure> {
        let mut content = self.lock();
        if matches!(content.entry(product)?, Entry::Wished(_)) {
            content.entries.remove(&product);
            drop(content);
            self.changed.notify_all();
        }
        Ok(())
    }

    pub(super) fn set_counts(&self, counts: Counts) {
        self.lock().counts = counts;
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Nobody turns the agent any more, for ever.
    pub(super) fn close(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    pub(super) fn loop_begins(&self) {
        self.lock().loops += 1;
    }

    pub(super) fn loop_ends(&self) {
        self.lock().loops -= 1;
        self.changed.notify_all();
    }

    pub(super) fn check(&self, product: Product) -> Result<Answer, Failure> {
        self.lock().answer(product).map(|(answer, _)| answer)
    }

    pub(super) fn wait(&self, product: Product, timeout: Duration) -> Result<Answer, Failure> {
        let until = Mono(clock::boottime_ns()).after(timeout);
        let mut content = self.lock();
        loop {
            let (answer, settled) = content.answer(product)?;
            if settled {
                return Ok(answer);
            }
            if content.loops == 0 {
                return Err(Failure::new(
                    Kind::Again,
                    "no loop turns this agent, so waiting would not end: run or spawn it, or dispatch and check",
                ));
            }
            let left = until.since(Mono(clock::boottime_ns()));
            if left.is_zero() {
                return Err(Failure::new(Kind::Timeout, format!("{product}: {}", answer.reason)));
            }
            content = self.changed.wait_timeout(content, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Content {
    fn entry(&self, product: Product) -> Result<&Entry, Failure> {
        if self.over {
            return Err(Failure::closed());
        }
        self.entries.get(&product).ok_or_else(|| {
            let held: Vec<&str> = self.entries.keys().map(Product::as_str).collect();
            let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
            Failure::invalid(format!("no license for {product} is claimed here; claimed: {held}"))
        })
    }

    /// The answer, and whether the probe is over and no verdict awaited.
    fn answer(&self, product: Product) -> Result<(Answer, bool), Failure> {
        let answer = |decision: &Decision, state, age| Answer {
            verdict: decision.verdict,
            state,
            reason: decision.reason.clone(),
            age,
            connected: self.counts.connected,
        };
        match self.entry(product)? {
            Entry::Refused(_, sentence) => Err(Failure::new(Kind::Denied, sentence.clone())),
            Entry::Wished(_) => {
                let reason = "this claim waits for the next turn of the embedded agent".to_owned();
                let decision = Decision { verdict: Verdict::ABSTAIN, reason };
                Ok((answer(&decision, State::Probing, Duration::ZERO), false))
            }
            Entry::Held(standing) => {
                let age = standing.away.map_or(Duration::ZERO, |at| Mono(clock::boottime_ns()).since(at));
                Ok((answer(&standing.decision, standing.state, age), standing.settled))
            }
        }
    }
}
