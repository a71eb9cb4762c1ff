//! Plugins that run: events, verdicts, losses, misbehavior, the end.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serialnumberd::plugin::{Action, Health, Isolation, VerdictUse};
use serialnumberd::record::{Body, Decision, Verdict};
use serialnumberd_core::{Coverage, Event, ResolvedCause, State};

use crate::rig::{CLAIM, Rig, WALL_NS, announcement, duplicate, eventually, holder, product, record};
use crate::{STOP, actions, await_action};

/// A process reads the real wall clock.
fn without_wall_clock(rig: &Rig, line: &str) -> String {
    match line.split_once(" id=7 real=") {
        Some((tick, real)) if rig.isolation == Isolation::Process => {
            assert!(real.parse::<u64>().is_ok_and(|real| real > WALL_NS), "{line}");
            format!("{tick} id=7 real={WALL_NS}")
        }
        _ => line.to_owned(),
    }
}

fn a_good_plugin_lives_its_whole_life_on_one_thread(rig: Rig) {
    let library = rig.build("good", "good.so", &[]);
    lives_its_whole_life(&rig, library);
}

/// What `good.c` was told of is what there was to tell, of whatever release the binary is.
pub fn lives_its_whole_life(rig: &Rig, library: PathBuf) {
    let mut spec = rig.spec(library);
    spec.grant = vec!["raw".to_owned()];
    spec.options = "token = \"hush\"".parse().expect("toml");
    let mut host = rig.start(vec![spec]).expect("a good plugin");
    rig.await_line("good", "tick 0 id=7");
    assert!(host.publish(&announcement(1)).is_empty());
    host.publish(&duplicate(2, Some(rig.now_ns())));
    let cause = ResolvedCause::Goodbye;
    let resolved = Event::Resolved { product: product(), claim: CLAIM, conflict_id: 1, cause };
    host.publish(&record(3, Body::Engine(resolved)));
    let decision = Decision { verdict: Verdict::WARN, reason: "because".to_owned() };
    let (old, new, coverage) = (State::Probing, State::Clear, Coverage::Good);
    host.publish(&record(4, Body::State { product: product(), claim: CLAIM, old, new, coverage, decision }));
    let from = "10.0.0.8:40000".parse().expect("an address");
    host.publish(&record(5, Body::Engine(Event::Query { from, product: None, text: b"SNQUERY".to_vec() })));
    host.publish(&record(6, Body::Tick));
    rig.await_line("good", "tick 6");
    assert_eq!(host.stop(STOP), Vec::<String>::new());
    let trace: Vec<String> = rig.trace("good").iter().map(|line| without_wall_clock(rig, line)).collect();
    assert_eq!(
        trace,
        [
            "create good worker=1 host=test granted=8",
            "configure mode=observe",
            "configure grace=900000000000",
            "configure token=hush",
            "start timer=0",
            "tick 0 id=7 real=1795446271250000000",
            "announcement 1 xsvr raw=320",
            "holder host=mars group=night transport=lan ifname=lo family=4 flags=26 boot=1020304050607",
            "duplicate 2 xsvr n=2 seats=1 deadline=0 flags=0",
            "holder host=venus group=night transport=lan ifname= family=0 flags=27 boot=1020304050607",
            "holder host=mars group=night transport=lan ifname=lo family=6 flags=26 boot=1020304050607",
            "resolved 3 cause=1",
            "state 4 1->2 verdict=200 reason=because",
            "query 5 SNQUERY",
            "tick 6 id=0 real=66",
            "flush deadline=1",
            "stop",
            "destroy wake=-8",
        ]
    );
    let mode = rig.state("good").metadata().expect("its directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

fn interfaces_are_called_what_whoever_publishes_calls_them(rig: Rig) {
    let mut host = rig.start(vec![rig.spec(rig.build("good", "good.so", &[]))]).expect("a good plugin");
    host.set_interfaces(&BTreeMap::from([(1, "wan7".to_owned())]));
    host.publish(&announcement(1));
    rig.await_line("good", "holder host=mars group=night transport=lan ifname=wan7 ");
    host.set_interfaces(&BTreeMap::new());
    host.publish(&announcement(2));
    // Interface 1 is called lo here, but that is not where the record comes from.
    rig.await_line("good", "holder host=mars group=night transport=lan ifname= ");
    host.stop(STOP);
}

fn only_a_granted_and_wanted_verdict_is_asked_for(rig: Rig) {
    let library = rig.build("good", "good.so", &["NO_TICKS"]);
    for (verdict, grant, asked) in [
        (VerdictUse::Ignore, vec!["verdict".to_owned()], false),
        (VerdictUse::Require, vec![], false),
        (VerdictUse::Require, vec!["verdict".to_owned()], true),
        (VerdictUse::Advise, vec!["verdict".to_owned()], true),
    ] {
        let mut spec = rig.spec(library.clone());
        (spec.verdict, spec.grant) = (verdict, grant);
        let mut host = rig.start(vec![spec]).expect("a good plugin");
        let deciders: Vec<_> = host.deciders().map(|d| (d.plugin, d.id, d.counts, d.is_dead)).collect();
        let expected = if asked { vec![(0, "good", verdict == VerdictUse::Require, false)] } else { vec![] };
        assert_eq!(deciders, expected);
        assert!(host.publish(&duplicate(1, None)).is_empty(), "nobody is asked without a deadline");
        assert_eq!(host.publish(&duplicate(2, Some(77))), if asked { vec![0] } else { vec![] });
        assert!(host.publish(&record(3, Body::Tick)).is_empty());
        if asked {
            let decision = Decision { verdict: Verdict::WARN, reason: "2 holders".to_owned() };
            let answer = Action::Decided { plugin: 0, claim: CLAIM, decision, answers: Some(2) };
            assert_eq!(await_action(&mut host), answer);
            assert!(rig.wakes.load(Ordering::SeqCst) > 0, "the loop was woken");
            rig.await_line("good", "duplicate 2 xsvr n=2 seats=1 deadline=77 flags=2");
        }
        assert_eq!(host.stop(STOP), Vec::<String>::new());
        assert!(
            !rig.trace("good").iter().any(|line| line.starts_with("tick 3 id=0")),
            "it does not want the beat"
        );
    }
}

#[test]
fn a_full_queue_tells_its_losses_in_band() {
    let rig = Rig::new();
    let mut host =
        rig.start(vec![rig.spec(rig.build("good", "good.so", &["GATED"]))]).expect("a good plugin");
    // Its own timer's tick holds it at the gate, so that nothing leaves the queue of 128 slots.
    eventually("it is in on_events", || {
        host.status(rig.now_ns())[0].present_call.is_some_and(|(call, _)| call == "on_events")
    });
    for seq in 1..=100 {
        host.publish(&announcement(seq));
    }
    for seq in 101..=110 {
        host.publish(&record(seq, Body::Tick));
    }
    let resolved = |seq| {
        let (product, claim, cause) = (product(), CLAIM, ResolvedCause::Expired);
        record(seq, Body::Engine(Event::Resolved { product, claim, conflict_id: 1, cause }))
    };
    host.publish(&resolved(111));
    host.publish(&announcement(112));
    let status = host.status(rig.now_ns()).remove(0);
    assert_eq!((status.lost, status.queued, status.queue_capacity), (47, 66, 128));
    assert_eq!(status.lost_by_kind, [0, 37, 0, 0, 0, 0, 10, 0]);
    rig.open_gate("good");
    // The last loss has no event after it: the drained plugin rings, and the loop tells.
    eventually("the last loss is told", || {
        host.tick(rig.now_ns());
        assert_eq!(actions(&mut host), []);
        rig.trace("good").iter().any(|line| line.starts_with("lost 112"))
    });
    assert_eq!(host.stop(STOP), Vec::<String>::new());
    let told: Vec<String> =
        rig.trace("good").into_iter().filter(|line| line.starts_with(['a', 'l', 'r'])).skip(63).collect();
    assert_eq!(
        told,
        [
            "announcement 64 xsvr raw=0",
            "lost 65-110 count=46 announcements=36 ticks=10",
            "resolved 111 cause=2",
            "lost 112-112 count=1 announcements=1 ticks=0",
        ]
    );
}

#[test]
fn losses_told_turn_by_turn_leave_the_reserve_to_what_it_is_for() {
    let rig = Rig::new();
    let mut host =
        rig.start(vec![rig.spec(rig.build("good", "good.so", &["GATED"]))]).expect("a good plugin");
    eventually("it is in on_events", || {
        host.status(rig.now_ns())[0].present_call.is_some_and(|(call, _)| call == "on_events")
    });
    // More turns with a loss in each than slots are reserved.
    for seq in 1..=200 {
        host.publish(&announcement(seq));
        host.tick(rig.now_ns());
        assert_eq!(actions(&mut host), []);
    }
    host.publish(&duplicate(201, None));
    let status = host.status(rig.now_ns()).remove(0);
    assert_eq!(status.lost_by_kind, [0, 136, 0, 0, 0, 0, 0, 0]);
    assert_eq!(status.queued, 66, "64 announcements, one loss and the duplicate");
    rig.open_gate("good");
    rig.await_line("good", "duplicate 201");
    let told: Vec<String> = rig.trace("good").into_iter().filter(|line| line.starts_with("lost")).collect();
    assert_eq!(told, ["lost 65-200 count=136 announcements=136 ticks=0"]);
    assert_eq!(host.stop(STOP), Vec::<String>::new());
}

#[test]
fn a_sleeper_costs_the_loop_nothing_and_is_abandoned() {
    let rig = Rig::new();
    let mut sleeper = rig.spec(rig.build("bad", "bad.so", &["SLEEPS"]));
    (sleeper.verdict, sleeper.grant) = (VerdictUse::Require, vec!["verdict".to_owned()]);
    let good = rig.spec(rig.build("good", "good.so", &[]));
    let mut host = rig.start(vec![sleeper, good]).expect("both start");
    assert_eq!(host.next_deadline_ns(), None, "nothing to watch while nothing is to do");
    assert_eq!(host.publish(&duplicate(1, Some(1))), [0]);
    rig.await_line("bad", "on_events");
    let begun_ns = rig.now_ns();
    for seq in 2..5_000 {
        host.publish(&announcement(seq));
    }
    assert!(rig.now_ns() - begun_ns < 1_000_000_000, "publishing never waits");
    // A short call wakes nobody later; one that takes its time is watched.
    host.tick(begun_ns + 50_000_000);
    let watch_ns = host.next_deadline_ns().expect("a call takes its time");
    assert!(watch_ns > begun_ns && watch_ns < begun_ns + 5_100_000_000, "{watch_ns} {begun_ns}");
    host.tick(watch_ns);
    eventually("the good one has done its work", || host.next_deadline_ns().is_none());
    let status = host.status(watch_ns);
    assert_eq!((status[0].health, status[1].health), (Health::Stalled, Health::Ok));
    assert!(status[0].lost > 3_000, "{}", status[0].lost);
    assert!(!host.deciders().next().expect("it decides").is_dead, "it may answer yet");
    let stop_ns = rig.now_ns();
    assert_eq!(host.stop(Duration::from_millis(300)), ["bad"]);
    let took_ns = rig.now_ns() - stop_ns;
    assert!(took_ns < 2_000_000_000, "{took_ns}");
    rig.await_line("good", "destroy");
}

fn three_panics_quarantine(rig: Rig) {
    let mut spec = rig.spec(rig.build("bad", "bad.so", &["PANICS"]));
    (spec.verdict, spec.grant) = (VerdictUse::Require, vec!["verdict".to_owned()]);
    let mut host = rig.start(vec![spec]).expect("it starts");
    for seq in 1..=3 {
        assert_eq!(host.publish(&duplicate(seq, Some(1))), [0]);
        assert_eq!(await_action(&mut host), Action::NoAnswer { plugin: 0, claim: CLAIM, seq });
    }
    eventually("it is quarantined", || host.status(rig.now_ns())[0].health == Health::Quarantined);
    host.tick(rig.now_ns());
    assert!(!host.tick(rig.now_ns()), "its health has not changed again");
    assert!(host.deciders().next().expect("it decides").is_dead);
    assert_eq!(host.publish(&duplicate(4, Some(1))), Vec::<usize>::new(), "it is not asked any more");
    assert_eq!((host.missed(3).count(), host.missed(4).collect()), (0, vec![0]));
    let status = host.status(rig.now_ns()).remove(0);
    assert_eq!((status.panics, status.errors, status.lost), (3, 3, 1));
    assert_eq!(status.last_error.as_deref(), Some("its on_events panicked (-9)"));
    assert_eq!(host.stop(STOP), Vec::<String>::new());
    assert_eq!(rig.trace("bad"), ["on_events"; 3], "no call after the third panic, not even stop");
}

fn a_failing_or_endless_answer_is_no_harm(rig: Rig) {
    for (define, is_answer) in [("FAILS", false), ("ENDLESS", true)] {
        let mut spec = rig.spec(rig.build("bad", "bad.so", &[define]));
        (spec.verdict, spec.grant) = (VerdictUse::Advise, vec!["verdict".to_owned()]);
        let mut host = rig.start(vec![spec]).expect("it starts");
        host.publish(&duplicate(1, Some(1)));
        let reason = "x".repeat(1016);
        let decision = Decision { verdict: Verdict::DENY, reason };
        let decided = Action::Decided { plugin: 0, claim: CLAIM, decision, answers: Some(1) };
        let expected = if is_answer { decided } else { Action::NoAnswer { plugin: 0, claim: CLAIM, seq: 1 } };
        assert_eq!(await_action(&mut host), expected);
        assert_eq!(host.stop(STOP), Vec::<String>::new());
    }
}

fn abuse_of_the_host_is_answered_with_a_status(rig: Rig) {
    let mut spec = rig.spec(rig.build("bad", "bad.so", &["ABUSES"]));
    spec.grant = ["verdict", "announce", "holders"].map(str::to_owned).to_vec();
    let mut host = rig.start(vec![spec.clone()]).expect("it starts");
    let announce = Action::Announce { plugin: 0, product: Some(product()), probe: true };
    let decision = Decision { verdict: Verdict(350), reason: String::new() };
    let decided = Action::Decided { plugin: 0, claim: CLAIM, decision, answers: None };
    let all = Action::Announce { plugin: 0, product: None, probe: false };
    assert_eq!(actions(&mut host), [all, announce, decided]);
    assert_eq!(host.stop(STOP), Vec::<String>::new());
    let granted = rig.trace("bad");
    assert_eq!(
        granted[..10],
        [
            "null ctx: -3 -3 0 0",
            "decide: -3 -3 -3 -3",
            "announce all: 0",
            "announce: -3 -3 -3 0",
            "not held: -3 -3 held: 0",
            "metric: -3 -3 -3 -3",
            "holders: -3 -3 -3 -3",
            "timer: -3 wake: -3 extension: 1",
            "foreign: worker=0 timer=-11 wake=0",
            "survived",
        ]
    );
    spec.grant.clear();
    let host = rig.start(vec![spec]).expect("it starts without grants too");
    assert_eq!(host.stop(STOP), Vec::<String>::new());
    let denied: Vec<String> = rig.trace("bad").into_iter().skip(granted.len()).take(7).collect();
    assert_eq!(
        [denied[1].as_str(), &denied[3], &denied[4], &denied[6]],
        ["decide: -6 -6 -6 -6", "announce: -6 -6 -6 -6", "not held: -6 -6 held: -6", "holders: -6 -6 -6 -6"]
    );
}

#[test]
fn a_thread_left_behind_finds_the_host_closed() {
    let rig = Rig::new();
    let mut spec = rig.spec(rig.build("bad", "bad.so", &["LEAVES_A_THREAD"]));
    spec.grant = vec!["verdict".to_owned()];
    let host = rig.start(vec![spec]).expect("it starts");
    assert_eq!(host.stop(STOP), Vec::<String>::new());
    assert_eq!(rig.await_line("bad", "after destroy"), "after destroy: wake=-8 decide=-8 metric=-8 timer=-8");
}

fn status_tells_figures_and_the_plugins_own_words(rig: Rig) {
    let mut host = rig.start(vec![rig.spec(rig.build("good", "good.so", &[]))]).expect("it starts");
    eventually("its status text", || host.status(rig.now_ns())[0].detail.is_some());
    let status = host.status(rig.now_ns()).remove(0);
    assert_eq!(status.detail.as_deref(), Some("{\"mood\":\"good\"}"));
    assert_eq!((status.id.as_str(), status.version.as_str()), ("good", "1.0"));
    assert_eq!((status.metrics[0].name.as_str(), status.metrics[0].value), ("started_total", 1.0));
    assert_eq!((status.health, status.errors, status.lost), (Health::Ok, 0, 0));
    assert!(status.calls >= 4 && status.slowest_call_ns > 0);
}

fn holders_are_published_only_to_whom_may_read_them(rig: Rig) {
    let mut spec = rig.spec(rig.build("bad", "bad.so", &["READS_HOLDERS"]));
    let host = rig.start(vec![spec.clone()]).expect("it starts");
    assert!(!host.wants_holders());
    assert_eq!(host.stop(STOP), Vec::<String>::new());
    spec.grant = vec!["holders".to_owned()];
    let mut host = rig.start(vec![spec]).expect("it starts");
    assert!(host.wants_holders());
    host.publish(&record(1, Body::Tick));
    assert_eq!(rig.await_line("bad", "holders "), "holders -3");
    host.set_holders(product(), Some(vec![holder("venus", None), holder("mars", None)].into()));
    host.publish(&record(2, Body::Tick));
    assert_eq!(rig.await_line("bad", "holders 0"), "holders 0 n=2 venus mars too_small=-5");
    host.set_holders(product(), None);
    host.publish(&record(3, Body::Tick));
    eventually("it is gone", || rig.trace("bad").iter().filter(|line| *line == "holders -3").count() == 2);
}

fn a_dropped_host_stops(rig: Rig) {
    let host = rig.start(vec![rig.spec(rig.build("good", "good.so", &[]))]).expect("it starts");
    drop(host);
    rig.await_line("good", "destroy");
}

in_both_modes! {
    a_good_plugin_lives_its_whole_life_on_one_thread,
    interfaces_are_called_what_whoever_publishes_calls_them,
    only_a_granted_and_wanted_verdict_is_asked_for,
    three_panics_quarantine,
    a_failing_or_endless_answer_is_no_harm,
    abuse_of_the_host_is_answered_with_a_status,
    status_tells_figures_and_the_plugins_own_words,
    holders_are_published_only_to_whom_may_read_them,
    a_dropped_host_stops,
}
