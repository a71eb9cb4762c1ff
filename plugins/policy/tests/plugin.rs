//! The whole plugin, through the C table and on a fake host: its time is the test's.

#[path = "../../../plugin-api/tests/fake_host/mod.rs"]
mod fake_host;

use std::path::Path;
use std::time::Duration;

use fake_host::{Dup, FakeHost, HolderSpec, duplicate, lost, resolved, state, tick};
use serialnumberd_plugin::abi::*;
use slnd_policy::Policy;

const ALLOW: slnd_verdict = SLND_VERDICT_ALLOW;
const WARN: slnd_verdict = SLND_VERDICT_WARN;
const LIMIT: slnd_verdict = SLND_VERDICT_LIMIT;
const DENY: slnd_verdict = SLND_VERDICT_DENY;

const HOUR: &str = "3600000000000";

/// The defaults as the host hands them over, with `changes`.
fn options<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        ("mode", "observe"),
        ("grace", "0"),
        ("act_on", "duplicate"),
        ("action", "deny"),
        ("when_blind", "allow"),
        ("blind_after", "900000000000"),
    ];
    for (name, value) in changes {
        all.iter_mut().find(|(n, _)| n == name).expect("an option of the plugin").1 = value;
    }
    all
}

fn running(dir: &Path, changes: &[(&str, &str)]) -> FakeHost {
    let mut host = FakeHost::new::<Policy>(dir);
    host.create().unwrap();
    host.configure(&options(changes), false).unwrap();
    host.start().unwrap();
    host
}

/// A conflict with "alpha", who was first; `own_over` says who is beyond the seats.
fn dup(stage: u32, own_over: bool) -> Dup {
    let (me, other) = (HolderSpec::me(2), HolderSpec::other(1, "alpha", "10.0.0.9:626"));
    let holders = if own_over { vec![other, me.over()] } else { vec![me, other.over()] };
    let class = SLND_CLASS_COPY;
    Dup { claim: 7, conflict_id: 1, stage, class, seats: 1, coverage: SLND_COVERAGE_GOOD, holders }
}

fn twice(own_over: bool) -> Dup {
    dup(SLND_STAGE_DUPLICATE, own_over)
}

fn change(old: u32, new: u32) -> fake_host::Event {
    state(7, old, new, SLND_COVERAGE_GOOD)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_life_of_a_claim_in_each_mode() {
    let dir = tempfile::tempdir().unwrap();
    for (mode, over, once, proved_twice) in
        [("observe", true, ALLOW, WARN), ("strict", false, ALLOW, DENY), ("seniority", true, ALLOW, DENY)]
    {
        let mut host = running(dir.path(), &[("mode", mode)]);
        assert_eq!(host.ask(change(SLND_STATE_PROBING, SLND_STATE_PROBING)).0, 0);
        assert_eq!(host.ask(change(SLND_STATE_PROBING, SLND_STATE_CLEAR)).0, ALLOW);
        assert_eq!(host.ask(change(SLND_STATE_CLEAR, SLND_STATE_SUSPECTED)).0, ALLOW);
        assert_eq!(host.ask(duplicate(&dup(SLND_STAGE_CONFLICT, over))).0, once, "{mode}");
        assert_eq!(host.ask(change(SLND_STATE_SUSPECTED, SLND_STATE_CONFLICT)).0, once, "{mode}");
        assert_eq!(host.ask(duplicate(&twice(over))).0, proved_twice, "{mode}");
        let (verdict, reason) = host.ask(change(SLND_STATE_CONFLICT, SLND_STATE_DUPLICATE));
        assert_eq!(verdict, proved_twice, "{mode}");
        assert!(reason.contains("\"alpha\" at 10.0.0.9 on eth0"), "{reason}");
        assert!(host.decisions().is_empty());
        // Its end is not asked for: the standing verdict is replaced.
        host.deliver(&[resolved(7, 1, SLND_CAUSE_GOODBYE)]).unwrap();
        let decisions = host.decisions();
        assert_eq!((decisions.len(), decisions[0].0, decisions[0].1), (1, [7; 16], ALLOW));
        assert_eq!(host.ask(change(SLND_STATE_DUPLICATE, SLND_STATE_CLEAR)).0, ALLOW);
    }
    assert!(!dir.path().join("grace").exists(), "without grace there is nothing to keep");
}

#[test]
fn a_batch_is_answered_as_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "strict")]);
    let batch = [
        change(SLND_STATE_PROBING, SLND_STATE_CLEAR).asking(),
        duplicate(&twice(true)).asking(),
        resolved(7, 1, SLND_CAUSE_GOODBYE),
        tick(0),
    ];
    let verdicts: Vec<slnd_verdict> = host.deliver(&batch).unwrap().iter().map(|a| a.0).collect();
    assert_eq!(verdicts, [ALLOW, ALLOW, 0, 0]);
    assert!(host.decisions().is_empty());
}

