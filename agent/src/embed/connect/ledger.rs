//! What this program claims at the agent, how far each claim is, and what is known of it.
//!
//! Speaks in requests and answers, and knows no connection: one that ends takes all that was claimed with it, and
//! leaves what was known.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use serialnumberd_core::{Mono, Product, State};

use super::super::board::{Entry, Standing};
use crate::control::ClaimRequest;
use crate::control::protocol::{CheckAnswer, Request};
use crate::record::{Decision, Verdict};

/// A claim that the agent refused is asked for again: who was in its way may be gone.
const RETRY: Duration = Duration::from_secs(10);

/// What an answer is awaited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Its greeting.
    Greeting,
    /// That events will come.
    Watch,
    /// May this be claimed?
    Claim(Product),
    /// How does it stand?
    Check(Product),
    /// Nothing depends on it.
    Release,
}

/// How far a claim is on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// To be claimed.
    Wanted,
    /// Claimed under this id of a request.
    Asked(u64),
    /// Not held, and to be claimed again then.
    Refused(Mono),
    /// Held, and nothing has happened since it was checked.
    Known,
    /// Held, and to be checked.
    Doubtful,
    /// Held, and being checked under this id of a request; `again` if something has happened since.
    Checking { id: u64, again: bool },
}

struct Claim {
    request: ClaimRequest,
    step: Step,
    /// Why it is not held.
    refused: Option<String>,
    /// What the agent said last.
    standing: Option<Standing>,
}

/// All claims of this program.
#[derive(Default)]
pub(super) struct Ledger {
    claims: BTreeMap<Product, Claim>,
    /// Claimed on this connection, and not wanted any more.
    releases: VecDeque<Product>,
}

impl Ledger {
    /// Claims a license, in place of an earlier claim on the same product.
    pub(super) fn claim(&mut self, request: ClaimRequest) {
        let product = request.product;
        let before = self.claims.remove(&product);
        let mut claim = Claim { request, step: Step::Wanted, refused: None, standing: None };
        if let Some(before) = before {
            if before.request == claim.request && before.refused.is_none() {
                claim.step = before.step;
            }
            if before.request.keys == claim.request.keys {
                claim.standing = before.standing;
            } else if before.step != Step::Wanted {
                self.releases.push_back(product);
            }
        }
        self.claims.insert(product, claim);
    }

    /// Gives a license back.
    pub(super) fn release(&mut self, product: Product) {
        // What was not claimed on this connection need not be released on it.
        if self.claims.remove(&product).is_some_and(|claim| claim.step != Step::Wanted) {
            self.releases.push_back(product);
        }
    }

    /// Whether a product is claimed.
    pub(super) fn has(&self, product: Product) -> bool {
        self.claims.contains_key(&product)
    }

