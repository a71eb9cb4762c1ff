//! Two hosts find out that they use one license, and that they no longer do.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::agent::{Agent, CONFIRM_AFTER, Config, INTERVAL, SERIAL};
use crate::clock::{Watch, ms, s, throughout, within};
use crate::lan::{Families, Lan};

/// The protocol's promise, from the second's start on.
const CONFLICT_WITHIN: Duration = s(2);
/// A duplicate needs a whole second round after `confirm_after`.
const ROUND: Duration = s(3);
/// How far apart two looks at an agent can be on a busy machine.
const LOOK: Duration = ms(300);
/// The times of events are wall-clock milliseconds, rounded down; those that count are the agent's own.
const ROUNDED: Duration = ms(2);

/// Starts the second agent beside a first that is clear, and waits for the conflict on both.
pub fn in_conflict(lan: &Lan, config: &Config) -> (Agent, Agent) {
    let a = lan.hosts[0].agent(config);
    let b = joined_by(lan, &a, config);
    (a, b)
}

fn joined_by(lan: &Lan, a: &Agent, config: &Config) -> Agent {
    a.reaches("clear", s(4));
    let watch = Watch::start();
    let b = lan.hosts[1].agent(config);
    for agent in [a, &b] {
        within(CONFLICT_WITHIN.saturating_sub(watch.elapsed()), "conflict on both sides", || {
            matches!(agent.status().state("xsvr"), "conflict" | "duplicate").then_some(())
        });
    }
    b
}

/// When the agent told that the conflict of `xsvr` is of this stage, by its own time.
fn stage_began(told: &[Value], stage: &str) -> SystemTime {
    let event = told.iter().find(|e| e["event"] == "duplicate" && e["stage"] == stage);
    let time = event.and_then(|e| e["time"].as_str()).unwrap_or_else(|| panic!("no {stage} in {told:#?}"));
    humantime::parse_rfc3339(time).expect("RFC 3339")
}

/// The same, and on until both call it a duplicate.
pub fn in_duplicate(lan: &Lan, config: &Config) -> (Agent, Agent) {
    let (a, b) = in_conflict(lan, config);
    a.reaches("duplicate", CONFIRM_AFTER + ROUND);
    b.reaches("duplicate", ROUND);
    (a, b)
}

