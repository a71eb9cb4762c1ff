use std::time::Duration;

use serialnumberd_core::{Class, Mono, Stage, State};

use super::{Ending, Oracle};
use crate::detector::Accused;
use crate::scenario::Scenario;
use crate::truth::Truth;

fn s(seconds: u64) -> Mono {
    Mono(0).after(Duration::from_secs(seconds))
}

/// A license on two hosts from the beginning, and what must be shown by it.
fn scenario(must: &str) -> Scenario {
    let text = format!(
        "title = \"two\"\nlength = \"1 h\"\nhosts = [\"a\", \"b\"]\ntruth = [[\"0 s\", \"2 holders\"]]\n\
         story = [[\"0 s\", \"everybody starts\"]]\n{must}"
    );
    Scenario::read("two", &text).expect("it is right")
}

fn truth(scenario: &Scenario) -> Truth {
    let mut truth = Truth::new(scenario);
    truth.set(Mono(0), 0, 0, Some(false));
    truth.set(Mono(0), 0, 1, Some(false));
    truth
}

fn accused(stage: Stage) -> Accused {
    Accused { license: 0, stage, class: Class::Copy, counted: 2, over: 1, flaw: None }
}

/// What is found when `a` tells its plugins so at these times, in seconds; `None` is that it is over.
fn found(must: &str, told: &[(u64, Option<Accused>)]) -> Vec<String> {
    let scenario = scenario(must);
    let truth = truth(&scenario);
    let mut oracle = Oracle::new(&scenario);
    for (at, what) in told {
        match what {
            // Its own clock is an hour ahead.
            Some(accused) => oracle.duplicate(s(*at), s(*at + 3600), 0, accused, &truth),
            None => oracle.resolved(s(*at), 0, 0),
        }
    }
    oracle.findings
}

const DETECT: &str = "must-detect = { within = \"1 s\" }";

#[test]
fn a_duplicate_is_a_conflict_of_ninety_seconds_ago_and_not_a_second_less() {
    let (conflict, duplicate) = (accused(Stage::Conflict), accused(Stage::Duplicate));
    let told =
        |after: u64| found(DETECT, &[(9, Some(conflict.clone())), (9 + after, Some(duplicate.clone()))]);
    assert!(told(90).is_empty(), "{:?}", told(90));
    assert_eq!(told(89), ["at 1m 38s: a is told \"duplicate\", but it was not confirmed yet"]);
    assert_eq!(found(DETECT, &[(9, Some(duplicate.clone()))]).len(), 1, "out of the blue");
    let second = found(
        DETECT,
        &[(9, Some(conflict.clone())), (20, None), (300, Some(conflict.clone())), (340, Some(duplicate))],
    );
    assert_eq!(second, ["at 5m 40s: a is told \"duplicate\", but it was not confirmed yet"]);
}

#[test]
fn five_conflicts_in_three_minutes_are_a_duplicate_and_four_are_none() {
    let flaps = |every: u64, times: u64| {
        let conflict =
            (1..times).flat_map(|n| [(n * every, Some(accused(Stage::Conflict))), (n * every + 1, None)]);
        let last = (times * every, Some(accused(Stage::Duplicate)));
        found(DETECT, &conflict.chain([last]).collect::<Vec<_>>())
    };
    assert!(flaps(45, 5).is_empty(), "{:?}", flaps(45, 5));
    assert_eq!(flaps(46, 5).len(), 1, "in 184 s");
    assert_eq!(flaps(10, 4).len(), 1);
}

#[test]
fn what_is_told_is_compared_with_the_truth() {
    let conflict = || accused(Stage::Conflict);
    for (must, told, finding) in [
        (DETECT, Accused { counted: 3, ..conflict() }, "it counts 3 holders, and 2 lived"),
        (DETECT, Accused { over: 0, ..conflict() }, "0 of 2 holders are over the seats"),
        (DETECT, Accused { over: 2, ..conflict() }, "2 of 2 holders are over the seats"),
        (DETECT, Accused { flaw: Some("forged".to_owned()), ..conflict() }, "does not convince: forged"),
    ] {
        let found = found(must, &[(9, Some(told))]);
        assert!(found.len() == 1 && found[0].contains(finding), "{finding}: {found:?}");
    }
    assert!(found(DETECT, &[(9, Some(conflict()))]).is_empty());
    assert_eq!(found(DETECT, &[(9, None)]).len(), 1, "over, and nothing was told");
}

#[test]
fn what_a_host_shows_is_what_its_plugins_were_told() {
    let scenario = scenario(DETECT);
    let truth = truth(&scenario);
    let mut oracle = Oracle::new(&scenario);
    oracle.shows(s(1), 0, 0, State::Clear);
    oracle.duplicate(s(2), s(2), 0, &accused(Stage::Conflict), &truth);
    oracle.shows(s(2), 0, 0, State::Conflict);
    assert!(oracle.findings.is_empty(), "{:?}", oracle.findings);
    oracle.shows(s(3), 0, 0, State::Suspected);
    assert_eq!(oracle.findings, ["at 3s: a shows suspected, and its plugins know of conflict"]);
}

#[test]
fn a_snapshot_of_a_process_in_conflict_confirms_by_the_clock_that_stood_still() {
    let scenario = scenario(DETECT);
    let truth = truth(&scenario);
    let mut oracle = Oracle::new(&scenario);
    oracle.duplicate(s(10), s(10), 0, &accused(Stage::Conflict), &truth);
    let memories = oracle.memories(0);
    oracle.ended(s(20), 0);
    oracle.goes_on(s(500), 0, &memories);
    oracle.duplicate(s(590), s(100), 0, &accused(Stage::Duplicate), &truth);
    assert!(oracle.findings.is_empty(), "{:?}", oracle.findings);
    oracle.ended(s(600), 0);
    oracle.duplicate(s(700), s(700), 0, &accused(Stage::Duplicate), &truth);
    assert_eq!(oracle.findings.len(), 1, "a new process knows of nothing");
}

#[test]
fn nothing_to_detect_is_a_finding() {
    let scenario = scenario("must-detect = { within = \"2 h\" }");
    let truth = truth(&scenario);
    let mut oracle = Oracle::new(&scenario);
    oracle.conclude(Ending { at: s(3600), whole: true }, &truth);
    assert!(oracle.findings.len() == 1 && oracle.findings[0].contains("nobody had anything to detect"));
}
