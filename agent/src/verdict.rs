//! From opinions to the verdict in force.  Plugins hold opinions on a claim; those that count are combined, the
//! most restrictive one wins, and a late or dead policy leaves the last verdict in force.
//!
//! This file asks nobody and performs nothing: the loop publishes the question and hands in the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serialnumberd_core::{Mono, State};

use crate::config::OnPolicyFailure;
use crate::record::{Decision, Verdict};

/// How long a policy may take before the last verdict stays in force.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// The verdict on one claim.
#[derive(Clone, Debug, Default)]
pub struct ClaimVerdict {
    /// The one in force.
    pub decision: Decision,
    /// Since when, Unix ms.
    pub since_ms: u64,
    /// What each plugin thinks, by its index.
    pub opinions: BTreeMap<usize, Decision>,
    /// Questions under way: who is still to answer, and until when.
    pending: BTreeMap<u64, (BTreeSet<usize>, Mono)>,
    /// A counted policy failed to answer the newest question.
    failed: bool,
}

/// What a verdict depends on besides opinions.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The claim's state.
    pub state: State,
    /// This host waits to take over in this group.
    pub standby_of: Option<&'a str>,
    /// Plugins whose opinions count.
    pub counted: &'a BTreeSet<usize>,
    /// What a failing policy leaves in force.
    pub on_failure: OnPolicyFailure,
    /// Unix ms.
    pub wall_ms: u64,
}

impl ClaimVerdict {
    /// A question was put to `asked`.
    pub fn ask(&mut self, seq: u64, asked: BTreeSet<usize>, now: Mono) {
        if !asked.is_empty() {
            self.failed = false;
            self.pending.insert(seq, (asked, now.after(PATIENCE)));
        }
    }

    /// A plugin has an opinion, asked for by record `seq` or given of its own accord.
    pub fn answer(&mut self, plugin: usize, seq: Option<u64>, decision: Decision) {
        self.opinions.insert(plugin, decision);
        if let Some(seq) = seq {
            self.close(plugin, seq);
        }
    }

    /// A plugin failed to answer.
    pub fn fail(&mut self, plugin: usize, seq: u64) {
        self.close(plugin, seq);
        self.failed = true;
    }

    fn close(&mut self, plugin: usize, seq: u64) {
        if let Some((waiting, _)) = self.pending.get_mut(&seq) {
            waiting.remove(&plugin);
        }
        self.pending.retain(|_, (waiting, _)| !waiting.is_empty());
    }

    /// Gives up on those that are late; says who they are.
    pub fn expire(&mut self, now: Mono) -> BTreeSet<usize> {
        let mut late = BTreeSet::new();
        self.pending.retain(|_, (waiting, until)| {
            let keep = now < *until;
            if !keep {
                late.extend(waiting.iter().copied());
            }
            keep
        });
        self.failed |= !late.is_empty();
        late
    }

    /// Whether an answer is still awaited.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// When [`ClaimVerdict::expire`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.pending.values().map(|(_, until)| *until).min()
    }

    /// What was found out before no longer holds: a change of role starts from ABSTAIN.
    pub fn forget(&mut self) {
        *self = ClaimVerdict::default();
    }

    /// Works out the verdict in force; says whether it changed.  While answers are awaited the last one stands.
    pub fn settle(&mut self, facts: &Facts<'_>) -> bool {
        if self.is_pending() {
            return false;
        }
        let decision = self.work_out(facts);
        let changed = decision != self.decision;
        if decision.verdict != self.decision.verdict {
            self.since_ms = facts.wall_ms;
        }
        self.decision = decision;
        changed
    }

    fn work_out(&self, facts: &Facts<'_>) -> Decision {
        if let Some(group) = facts.standby_of {
            return must_not_serve(group);
        }
        if facts.state == State::Probing {
            return self.decision.clone();
        }
        if self.failed && facts.on_failure == OnPolicyFailure::Deny {
            return Decision {
                verdict: Verdict::DENY,
                reason: "a required policy plugin failed to answer, and on_policy_failure = \"deny\"; \
                         see the plugins in the status"
                    .to_owned(),
            };
        }
        let counted = self.opinions.iter().filter(|(plugin, _)| facts.counted.contains(plugin));
        let worst = counted.map(|(_, opinion)| opinion).max_by_key(|o| o.verdict);
        match worst {
            Some(opinion) if opinion.verdict != Verdict::ABSTAIN => opinion.clone(),
            // A policy that never answered yet keeps what was in force, if anything was.
            _ if self.failed && self.decision.verdict != Verdict::ABSTAIN => self.decision.clone(),
            _ => without_policy(facts.state),
        }
    }
}

