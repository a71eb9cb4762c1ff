//! What this agent can and cannot hear, interface by interface.  "None heard" is reported as exactly that.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::holders::lifetime;
use crate::limits::{PEERS, SAMPLE_EVERY, VANISHED};
use crate::{Coverage, Installation, Interface, InterfaceCoverage, Mono};

#[derive(Clone, Copy, Debug)]
struct Peer {
    last_heard: Mono,
    /// For how long since then I could not have heard it.
    unheard: Duration,
    interval_s: u16,
    /// It said goodbye: that it is heard no more is no loss of hearing.
    left: bool,
}

impl Peer {
    fn expires(&self) -> Mono {
        self.last_heard.after(lifetime(self.interval_s)).after(self.unheard)
    }
}

#[derive(Clone, Debug)]
struct Ear {
    index: u32,
    name: String,
    state: Coverage,
    since: Mono,
    why: String,
    /// When those were last heard who vanished without goodbye since anybody was heard here.
    vanished: Vec<(Mono, u16)>,
    /// Why sending or joining fails.
    broken: Option<String>,
    sampled: Option<Mono>,
    foreign: u64,
}

/// What this agent can hear.
#[derive(Clone, Debug)]
pub(crate) struct Ears {
    ears: Vec<Ear>,
    peers: BTreeMap<(u32, Installation), Peer>,
    expect_peers: u32,
    since: Mono,
    interval: Duration,
    /// When it was last worked out what can be heard: what was due by then is no deadline any more.
    updated: Mono,
    /// Why nothing can be heard at all.
    deaf: Option<String>,
}

/// Stands for the interface of configured peers that the routing table reaches by one that is not used here.
const ROUTED: u32 = 0;

impl Ears {
    pub(crate) fn new(now: Mono, expect_peers: u32, interval: Duration) -> Ears {
        let deaf = Some(String::from("no interface is up that the configuration allows"));
        let (ears, peers) = (Vec::new(), BTreeMap::new());
        Ears { ears, peers, expect_peers, since: now, interval, updated: Mono::default(), deaf }
    }

    pub(crate) fn reconfigure(&mut self, expect_peers: u32, interval: Duration) {
        (self.expect_peers, self.interval) = (expect_peers, interval);
        self.updated = Mono::default();
    }

    /// Interfaces came or went.
    pub(crate) fn set_interfaces(&mut self, now: Mono, interfaces: &[Interface]) {
        self.ears.retain(|e| interfaces.iter().any(|i| i.index == e.index));
        self.peers.retain(|(index, _), _| *index == ROUTED || interfaces.iter().any(|i| i.index == *index));
        for i in interfaces {
            if !self.ears.iter().any(|e| e.index == i.index) {
                self.ears.push(Ear::new(now, i));
            }
        }
        self.ears.sort_by_key(|e| e.index);
        self.deaf =
            self.ears.is_empty().then(|| String::from("no interface is up that the configuration allows"));
        // Whoever is expected gets an interval anew to be heard on the new links.
        self.since = now;
    }

    fn ear(&mut self, interface: u32) -> Option<&mut Ear> {
        self.ears.iter_mut().find(|e| e.index == interface)
    }

    /// Somebody else was heard with a valid signature.
    pub(crate) fn heard(&mut self, now: Mono, interface: u32, who: Installation, interval_s: u16) {
        let key = (interface, who);
        if self.peers.len() >= PEERS && !self.peers.contains_key(&key) {
            return;
        }
        self.peers.insert(key, Peer { last_heard: now, unheard: Duration::ZERO, interval_s, left: false });
        if let Some(ear) = self.ear(interface) {
            ear.vanished.clear();
        }
    }

    /// Somebody said goodbye: its leaving is no loss of hearing.  It counts as heard until it expires: the goodbye
    /// may be that of one license of several, or an old one that a stranger repeats.
    pub(crate) fn goodbye(&mut self, who: &Installation) {
        self.peers.iter_mut().filter(|((_, w), _)| w == who).for_each(|(_, p)| p.left = true);
    }

    pub(crate) fn knows(&self, interface: u32, who: Installation) -> bool {
        self.peers.contains_key(&(interface, who))
    }

