//! Interfaces that come, go and change their addresses while the agent runs.

use crate::agent::Config;
use crate::clock::{s, throughout};
use crate::detection::in_duplicate;
use crate::lan::Lan;

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

#[test]
fn an_address_changed_while_running_accuses_nobody() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let agent = host.agent(&Config::xsvr());
    agent.reaches("clear", s(4));
    let sent = agent.status().counter("sent");
    host.ns.ip("addr add 10.0.0.77/24 brd + dev eth0");
    host.ns.ip("addr del 10.0.0.1/24 dev eth0");
    throughout(s(5), || match agent.status().state("xsvr") {
        "clear" => Ok(()),
        other => Err(format!("{other} after a change of address")),
    });
    assert!(agent.status().counter("sent") >= sent + 3, "the burst was sent again");
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