fn must_not_serve(group: &str) -> Decision {
    let group = if group.is_empty() { String::new() } else { format!(" of the fail-over group \"{group}\"") };
    Decision {
        verdict: Verdict::DENY,
        reason: format!(
            "this host is a STANDBY{group} and must not serve; set standby = false and reload to promote it"
        ),
    }
}

/// With no policy: report, never stop a healthy server.
fn without_policy(state: State) -> Decision {
    let (verdict, reason) = match state {
        State::Probing => (Verdict::ABSTAIN, "still probing"),
        State::Clear => (Verdict::ALLOW, "no other holder of this license is known"),
        State::Suspected => (Verdict::ALLOW, "more holders than seats were heard, but they are not proved"),
        State::Conflict => (
            Verdict::ALLOW,
            "more holders than seats were proved once; this is to be confirmed before anything follows",
        ),
        State::Duplicate => (
            Verdict::WARN,
            "this license is held by more hosts than it has seats; no policy plugin decides what follows",
        ),
    };
    Decision { verdict, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(verdict: Verdict) -> Decision {
        Decision { verdict, reason: format!("because {verdict}") }
    }

    fn facts<'a>(state: State, counted: &'a BTreeSet<usize>) -> Facts<'a> {
        Facts { state, standby_of: None, counted, on_failure: OnPolicyFailure::Keep, wall_ms: 5 }
    }

    #[test]
    fn without_a_policy_a_duplicate_is_a_warning_and_nothing_else_is() {
        let none = BTreeSet::new();
        let mut verdict = ClaimVerdict::default();
        for (state, expected) in [
            (State::Probing, Verdict::ABSTAIN),
            (State::Clear, Verdict::ALLOW),
            (State::Suspected, Verdict::ALLOW),
            (State::Conflict, Verdict::ALLOW),
            (State::Duplicate, Verdict::WARN),
            (State::Clear, Verdict::ALLOW),
            (State::Probing, Verdict::ALLOW),
        ] {
            verdict.settle(&facts(state, &none));
            assert_eq!(verdict.decision.verdict, expected, "{state}");
        }
    }

    #[test]
    fn the_most_restrictive_counted_opinion_wins() {
        let counted = BTreeSet::from([0, 1]);
        let mut verdict = ClaimVerdict::default();
        verdict.answer(0, None, decision(Verdict::WARN));
        verdict.answer(1, None, decision(Verdict::LIMIT));
        verdict.answer(2, None, decision(Verdict::DENY));
        assert!(verdict.settle(&facts(State::Duplicate, &counted)));
        assert_eq!(verdict.decision, decision(Verdict::LIMIT), "plugin 2 only advises");
        verdict.answer(1, None, Decision::default());
        verdict.settle(&facts(State::Duplicate, &counted));
        assert_eq!(verdict.decision, decision(Verdict::WARN), "ABSTAIN is no opinion");
    }

    #[test]
    fn the_last_verdict_stands_while_a_policy_is_asked_and_when_it_is_late() {
        let counted = BTreeSet::from([0]);
        let at = Mono(1_000_000_000);
        let mut verdict = ClaimVerdict::default();
        verdict.answer(0, None, decision(Verdict::ALLOW));
        verdict.settle(&facts(State::Clear, &counted));
        verdict.ask(7, counted.clone(), at);
        assert!(!verdict.settle(&facts(State::Duplicate, &counted)) && verdict.is_pending());
        assert!(verdict.expire(at.after(PATIENCE / 2)).is_empty());
        assert_eq!(verdict.expire(at.after(PATIENCE)), counted);
        verdict.settle(&facts(State::Duplicate, &counted));
        assert_eq!(verdict.decision.verdict, Verdict::ALLOW);
        let strict = Facts { on_failure: OnPolicyFailure::Deny, ..facts(State::Duplicate, &counted) };
        verdict.settle(&strict);
        assert_eq!(verdict.decision.verdict, Verdict::DENY);
        verdict.answer(0, Some(7), decision(Verdict::WARN));
        verdict.ask(8, counted.clone(), at);
        verdict.answer(0, Some(8), decision(Verdict::WARN));
        verdict.settle(&strict);
        assert_eq!(verdict.decision.verdict, Verdict::WARN, "it answers again");
    }

    #[test]
    fn a_standby_must_not_serve_and_a_promoted_one_starts_from_abstain() {
        let none = BTreeSet::new();
        let mut verdict = ClaimVerdict::default();
        let standby = Facts { standby_of: Some("pair"), ..facts(State::Clear, &none) };
        verdict.settle(&standby);
        assert_eq!(verdict.decision.verdict, Verdict::DENY);
        verdict.forget();
        verdict.settle(&facts(State::Probing, &none));
        assert_eq!(verdict.decision.verdict, Verdict::ABSTAIN);
    }
}
