//! Keys of the configuration that say where the agent listens, what it takes in and what it tells of its host.

use crate::agent::{Agent, Config, SERIAL};
use crate::clock::{ms, s, throughout, within};
use crate::lan::{Families, Host, Lan};
use crate::wire::{Author, BROADCAST, Tap, field};

/// Past the three datagrams of the start, or two steady ones.
const START: std::time::Duration = s(2);

/// A host with `eth0` on one LAN and `eth1` on another; the second host of each LAN is a tap's.
fn between() -> (Lan, Lan) {
    let (inside, outside) = (Lan::of(2, Families::V4), Lan::of(2, Families::V4));
    outside.plug(&inside.hosts[0], "eth1", "10.0.0.101/24");
    (inside, outside)
}

/// The host names that an agent gives in what a tap hears of it, without repetition.
fn names(heard: &[Vec<u8>]) -> Vec<String> {
    let name = |d: &Vec<u8>| String::from_utf8_lossy(&d[field::HOST]).trim_end_matches('\0').to_owned();
    let mut names: Vec<String> = heard.iter().map(name).collect();
    names.dedup();
    names
}

/// How many holders of `xsvr` an agent knows, itself among them.
fn holders(agent: &Agent) -> usize {
    agent.status().holders("xsvr").len()
}

#[test]
fn unused_interfaces_are_neither_spoken_nor_listened_to() {
    let (inside, outside) = between();
    let host = &inside.hosts[0];
    let taps = [&inside, &outside].map(|lan| Tap::new(&lan.hosts[1]));
    // By default both are used, and the host is named: the taps can hear it.
    let mut agent = host.agent(&Config::xsvr());
    for tap in &taps {
        let heard = tap.all(START);
        assert!(heard.len() >= 3, "{heard:?}");
        assert_eq!(names(&heard), [nix::unistd::gethostname().expect("a name").to_string_lossy()]);
    }
    agent.stop(s(3));
    taps.iter().for_each(|tap| drop(tap.all(ms(300))));

    let config = Config::xsvr().raw("interfaces", "[\"eth0\"]").raw("announce_host", "false");
    let agent = host.agent(&config);
    agent.reaches("clear", s(4));
    let heard = taps[0].all(START);
    assert!(heard.len() >= 3, "{heard:?}");
    assert_eq!(names(&heard), [""], "announce_host = false");
    assert_eq!(taps[1].all(ms(300)), Vec::<Vec<u8>>::new(), "nothing leaves by eth1");

    let mut author = Author::of("xsvr", SERIAL);
    taps[1].send(&author.announcement(), BROADCAST);
    within(s(1), "what comes by eth1 is refused", || (agent.status().fate("off_link") == 1).then_some(()));
    throughout(ms(500), || match holders(&agent) {
        1 => Ok(()),
        n => Err(format!("{n} holders by eth1")),
    });
    taps[0].send(&author.announcement(), BROADCAST);
    within(s(1), "what comes by eth0 is taken in", || (holders(&agent) == 2).then_some(()));
}

/// Sends an announcement with the TTL of somebody behind a router, and waits until the agent met it with this fate.
fn from_afar(host: &Host, config: &Config, tap: &Tap, fate: &str) -> usize {
    let mut agent = host.agent(config);
    agent.reaches("clear", s(4));
    tap.send(&Author::of("xsvr", SERIAL).announcement(), BROADCAST);
    within(s(1), fate, || (agent.status().fate(fate) == 1).then_some(()));
    let holders = holders(&agent);
    agent.stop(s(3));
    holders
}

#[test]
fn what_a_router_forwarded_is_refused_unless_that_is_allowed() {
    let lan = Lan::of(2, Families::V4);
    let tap = Tap::new(&lan.hosts[1]);
    tap.behind_a_router();
    assert_eq!(from_afar(&lan.hosts[0], &Config::xsvr(), &tap, "off_link"), 1);
    let allowed = Config::xsvr().raw("on_link_only", "false");
    assert_eq!(from_afar(&lan.hosts[0], &allowed, &tap, "heard"), 2);
}