#[test]
fn grace_warns_then_denies_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    for (action, expected) in [("limit", LIMIT), ("deny", DENY)] {
        let mut host = running(dir.path(), &[("mode", "strict"), ("grace", HOUR), ("action", action)]);
        let (verdict, reason) = host.ask(duplicate(&twice(true)));
        assert_eq!(verdict, WARN);
        assert!(reason.contains("from 2026-12-01T01:00:00Z on"), "{reason}");
        host.advance(seconds(3599));
        assert!(host.decisions().is_empty());
        assert!(host.status().contains("\"grace_left_s\":1,"), "{}", host.status());
        host.advance(seconds(1));
        let decisions = host.decisions();
        assert_eq!((decisions.len(), decisions[0].1), (1, expected));
        assert!(decisions[0].2.contains("the grace of 1h is used up"), "{}", decisions[0].2);
        assert!(host.seen.timers.lock().unwrap().is_empty(), "nothing is left to wait for");
        // The next one has to begin anew.
        drop(host);
        std::fs::remove_file(dir.path().join("grace")).unwrap();
    }
}

#[test]
fn a_restart_does_not_renew_grace() {
    let dir = tempfile::tempdir().unwrap();
    let changes = [("mode", "strict"), ("grace", HOUR)];
    let mut host = running(dir.path(), &changes);
    host.ask(duplicate(&twice(true)));
    host.advance(seconds(1800));
    drop(host);
    let mut host = running(dir.path(), &changes);
    assert_eq!(host.ask(change(SLND_STATE_PROBING, SLND_STATE_CLEAR)).0, ALLOW);
    host.advance(seconds(100));
    assert_eq!(host.ask(duplicate(&twice(true))).0, WARN);
    host.advance(seconds(1799));
    assert!(host.decisions().is_empty());
    host.advance(seconds(1));
    assert_eq!(host.decisions()[0].1, DENY);
    // A new process finds it denied at once.
    drop(host);
    let mut host = running(dir.path(), &changes);
    assert_eq!(host.ask(duplicate(&twice(true))).0, DENY);
}

#[test]
fn the_end_writes_the_file_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "strict"), ("grace", HOUR)]);
    host.ask(duplicate(&twice(true)));
    assert_eq!(host.flush(), SLND_OK);
    assert!(!dir.path().join("grace").exists(), "what is exact is for stop to write");
    drop(host);
    assert!(dir.path().join("grace").exists());
}

#[test]
fn a_killed_agent_has_lost_time() {
    let dir = tempfile::tempdir().unwrap();
    let changes = [("mode", "strict"), ("grace", HOUR)];
    let mut host = running(dir.path(), &changes);
    host.ask(duplicate(&twice(true)));
    // The file is not written while a verdict is awaited, but as soon as it is not.
    assert!(!dir.path().join("grace").exists());
    let wakes = host.seen.wakes.lock().unwrap().clone();
    assert_eq!(wakes.len(), 1);
    host.deliver(&[tick(wakes[0])]).unwrap();
    std::mem::forget(host);
    let mut host = running(dir.path(), &changes);
    host.ask(duplicate(&twice(true)));
    assert!(host.status().contains("\"grace_left_s\":3540,"), "{}", host.status());
}

