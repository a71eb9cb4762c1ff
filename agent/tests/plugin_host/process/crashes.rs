//! Crashes: told at once, counted, repaired; the third is the last.

use std::sync::Arc;
use std::time::Duration;

use serialnumberd::plugin::{Action, Health};
use serialnumberd::record::{Body, Decision, Record, Verdict};
use serialnumberd_core::Event;

use super::{Puppet, query, runs};
use crate::rig::{CLAIM, Rig, duplicate, eventually, record};
use crate::{STOP, actions};

/// Longer than the pause after a first crash, and after a second.
const PAUSE: Duration = Duration::from_secs(3);

fn decided(seq: u64) -> Action {
    let decision = Decision { verdict: Verdict::WARN, reason: format!("of {seq}") };
    Action::Decided { plugin: 0, claim: CLAIM, decision, answers: Some(seq) }
}

#[test]
fn a_crash_is_told_at_once_and_repaired() {
    let mut puppet = Puppet::new();
    let first = puppet.pid();
    let asked = puppet.ask();
    let mut told = Vec::new();
    eventually("the verdict", || {
        told.extend(puppet.turn());
        told.contains(&decided(asked))
    });
    puppet.does("doom", "doomed");
    puppet.host.publish(&duplicate(11, Some(puppet.rig.now_ns())));
    told.clear();
    eventually("no answer", || {
        told.extend(puppet.turn());
        told.contains(&Action::NoAnswer { plugin: 0, claim: CLAIM, seq: 11 })
    });
    let status = puppet.until_health(Health::Restarting);
    assert_eq!((status.crashes, status.pid, status.queued), (1, None, 0));
    assert_eq!(status.last_error.as_deref(), Some("its process was killed by SIGSEGV"));
    assert_eq!((status.lost, status.lost_by_kind), (1, [0, 0, 1, 0, 0, 0, 0, 0]));
    assert!(!runs(first));

    // What happens meanwhile waits, and who asks is told at once that there is no answer.
    puppet.host.publish(&record(12, Body::Tick));
    puppet.host.publish(&duplicate(13, Some(puppet.rig.now_ns())));
    eventually("no answer while it is down", || {
        puppet.turn().contains(&Action::NoAnswer { plugin: 0, claim: CLAIM, seq: 13 })
    });
    assert_eq!(puppet.status().queued, 2);
    puppet.advance(PAUSE);
    told.clear();
    eventually("it is asked anew, and answers what waited", || {
        told.extend(puppet.turn());
        told.contains(&Action::TellAnew { plugin: 0 }) && told.contains(&decided(13))
    });
    let status = puppet.until_health(Health::Ok);
    assert!(status.pid.is_some_and(|pid| pid != first));
    puppet.host.stop(STOP);
    let trace = puppet.rig.trace("puppet");
    let second = trace.iter().rposition(|line| line == "create").expect("it was created again");
    assert_eq!(
        trace[second..],
        ["create", "start", "lost 11-11 count=1", "event 12 kind=6", "event 13 kind=2", "flush 1", "stop",]
    );
}

#[test]
fn the_third_crash_in_ten_minutes_is_the_last() {
    let mut puppet = Puppet::new();
    for crash in 1..=3 {
        puppet.tell("exit 3");
        let status = puppet.until("it is gone", |status| status.crashes == crash);
        assert_eq!(status.last_error.as_deref(), Some("its process ended with exit code 3"));
        if crash < 3 {
            assert_eq!(status.health, Health::Restarting);
            puppet.advance(PAUSE);
            puppet.until_health(Health::Ok);
        }
    }
    puppet.until_health(Health::Quarantined);
    assert!(puppet.host.deciders().next().expect("it decides").is_dead);
    assert!(puppet.host.publish(&duplicate(50, Some(1))).is_empty(), "it is not asked any more");
    let created =
        |puppet: &Puppet| puppet.rig.trace("puppet").iter().filter(|line| *line == "create").count();
    puppet.advance(Duration::from_secs(3600));
    assert_eq!((created(&puppet), puppet.status().pid), (3, None));
}

#[test]
fn a_restart_waits_for_its_time() {
    let mut puppet = Puppet::new();
    puppet.tell("exit 0");
    puppet.until_health(Health::Restarting);
    puppet.advance(Duration::from_millis(990));
    assert_eq!(puppet.status().health, Health::Restarting);
    // And comes by itself: nobody has to wake the supervisor.
    puppet.rig.run_clock();
    puppet.until_health(Health::Ok);
}

