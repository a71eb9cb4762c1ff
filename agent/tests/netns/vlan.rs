//! VLANs that a box joins: a host in two of them hears itself again, and hosts in different ones hear each other
//! in part.

use crate::accusation::{FOUND, nobody_accused, one_too_many};
use crate::agent::Config;
use crate::clock::{s, within};
use crate::lan::{Families, Host};
use crate::switch::{Nic, Port, Repeater, Wired};

/// A switch on which host 0 has a trunk, with `eth0` and `eth1` in VLANs 10 and 20, host 1 a port in VLAN 10 and host 2
/// one in VLAN 20, and a box between both VLANs.
fn joined(unicast: bool) -> Wired {
    let hosts: Vec<Host> = (0..3).map(|n| Host::new(n, Families::Both)).collect();
    let cards = vec![
        (0, "eth0", hosts[0].address(), Nic::Vlan { port: 0, vid: 10 }),
        (0, "eth1", "10.0.1.1/24".to_owned(), Nic::Vlan { port: 0, vid: 20 }),
        (1, "eth0", hosts[1].address(), Nic::Cable(1)),
        (2, "eth0", hosts[2].address(), Nic::Cable(2)),
    ];
    let net = Wired::with(hosts, cards);
    {
        let bridge = &mut net.fabric().bridge;
        bridge.set(0, Port::Trunk);
        bridge.set(1, Port::Access(10));
        bridge.set(2, Port::Access(20));
        bridge.repeater = Some(Repeater { between: [10, 20], unicast });
    }
    net
}

#[test]
fn a_trunk_host_that_a_repeater_lets_hear_itself_is_one_holder() {
    let net = joined(false);
    net.hosts[0].ns.sysctl("net/ipv4/conf/all/accept_local", "1");
    let a = net.hosts[0].agent(&Config::seats(1));
    nobody_accused(&[&a], s(5));
    // One echo of each datagram is the kernel's own; what is more came back by the other VLAN.
    let status = a.status();
    assert!(status.fate("echo") > status.counter("sent"), "{}", status.0["counters"]);
    one_too_many(&net.hosts[1], &[&a], &Config::seats(1), FOUND);
}

#[test]
fn where_a_repeater_lets_only_broadcasts_through_one_way_is_said_and_nobody_accused() {
    let net = joined(false);
    let [a, b] = [1, 2].map(|n| net.hosts[n].agent(&Config::seats(1)));
    for agent in [&a, &b] {
        within(s(30), "one-way is said", || {
            (agent.status().claim("xsvr")["coverage"]["state"] == "one-way").then_some(())
        });
    }
    nobody_accused(&[&a, &b], s(1));
}

#[test]
fn where_a_box_joins_two_vlans_to_one_a_duplicate_across_them_is_found() {
    let net = joined(true);
    let a = net.hosts[1].agent(&Config::seats(1));
    nobody_accused(&[&a], s(3));
    one_too_many(&net.hosts[2], &[&a], &Config::seats(1), FOUND);
}