#[test]
fn a_conflict_that_comes_back_goes_on_where_it_was_unless_long_clear() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "strict"), ("grace", HOUR)]);
    for _ in 0..2 {
        host.ask(duplicate(&twice(true)));
        host.advance(seconds(1000));
        host.deliver(&[resolved(7, 1, SLND_CAUSE_GOODBYE)]).unwrap();
        host.ask(change(SLND_STATE_DUPLICATE, SLND_STATE_CLEAR));
        host.advance(seconds(3599));
    }
    assert!(host.status().contains("\"grace_left_s\":1600,"), "{}", host.status());
    host.advance(seconds(1));
    assert!(host.status().contains("\"grace_left_s\":3600,"), "{}", host.status());
    assert_eq!(std::fs::read_to_string(dir.path().join("grace")).unwrap(), "slnd-policy grace 1\n");
}

#[test]
fn a_damaged_file_is_told_and_what_is_left_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let claim = "07".repeat(16);
    let text = format!("slnd-policy grace 1\n\u{0}rubbish\n{claim} 3599000000000\n");
    std::fs::write(dir.path().join("grace"), text).unwrap();
    let mut host = running(dir.path(), &[("mode", "strict"), ("grace", HOUR)]);
    let lines = host.lines();
    assert_eq!((lines.len(), lines[0].0), (1, SLND_LOG_WARN));
    assert!(lines[0].1.contains("is damaged: line 2 cannot be read"), "{}", lines[0].1);
    assert_eq!(host.ask(duplicate(&twice(true))).0, WARN);
    host.advance(seconds(1));
    assert_eq!(host.decisions()[0].1, DENY);
}

#[test]
fn a_file_that_cannot_be_written_warns_once_and_counting_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("grace.new")).unwrap();
    let mut host = running(dir.path(), &[("mode", "strict"), ("grace", HOUR)]);
    assert_eq!(host.ask(duplicate(&twice(true))).0, WARN);
    host.advance(seconds(1000));
    let lines = host.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].1.contains("a restart would renew it"), "{}", lines[0].1);
    assert!(host.status().contains("\"grace_file_error\":\""), "{}", host.status());
    host.advance(seconds(2600));
    assert_eq!(host.decisions()[0].1, DENY);
}

#[test]
fn a_reload_changes_standing_verdicts_and_a_bad_one_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[]);
    assert_eq!(host.ask(duplicate(&twice(true))).0, WARN);
    let (status, message) =
        host.configure(&options(&[("mode", "strict"), ("grace", "soon")]), true).unwrap_err();
    assert_eq!(status, SLND_E_INVALID);
    assert_eq!(message, "option `grace`: \"soon\" is no whole number of nanoseconds");
    assert!(host.decisions().is_empty() && host.status().contains("\"mode\":\"observe\""));
    host.configure(&options(&[("mode", "strict")]), true).unwrap();
    assert_eq!(host.decisions()[0].1, DENY);
    host.configure(&options(&[("mode", "strict"), ("grace", HOUR)]), true).unwrap();
    assert_eq!(host.decisions()[0].1, WARN);
    host.configure(&options(&[("mode", "observe"), ("grace", HOUR)]), true).unwrap();
    let decisions = host.decisions();
    assert_eq!(decisions[0].1, WARN);
    assert!(decisions[0].2.contains("nothing is stopped"), "{}", decisions[0].2);
}

#[test]
fn dates_are_right_after_a_timer_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[]);
    host.ask(duplicate(&twice(true)));
    host.advance(seconds(600));
    host.deliver(&[tick(1)]).unwrap();
    // The last event was a tick of the plugin's own timer: what begins now is dated by it.
    host.configure(&options(&[("mode", "strict"), ("grace", HOUR)]), true).unwrap();
    let (_, verdict, reason) = host.decisions().remove(0);
    assert_eq!(verdict, WARN);
    assert!(reason.contains("from 2026-12-01T01:10:00Z on"), "{reason}");
}

