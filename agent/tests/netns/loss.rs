//! Losing 30 % of all that comes in, evenly and in bursts.  Holders of seats that are in order stay so, however much of them is missed, and
//! one too many is found.

use crate::accusation::{nobody_accused, one_too_many};
use crate::agent::Config;
use crate::clock::s;
use crate::lan::{Families, Host, Lan};
use crate::switch::{Bursts, Nic, Wired};

/// By when one too many is found where three datagrams of ten are lost: a question of a round is asked six times,
/// and a round that fails is followed by those of the others.
const FOUND: std::time::Duration = s(60);

/// Two hosts hold two seats, one of them is killed and comes back twice, and then there is a third.
fn two_seats_then_one_too_many(hosts: &[Host]) {
    let config = Config::seats(2);
    let a = hosts[0].agent(&config);
    let mut b = hosts[1].agent(&config);
    for _ in 0..2 {
        nobody_accused(&[&a, &b], s(3));
        b.kill();
        b = hosts[1].agent(&config);
    }
    nobody_accused(&[&a, &b], s(3));
    one_too_many(&hosts[2], &[&a, &b], &config, FOUND);
}

#[test]
fn even_loss_of_30_percent_accuses_nobody_and_hides_no_duplicate() {
    let lan = Lan::new(3);
    for host in &lan.hosts {
        // What leaves is not filtered: a filter there gives the sender an error, which no network does.
        host.ns.filter_input("iifname \"eth0\" numgen random mod 10 < 3 counter drop");
    }
    two_seats_then_one_too_many(&lan.hosts);
    let lost: Vec<u64> = lan.hosts.iter().map(|host| host.ns.filtered()).collect();
    println!("datagrams lost, host by host: {lost:?}");
    assert!(lost.iter().all(|n| *n > 0), "{lost:?}");
}

#[test]
fn bursts_of_loss_of_30_percent_accuse_nobody_and_hide_no_duplicate() {
    const SEED: u64 = 626;
    println!("seed {SEED}");
    let net = Wired::new(Families::Both, (0..3).map(Nic::Cable).collect());
    net.fabric().losses = (0..3).map(|card| Bursts::of(0.3, SEED + card)).collect();
    two_seats_then_one_too_many(&net.hosts);
    let lost = net.fabric().counts.lost;
    println!("frames lost: {lost}");
    assert!(lost > 20, "{lost}");
}
