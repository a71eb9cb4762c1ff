//! Several network cards made of one by `macvlan`: as containers get them, each a host of its own, and as one host
//! has them, all of them its own.

use crate::accusation::{FOUND, nobody_accused, one_too_many};
use crate::agent::Config;
use crate::clock::s;
use crate::lan::{Families, Host, Lan};

/// Gives `host` the card `nic`, made of `eth0` of `parent`.
fn macvlan(parent: &Host, host: &Host, nic: &str, address: &str) {
    let path = host.ns.path();
    parent.ns.ip(&format!("link add link eth0 name {nic} netns {path} type macvlan mode bridge"));
    host.bring_up(nic, address);
}

/// A container on `eth0` of `parent`, with an `eth0` of its own.
fn container(parent: &Host, number: usize) -> Host {
    let host = Host::new(number, Families::Both);
    macvlan(parent, &host, "eth0", &host.address());
    host
}

#[test]
fn two_macvlans_of_one_card_are_two_hosts_that_share_two_seats_and_a_third_is_too_many() {
    let lan = Lan::new(2);
    let containers = [2, 3].map(|n| container(&lan.hosts[0], n));
    let [a, b] = containers.each_ref().map(|c| c.agent(&Config::seats(2)));
    nobody_accused(&[&a, &b], s(5));
    assert_eq!(a.status().holders("xsvr").len(), 2, "they hear each other");
    one_too_many(&lan.hosts[1], &[&a, &b], &Config::seats(2), FOUND);
}

#[test]
fn a_duplicate_on_two_macvlans_of_one_card_is_found() {
    let lan = Lan::new(2);
    let stranger = lan.hosts[1].agent(&Config::sharp().license("xsvr", "XSVR-another", ""));
    let containers = [2, 3].map(|n| container(&lan.hosts[0], n));
    let a = containers[0].agent(&Config::seats(1));
    nobody_accused(&[&a], s(0));
    one_too_many(&containers[1], &[&a], &Config::seats(1), FOUND);
    nobody_accused(&[&stranger], s(0));
}

#[test]
fn a_host_with_two_macvlans_of_one_card_is_one_holder() {
    let lan = Lan::new(2);
    let host = &lan.hosts[0];
    macvlan(host, host, "mv0", "10.0.0.101/24");
    macvlan(host, host, "mv1", "10.0.0.102/24");
    let a = host.agent(&Config::seats(1));
    nobody_accused(&[&a], s(5));
    assert!(a.status().fate("echo") > 0, "it did hear itself: {}", a.status().0["counters"]);
    let b = one_too_many(&lan.hosts[1], &[&a], &Config::seats(1), FOUND);
    assert_eq!(b.status().holders("xsvr").len(), 2, "three cards are one holder");
}