#[test]
fn blindness_is_denied_after_its_time_and_ends_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "seniority"), ("when_blind", "deny")]);
    let blind = || state(7, SLND_STATE_CLEAR, SLND_STATE_CLEAR, SLND_COVERAGE_BLIND);
    let (verdict, reason) = host.ask(blind());
    assert_eq!(verdict, ALLOW);
    assert!(reason.contains("is denied from 2026-12-01T00:15:00Z on"), "{reason}");
    host.advance(seconds(600));
    // Told again, it does not begin anew.
    host.deliver(&[blind()]).unwrap();
    host.advance(seconds(299));
    assert!(host.decisions().is_empty());
    host.advance(seconds(1));
    assert_eq!(host.decisions()[0].1, DENY);
    host.deliver(&[change(SLND_STATE_CLEAR, SLND_STATE_CLEAR)]).unwrap();
    assert_eq!(host.decisions()[0].1, ALLOW);
    assert!(host.seen.timers.lock().unwrap().is_empty());
}

#[test]
fn seniority_follows_the_order_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "seniority")]);
    assert_eq!(host.ask(duplicate(&twice(false))).0, ALLOW);
    // Told again, because an older holder joined: nobody asks, yet the verdict must follow.
    host.deliver(&[duplicate(&twice(true))]).unwrap();
    assert_eq!(host.decisions()[0].1, DENY);
}

#[test]
fn an_answer_that_comes_too_late_is_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "strict")]);
    assert_eq!(host.ask(duplicate(&twice(true))).0, DENY);
    assert!(host.decisions().is_empty());
    assert_eq!(host.ask(duplicate(&twice(true)).late()).0, DENY);
    assert_eq!(host.decisions()[0].1, DENY);
}

#[test]
fn a_verdict_that_the_host_could_not_take_is_offered_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "strict")]);
    host.ask(duplicate(&twice(true)));
    *host.seen.refuse_decisions.lock().unwrap() = SLND_E_AGAIN;
    host.deliver(&[resolved(7, 1, SLND_CAUSE_GOODBYE)]).unwrap();
    assert!(host.decisions().is_empty());
    *host.seen.refuse_decisions.lock().unwrap() = SLND_OK;
    host.advance(seconds(1));
    assert_eq!(host.decisions()[0].1, ALLOW);
    assert!(host.seen.timers.lock().unwrap().is_empty());
}

#[test]
fn a_claim_that_is_no_longer_held_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "strict")]);
    host.ask(duplicate(&twice(true)));
    // Its license leaves with the reload, that is, after this plugin was asked whether it takes its options.
    host.configure(&options(&[("mode", "strict")]), true).unwrap();
    host.seen.gone.lock().unwrap().insert([7; 16]);
    assert!(host.decisions().is_empty(), "the verdict is the same");
    host.advance(seconds(10));
    assert!(host.status().contains("\"claims\":[]"), "{}", host.status());
    assert_eq!(host.lines(), []);
    assert!(host.seen.timers.lock().unwrap().is_empty(), "nothing is left to look after");
}

#[test]
fn a_claim_that_is_held_outlasts_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[("mode", "strict")]);
    host.ask(duplicate(&twice(true)));
    host.configure(&options(&[("mode", "strict")]), true).unwrap();
    host.advance(seconds(10));
    assert!(host.status().contains("\"verdict\":\"deny\""), "{}", host.status());
    assert!(host.decisions().iter().all(|d| d.1 == DENY));
    assert!(host.seen.timers.lock().unwrap().is_empty(), "nothing is left to look after");
}

#[test]
fn lost_conflicts_are_told_lost_announcements_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = running(dir.path(), &[]);
    host.deliver(&[lost([0, 5, 0, 0, 1, 1, 1, 0])]).unwrap();
    let lines = host.lines();
    assert!(lines.len() == 1 && lines[0].1.contains("were lost (1)"), "{lines:?}");
    host.deliver(&[lost([0, 5, 0, 0, 0, 1, 1, 0])]).unwrap();
    assert_eq!(host.lines(), []);
}
