//! The policy as a table: rules and facts on the left, the verdict on the right.

use std::time::Duration;

use serialnumberd_plugin::Coverage;

use super::*;
use crate::facts::{NAMED, Party};

const NOW: Now = Now { mono_ns: 10_000_000_000_000, wall_ms: 1_795_000_000_000 };
/// "Until" in the tables: 2026-11-19T11:16:40Z.
const END_MS: u64 = 1_795_087_000_000;

fn party(host: &str, over: bool) -> Party {
    Party {
        host: host.into(),
        address: Some("10.0.0.9".parse().unwrap()),
        interface: "eth0".into(),
        since_ms: 1_790_000_000_000,
        over,
    }
}

/// A conflict of two; `own_over` of this host, the opposite of the other.
fn conflict(class: Class, confirmed: bool, own_over: bool) -> Conflict {
    Conflict {
        id: 1,
        confirmed,
        class,
        seats: 1,
        own: Some(Party { address: None, interface: String::new(), ..party("me", own_over) }),
        others: vec![party("alpha", !own_over)],
        n_others: 1,
    }
}

fn claim(state: State, conflict: Option<Conflict>) -> Claim {
    Claim { state, conflict, ..Claim::new("xsvr") }
}

/// A claim in which a conflict was proved once (`false`) or twice.
fn in_conflict(class: Class, confirmed: bool, own_over: bool) -> Claim {
    let state = if confirmed { State::Duplicate } else { State::Conflict };
    claim(state, Some(conflict(class, confirmed, own_over)))
}

fn rules(mode: Mode) -> Rules {
    Rules { mode, ..Rules::DEFAULT }
}

const MODES: [Mode; 3] = [Mode::Observe, Mode::Strict, Mode::Seniority];

#[test]
fn without_a_proved_conflict_every_mode_allows_or_abstains() {
    for mode in MODES {
        let verdict = |state| judge(&rules(mode), &claim(state, None), Grace::Over, NOW).verdict;
        assert_eq!(verdict(State::Probing), Verdict::ABSTAIN, "{mode:?}");
        assert_eq!(verdict(State::Clear), Verdict::ALLOW, "{mode:?}");
        assert_eq!(verdict(State::Suspected), Verdict::ALLOW, "{mode:?}");
        // The state is known before the holders are, or is one of a later protocol.
        assert_eq!(verdict(State::Conflict), Verdict::ABSTAIN, "{mode:?}");
        assert_eq!(verdict(State::Unknown(9)), Verdict::ABSTAIN, "{mode:?}");
    }
}

#[test]
fn a_duplicate_gets_what_the_mode_says() {
    const ALLOW: Verdict = Verdict::ALLOW;
    const WARN: Verdict = Verdict::WARN;
    const DENY: Verdict = Verdict::DENY;
    let table = [
        // mode, own place over, act_on conflict: once proved, twice proved
        (Mode::Observe, false, false, ALLOW, WARN),
        (Mode::Observe, true, false, ALLOW, WARN),
        (Mode::Observe, true, true, WARN, WARN),
        (Mode::Strict, false, false, ALLOW, DENY),
        (Mode::Strict, true, false, ALLOW, DENY),
        (Mode::Strict, false, true, DENY, DENY),
        (Mode::Seniority, false, false, ALLOW, ALLOW),
        (Mode::Seniority, true, false, ALLOW, DENY),
        (Mode::Seniority, false, true, ALLOW, ALLOW),
        (Mode::Seniority, true, true, DENY, DENY),
    ];
    for (mode, over, act_on_conflict, once, twice) in table {
        let rules = Rules { act_on_conflict, ..rules(mode) };
        for class in [Class::Copy, Class::Clone] {
            let verdict =
                |confirmed| judge(&rules, &in_conflict(class, confirmed, over), Grace::Over, NOW).verdict;
            let row = (mode, over, act_on_conflict, class);
            assert_eq!((verdict(false), verdict(true)), (once, twice), "{row:?}");
        }
    }
}

#[test]
fn a_planned_switch_accuses_nobody() {
    for mode in MODES {
        let rules = Rules { act_on_conflict: true, ..rules(mode) };
        for class in [Class::SplitBrain, Class::Unknown(7)] {
            let verdict =
                |confirmed| judge(&rules, &in_conflict(class, confirmed, true), Grace::Over, NOW).verdict;
            assert_eq!(verdict(false), Verdict::ALLOW, "{mode:?} {class:?}");
            assert!(verdict(true) >= Verdict::WARN, "{mode:?} {class:?}");
        }
    }
}

#[test]
fn grace_turns_a_restriction_into_a_warning_with_a_time() {
    for action in [Verdict::LIMIT, Verdict::DENY] {
        let rules = Rules { action, grace: Duration::from_secs(86_400), ..rules(Mode::Strict) };
        let claim = in_conflict(Class::Copy, true, true);
        let during = judge(&rules, &claim, Grace::Until(END_MS), NOW);
        assert_eq!(during.verdict, Verdict::WARN);
        assert!(during.reason.contains("from 2026-11-19T11:16:40Z on"), "{}", during.reason);
        let after = judge(&rules, &claim, Grace::Over, NOW);
        assert_eq!(after.verdict, action);
        assert!(after.reason.contains("the grace of 1day is used up"), "{}", after.reason);
    }
}