    /// A foreign claim was seen.  Says whether its signature is worth checking, to know whether anybody is heard:
    /// at most one a second an interface.
    pub(crate) fn foreign(&mut self, now: Mono, interface: u32) -> bool {
        let Some(ear) = self.ear(interface) else { return false };
        ear.foreign += 1;
        let due = ear.sampled.is_none_or(|at| now.since(at) >= SAMPLE_EVERY);
        if due {
            ear.sampled = Some(now);
        }
        due
    }

    /// Sending or joining on `interface` failed, or works again.  Says whether that is news.
    pub(crate) fn set_broken(&mut self, interface: u32, why: Option<String>) -> bool {
        let Some(ear) = self.ear(interface) else { return false };
        let news = ear.broken.is_some() != why.is_some();
        ear.broken = why;
        news
    }

    /// I could not listen for so long: that nobody was heard meanwhile is no loss of hearing.
    pub(crate) fn forgive(&mut self, unheard: Duration) {
        self.peers.values_mut().for_each(|p| p.unheard = p.unheard.saturating_add(unheard));
        // Whoever is expected gets the time anew as well.
        self.since = self.since.after(unheard);
    }

    /// Whether sending on `interface` fails, or it is gone: silence says nothing then.
    pub(crate) fn is_broken(&self, interface: u32) -> bool {
        interface != ROUTED
            && self.ears.iter().find(|e| e.index == interface).is_none_or(|e| e.broken.is_some())
    }

    pub(crate) fn next_expiry(&self) -> Option<Mono> {
        let expecting = (self.expect_peers > 0).then(|| self.since.after(self.patience()));
        self.peers
            .values()
            .map(Peer::expires)
            .min()
            .into_iter()
            .chain(expecting.filter(|at| *at > self.updated && self.is_short()))
            .min()
    }

    /// How long to wait for the peers that are expected.
    fn patience(&self) -> Duration {
        self.interval + self.interval / 10
    }

    fn is_short(&self) -> bool {
        let distinct: BTreeSet<&Installation> = self.peers.keys().map(|(_, who)| who).collect();
        distinct.len() < usize::try_from(self.expect_peers).unwrap_or(usize::MAX)
    }

    /// Forgets whoever was not heard for its lifetime, and works out what can be heard.  `one_way` are the
    /// interfaces on which somebody is heard who leaves whole rounds unanswered.
    pub(crate) fn update(&mut self, now: Mono, one_way: &BTreeSet<u32>) {
        self.updated = now;
        let ears = &mut self.ears;
        self.peers.retain(|(index, _), peer| {
            let keep = now < peer.expires();
            if !keep
                && !peer.left
                && let Some(ear) = ears.iter_mut().find(|e| e.index == *index)
                && ear.vanished.len() < VANISHED
            {
                ear.vanished.push((peer.last_heard, peer.interval_s));
            }
            keep
        });
        for ear in ears {
            let peers =
                self.peers.range((ear.index, Installation([0; 32]))..=(ear.index, Installation([255; 32])));
            ear.judge(now, peers.count(), one_way.contains(&ear.index));
        }
    }

    /// The sum over all interfaces, with why.
    pub(crate) fn sum(&self, now: Mono) -> (Coverage, String) {
        if let Some(why) = &self.deaf {
            return (Coverage::Blind, why.clone());
        }
        if self.expect_peers > 0 && self.is_short() && now >= self.since.after(self.patience()) {
            return (
                Coverage::Blind,
                format!("fewer than the {} expected peers are heard", self.expect_peers),
            );
        }
        let worst = |state| {
            self.ears.iter().find(|e| e.state == state).map(|e| (state, format!("{}: {}", e.name, e.why)))
        };
        let heard = self.ears.iter().any(|e| e.state == Coverage::Good)
            || self.peers.keys().any(|(index, _)| *index == ROUTED);
        worst(Coverage::Blind)
            .or_else(|| worst(Coverage::OneWay))
            .unwrap_or((if heard { Coverage::Good } else { Coverage::NoneHeard }, String::new()))
    }

    pub(crate) fn views(&self) -> Vec<InterfaceCoverage> {
        let peers = |index| self.peers.keys().filter(|(i, _)| *i == index).count();
        self.ears
            .iter()
            .map(|e| InterfaceCoverage {
                index: e.index,
                name: e.name.clone(),
                state: e.state,
                since: e.since,
                peers: u32::try_from(peers(e.index)).unwrap_or(u32::MAX),
                why: e.why.clone(),
            })
            .collect()
    }