    /// Whether something has happened to a product of which the agent has not said yet what follows.
    pub(super) fn is_asking(&self, product: Product) -> bool {
        let step = self.claims.get(&product).map(|claim| claim.step);
        matches!(step, Some(Step::Doubtful | Step::Checking { .. }))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// A new connection, on which nothing is claimed yet.
    pub(super) fn begin(&mut self) {
        self.releases.clear();
        self.claims.values_mut().for_each(|claim| claim.step = Step::Wanted);
    }

    /// The connection has ended; until `since` it was known what the agent thinks.
    pub(super) fn lose(&mut self, since: Mono) {
        self.begin();
        for standing in self.claims.values_mut().filter_map(|claim| claim.standing.as_mut()) {
            standing.away.get_or_insert(since);
        }
    }

    /// Something happened to a product, or to any of them: what is known of it is to be asked for.
    pub(super) fn doubt(&mut self, product: Option<Product>) {
        let doubted = self.claims.iter_mut().filter(|(name, _)| product.is_none_or(|p| p == **name));
        for (_, claim) in doubted {
            match &mut claim.step {
                step @ Step::Known => *step = Step::Doubtful,
                Step::Checking { again, .. } => *again = true,
                _ => {}
            }
        }
    }

    /// The next thing to ask, which is then asked under `id`.
    pub(super) fn next(&mut self, id: u64, now: Mono) -> Option<(Question, Request)> {
        // First, since another serial number of the same product may be waiting.
        if let Some(product) = self.releases.pop_front() {
            return Some((Question::Release, Request::Release { product }));
        }
        let is_due = |claim: &&mut Claim| match claim.step {
            Step::Wanted | Step::Doubtful => true,
            Step::Refused(retry) => retry <= now,
            Step::Asked(_) | Step::Known | Step::Checking { .. } => false,
        };
        let claim = self.claims.values_mut().find(is_due)?;
        let product = claim.request.product;
        if claim.step == Step::Doubtful {
            claim.step = Step::Checking { id, again: false };
            return Some((Question::Check(product), Request::Check { product, wait_ms: 0 }));
        }
        claim.step = Step::Asked(id);
        Some((Question::Claim(product), Request::Claim(claim.request.clone())))
    }

    /// When [`Ledger::next`] has something by time alone.
    pub(super) fn retry(&self) -> Option<Mono> {
        let retries = self.claims.values().filter_map(|claim| match claim.step {
            Step::Refused(retry) => Some(retry),
            _ => None,
        });
        retries.min()
    }

    /// Takes an answer in.
    ///
    /// # Errors
    /// A sentence, if it leaves in the dark what the agent holds: the connection is of no use then.
    pub(super) fn answered(
        &mut self,
        id: u64,
        question: Question,
        result: Result<Value, String>,
        now: Mono,
    ) -> Result<(), String> {
        let product = match question {
            Question::Greeting | Question::Release => return Ok(()),
            // Without events nobody would ever learn of a change.
            Question::Watch => return result.map(drop),
            Question::Claim(product) | Question::Check(product) => product,
        };
        // It may have been given back meanwhile, or claimed otherwise.
        let Some(claim) = self.claims.get_mut(&product) else { return Ok(()) };
        match (claim.step, result) {
            (Step::Asked(asked), Ok(_)) if asked == id => {
                (claim.step, claim.refused) = (Step::Doubtful, None);
            }
            (Step::Asked(asked), Err(sentence)) if asked == id => {
                log::debug!("{product}: {sentence}");
                claim.step = Step::Refused(now.after(RETRY));
                (claim.refused, claim.standing) = (Some(sentence), None);
            }
            (Step::Checking { id: asked, again }, Ok(value)) if asked == id => {
                claim.step = if again { Step::Doubtful } else { Step::Known };
                match read(value) {
                    Ok((decision, state)) => claim.learn(decision, state),
                    Err(why) => claim.wonder(why, now),
                }
            }
            (Step::Checking { id: asked, .. }, Err(sentence)) if asked == id => return Err(sentence),
            _ => {}
        }
        Ok(())
    }

    /// What the board is to show, `trouble` being why there is no agent.
    pub(super) fn entries(&self, trouble: Option<&str>) -> impl Iterator<Item = (Product, Entry)> {
        self.claims.iter().map(move |(product, claim)| {
            let id = claim.request.keys.id();
            let entry = match (&claim.refused, &claim.standing) {
                (Some(sentence), _) => Entry::Refused(id, sentence.clone()),
                (None, Some(standing)) => Entry::Held(standing.clone()),
                (None, None) => Entry::Held(Standing {
                    claim: id,
                    decision: Decision {
                        verdict: Verdict::ABSTAIN,
                        reason: trouble.unwrap_or("the agent on this host is being asked").to_owned(),
                    },
                    state: State::Probing,
                    settled: false,
                    away: None,
                }),
            };
            (*product, entry)
        })
    }
}

impl Claim {
    fn learn(&mut self, decision: Decision, state: State) {
        // An agent that has just been started knows less than what was known before.
        let knows_more = |standing: &Standing| {
            standing.away.is_some()
                && standing.decision.verdict != Verdict::ABSTAIN
                && decision.verdict == Verdict::ABSTAIN
        };
        if !self.standing.as_ref().is_some_and(knows_more) {
            let (claim, settled) = (self.request.keys.id(), state != State::Probing);
            self.standing = Some(Standing { claim, decision, state, settled, away: None });
        }
    }

    /// The agent's answer says nothing to this version: what was known before grows old.  The claim stays held; the
    /// end of the connection would be that of the claim.
    fn wonder(&mut self, why: String, now: Mono) {
        let claim = self.request.keys.id();
        let standing = self.standing.get_or_insert_with(|| Standing {
            claim,
            decision: Decision { verdict: Verdict::ABSTAIN, reason: why.clone() },
            state: State::Probing,
            settled: false,
            away: None,
        });
        // Once, however often it says so.
        if standing.away.is_none() {
            log::warn!("{}: {why}", self.request.product);
            standing.away = Some(now);
        }
    }
}

/// Reads the answer to a check.
///
/// # Errors
/// A sentence: it is of a newer version, or nonsense.
fn read(answer: Value) -> Result<(Decision, State), String> {
    let not_understood = |what: &str| {
        format!(
            "the agent's answer is not understood: {what}; a newer version of this program's library may understand it"
        )
    };
    let answer: CheckAnswer = serde_json::from_value(answer).map_err(|e| not_understood(&e.to_string()))?;
    let state = State::of_word(&answer.state).ok_or_else(|| not_understood("its state"))?;
    let verdict = Verdict::of_word(&answer.verdict).ok_or_else(|| not_understood("its verdict"))?;
    Ok((Decision { verdict, reason: answer.reason }, state))
}
