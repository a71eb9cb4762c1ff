//! Addresses that move between hosts, come, expire and are replaced while agents run: an address is nobody's identity.

use std::net::Ipv6Addr;

use serde_json::Value;

use crate::accusation::{FOUND, nobody_accused, one_too_many};
use crate::agent::Config;
use crate::clock::{s, within};
use crate::lan::{Families, Host, Lan};

/// The address that two routers serve by turns.
const VIRTUAL: &str = "10.0.0.100/24";

/// Makes the virtual address the one that `host` speaks from, as the holder of a virtual router does.
fn takes_over(host: &Host) {
    // The first address of a network is the one that is spoken from.
    let own = host.address();
    host.ns.ip(&format!("addr del {own} dev eth0"));
    host.ns.ip(&format!("addr add {VIRTUAL} brd + dev eth0"));
    host.ns.ip(&format!("addr add {own} brd + dev eth0"));
}

/// Takes the virtual address from `host` again.
fn gives_up(host: &Host) {
    host.ns.sysctl("net/ipv4/conf/eth0/promote_secondaries", "1");
    host.ns.ip(&format!("addr del {VIRTUAL} dev eth0"));
}

/// Three hosts share three seats; of two of them one has a virtual address, which moves to the other and back, and on
/// its way is on both for 5 s.  The third hears both from it.  Then there is a fourth.
fn address_moves(families: Families) {
    let lan = Lan::of(4, families);
    let config = Config::seats(3);
    takes_over(&lan.hosts[0]);
    let agents = [0, 1, 2].map(|n| lan.hosts[n].agent(&config));
    let agents = agents.each_ref();
    // Who has it is heard by IPv4 from it: how many are, by the third.
    let from_it = |n: usize| {
        let status = agents[2].status();
        let at = |h: &&Value| h["address"].as_str().is_some_and(|a| a.starts_with("10.0.0.100:"));
        (status.holders("xsvr").iter().filter(at).count() == n).then_some(())
    };
    within(FOUND, "one speaks from it", || from_it(1));
    nobody_accused(&agents, s(2));
    for (from, to) in [(0, 1), (1, 0)] {
        takes_over(&lan.hosts[to]);
        nobody_accused(&agents, s(5));
        within(FOUND, "both speak from it", || from_it(2));
        gives_up(&lan.hosts[from]);
        nobody_accused(&agents, s(2));
        within(FOUND, "one speaks from it", || from_it(1));
    }
    within(FOUND, "they hear each other", || {
        agents.iter().all(|agent| agent.status().holders("xsvr").len() == 3).then_some(())
    });
    one_too_many(&lan.hosts[3], &agents, &config, FOUND);
}

#[test]
fn an_address_that_moves_like_vrrp_accuses_nobody_over_ipv4() {
    address_moves(Families::V4);
}

#[test]
fn an_address_that_moves_like_vrrp_accuses_nobody_over_both() {
    address_moves(Families::Both);
}

/// The IPv6 addresses of `eth0` that `ip` lists with these words.
fn ipv6(host: &Host, words: &str) -> Vec<Ipv6Addr> {
    let mut ip = crate::namespace::command("ip");
    ip.args(["-6", "-o", "addr", "show", "dev", "eth0"]).args(words.split_whitespace());
    let listed = String::from_utf8_lossy(&host.ns.output(ip).stdout).into_owned();
    let address = |line: &str| line.split_whitespace().nth(3)?.split('/').next()?.parse().ok();
    listed.lines().filter_map(address).collect()
}

#[test]
fn temporary_ipv6_addresses_that_expire_accuse_nobody() {
    let lan = Lan::of(3, Families::V6);
    for host in &lan.hosts {
        // A new one every 3 s or so, each valid for 6 s (RFC 8981, in seconds instead of days).
        host.ns.sysctl("net/ipv6/conf/eth0/use_tempaddr", "2");
        host.ns.sysctl("net/ipv6/conf/eth0/max_desync_factor", "0");
        host.ns.sysctl("net/ipv6/conf/eth0/temp_prefered_lft", "5");
        host.ns.sysctl("net/ipv6/conf/eth0/temp_valid_lft", "6");
        host.ns.ip(&format!("addr add 2001:db8::{}/64 dev eth0 mngtmpaddr", host.number + 1));
    }
    let temporary = || ipv6(&lan.hosts[0], "temporary");
    let before = temporary();
    assert!(!before.is_empty(), "the kernel makes one at once");
    let [a, b] = [0, 1].map(|n| lan.hosts[n].agent(&Config::seats(2)));
    nobody_accused(&[&a, &b], s(3));
    within(s(30), "all of the first are gone", || {
        let now = temporary();
        (!now.is_empty() && !now.iter().any(|address| before.contains(address))).then_some(())
    });
    nobody_accused(&[&a, &b], s(1));
    assert_eq!(a.status().holders("xsvr").len(), 2, "{}", a.status().claim("xsvr"));
    one_too_many(&lan.hosts[2], &[&a, &b], &Config::seats(2), FOUND);
}

#[test]
fn a_link_local_address_that_is_replaced_accuses_nobody() {
    let lan = Lan::of(3, Families::V6);
    let host = &lan.hosts[0];
    // Checked for being somebody else's, as on a real network: it cannot be spoken from at first.
    host.ns.sysctl("net/ipv6/conf/eth0/accept_dad", "1");
    let [a, b] = [0, 1].map(|n| lan.hosts[n].agent(&Config::seats(2)));
    nobody_accused(&[&a, &b], s(3));
    for new in ["fe80::a", "fe80::b"] {
        let old = ipv6(host, "scope link");
        host.ns.ip(&format!("addr add {new}/64 dev eth0"));
        for address in old {
            host.ns.ip(&format!("addr del {address}/64 dev eth0"));
        }
        nobody_accused(&[&a, &b], s(4));
        within(FOUND, "it is heard from there", || {
            let status = b.status();
            let there = |h: &Value| h["address"].as_str().is_some_and(|a| a.contains(new));
            status.holders("xsvr").iter().any(there).then_some(())
        });
    }
    assert_eq!(b.status().holders("xsvr").len(), 2, "{}", b.status().claim("xsvr"));
    one_too_many(&lan.hosts[2], &[&a, &b], &Config::seats(2), FOUND);
}