fn conflict_then_duplicate(families: Families) {
    let lan = Lan::of(2, families);
    let a = lan.hosts[0].agent(&Config::xsvr());
    let events = a.watch();
    let b = joined_by(&lan, &a, &Config::xsvr());
    let conflict = Watch::start();
    for agent in [&a, &b] {
        assert_eq!(agent.status().class("xsvr"), Some("copy"));
        assert_eq!(agent.status().holders("xsvr").len(), 2);
    }
    a.reaches("duplicate", CONFIRM_AFTER + ROUND);
    b.reaches("duplicate", ROUND);
    assert!(conflict.elapsed() < CONFIRM_AFTER + ROUND, "{:?}", conflict.elapsed());
    let told = events.so_far();
    let [first, second] = ["conflict", "duplicate"].map(|stage| stage_began(&told, stage));
    let apart = second.duration_since(first).expect("a conflict comes first");
    println!("{families:?}: duplicate {apart:?} after conflict");
    assert!(apart + ROUNDED >= CONFIRM_AFTER, "duplicate {apart:?} after conflict");
    for agent in [&a, &b] {
        let status = agent.status();
        assert!(
            status.holders("xsvr").iter().all(|h| h["proved"] == true || h["self"] == true),
            "{:?}",
            status
        );
        let evidence = status.claim("xsvr")["conflict"]["evidence"].as_str().expect("an id");
        assert_eq!(evidence.len(), 32, "{evidence}");
        assert!(evidence.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{evidence}");
    }
}

#[test]
fn two_with_one_serial_conflict_within_2_s_then_duplicate_over_ipv4() {
    conflict_then_duplicate(Families::V4);
}

#[test]
fn two_with_one_serial_conflict_within_2_s_then_duplicate_over_ipv6() {
    conflict_then_duplicate(Families::V6);
}

#[test]
fn two_with_one_serial_conflict_within_2_s_then_duplicate_over_both() {
    conflict_then_duplicate(Families::Both);
}

#[test]
fn a_clean_stop_resolves_within_1_s_on_the_other_side() {
    let lan = Lan::new(2);
    let (a, mut b) = in_duplicate(&lan, &Config::xsvr());
    let events = a.watch();
    let watch = Watch::start();
    b.stop(s(1));
    a.reaches("clear", s(1).saturating_sub(watch.elapsed()));
    let (cause, _) = within(s(1), "the event resolved", || {
        let resolved = events.so_far().into_iter().find(|e| e["event"] == "resolved");
        resolved.map(|e| e["cause"].clone())
    });
    assert_eq!(cause, "goodbye");
}

#[test]
fn a_killed_one_is_resolved_after_its_expiry_and_not_before() {
    let lan = Lan::new(2);
    let (a, mut b) = in_duplicate(&lan, &Config::xsvr());
    b.kill();
    // Three of its intervals and 10 %, counted from when it was last heard: up to 1.1 intervals ago.
    throughout(INTERVAL * 2 - LOOK, || match a.status().state("xsvr") {
        "duplicate" => Ok(()),
        other => Err(format!("{other} before the expiry")),
    });
    a.reaches("clear", INTERVAL * 2);
}

#[test]
fn different_serials_and_different_products_never_meet() {
    let lan = Lan::new(3);
    let a = lan.hosts[0].agent(&Config::xsvr());
    let b = lan.hosts[1].agent(&Config::new().license("xsvr", "XSVR-another", ""));
    let c = lan.hosts[2].agent(&Config::new().license("other", SERIAL, ""));
    let agents = [(&a, "xsvr"), (&b, "xsvr"), (&c, "other")];
    throughout(s(5), || {
        for (agent, product) in agents {
            let status = agent.status();
            let alone = status.holders(product).iter().all(|h| h["self"] == true);
            if !alone || !matches!(status.state(product), "probing" | "clear") {
                return Err(format!("{}", status.claim(product)));
            }
        }
        Ok(())
    });
    for (agent, product) in agents {
        let status = agent.status();
        assert_eq!(status.state(product), "clear");
        assert!(status.counter("received") > 10, "they did hear each other: {}", status.0["counters"]);
    }
}

#[test]
fn of_several_licenses_only_the_shared_one_conflicts() {
    let lan = Lan::new(2);
    let a =
        lan.hosts[0].agent(&Config::xsvr().license("other", "OTHER-1", "").license("third", "THIRD-1", ""));
    let b = lan.hosts[1].agent(&Config::new().license("other", "other1", "").license("third", "THIRD-2", ""));
    for agent in [&a, &b] {
        within(s(4), "conflict of the shared one", || {
            (agent.status().state("other") == "conflict").then_some(())
        });
        assert_ne!(agent.status().state("third"), "conflict");
    }
    a.reaches("clear", s(2));
}

#[test]
fn two_seats_hold_two_and_the_third_is_over() {
    let lan = Lan::new(3);
    let config = Config::new().license("xsvr", SERIAL, "seats = 2");
    let a = lan.hosts[0].agent(&config);
    let b = lan.hosts[1].agent(&config);
    a.reaches("clear", s(4));
    b.reaches("clear", s(4));
    throughout(s(3), || match (a.status().state("xsvr"), b.status().state("xsvr")) {
        ("clear", "clear") => Ok(()),
        states => Err(format!("{states:?} with two holders of two seats")),
    });
    let c = lan.hosts[2].agent(&config);
    for agent in [&a, &b, &c] {
        agent.reaches("conflict", s(4));
        let over: Vec<_> =
            agent.status().holders("xsvr").iter().filter(|h| h["over"] == true).cloned().collect();
        assert_eq!(over.len(), 1, "{over:?}");
    }
}

#[test]
fn a_standby_of_the_group_takes_no_seat() {
    let lan = Lan::new(2);
    let member = |standby: bool| {
        let more = format!("group = \"pair\"\nstandby = {standby}\nstandbys = 1");
        Config::new().license("xsvr", SERIAL, &more)
    };
    let a = lan.hosts[0].agent(&member(false));
    let b = lan.hosts[1].agent(&member(true));
    a.reaches("clear", s(4));
    b.reaches("clear", s(4));
    throughout(s(4), || match (a.status().state("xsvr"), b.status().state("xsvr")) {
        ("clear", "clear") => Ok(()),
        states => Err(format!("{states:?} of an active and its standby")),
    });
}
