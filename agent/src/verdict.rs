//! From opinions to the verdict in force.  Policies hold opinions on a claim; those that count are combined, the
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

/// What people are told while there is no verdict yet.
pub const STILL_PROBING: &str = "still probing whether another host holds this license";

/// Who has opinions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// The plugin of this index.
    Plugin(usize),
    /// The program that embeds the agent.
    Program,
}

/// The verdict on one claim.
#[derive(Clone, Debug, Default)]
pub struct ClaimVerdict {
    /// The one in force.
    pub decision: Decision,
    /// Since when, Unix ms.
    pub since_ms: u64,
    /// What each policy thinks.
    pub opinions: BTreeMap<Policy, Decision>,
    /// Questions under way: who is still to answer, and until when.
    pending: BTreeMap<u64, (BTreeSet<Policy>, Mono)>,
    /// The newest question put to each.
    newest: BTreeMap<Policy, u64>,
    /// Those that failed to answer, and have not spoken since.
    failed: BTreeSet<Policy>,
    /// Answers to questions up to this one hold no longer.
    void_to: u64,
}

/// What a verdict depends on besides opinions.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The claim's state.
    pub state: State,
    /// This host waits to take over in this group.
    pub standby_of: Option<&'a str>,
    /// Those whose opinions count.
    pub counted: &'a BTreeSet<Policy>,
    /// Those that will never answer again.
    pub dead: &'a BTreeSet<Policy>,
    /// What a failing policy leaves in force.
    pub on_failure: OnPolicyFailure,
    /// Unix ms.
    pub wall_ms: u64,
}

impl ClaimVerdict {
    /// A question was put to `asked`; `missed` are those that could not even be asked.
    pub fn ask(
        &mut self,
        seq: u64,
        asked: BTreeSet<Policy>,
        missed: impl Iterator<Item = Policy>,
        now: Mono,
    ) {
        self.failed.extend(missed);
        if !asked.is_empty() {
            self.newest.extend(asked.iter().map(|policy| (*policy, seq)));
            self.pending.insert(seq, (asked, now.after(PATIENCE)));
        }
    }

    /// A policy has an opinion, asked for by record `seq` or given of its own accord.  A late one counts, too.
    pub fn answer(&mut self, policy: Policy, seq: Option<u64>, decision: Decision) {
        if seq.is_some_and(|seq| seq <= self.void_to) {
            return;
        }
        self.opinions.insert(policy, decision);
        let newest = self.newest.get(&policy).copied().unwrap_or(0);
        if seq.is_none_or(|seq| seq >= newest) {
            self.failed.remove(&policy);
        }
        if let Some(seq) = seq {
            self.close(policy, seq);
        }
    }

    /// A policy failed to answer.
    pub fn fail(&mut self, policy: Policy, seq: u64) {
        self.close(policy, seq);
        self.failed.insert(policy);
    }

    /// A policy has answered, but its answer does not hold yet: nobody waits for it.
    pub fn put_off(&mut self, policy: Policy, seq: u64) {
        self.close(policy, seq);
    }

    fn close(&mut self, policy: Policy, seq: u64) {
        if let Some((waiting, _)) = self.pending.get_mut(&seq) {
            waiting.remove(&policy);
        }
        self.pending.retain(|_, (waiting, _)| !waiting.is_empty());
    }