    /// Distinct other installations heard.
    pub(crate) fn distinct_peers(&self) -> usize {
        self.peers.keys().map(|(_, who)| who).collect::<BTreeSet<_>>().len()
    }

    /// Datagrams of foreign claims, over all interfaces.
    pub(crate) fn foreign_seen(&self) -> u64 {
        self.ears.iter().map(|e| e.foreign).sum()
    }
}

impl Ear {
    fn new(now: Mono, interface: &Interface) -> Ear {
        Ear {
            index: interface.index,
            name: interface.name.clone(),
            state: Coverage::NoneHeard,
            since: now,
            why: String::new(),
            vanished: Vec::new(),
            broken: None,
            sampled: None,
            foreign: 0,
        }
    }

    fn judge(&mut self, now: Mono, peers: usize, one_way: bool) {
        let (state, why) = if let Some(why) = &self.broken {
            (Coverage::Blind, why.clone())
        } else if peers == 0 && self.vanished_together() {
            (Coverage::Blind, format!("{} peers vanished together without goodbye", self.vanished.len()))
        } else if one_way {
            (Coverage::OneWay, String::from("somebody is heard who leaves every question unanswered"))
        } else if peers > 0 {
            (Coverage::Good, String::new())
        } else {
            (Coverage::NoneHeard, String::new())
        };
        if state != self.state {
            self.since = now;
        }
        (self.state, self.why) = (state, why);
    }

    /// Two or more were last heard within one interval of each other, and nobody since.
    fn vanished_together(&self) -> bool {
        let last: Vec<Mono> = self.vanished.iter().map(|(at, _)| *at).collect();
        let interval = self.vanished.iter().map(|(_, s)| u64::from(*s)).max().unwrap_or(0);
        match (last.iter().min(), last.iter().max()) {
            (Some(first), Some(newest)) if last.len() >= 2 => {
                newest.since(*first) <= Duration::from_secs(interval)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn ears(expect: u32) -> Ears {
        let mut ears = Ears::new(Mono(0), expect, Duration::from_secs(300));
        let eth0 = Interface { index: 2, name: String::from("eth0"), addresses: Vec::new() };
        ears.set_interfaces(Mono(0), &[eth0]);
        ears
    }

    fn at(ears: &mut Ears, s: u64) -> Coverage {
        ears.update(Mono(s * S), &BTreeSet::new());
        ears.sum(Mono(s * S)).0
    }

    #[test]
    fn alone_is_neutral_and_two_that_vanish_together_are_not() {
        let mut e = ears(0);
        assert_eq!(at(&mut e, 1), Coverage::NoneHeard);
        e.heard(Mono(10 * S), 2, Installation([1; 32]), 300);
        e.heard(Mono(20 * S), 2, Installation([2; 32]), 300);
        assert_eq!(at(&mut e, 21), Coverage::Good);
        assert_eq!(at(&mut e, 1100), Coverage::Blind);
        e.heard(Mono(1101 * S), 2, Installation([1; 32]), 300);
        assert_eq!(at(&mut e, 1102), Coverage::Good);
        assert_eq!(at(&mut e, 3000), Coverage::NoneHeard, "one that goes is no sign of blindness");
    }

    #[test]
    fn a_goodbye_is_no_loss_of_hearing() {
        let mut e = ears(0);
        for n in [1, 2] {
            e.heard(Mono(10 * S), 2, Installation([n; 32]), 300);
            e.goodbye(&Installation([n; 32]));
        }
        assert_eq!(at(&mut e, 2000), Coverage::NoneHeard);
    }

    #[test]
    fn no_interface_a_failing_one_and_missing_peers_are_blind() {
        let mut e = ears(1);
        assert_eq!(at(&mut e, 300), Coverage::NoneHeard, "there is time to be heard yet");
        assert_eq!(at(&mut e, 331), Coverage::Blind);
        e.heard(Mono(400 * S), 2, Installation([1; 32]), 300);
        assert_eq!(at(&mut e, 401), Coverage::Good);
        assert!(e.set_broken(2, Some(String::from("network is down"))));
        assert_eq!(at(&mut e, 402), Coverage::Blind);
        assert!(e.set_broken(2, None) && at(&mut e, 403) == Coverage::Good);
        e.set_interfaces(Mono(404 * S), &[]);
        assert_eq!(at(&mut e, 405), Coverage::Blind);
    }
}
