//! What plugins decide with options that may yet be withdrawn: kept back until the reload is committed.
//!
//! Of each plugin what it decides between being told of new options and being told of its old ones again.  What it
//! decides before and after that goes its way at once.  Performs nothing: the host passes actions through.

use std::collections::{BTreeMap, VecDeque};

use serialnumberd_core::ClaimId;

use super::spec::Action;

/// The plugins that try new options.
#[derive(Debug, Default)]
pub(super) struct Trials {
    by_plugin: BTreeMap<usize, Trial>,
    /// What holds now, to be handed out.
    due: VecDeque<Action>,
}

#[derive(Debug, Default)]
struct Trial {
    /// The newest decision on each claim.  As many as claims are held: of others none is taken.
    decided: BTreeMap<ClaimId, Action>,
    /// It was asked, and failed to answer with these options.
    failed: bool,
}

impl Trials {
    /// From here on `plugin` has other options: new ones, or `is_withdrawn` its old ones again.
    pub(super) fn configuring(&mut self, plugin: usize, is_withdrawn: bool) -> Option<Action> {
        if !is_withdrawn {
            self.by_plugin.insert(plugin, Trial::default());
            return None;
        }
        let trial = self.by_plugin.remove(&plugin)?;
        (trial.failed || !trial.decided.is_empty()).then_some(Action::AskAnew { plugin })
    }

    /// What of an action is to be done now.
    pub(super) fn pass(&mut self, action: Action) -> Option<Action> {
        match action {
            Action::Decided { plugin, claim, answers, .. } => {
                let Some(trial) = self.by_plugin.get_mut(&plugin) else { return Some(action) };
                trial.decided.insert(claim, action);
                answers.map(|seq| Action::PutOff { plugin, claim, seq })
            }
            Action::NoAnswer { plugin, .. } => {
                if let Some(trial) = self.by_plugin.get_mut(&plugin) {
                    trial.failed = true;
                }
                Some(action)
            }
            Action::PutOff { .. }
            | Action::AskAnew { .. }
            | Action::TellAnew { .. }
            | Action::Announce { .. } => Some(action),
        }
    }

    /// The new options are in force, and what was decided with them.
    pub(super) fn commit(&mut self) {
        let trials = std::mem::take(&mut self.by_plugin);
        self.due.extend(trials.into_values().flat_map(|trial| trial.decided.into_values()));
    }

    pub(super) fn next(&mut self) -> Option<Action> {
        self.due.pop_front()
    }

    pub(super) fn has_next(&self) -> bool {
        !self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Decision, Verdict};

    fn decided(plugin: usize, claim: u8, verdict: Verdict, answers: Option<u64>) -> Action {
        let decision = Decision { verdict, reason: String::new() };
        Action::Decided { plugin, claim: ClaimId([claim; 16]), decision, answers }
    }

    #[test]
    fn the_newest_of_each_claim_is_handed_out_when_it_holds() {
        let mut trials = Trials::default();
        assert_eq!(trials.configuring(0, false), None);
        assert_eq!(trials.pass(decided(0, 1, Verdict::WARN, None)), None);
        let put_off = Action::PutOff { plugin: 0, claim: ClaimId([1; 16]), seq: 7 };
        assert_eq!(trials.pass(decided(0, 1, Verdict::DENY, Some(7))), Some(put_off), "it has answered");
        assert_eq!(trials.pass(decided(0, 2, Verdict::ALLOW, None)), None);
        let other = decided(1, 1, Verdict::LIMIT, None);
        assert_eq!(trials.pass(other.clone()), Some(other), "its options did not change");
        assert!(!trials.has_next());
        trials.commit();
        assert_eq!(trials.next(), Some(decided(0, 1, Verdict::DENY, Some(7))));
        assert_eq!(trials.next(), Some(decided(0, 2, Verdict::ALLOW, None)));
        assert_eq!(trials.next(), None);
        let later = decided(0, 1, Verdict::WARN, None);
        assert_eq!(trials.pass(later.clone()), Some(later));
    }

    #[test]
    fn what_is_withdrawn_is_asked_for_anew() {
        let mut trials = Trials::default();
        trials.configuring(0, false);
        assert_eq!(trials.configuring(0, true), None, "nothing was decided");
        trials.configuring(0, false);
        trials.pass(decided(0, 1, Verdict::DENY, None));
        assert_eq!(trials.configuring(0, true), Some(Action::AskAnew { plugin: 0 }));
        trials.configuring(0, false);
        let failed = Action::NoAnswer { plugin: 0, claim: ClaimId([1; 16]), seq: 8 };
        assert_eq!(trials.pass(failed.clone()), Some(failed));
        assert_eq!(trials.configuring(0, true), Some(Action::AskAnew { plugin: 0 }));
        let later = decided(0, 1, Verdict::WARN, None);
        assert_eq!(trials.pass(later.clone()), Some(later), "with its old options again");
        trials.commit();
        assert!(!trials.has_next());
    }
}