    /// Gives up on those that are late; says who they are.
    pub fn expire(&mut self, now: Mono) -> BTreeSet<Policy> {
        let mut late = BTreeSet::new();
        self.pending.retain(|_, (waiting, until)| {
            let keep = now < *until;
            if !keep {
                late.extend(waiting.iter().copied());
            }
            keep
        });
        self.failed.extend(&late);
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

    /// What was found out before no longer holds, nor what is still to be answered of records up to `seq`: a
    /// change of role starts from ABSTAIN.
    pub fn forget(&mut self, seq: u64) {
        *self = ClaimVerdict { void_to: seq, ..ClaimVerdict::default() };
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
        // One that only advises may fail as it likes.
        let failed = facts.counted.iter().any(|p| self.failed.contains(p) || facts.dead.contains(p));
        if failed && facts.on_failure == OnPolicyFailure::Deny {
            return Decision {
                verdict: Verdict::DENY,
                reason: "a required policy plugin failed to answer, and on_policy_failure = \"deny\"; \
                         see the plugins in the status"
                    .to_owned(),
            };
        }
        let counted = self.opinions.iter().filter(|(policy, _)| facts.counted.contains(policy));
        let worst = counted.map(|(_, opinion)| opinion).max_by_key(|o| o.verdict);
        match worst {
            Some(opinion) if opinion.verdict != Verdict::ABSTAIN => opinion.clone(),
            // A policy that never answered yet keeps what was in force, if anything was.
            _ if failed && self.decision.verdict != Verdict::ABSTAIN => self.decision.clone(),
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
        State::Probing => (Verdict::ABSTAIN, STILL_PROBING),
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

    const P0: Policy = Policy::Plugin(0);
    const P1: Policy = Policy::Plugin(1);
    const P2: Policy = Policy::Plugin(2);
    const NOBODY: std::iter::Empty<Policy> = std::iter::empty();

    fn decision(verdict: Verdict) -> Decision {
        Decision { verdict, reason: format!("because {verdict}") }
    }

    fn facts<'a>(state: State, counted: &'a BTreeSet<Policy>) -> Facts<'a> {
        static NONE: BTreeSet<Policy> = BTreeSet::new();
        Facts { state, standby_of: None, counted, dead: &NONE, on_failure: OnPolicyFailure::Keep, wall_ms: 5 }
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
        let counted = BTreeSet::from([P0, P1]);
        let mut verdict = ClaimVerdict::default();
        verdict.answer(P0, None, decision(Verdict::WARN));
        verdict.answer(P1, None, decision(Verdict::LIMIT));
        verdict.answer(P2, None, decision(Verdict::DENY));
        assert!(verdict.settle(&facts(State::Duplicate, &counted)));
        assert_eq!(verdict.decision, decision(Verdict::LIMIT), "plugin 2 only advises");
        verdict.answer(P1, None, Decision::default());
        verdict.settle(&facts(State::Duplicate, &counted));
        assert_eq!(verdict.decision, decision(Verdict::WARN), "ABSTAIN is no opinion");
    }

    #[test]
    fn the_last_verdict_stands_while_a_policy_is_asked_and_when_it_is_late() {
        let counted = BTreeSet::from([P0]);
        let at = Mono(1_000_000_000);
        let mut verdict = ClaimVerdict::default();
        verdict.answer(P0, None, decision(Verdict::ALLOW));
        verdict.settle(&facts(State::Clear, &counted));
        verdict.ask(7, counted.clone(), NOBODY, at);
        assert!(!verdict.settle(&facts(State::Duplicate, &counted)) && verdict.is_pending());
        assert!(verdict.expire(at.after(PATIENCE / 2)).is_empty());
        assert_eq!(verdict.expire(at.after(PATIENCE)), counted);
        verdict.settle(&facts(State::Duplicate, &counted));
        assert_eq!(verdict.decision.verdict, Verdict::ALLOW);
        let strict = Facts { on_failure: OnPolicyFailure::Deny, ..facts(State::Duplicate, &counted) };
        verdict.settle(&strict);
        assert_eq!(verdict.decision.verdict, Verdict::DENY);
        verdict.answer(P0, Some(7), decision(Verdict::WARN));
        verdict.ask(8, counted.clone(), NOBODY, at);
        verdict.answer(P0, Some(8), decision(Verdict::WARN));
        verdict.settle(&strict);
        assert_eq!(verdict.decision.verdict, Verdict::WARN, "it answers again");
    }

    #[test]
    fn an_answer_that_does_not_hold_yet_is_no_failure() {
        let counted = BTreeSet::from([P0]);
        let deny = Facts { on_failure: OnPolicyFailure::Deny, ..facts(State::Duplicate, &counted) };
        let mut verdict = ClaimVerdict::default();
        verdict.answer(P0, None, decision(Verdict::WARN));
        verdict.ask(7, counted.clone(), NOBODY, Mono(0));
        verdict.put_off(P0, 7);
        assert!(!verdict.is_pending() && verdict.expire(Mono(0).after(PATIENCE)).is_empty());
        verdict.settle(&deny);
        assert_eq!(verdict.decision.verdict, Verdict::WARN, "what it thought before stands");
        verdict.answer(P0, Some(7), decision(Verdict::LIMIT));
        verdict.settle(&deny);
        assert_eq!(verdict.decision.verdict, Verdict::LIMIT);
    }

    #[test]
    fn a_standby_must_not_serve_and_a_promoted_one_starts_from_abstain() {
        let none = BTreeSet::new();
        let mut verdict = ClaimVerdict::default();
        let standby = Facts { standby_of: Some("pair"), ..facts(State::Clear, &none) };
        verdict.settle(&standby);
        assert_eq!(verdict.decision.verdict, Verdict::DENY);
        verdict.forget(7);
        verdict.settle(&facts(State::Probing, &none));
        assert_eq!(verdict.decision.verdict, Verdict::ABSTAIN);
    }

    #[test]
    fn what_was_asked_before_a_change_of_role_is_no_answer_after_it() {
        let counted = BTreeSet::from([P0]);
        let mut verdict = ClaimVerdict::default();
        verdict.ask(7, counted.clone(), NOBODY, Mono(0));
        verdict.forget(8);
        verdict.answer(P0, Some(7), decision(Verdict::DENY));
        assert!(verdict.opinions.is_empty());
        verdict.answer(P0, Some(9), decision(Verdict::WARN));
        verdict.settle(&facts(State::Clear, &counted));
        assert_eq!(verdict.decision.verdict, Verdict::WARN);
    }

    #[test]
    fn one_that_only_advises_fails_without_consequence() {
        let (none, asked, at) = (BTreeSet::new(), BTreeSet::from([P0]), Mono(0));
        let mut verdict = ClaimVerdict::default();
        let deny = |state| Facts { on_failure: OnPolicyFailure::Deny, ..facts(state, &none) };
        verdict.settle(&deny(State::Clear));
        verdict.ask(7, asked.clone(), NOBODY, at);
        assert_eq!(verdict.expire(at.after(PATIENCE)), asked);
        verdict.settle(&deny(State::Duplicate));
        assert_eq!(verdict.decision.verdict, Verdict::WARN, "neither DENY nor the ALLOW of before");
        verdict.fail(P0, 7);
        verdict.settle(&deny(State::Clear));
        assert_eq!(verdict.decision.verdict, Verdict::ALLOW);
    }

    #[test]
    fn a_late_policy_is_forgiven_as_soon_as_it_speaks() {
        let (counted, at) = (BTreeSet::from([P0]), Mono(0));
        let deny = Facts { on_failure: OnPolicyFailure::Deny, ..facts(State::Clear, &counted) };
        for of_its_own_accord in [false, true] {
            let mut verdict = ClaimVerdict::default();
            verdict.ask(7, counted.clone(), NOBODY, at);
            verdict.ask(8, counted.clone(), NOBODY, at);
            verdict.expire(at.after(PATIENCE));
            verdict.answer(P0, Some(7), decision(Verdict::ALLOW));
            verdict.settle(&deny);
            assert_eq!(verdict.decision.verdict, Verdict::DENY, "the newest question is still open");
            verdict.answer(P0, (!of_its_own_accord).then_some(8), decision(Verdict::ALLOW));
            verdict.settle(&deny);
            assert_eq!(verdict.decision.verdict, Verdict::ALLOW);
        }
    }

    #[test]
    fn a_policy_that_cannot_be_asked_or_is_dead_has_failed() {
        let (counted, none) = (BTreeSet::from([P0, P1]), BTreeSet::new());
        let keep = facts(State::Duplicate, &counted);
        let deny = Facts { on_failure: OnPolicyFailure::Deny, ..keep.clone() };
        let mut verdict = ClaimVerdict::default();
        verdict.answer(P0, None, decision(Verdict::ALLOW));
        verdict.ask(7, BTreeSet::from([P1]), std::iter::once(P0), Mono(0));
        verdict.answer(P1, Some(7), decision(Verdict::ALLOW));
        verdict.settle(&keep);
        assert_eq!(verdict.decision.verdict, Verdict::ALLOW);
        verdict.settle(&deny);
        assert_eq!(verdict.decision.verdict, Verdict::DENY, "another one's answer does not stand in for it");
        verdict.answer(P0, None, decision(Verdict::ALLOW));
        verdict.settle(&deny);
        assert_eq!(verdict.decision.verdict, Verdict::ALLOW);
        verdict.settle(&Facts { dead: &BTreeSet::from([P1]), ..deny.clone() });
        assert_eq!(verdict.decision.verdict, Verdict::DENY);
        verdict.settle(&Facts { counted: &none, dead: &counted, ..deny });
        assert_eq!(verdict.decision.verdict, Verdict::WARN, "dead, but it only advised");
    }
}
