//! Hosts on one Ethernet: namespaces joined by a bridge in a further namespace.

use tempfile::TempDir;

use crate::clock::{s, within};
use crate::namespace::{Namespace, command};

/// Which addresses the hosts of a LAN have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone; IPv6 is switched off.
    V4,
    /// IPv6 link-local addresses alone.
    V6,
    /// Both.
    Both,
}

/// An Ethernet with hosts on it.
pub struct Lan {
    /// The bridge `br0`, with a port `pNeth0` for `eth0` of host N.
    pub switch: Namespace,
    /// The hosts, numbered from 0; number N has 10.0.0.(N+1).
    pub hosts: Vec<Host>,
}

/// One host: a namespace, and a directory for what its agent keeps.
pub struct Host {
    /// Its network.
    pub ns: Namespace,
    /// Its files, removed with it.
    pub dir: TempDir,
    /// Its number on the LAN.
    pub number: usize,
    families: Families,
}

impl Lan {
    /// `n` hosts with both address families.
    pub fn new(n: usize) -> Lan {
        Lan::of(n, Families::Both)
    }

    /// `n` hosts, each with `eth0` up and addressed.
    pub fn of(n: usize, families: Families) -> Lan {
        let switch = Namespace::new();
        switch.ip("link add br0 type bridge stp_state 0 forward_delay 0");
        switch.ip("link set br0 up");
        let hosts = (0..n).map(|number| Host::new(number, families)).collect();
        let lan = Lan { switch, hosts };
        for host in &lan.hosts {
            lan.plug(host, "eth0", &host.address());
        }
        lan
    }

    /// Adds an interface to a host, on this LAN, up and (but for IPv6 alone) with that address.
    pub fn plug(&self, host: &Host, nic: &str, address: &str) {
        let port = format!("p{}{nic}", host.number);
        self.switch.ip(&format!("link add {port} type veth peer name {nic} netns {}", host.ns.path()));
        self.switch.ip(&format!("link set {port} master br0 up"));
        host.bring_up(nic, address);
        // A switch forwards only once both ends have found each other.
        within(s(2), "the bridge forwards", || {
            let mut ip = command("ip");
            ip.args(["-d", "-o", "link", "show", "dev", &port]);
            let shown = String::from_utf8_lossy(&self.switch.output(ip).stdout).into_owned();
            shown.contains("state forwarding").then_some(())
        });
    }

    /// Removes an interface of a host: the cable and the card.
    pub fn unplug(&self, host: &Host, nic: &str) {
        host.ns.ip(&format!("link del {nic}"));
    }
}

impl Host {
    /// One that has no network card yet.
    pub fn new(number: usize, families: Families) -> Host {
        let ns = Namespace::new();
        if families == Families::V4 {
            ns.sysctl("net/ipv6/conf/all/disable_ipv6", "1");
            ns.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        }
        let dir = tempfile::Builder::new().prefix("slnd-").tempdir().expect("a temporary directory");
        Host { ns, dir, number, families }
    }

    /// Its usual IPv4 address, with the prefix.
    pub fn address(&self) -> String {
        format!("10.0.0.{}/24", self.number + 1)
    }

    /// Brings up a network card that it has, with that address (but for IPv6 alone).
    pub fn bring_up(&self, nic: &str, address: &str) {
        if self.families != Families::V6 {
            self.ns.ip(&format!("addr add {address} brd + dev {nic}"));
        }
        self.ns.ip(&format!("link set {nic} up"));
    }
}

#[test]
fn hosts_of_a_lan_hear_each_others_broadcasts_and_nothing_is_left() {
    use crate::wire::{BROADCAST, Tap};
    let lan = Lan::new(2);
    let path = lan.hosts[1].ns.path();
    let (a, b) = (Tap::new(&lan.hosts[0]), Tap::new(&lan.hosts[1]));
    // A busy kernel takes its time until a link carries everything: what is sent before is lost.
    for (text, to) in [(&b"hello"[..], BROADCAST), (&b"group"[..], a.group())] {
        within(s(10), "the other host hears it", || {
            a.send(text, to);
            b.next(s(1) / 2).filter(|heard| heard == text)
        });
    }
    drop((a, b, lan));
    assert!(!std::path::Path::new(&path).exists(), "{path} is still there");
}

#[test]
fn a_lan_is_gone_after_a_panic_too() {
    let (send, receive) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        let lan = Lan::new(1);
        send.send(lan.hosts[0].ns.path()).expect("sent");
        let sleeper = {
            let mut command = command("sleep");
            command.arg("1000");
            lan.hosts[0].ns.spawn(command)
        };
        // From here on it has asked to die with its namespace.
        let name = format!("/proc/{}/comm", sleeper.id());
        within(s(2), "it sleeps", || {
            std::fs::read_to_string(&name).is_ok_and(|n| n.trim() == "sleep").then_some(())
        });
        send.send(format!("/proc/{}/comm", sleeper.id())).expect("sent");
        panic!("as a failing test does");
    })
    .join();
    assert!(panicked.is_err());
    for path in receive {
        within(s(2), &format!("{path} is gone or dead"), || {
            // The child stays as a zombie: nobody waits for it here; dead it is.
            let dead =
                std::fs::read_to_string(path.replace("comm", "stat")).is_ok_and(|s| s.contains(") Z "));
            (dead || !std::path::Path::new(&path).exists()).then_some(())
        });
    }
}
