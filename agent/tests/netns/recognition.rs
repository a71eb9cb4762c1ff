//! An agent recognizes itself, and is found out where it truly exists twice.

use std::path::Path;
use std::process::Command;

use crate::agent::{Agent, Config};
use crate::clock::{s, throughout, within};
use crate::detection::in_conflict;
use crate::lan::{Families, Lan};
use crate::wire::Reflector;

/// Watches an agent that is alone: whatever comes, it must accuse nobody, not even itself.
fn never_accuses(agent: &Agent, span: std::time::Duration) {
    let events = agent.watch();
    throughout(span, || match agent.status().state("xsvr") {
        "probing" | "clear" => Ok(()),
        other => Err(format!("accused itself: {other}: {}", agent.status().claim("xsvr"))),
    });
    let accused = events.so_far().into_iter().find(|e| e["event"] == "duplicate");
    assert!(accused.is_none(), "{accused:?}");
    assert_eq!(agent.status().state("xsvr"), "clear");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(done.success());
}

#[test]
fn two_nics_on_one_lan_are_no_conflict() {
    let lan = Lan::new(1);
    lan.plug(&lan.hosts[0], "eth1", "10.0.0.101/24");
    let agent = lan.hosts[0].agent(&Config::xsvr());
    never_accuses(&agent, s(6));
    assert!(agent.status().fate("echo") > 0, "it did hear itself: {}", agent.status().0["counters"]);
}

#[test]
fn two_nics_on_one_lan_find_a_real_conflict_and_its_end() {
    let lan = Lan::new(2);
    lan.plug(&lan.hosts[0], "eth1", "10.0.0.101/24");
    let (a, mut b) = in_conflict(&lan, &Config::xsvr());
    assert_eq!(a.status().holders("xsvr").len(), 2, "two NICs are one holder");
    assert_eq!(b.status().holders("xsvr").len(), 2, "two NICs are one holder");
    b.stop(s(3));
    a.reaches("clear", s(2));
}

fn reflected(families: Families) {
    let lan = Lan::of(2, families);
    let reflector = Reflector::start(&lan.hosts[1]);
    let agent = lan.hosts[0].agent(&Config::xsvr());
    // Longer than the 10 s in which a datagram can be answered.
    never_accuses(&agent, s(14));
    assert!(reflector.reflected() > 20, "only {} reflected", reflector.reflected());
    assert!(agent.status().fate("echo") > 20, "{}", agent.status().0["counters"]);
}

#[test]
fn a_reflector_accuses_nobody_over_ipv4() {
    reflected(Families::V4);
}

#[test]
fn a_reflector_accuses_nobody_over_ipv6() {
    reflected(Families::V6);
}

#[test]
fn a_reflector_of_my_last_run_accuses_nobody() {
    let lan = Lan::new(2);
    let reflector = Reflector::start(&lan.hosts[1]);
    let config = Config::xsvr();
    let mut agent = lan.hosts[0].agent(&config);
    agent.reaches("clear", s(4));
    agent.kill();
    let agent = lan.hosts[0].agent(&config);
    never_accuses(&agent, s(6));
    assert!(reflector.reflected() > 20, "only {} reflected", reflector.reflected());
}

#[test]
fn a_copied_state_directory_is_found_as_a_clone() {
    let lan = Lan::new(2);
    let config = Config::xsvr();
    let mut a = lan.hosts[0].agent(&config);
    a.reaches("clear", s(4));
    a.stop(s(3));
    copy(&a.dir.join("state"), &lan.hosts[1].dir.path().join("agent"));
    let a = lan.hosts[0].agent(&config);
    a.reaches("clear", s(4));
    let b = lan.hosts[1].agent(&config);
    for agent in [&a, &b] {
        within(s(4), "found as a clone", || (agent.status().class("xsvr") == Some("clone")).then_some(()));
    }
    let key = |agent: &Agent| agent.status().0["agent"]["installation"].clone();
    assert_eq!(key(&a), key(&b), "the copy is one");
}
