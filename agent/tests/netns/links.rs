//! Interfaces that come, go and change their addresses while the agent runs.

use crate::accusation::{FOUND, nobody_accused, one_too_many};
use crate::agent::Config;
use crate::clock::{ms, pass, s, throughout, within};
use crate::detection::in_duplicate;
use crate::lan::{Families, Lan};
use crate::wire::{Tap, WANT, field};

/// The burst after a change of the links: debounced, three datagrams 250 ms apart, a round.
const AFTER_A_CHANGE: std::time::Duration = s(3);

#[test]
fn an_interface_added_while_running_finds_the_conflict() {
    let lan = Lan::new(2);
    lan.unplug(&lan.hosts[1], "eth0");
    let a = lan.hosts[0].agent(&Config::xsvr());
    let b = lan.hosts[1].agent(&Config::xsvr());
    a.reaches("clear", s(4));
    assert_eq!(b.status().claim("xsvr")["coverage"]["state"], "blind", "no interface at all");
    lan.plug(&lan.hosts[1], "eth0", "10.0.0.2/24");
    a.reaches("conflict", AFTER_A_CHANGE);
    b.reaches("conflict", AFTER_A_CHANGE);
    let coverage = b.status().claim("xsvr")["coverage"].clone();
    assert_eq!(coverage["interfaces"].as_array().map(Vec::len), Some(1), "{coverage}");
}

#[test]
fn an_interface_removed_while_running_ends_the_conflict() {
    let lan = Lan::new(2);
    let (a, b) = in_duplicate(&lan, &Config::xsvr());
    lan.unplug(&lan.hosts[1], "eth0");
    a.reaches("clear", s(6));
    b.reaches("clear", s(6));
    assert_eq!(b.status().claim("xsvr")["coverage"]["state"], "blind", "no interface at all");
}

/// What an agent hears by each interface that it uses.
fn heard_by(agent: &crate::agent::Agent) -> Vec<(String, String)> {
    let coverage = agent.status().claim("xsvr")["coverage"].clone();
    let interfaces = coverage["interfaces"].as_array().expect("interfaces");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    interfaces.iter().map(|i| (text(&i["name"]), text(&i["state"]))).collect()
}

#[test]
fn a_second_interface_that_comes_and_goes_is_told_apart_and_brings_its_own_duplicate() {
    let (here, there) = (Lan::new(2), Lan::new(2));
    let stranger = here.hosts[1].agent(&Config::sharp().license("xsvr", "XSVR-another", ""));
    let a = here.hosts[0].agent(&Config::seats(1));
    nobody_accused(&[&a, &stranger], s(2));
    let hears = |what: &[(&str, &str)]| {
        let what: Vec<_> = what.iter().map(|(name, state)| (name.to_string(), state.to_string())).collect();
        within(FOUND, &format!("coverage {what:?}"), || (heard_by(&a) == what).then_some(()));
    };
    hears(&[("eth0", "good")]);
    there.plug(&here.hosts[0], "eth1", "10.0.0.101/24");
    hears(&[("eth0", "good"), ("eth1", "none-heard")]);
    nobody_accused(&[&a, &stranger], s(2));
    let b = one_too_many(&there.hosts[1], &[&a], &Config::seats(1), FOUND);
    hears(&[("eth0", "good"), ("eth1", "good")]);
    there.unplug(&here.hosts[0], "eth1");
    hears(&[("eth0", "good")]);
    for agent in [&a, &b] {
        agent.reaches("clear", FOUND);
    }
    nobody_accused(&[&stranger], s(0));
}

#[test]
fn an_address_changed_while_running_accuses_nobody() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let agent = host.agent(&Config::xsvr());
    agent.reaches("clear", s(4));
    host.ns.ip("addr add 10.0.0.77/24 brd + dev eth0");
    host.ns.ip("addr del 10.0.0.1/24 dev eth0");
    throughout(s(5), || match agent.status().state("xsvr") {
        "clear" => Ok(()),
        other => Err(format!("{other} after a change of address")),
    });
}

/// How many questions an agent in its long silence broadcasts in the time in which a burst must come, once `change` was
/// made to its links.
fn questions_after(change: &str) -> usize {
    let lan = Lan::of(2, Families::V4);
    let tap = Tap::new(&lan.hosts[1]);
    let agent = lan.hosts[0].agent(&Config::xsvr().set("interval", "1h"));
    agent.reaches("clear", s(4));
    // Past the announcement at 5 s and the 10 s between two bursts; the next announcement is at 30 s.
    pass(s(11));
    tap.all(ms(50));
    assert_eq!(tap.all(s(1)), Vec::<Vec<u8>>::new(), "it is silent");
    lan.hosts[0].ns.ip(change);
    let heard = tap.all(AFTER_A_CHANGE);
    assert!(heard.iter().all(|d| d[field::FLAGS] == WANT), "a burst asks, and does not probe: {heard:?}");
    assert_eq!(agent.status().state("xsvr"), "clear");
    heard.len()
}

#[test]
fn a_change_of_address_sends_the_burst_again() {
    assert_eq!(questions_after("addr add 10.0.0.77/24 brd + dev eth0"), 3);
}

#[test]
fn a_change_of_routes_sends_the_burst_again() {
    assert_eq!(questions_after("route add 192.0.2.0/24 dev eth0"), 3);
}

#[test]
fn an_address_changed_on_one_side_keeps_the_conflict_and_its_end() {
    let lan = Lan::new(2);
    let (a, mut b) = in_duplicate(&lan, &Config::xsvr());
    lan.hosts[1].ns.ip("addr add 10.0.0.77/24 brd + dev eth0");
    lan.hosts[1].ns.ip("addr del 10.0.0.2/24 dev eth0");
    throughout(s(5), || match a.status().state("xsvr") {
        "duplicate" => Ok(()),
        other => Err(format!("{other} after a change of address")),
    });
    assert_eq!(a.status().holders("xsvr").len(), 2, "the same holder at another address");
    b.stop(s(3));
    a.reaches("clear", s(2));
}
