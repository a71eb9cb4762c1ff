//! Bridges that know, or believe to know, who wants a group's datagrams (MLD snooping).

use crate::accusation::{FOUND, nobody_accused, one_too_many};
use crate::agent::Config;
use crate::clock::{s, within};
use crate::lan::{Families, Lan};

/// A LAN whose bridge forwards a group's datagrams to nobody: it snoops, and nobody asks who is in the group.
fn deaf_to_groups(hosts: usize, families: Families) -> Lan {
    let lan = Lan::of(hosts, families);
    lan.switch.ip("link set br0 type bridge mcast_snooping 1 mcast_querier 0");
    for host in &lan.hosts {
        let port = format!("p{}eth0", host.number);
        lan.switch.ip(&format!("link set {port} type bridge_slave mcast_flood off"));
    }
    lan
}

#[test]
fn a_bridge_that_loses_groups_still_lets_ipv4_find_the_duplicate() {
    let lan = deaf_to_groups(3, Families::Both);
    let [a, b] = [0, 1].map(|n| lan.hosts[n].agent(&Config::seats(2)));
    nobody_accused(&[&a, &b], s(4));
    let c = one_too_many(&lan.hosts[2], &[&a, &b], &Config::seats(2), FOUND);
    let status = c.status();
    let others = status.holders("xsvr").iter().filter(|h| h["self"] != true);
    let by_ipv4 = |h: &&serde_json::Value| h["address"].as_str().is_some_and(|a| a.starts_with("10.0.0."));
    assert_eq!(others.filter(by_ipv4).count(), 2, "{}", status.claim("xsvr"));
}

#[test]
fn a_bridge_that_loses_groups_where_only_ipv6_is_leaves_nobody_heard_and_nobody_accused() {
    let lan = deaf_to_groups(2, Families::V6);
    let expecting = Config::seats(1).raw("expect_peers", "1");
    let [a, b] = [(0, Config::seats(1)), (1, expecting)].map(|(n, config)| lan.hosts[n].agent(&config));
    nobody_accused(&[&a, &b], s(5));
    let coverage = |agent: &crate::agent::Agent| agent.status().claim("xsvr")["coverage"].clone();
    assert_eq!(coverage(&a)["interfaces"][0]["state"], "none-heard", "{}", coverage(&a));
    // Who was told that there must be somebody says that he hears nobody.
    within(s(5), "it is blind", || (coverage(&b)["state"] == "blind").then_some(()));
    let why = coverage(&b)["why"].as_str().expect("a reason").to_owned();
    assert!(why.contains("expected"), "{why}");
}

#[test]
fn a_bridge_that_asks_who_is_in_the_group_lets_ipv6_alone_find_the_duplicate() {
    let lan = deaf_to_groups(3, Families::V6);
    // It trusts what it has learned once a first question could be answered: 1 s, in hundredths.
    lan.switch.ip("link set br0 type bridge mcast_query_response_interval 100");
    lan.switch.ip("link set br0 type bridge mcast_querier 1");
    let [a, b] = [0, 1].map(|n| lan.hosts[n].agent(&Config::seats(2)));
    within(s(10), "they hear each other", || (a.status().holders("xsvr").len() == 2).then_some(()));
    nobody_accused(&[&a, &b], s(3));
    one_too_many(&lan.hosts[2], &[&a, &b], &Config::seats(2), FOUND);
}
