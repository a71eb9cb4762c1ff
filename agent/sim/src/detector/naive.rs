//! Four detectors as they are usually written.  Each must fail in this harness, or the harness could not tell.
//!
//! They announce as we do and listen; they differ only in whom they take for somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use fastrand::Rng;
use serialnumberd_core::wire::{Datagram, HostName, Kind, seal};
use serialnumberd_core::{
    Arrival, BootId, ClaimId, Class, Coverage, Crypto, Destination, GroupDigest, Instance, Interface, Mono,
    Nonce, Now, Payload, Product, Stage, State, Transmit,
};

use super::agent::keys;
use super::{Accused, Birth, Detector, Make, Said, Terms};
use crate::crypto::Cheap;

/// The naive detectors by name.
pub(crate) const NAIVE: &[(&str, Make)] = &[
    ("same serial from another address", |birth| start(birth, another_address)),
    ("mDNS: same name, other record (RFC 6762 s9)", |birth| start(birth, another_record)),
    ("gossip membership: name and address", |birth| start(birth, another_member)),
    ("a loop nonce alone (RFC 7527)", |birth| start(birth, another_nonce)),
];

/// Whom a datagram is taken to be of, if of somebody else.
type Rule = fn(&Naive, &Datagram, IpAddr) -> Option<Vec<u8>>;

fn bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// Not one of my addresses: another machine.
fn another_address(me: &Naive, _: &Datagram, from: IpAddr) -> Option<Vec<u8>> {
    (!me.addresses().any(|a| a == from)).then(|| bytes(from))
}

/// The record `claim` is unique; whoever has other data in it is in conflict with me.  Equal data is my own.
fn another_record(me: &Naive, datagram: &Datagram, _: IpAddr) -> Option<Vec<u8>> {
    (datagram.host != me.host).then(|| datagram.host.as_str().as_bytes().to_vec())
}

/// A member is its name and its address.
fn another_member(me: &Naive, datagram: &Datagram, from: IpAddr) -> Option<Vec<u8>> {
    let mine = datagram.host == me.host && me.addresses().any(|a| a == from);
    (!mine).then(|| [datagram.host.as_str().as_bytes(), &bytes(from)].concat())
}

/// Whatever carries no nonce of mine is not mine.
fn another_nonce(me: &Naive, datagram: &Datagram, from: IpAddr) -> Option<Vec<u8>> {
    (!me.nonces.contains(&datagram.nonce.0)).then(|| bytes(from))
}

/// Announcements after the start, in seconds; then every interval.
const EARLY_S: [u64; 8] = [0, 1, 2, 5, 10, 40, 100, 220];
/// A member is forgotten after three intervals and a tenth, as ours.
const LIFETIME: f64 = 3.3;

#[derive(Clone)]
struct Naive {
    rule: Rule,
    host: HostName,
    instance: Instance,
    signer: <Cheap as Crypto>::Signer,
    interfaces: Vec<Interface>,
    interval: Duration,
    started: Mono,
    announcements: usize,
    next: Mono,
    sequence: u64,
    nonces: BTreeSet<[u8; 16]>,
    held: Vec<Held>,
    transmits: Vec<Transmit>,
    said: Vec<Said>,
}

#[derive(Clone)]
struct Held {
    terms: Terms,
    claim: ClaimId,
    others: BTreeMap<Vec<u8>, Mono>,
    accusing: bool,
}

fn start(birth: Birth<'_>, rule: Rule) -> Box<dyn Detector> {
    let signer = Cheap::signer(&birth.seed);
    let mut boot = BootId::default();
    birth.rng.fill(&mut boot.0);
    let held = |terms: Terms| Held {
        claim: keys::<Cheap>(&terms.product, &terms.serial).id(),
        terms,
        others: BTreeMap::new(),
        accusing: false,
    };
    Box::new(Naive {
        rule,
        host: birth.settings.host,
        instance: Instance { installation: Cheap::installation(&signer), boot },
        signer,
        interfaces: birth.interfaces,
        interval: birth.settings.interval,
        started: birth.now.boot,
        announcements: 0,
        next: birth.now.boot,
        sequence: 0,
        nonces: BTreeSet::new(),
        held: birth.terms.into_iter().map(held).collect(),
        transmits: Vec::new(),
        said: Vec::new(),
    })
}

