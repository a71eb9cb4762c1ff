//! Start, reload and end of an agent, and the demonstration.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::agent::{Agent, Config, SERIAL, binary};
use crate::clock::{ms, pass, s, throughout, within};
use crate::lan::{Families, Lan};
use crate::namespace::command;
use crate::wire::{Author, BROADCAST, GOODBYE, Tap, WANT, field};

/// A reload derives keys (30 ms each) and answers within this.
const RELOAD: Duration = s(2);

#[test]
fn sigterm_sends_the_goodbye_twice() {
    let lan = Lan::of(2, Families::V4);
    let tap = Tap::new(&lan.hosts[1]);
    let mut agent = lan.hosts[0].agent(&Config::xsvr());
    agent.reaches("clear", s(4));
    let before = tap.all(ms(300));
    assert!(before.iter().all(|d| d[field::KIND] != GOODBYE));
    let (code, took) = agent.stop(s(2));
    assert_eq!(code, 0, "a clean stop: {}", agent.log());
    let goodbyes: Vec<_> = tap.all(ms(500)).into_iter().filter(|d| d[field::KIND] == GOODBYE).collect();
    assert_eq!(goodbyes.len(), 2, "stopped in {took:?}");
    assert!(!agent.dir.join("control.sock").exists(), "the control socket went with it");
}

#[test]
fn stop_by_the_control_socket_ends_it_cleanly() {
    let lan = Lan::new(1);
    let mut agent = lan.hosts[0].agent(&Config::xsvr());
    assert!(agent.ask(&["stop"]).status.success());
    assert_eq!(agent.ends(s(2)).0, 0);
}

#[test]
fn a_restart_keeps_the_installation_and_takes_a_new_boot_id() {
    let lan = Lan::new(2);
    let tap = Tap::new(&lan.hosts[1]);
    let mut agent = lan.hosts[0].agent(&Config::xsvr());
    let first = tap.next(s(2)).expect("its announcement");
    agent.kill();
    // What the first run sent last may still be queued.
    tap.all(ms(300));
    let _agent = lan.hosts[0].agent(&Config::xsvr());
    let second = tap.next(s(2)).expect("its announcement");
    assert_eq!(first[field::INSTALLATION], second[field::INSTALLATION]);
    assert_ne!(first[field::BOOT], second[field::BOOT]);
}

#[test]
fn reload_is_a_transaction() {
    let lan = Lan::new(1);
    let agent = lan.hosts[0].agent(&Config::xsvr());
    agent.reaches("clear", s(4));
    let claim = |status: crate::status::Status, product: &str| {
        status.0["claims"].as_array().expect("claims").iter().any(|c| c["product"] == product)
    };
    // A bad file keeps everything as it was.
    Config::xsvr().license("other", "OTHER-1", "").set("intervall", "2s").write(&agent.dir);
    agent.signal(Signal::SIGHUP);
    within(RELOAD, "the refusal is logged", || agent.log().contains("intervall").then_some(()));
    let status = agent.status();
    assert!(claim(status.clone(), "xsvr") && !claim(status.clone(), "other"));
    assert_eq!(status.state("xsvr"), "clear");
    // The command says so too.
    let refusal = agent.ask(&["reload"]);
    let said = String::from_utf8_lossy(&refusal.stderr).into_owned();
    assert!(!refusal.status.success(), "a bad file was taken: {said}");
    assert!(said.contains("`intervall`") && said.contains("serialnumberd.toml"), "{said}");
    // A good one is taken, without disturbing what it does not change.
    Config::xsvr().license("other", "OTHER-1", "").write(&agent.dir);
    agent.signal(Signal::SIGHUP);
    throughout(ms(300), || match agent.status().state("xsvr") {
        "clear" => Ok(()),
        other => Err(format!("{other} by a reload that does not concern it")),
    });
    within(RELOAD, "the new license is held", || claim(agent.status(), "other").then_some(()));
    // And one that is gone is let go.
    Config::new().license("other", "OTHER-1", "").write(&agent.dir);
    agent.signal(Signal::SIGHUP);
    within(RELOAD, "the old license is let go", || (!claim(agent.status(), "xsvr")).then_some(()));
}

