//! Two hosts with bonds of each kind share two seats, while cables break, and a third is one too many.

use crate::accusation::{FOUND, nobody_accused, one_too_many};
use crate::agent::Config;
use crate::clock::s;
use crate::lan::Families;
use crate::switch::{Bond, Counts, Mode, Nic, Wired};

/// How many there are, each with one hardware address.
const CARDS: usize = 3;

fn bonded(mode: Mode) -> Counts {
    let bond = |ports| Nic::Bond(Bond::new(mode, ports));
    let net = Wired::new(Families::Both, vec![bond([0, 1]), bond([2, 3]), Nic::Cable(4)]);
    for host in &net.hosts {
        // Else the kernel keeps an agent's own IPv4 datagrams from it when they come back.
        host.ns.sysctl("net/ipv4/conf/all/accept_local", "1");
    }
    let [a, b] = [0, 1].map(|n| net.hosts[n].agent(&Config::seats(2)));
    // The first cable of each breaks, and is mended.
    for _ in 0..2 {
        nobody_accused(&[&a, &b], s(3));
        assert_eq!(a.status().holders("xsvr").len(), 2, "{}", a.status().claim("xsvr"));
        net.fabric().fail_over();
    }
    let c = one_too_many(&net.hosts[2], &[&a, &b], &Config::seats(2), FOUND);
    assert_eq!(c.status().holders("xsvr").len(), 3);
    let echoes = [&a, &b].map(|agent| agent.status().fate("echo"));
    let counts = std::mem::take(&mut net.fabric().counts);
    println!("{mode:?}: {counts:?}, echoes {echoes:?}");
    counts
}

/// The switch takes both cables for those of two hosts: it floods back, and delivers twice.
fn floods_back(mode: Mode) {
    let counts = bonded(mode);
    assert!(counts.returned > 10 && counts.doubled > 10, "{counts:?}");
    assert_eq!(counts.senders.len(), CARDS, "{counts:?}");
}

/// One cable, or what is as good as one.
fn as_one_cable(mode: Mode) {
    let counts = bonded(mode);
    assert_eq!((counts.returned, counts.doubled, counts.senders.len()), (0, 0, CARDS), "{counts:?}");
}

/// Frames of one host come from two hardware addresses.
fn changes_its_address(mode: Mode) {
    let counts = bonded(mode);
    assert_eq!((counts.returned, counts.doubled), (0, 0), "{counts:?}");
    assert!(counts.senders.len() > CARDS, "{counts:?}");
}

#[test]
fn balance_rr() {
    floods_back(Mode::RoundRobin);
}

#[test]
fn active_backup() {
    as_one_cable(Mode::ActiveBackup);
}

#[test]
fn balance_xor() {
    floods_back(Mode::Xor);
}

#[test]
fn broadcast() {
    floods_back(Mode::Broadcast);
}

#[test]
fn lacp() {
    as_one_cable(Mode::Aggregate);
}

#[test]
fn balance_tlb() {
    changes_its_address(Mode::TransmitBalanced);
}

#[test]
fn balance_alb() {
    changes_its_address(Mode::AdaptiveBalanced);
}
