//! Packet filters in front of an agent: what reaches it only one way, or only some of the ways.

use crate::accusation::{FOUND, all_accuse, nobody_accused, one_too_many};
use crate::agent::{Agent, Config};
use crate::clock::{s, within};
use crate::lan::{Host, Lan};

/// A round is open for 10 s; who is silent is called so at its end.
const ROUND: std::time::Duration = s(20);
/// Hearing one instance begins at most one round a minute.
const NEXT_ROUND: std::time::Duration = s(70);

/// Drops what comes in for the agent if `matches`.
fn drop_inbound(host: &Host, matches: &str) {
    host.ns.filter_input(&format!("{matches} udp dport 626 drop"));
}

/// Waits until the agent says of `eth0` and in sum that somebody leaves its questions unanswered.
fn says_one_way(agent: &Agent) {
    within(ROUND, "one-way is said", || {
        let coverage = agent.status().claim("xsvr")["coverage"].clone();
        let said = coverage["state"] == "one-way" && coverage["interfaces"][0]["state"] == "one-way";
        said.then_some(())
    });
}

#[test]
fn who_cannot_be_asked_is_one_way_and_nobody_is_accused_until_the_firewall_is_opened() {
    let lan = Lan::new(2);
    drop_inbound(&lan.hosts[1], "");
    let a = lan.hosts[0].agent(&Config::seats(1));
    a.reaches("clear", s(10));
    let b = lan.hosts[1].agent(&Config::seats(1));
    says_one_way(&a);
    nobody_accused(&[&a, &b], s(3));
    assert_eq!((a.status().state("xsvr"), b.status().state("xsvr")), ("suspected", "clear"));
    let deaf = b.status().claim("xsvr")["coverage"].clone();
    assert_eq!(deaf["state"], "none-heard", "it may be alone, for all that it knows: {deaf}");
    lan.hosts[1].ns.unfilter();
    all_accuse(&[&b, &a], NEXT_ROUND);
    within(FOUND, "it hears again", || {
        (a.status().claim("xsvr")["coverage"]["state"] == "good").then_some(())
    });
}

#[test]
fn two_of_two_seats_with_one_of_them_deaf_are_no_conflict() {
    let lan = Lan::new(3);
    drop_inbound(&lan.hosts[1], "");
    let a = lan.hosts[0].agent(&Config::seats(2));
    let mut b = lan.hosts[1].agent(&Config::seats(2));
    a.reaches("clear", s(10));
    b.kill();
    let b = lan.hosts[1].agent(&Config::seats(2));
    nobody_accused(&[&a, &b], s(5));
    // The deaf one proves nothing and is not counted, but two others are not three.
    let c = lan.hosts[2].agent(&Config::seats(2));
    says_one_way(&c);
    nobody_accused(&[&a, &b, &c], s(0));
    lan.hosts[1].ns.unfilter();
    all_accuse(&[&b, &a, &c], NEXT_ROUND);
}

#[test]
fn where_broadcasts_are_dropped_questions_by_unicast_find_the_duplicate() {
    let lan = Lan::new(2);
    drop_inbound(&lan.hosts[1], "meta pkttype { broadcast, multicast }");
    let a = lan.hosts[0].agent(&Config::seats(1));
    a.reaches("clear", s(10));
    one_too_many(&lan.hosts[1], &[&a], &Config::seats(1), FOUND);
}

#[test]
fn where_unicasts_are_dropped_the_one_finds_the_duplicate_and_the_other_says_one_way() {
    let lan = Lan::new(2);
    drop_inbound(&lan.hosts[1], "meta pkttype host");
    let a = lan.hosts[0].agent(&Config::seats(1));
    a.reaches("clear", s(10));
    let b = lan.hosts[1].agent(&Config::seats(1));
    a.reaches("conflict", FOUND);
    says_one_way(&b);
    nobody_accused(&[&b], s(1));
}