/// Somebody else announces the license to an agent that holds it alone, and answers the question that the agent
/// asks at once: if `late`, when the agent has been stopped meanwhile for so long that it forgot the question.
fn answered(late: bool) -> (Lan, Agent) {
    let lan = Lan::of(2, Families::V4);
    let agent = lan.hosts[0].agent(&Config::xsvr());
    agent.reaches("clear", s(4));
    let (tap, mut author) = (Tap::new(&lan.hosts[1]), Author::of("xsvr", SERIAL));
    tap.all(ms(100));
    tap.send(&author.announcement(), BROADCAST);
    let question = tap.next(ms(500)).expect("its question");
    assert_eq!(question[field::FLAGS], WANT);
    if late {
        agent.signal(Signal::SIGSTOP);
    }
    tap.send(&author.answer(&question), BROADCAST);
    if late {
        // Past the 5 s after which its own loop counts as stalled (they begin with its next deadline), within the 10 s in
        // which a question can be answered.
        pass(s(8));
        agent.signal(Signal::SIGCONT);
    }
    (lan, agent)
}

#[test]
fn an_agent_without_licenses_says_so_once() {
    let lan = Lan::new(1);
    let agent = lan.hosts[0].agent(&Config::new());
    let log = agent.log();
    assert_eq!(log.matches("[[license]]").count(), 1, "{log}");
}

#[test]
fn a_sighup_while_the_agent_starts_is_not_lost() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    // Keys are derived for the better part of a second: time enough for a signal.
    let many = (0..24).fold(Config::new(), |config, n| config.license(&format!("p{n}"), "SHARED", ""));
    let agent = host.launch("agent", &many, command(binary()));
    within(s(5), "it has its state directory", || agent.dir.join("state").exists().then_some(()));
    assert!(!agent.dir.join("control.sock").exists(), "it still starts");
    Config::xsvr().write(&agent.dir);
    agent.signal(Signal::SIGHUP);
    within(s(10), "it holds what the file says now", || {
        let status = agent.try_status()?;
        let claims = status.0["claims"].as_array().expect("claims");
        (claims.len() == 1 && claims[0]["product"] == "xsvr").then_some(())
    });
}

#[test]
fn an_answer_in_time_is_evidence() {
    let (_lan, agent) = answered(false);
    agent.reaches("conflict", s(2));
}

#[test]
fn a_stopped_process_accuses_nobody_by_an_answer_to_what_it_asked_before() {
    let (_lan, agent) = answered(true);
    throughout(s(3), || match agent.status().state("xsvr") {
        "probing" | "clear" | "suspected" => Ok(()),
        other => Err(format!("{other} after having been stopped")),
    });
    assert!(agent.status().fate("late_answer") > 0, "it was heard: {}", agent.status().0["counters"]);
}

#[test]
fn a_stopped_process_that_goes_on_finds_a_real_conflict() {
    let lan = Lan::new(2);
    let a = lan.hosts[0].agent(&Config::xsvr());
    a.reaches("clear", s(4));
    a.signal(Signal::SIGSTOP);
    // Past the 5 s after which its own loop counts as stalled: they begin with its next deadline, an interval
    // and its jitter ahead.
    pass(s(8));
    a.signal(Signal::SIGCONT);
    throughout(s(3), || match a.status().state("xsvr") {
        "probing" | "clear" => Ok(()),
        other => Err(format!("{other} after having been stopped, alone")),
    });
    let log = a.log();
    assert_eq!(log.matches("this agent was kept from running").count(), 1, "told once:\n{log}");
    let b = lan.hosts[1].agent(&Config::xsvr());
    a.reaches("conflict", s(3));
    b.reaches("conflict", s(3));
}

#[test]
fn the_demonstration_shows_what_the_protocol_says() {
    let lan = Lan::new(1);
    let mut demo = Command::new("timeout");
    demo.arg("30").arg(binary()).arg("demo");
    let output = lan.hosts[0].ns.output(demo);
    let shown = String::from_utf8_lossy(&output.stdout).to_lowercase();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    for word in ["probing", "clear", "conflict", "duplicate", "deny", "goodbye", "resolved"] {
        assert!(shown.contains(word), "no {word} in:\n{shown}");
    }
}