impl Naive {
    fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.interfaces.iter().flat_map(|i| &i.addresses).map(|(ip, _)| *ip)
    }

    fn send(&mut self, now: Now, rng: &mut Rng, kind: Kind) {
        for held in 0..self.held.len() {
            let terms = &self.held[held].terms;
            self.sequence += 1;
            let mut nonce = [0; 16];
            rng.fill(&mut nonce);
            self.nonces.insert(nonce);
            let datagram = Datagram {
                kind,
                standby: terms.standby,
                interval_s: u16::try_from(self.interval.as_secs()).unwrap_or(300),
                claim: self.held[held].claim,
                instance: self.instance,
                sequence: self.sequence,
                sent_ms: now.wall_ms,
                since_ms: 0,
                nonce: Nonce(nonce),
                seats: terms.seats,
                version: 1,
                runs: 1,
                product: Product::new(&terms.product).expect("scenarios' products are valid"),
                host: self.host,
                group: GroupDigest::NONE,
            };
            let bytes = seal::<Cheap>(&datagram, &self.signer, &keys::<Cheap>(&terms.product, &terms.serial));
            let payload = Payload::Datagram(Box::new(bytes));
            self.transmits.push(Transmit { payload, to: Destination::Everywhere });
        }
    }

    /// Tells whether there are more than seats.
    fn judge(&mut self, now: Now) {
        let lifetime = self.interval.mul_f64(LIFETIME);
        for held in &mut self.held {
            held.others.retain(|_, heard| now.boot.since(*heard) < lifetime);
            let over = held.terms.seats != 0 && held.others.len() + 1 > usize::from(held.terms.seats);
            if over == held.accusing {
                continue;
            }
            held.accusing = over;
            let license = held.terms.license;
            let state = if over { State::Duplicate } else { State::Clear };
            self.said.push(if over {
                let counted = held.others.len() + 1;
                Said::Duplicate(Accused {
                    license,
                    stage: Stage::Duplicate,
                    class: Class::Copy,
                    counted,
                    over: counted - usize::from(held.terms.seats),
                    flaw: None,
                })
            } else {
                Said::Resolved { license }
            });
            self.said.push(Said::State(state));
        }
    }
}

impl Detector for Naive {
    fn turn(&mut self, _: Now, _: &mut Rng) {}

    fn hear(&mut self, now: Now, _: &mut Rng, arrival: &Arrival<'_>) {
        // An IPv4 program, as they are, where there is IPv4: else it would take a host with both for two.
        if arrival.source.is_ipv6() && self.addresses().any(|a| a.is_ipv4()) {
            return;
        }
        let Ok(datagram) = Datagram::decode(arrival.bytes) else { return };
        let Some(who) = (self.rule)(self, &datagram, arrival.source.ip()) else { return };
        if let Some(held) = self.held.iter_mut().find(|h| h.claim == datagram.claim) {
            if datagram.kind == Kind::Goodbye {
                held.others.remove(&who);
            } else {
                held.others.insert(who, now.boot);
            }
            self.judge(now);
        }
    }

    fn on_time(&mut self, now: Now, rng: &mut Rng) {
        self.judge(now);
        if now.boot >= self.next {
            self.send(now, rng, Kind::Announce { probe: false, want: false });
            self.announcements += 1;
            let early = EARLY_S.get(self.announcements);
            self.next = early.map_or_else(
                || now.boot.after(self.interval),
                |s| self.started.after(Duration::from_secs(*s)).max(now.boot),
            );
        }
    }

    fn deadline(&mut self) -> Mono {
        self.next
    }

    fn transmit(&mut self) -> Option<Transmit> {
        (!self.transmits.is_empty()).then(|| self.transmits.remove(0))
    }

    fn said(&mut self) -> Option<Said> {
        (!self.said.is_empty()).then(|| self.said.remove(0))
    }

    fn set_interfaces(&mut self, now: Now, rng: &mut Rng, interfaces: Vec<Interface>) {
        self.interfaces = interfaces;
        self.send(now, rng, Kind::Announce { probe: false, want: false });
    }

    fn set_broken(&mut self, _: Now, _: &mut Rng, _: u32, _: bool) {}

    fn stop(&mut self, now: Now, rng: &mut Rng) {
        self.send(now, rng, Kind::Goodbye);
    }

    fn release(&mut self, now: Now, rng: &mut Rng, license: usize) {
        self.send(now, rng, Kind::Goodbye);
        self.held.retain(|h| h.terms.license != license);
    }

    fn relicense(&mut self, now: Now, _: &mut Rng, terms: &Terms) {
        for held in self.held.iter_mut().filter(|h| h.terms.license == terms.license) {
            held.terms = terms.clone();
        }
        self.judge(now);
    }

    fn state(&self, license: usize) -> State {
        let accusing = self.held.iter().any(|h| h.terms.license == license && h.accusing);
        if accusing { State::Duplicate } else { State::Clear }
    }

    fn coverage(&self, _: Now) -> Coverage {
        Coverage::Good
    }

    fn snapshot(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}