#[test]
fn who_does_not_know_its_place_is_warned_not_denied() {
    let mut claim = in_conflict(Class::Copy, true, true);
    claim.conflict.as_mut().unwrap().own = None;
    assert_eq!(judge(&rules(Mode::Seniority), &claim, Grace::Over, NOW).verdict, Verdict::WARN);
    assert_eq!(judge(&rules(Mode::Strict), &claim, Grace::Over, NOW).verdict, Verdict::DENY);
}

#[test]
fn blindness_counts_after_its_time_and_observe_never_denies() {
    const MINUTE: u64 = 60_000_000_000;
    let table = [
        (Mode::Strict, Verdict::ALLOW, 60, Verdict::ALLOW),
        (Mode::Strict, Verdict::WARN, 14, Verdict::ALLOW),
        (Mode::Strict, Verdict::WARN, 15, Verdict::WARN),
        (Mode::Strict, Verdict::DENY, 14, Verdict::ALLOW),
        (Mode::Strict, Verdict::DENY, 15, Verdict::DENY),
        (Mode::Seniority, Verdict::DENY, 15, Verdict::DENY),
        (Mode::Observe, Verdict::DENY, 15, Verdict::WARN),
    ];
    for (mode, when_blind, minutes, expected) in table {
        let rules = Rules { when_blind, ..rules(mode) };
        let since = Now { mono_ns: NOW.mono_ns - minutes * MINUTE, wall_ms: NOW.wall_ms - minutes * 60_000 };
        for state in [State::Clear, State::Suspected] {
            let mut claim = claim(state, None);
            (claim.coverage, claim.blind_since) = (Coverage::Blind, Some(since));
            let decision = judge(&rules, &claim, Grace::Over, NOW);
            assert_eq!(decision.verdict, expected, "{mode:?} {when_blind:?} {minutes} {state}");
            assert!(decision.reason.contains("cannot hear others since 2026-11-18T"), "{}", decision.reason);
        }
        let mut probing = claim(State::Probing, None);
        probing.blind_since = Some(since);
        assert_eq!(judge(&rules, &probing, Grace::Over, NOW).verdict, Verdict::ABSTAIN);
    }
}

#[test]
fn of_conflict_and_blindness_the_more_restrictive_wins_and_speaks_first() {
    let rules = Rules { when_blind: Verdict::DENY, ..rules(Mode::Seniority) };
    let mut senior = in_conflict(Class::Copy, true, false);
    senior.blind_since = Some(Now::default());
    let decision = judge(&rules, &senior, Grace::Over, NOW);
    assert_eq!(decision.verdict, Verdict::DENY);
    assert!(decision.reason.starts_with("This host cannot hear others"), "{}", decision.reason);
    let rules = Rules { when_blind: Verdict::WARN, ..rules };
    let mut junior = in_conflict(Class::Copy, true, true);
    junior.blind_since = Some(Now::default());
    let decision = judge(&rules, &junior, Grace::Over, NOW);
    assert_eq!(decision.verdict, Verdict::DENY);
    assert!(decision.reason.starts_with("The license of xsvr"), "{}", decision.reason);
}

#[test]
fn a_sentence_says_who_why_what_and_what_to_do() {
    let strict = judge(&rules(Mode::Strict), &in_conflict(Class::Copy, true, true), Grace::Over, NOW);
    assert_eq!(
        strict.reason,
        "The license of xsvr has one seat, and 2 hosts use it, this one (since 2026-09-21T14:13:20Z) and \"alpha\" at \
         10.0.0.9 on eth0 (since 2026-09-21T14:13:20Z); proved twice. Mode strict: every one of them is restricted: it \
         is denied. Stop xsvr on the hosts beyond the seats, or get a license for each."
    );
    let waiting = judge(&rules(Mode::Strict), &in_conflict(Class::SplitBrain, false, true), Grace::Over, NOW);
    assert!(waiting.reason.contains("once it is proved again, this host is denied"), "{}", waiting.reason);
    assert!(waiting.reason.ends_with("Make all of them but one a standby."), "{}", waiting.reason);
    let clone = judge(&rules(Mode::Observe), &in_conflict(Class::Clone, true, true), Grace::Over, NOW);
    assert!(clone.reason.starts_with("The installation on this host was copied"), "{}", clone.reason);
}

#[test]
fn the_longest_sentence_fits() {
    let mut claim = in_conflict(Class::Copy, true, true);
    claim.product = "p".repeat(31);
    let conflict = claim.conflict.as_mut().unwrap();
    let long = Party {
        host: "h".repeat(64),
        address: Some("2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap()),
        interface: "i".repeat(15),
        ..party("", false)
    };
    (conflict.others, conflict.n_others) = (vec![long; NAMED], 5000);
    let rules = Rules { grace: Duration::from_secs(31_622_399), ..rules(Mode::Seniority) };
    for grace in [Grace::Over, Grace::Until(END_MS)] {
        let reason = judge(&rules, &claim, grace, NOW).reason;
        assert!(reason.len() <= 1015, "{} bytes: {reason}", reason.len());
        assert!(reason.contains("; 4997 more") && reason.ends_with("for each."), "{reason}");
    }
}
