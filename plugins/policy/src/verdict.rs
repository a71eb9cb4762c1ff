//! The policy itself: a pure function from rules, facts and time to a verdict.

use std::time::Duration;

use serialnumberd_plugin::{Class, Decision, State, Verdict};

use crate::facts::{Claim, Conflict, Now};
use crate::rules::{Mode, Rules};
use crate::sentence;

/// What the conflict of a claim, or its absence, means under the rules; without grace yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// Nothing is known: no opinion.
    Unknown,
    /// No over-subscription is proved.
    Free,
    /// More holders were heard than seats, but they were not proved.
    Suspected,
    /// It was proved, but the rules wait for more.
    Waiting,
    /// It is proved, and the rules only watch.
    Watched,
    /// It is proved, and this host is within the seats.
    Within,
    /// It is proved, and this host's place in the order is not known.
    Placeless,
    /// It is proved, and this host is restricted.
    Restricted,
}

/// What became of the grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grace {
    /// It is used up, or there is none.
    Over,
    /// It runs until then, Unix ms.
    Until(u64),
}

/// What blindness means under the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The agent is not blind.
    Clear,
    /// It is blind since the first time, Unix ms; from the second on the rules act.
    Dimmed(u64, u64),
    /// It is blind since then, for long enough that the rules act.
    Blind(u64),
}

/// Where a claim stands.
pub(crate) fn stance(rules: &Rules, claim: &Claim) -> Stance {
    let conflict = match (claim.state, &claim.conflict) {
        (State::Conflict | State::Duplicate, Some(conflict)) => conflict,
        (State::Clear, _) => return Stance::Free,
        (State::Suspected, _) => return Stance::Suspected,
        _ => return Stance::Unknown,
    };
    if !acts(rules, conflict) {
        return Stance::Waiting;
    }
    match (rules.mode, &conflict.own) {
        (Mode::Observe, _) => Stance::Watched,
        (Mode::Strict, _) => Stance::Restricted,
        (Mode::Seniority, None) => Stance::Placeless,
        (Mode::Seniority, Some(own)) if own.over => Stance::Restricted,
        (Mode::Seniority, Some(_)) => Stance::Within,
    }
}

/// Whether the rules act on a conflict.  What was proved once may be a planned switch between two members of a group,
/// which are both active for some seconds: of that nobody is accused, whatever `act_on` says.  A class that this plugin
/// does not know is treated alike.
fn acts(rules: &Rules, conflict: &Conflict) -> bool {
    conflict.confirmed || (rules.act_on_conflict && matches!(conflict.class, Class::Copy | Class::Clone))
}

/// Whether, and since when, an agent is too blind.
pub(crate) fn sight(rules: &Rules, claim: &Claim, now: Now) -> Sight {
    let Some(since) = claim.blind_since else { return Sight::Clear };
    match blind_at(rules, since) {
        at if now.mono_ns >= at => Sight::Blind(since.wall_ms),
        at => Sight::Dimmed(since.wall_ms, since.wall_at(at)),
    }
}

/// When blindness since then begins to count, on the host's clock.
pub(crate) fn blind_at(rules: &Rules, since: Now) -> u64 {
    since.mono_ns.saturating_add(nanoseconds(rules.blind_after))
}

pub(crate) fn nanoseconds(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// The verdict on a claim, with its sentence.  Of conflict and blindness the more restrictive wins.
pub(crate) fn judge(rules: &Rules, claim: &Claim, grace: Grace, now: Now) -> Decision {
    let stance = stance(rules, claim);
    let verdict = match (stance, grace) {
        (Stance::Unknown, _) => return Decision::abstain(),
        (Stance::Free | Stance::Suspected | Stance::Waiting | Stance::Within, _) => Verdict::ALLOW,
        (Stance::Watched | Stance::Placeless, _) | (Stance::Restricted, Grace::Until(_)) => Verdict::WARN,
        (Stance::Restricted, Grace::Over) => rules.action,
    };
    let sight = sight(rules, claim, now);
    let when_blind = match (sight, rules.mode) {
        (Sight::Clear | Sight::Dimmed(..), _) => Verdict::ALLOW,
        (Sight::Blind(_), Mode::Observe) => rules.when_blind.min(Verdict::WARN),
        (Sight::Blind(_), _) => rules.when_blind,
    };
    let mut sentences = vec![sentence::of_claim(rules, claim, stance, grace)];
    sentences.extend(sentence::of_sight(rules, sight, when_blind));
    if when_blind > verdict {
        sentences.reverse();
    }
    Decision::new(verdict.max(when_blind), sentences.join(" "))
}

#[cfg(test)]
mod tests;