#[test]
fn it_is_started_again_with_the_options_that_hold() {
    let mut puppet = Puppet::with(|spec| spec.options = "at_once = \"first\"".parse().expect("toml"));
    let reload = |puppet: &mut Puppet, options: &str| {
        let mut spec = Puppet::spec(&puppet.rig);
        spec.options = options.parse().expect("toml");
        let now_ns = puppet.rig.now_ns();
        puppet.host.prepare_reload(&[spec], now_ns).expect("fits the table");
        let mut outcome = None;
        eventually("the reload ends", || {
            let _verdicts = puppet.turn();
            outcome = puppet.host.poll_reload(now_ns);
            outcome.is_some()
        });
        outcome.expect("just seen").map(|()| puppet.host.commit_reload())
    };
    reload(&mut puppet, "at_once = \"second\"").expect("it takes them");
    // Options that end it are refused, and the old ones hold.
    let error = reload(&mut puppet, "at_once = \"exit 9\"").expect_err("it is gone").to_string();
    assert!(error.contains("its process ended before it had answered"), "{error}");
    puppet.until_health(Health::Restarting);
    let error = reload(&mut puppet, "at_once = \"third\"").expect_err("it is down").to_string();
    assert!(error.contains("its process crashed and is about to be started again"), "{error}");
    puppet.advance(PAUSE);
    puppet.until_health(Health::Ok);
    let configured: Vec<String> =
        puppet.rig.trace("puppet").into_iter().filter(|line| line.starts_with("configure")).collect();
    assert_eq!(configured, ["configure at_once=first", "configure at_once=second"]);
}

#[test]
fn an_endless_loop_is_shown_and_then_ended() {
    for (text, at_all) in [("spin", "spins"), ("hang", "hangs")] {
        let mut puppet = Puppet::new();
        let pid = puppet.pid();
        puppet.does(text, at_all);
        let seq = puppet.ask();
        puppet.until("it is in a call", |status| {
            status.present_call.is_some_and(|(call, _)| call == "on_events")
        });
        puppet.advance(Duration::from_secs(6));
        puppet.until_health(Health::Stalled);
        puppet.advance(Duration::from_secs(20));
        assert_eq!(puppet.until_health(Health::Stalled).pid, Some(pid), "it may come back yet");
        puppet.rig.advance(Duration::from_secs(5));
        puppet.host.set_claims(puppet.rig.claims.clone());
        eventually("it is not waited for any longer", || {
            puppet.turn().contains(&Action::NoAnswer { plugin: 0, claim: CLAIM, seq })
        });
        let status = puppet.until_health(Health::Restarting);
        let told = status.last_error.expect("it was killed");
        assert_eq!(told, "its process was killed: its on_events did not return within 30 s");
        assert!(!runs(pid), "{text}");
    }
}

#[test]
fn one_that_was_stopped_is_shown_too() {
    let mut puppet = Puppet::new();
    puppet.does("stop", "stops");
    puppet.advance(Duration::from_millis(500));
    puppet.until_health(Health::Slow);
    puppet.advance(Duration::from_secs(5));
    let status = puppet.until_health(Health::Stalled);
    assert_eq!(status.present_call.map(|(call, _)| call), Some("on_events"));
    puppet.advance(Duration::from_secs(25));
    let status = puppet.until_health(Health::Restarting);
    let told = status.last_error.expect("it was killed");
    assert_eq!(told, "its process was killed: its on_events did not return within 30 s");
}

#[test]
fn a_loop_in_a_timer_of_its_own_is_ended_too() {
    let mut puppet = Puppet::with(|spec| spec.options = "later = \"spin\"".parse().expect("toml"));
    puppet.rig.await_line("puppet", "spins");
    puppet.until("it is in a call", |status| status.present_call.is_some());
    puppet.advance(Duration::from_secs(31));
    puppet.until_health(Health::Restarting);
}

#[test]
fn memory_is_bounded() {
    let mut puppet = Puppet::with(|spec| spec.process.sandbox.memory_mib = 100);
    puppet.tell("hog");
    let status = puppet.until_health(Health::Restarting);
    assert_eq!(status.last_error.as_deref(), Some("its process was killed by SIGABRT"));
    let hogged = puppet.rig.await_line("puppet", "hogged ");
    let mib: u32 = hogged.trim_start_matches("hogged ").parse().expect("a number");
    assert!((50..100).contains(&mib), "{mib} MiB");
}

#[test]
fn what_is_too_much_for_the_pipe_is_lost_and_told() {
    let mut puppet = Puppet::new();
    let until_ns = puppet.rig.now_ns();
    let of = |seq: u64, many: usize| {
        let small = duplicate(seq, Some(until_ns));
        let Body::Engine(Event::Duplicate { holders, .. }) = &small.body else { panic!("a duplicate") };
        let holders: Vec<_> = holders.iter().cycle().take(many).cloned().collect();
        let mut record = Record::clone(&small);
        if let Body::Engine(Event::Duplicate { holders: all, .. }) = &mut record.body {
            *all = holders;
        }
        Arc::new(record)
    };
    // The greatest table of a site license of 5,000 seats, three times: more than goes into one frame.
    for seq in 1..=3 {
        puppet.host.publish(&of(seq, 10_000));
    }
    puppet.host.publish(&of(4, 20_000));
    puppet.host.publish(&of(5, 2));
    let mut told = Vec::new();
    eventually("all verdicts", || {
        told.extend(puppet.turn());
        told.len() == 5
    });
    assert!(told.contains(&Action::NoAnswer { plugin: 0, claim: CLAIM, seq: 4 }), "{told:?}");
    assert!([1, 2, 3, 5].iter().all(|seq| told.contains(&decided(*seq))), "{told:?}");
    assert!(puppet.rig.trace("puppet").contains(&"lost 4-4 count=1".to_owned()));
    let status = puppet.status();
    assert_eq!((status.lost_by_kind, status.crashes), ([0, 0, 1, 0, 0, 0, 0, 0], 0));
}

#[test]
fn a_closed_pipe_is_its_end() {
    let mut puppet = Puppet::new();
    let pid = puppet.pid();
    puppet.tell("close");
    puppet.until_health(Health::Restarting);
    assert!(!runs(pid));
}

#[test]
fn its_last_words_are_in_the_log() {
    let log = crate::Lines::default();
    let mut puppet = log.scope().within(Puppet::new);
    log.scope().within(|| {
        puppet.tell("say hello");
        puppet.tell("exit 7");
        puppet.until_health(Health::Restarting);
    });
    let lines = log.taken();
    for wanted in [
        "Info: plugin puppet: hello",
        "Warn: plugin puppet: hello, on stderr",
        "Warn: plugin puppet: puppet: these are my last words",
        "Error: plugin puppet: its process ended with exit code 7; it is started again in 1 s",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{wanted} in {lines:#?}");
    }
}

#[test]
fn others_do_not_notice() {
    let rig = Rig::of_processes();
    let mut on_a_thread = rig.spec(rig.build("good", "good.so", &[]));
    on_a_thread.isolation = serialnumberd::plugin::Isolation::Thread;
    let in_a_process = rig.spec(rig.build("good", "twin.so", &["ID=\"twin\""]));
    let mut host = rig.start(vec![Puppet::spec(&rig), on_a_thread, in_a_process]).expect("all start");
    rig.stop_clock();
    host.publish(&record(1, query("crash 6")));
    eventually("it is down", || {
        host.tick(rig.now_ns());
        assert!(actions(&mut host).iter().all(|action| !matches!(action, Action::Decided { .. })));
        host.status(rig.now_ns())[0].health == Health::Restarting
    });
    host.publish(&record(2, Body::Tick));
    rig.await_line("good", "tick 2");
    rig.await_line("twin", "tick 2");
    let status = host.status(rig.now_ns());
    assert!(status[1..].iter().all(|one| one.health == Health::Ok && one.lost == 0 && one.crashes == 0));
    assert_eq!(host.stop(STOP), Vec::<String>::new());
}

#[test]
fn a_sleeper_costs_the_loop_nothing_and_is_ended_in_time() {
    let mut puppet = Puppet::new();
    puppet.rig.run_clock();
    let pid = puppet.pid();
    puppet.does("hang", "hangs");
    let begun_ns = puppet.rig.now_ns();
    for _ in 0..5_000 {
        puppet.publish(Body::Tick);
    }
    assert!(puppet.rig.now_ns() - begun_ns < 2_000_000_000, "publishing never waits");
    let status = puppet.status();
    assert!(status.lost > 3_000 && status.queued <= status.queue_capacity + 64, "{status:?}");
    let (rig, stop_ns) = (&puppet.rig, puppet.rig.now_ns());
    assert_eq!(puppet.host.stop(Duration::from_millis(400)), Vec::<String>::new(), "it is not left behind");
    assert!(rig.now_ns() - stop_ns < 1_500_000_000);
    assert!(!runs(pid));
}
