//! The world: machines and networks on virtual time.  One queue of what is due; nothing waits, nothing is parallel, and
//! all chance comes from one seed.
//!
//! `machine` and `clock` are what a process runs on, `network` what is between them; `delivery` moves datagrams,
//! `deeds` does what the story says, `mischief` what strangers do.

mod clock;
mod deeds;
mod delivery;
mod machine;
mod mischief;
mod network;

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use serialnumberd_core::{Arrival, Mono, Settings};

use crate::detector::{Birth, Make, Said, Terms, with_temper};
use crate::oracle::{Latencies, Oracle};
use crate::scenario::{HostId, Saying, Scenario, SegmentId, Step};
use crate::truth::Truth;
use clock::Clocks;
use machine::{Card, Disk, Machine, link_local};
use network::{Frame, Network};

/// Something due.
enum Due {
    /// A step of the story, or one that followed from it.
    Step(Box<crate::scenario::Deed>),
    /// What hosts must say now.
    Say(usize),
    /// A datagram reaches everybody on its segment, or whom it is addressed to.
    Frame(Rc<Frame>),
    /// A datagram reaches one card, so many times.
    Card(Rc<Frame>, HostId, u32),
    /// A process wants to turn.
    Wake(HostId),
    /// A process goes on.
    Thaw(HostId),
}

struct Entry {
    at: Mono,
    /// In the order of being queued, at one time.
    serial: u64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    /// The earliest is the greatest: the heap gives the greatest first.
    fn cmp(&self, other: &Entry) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was wrong; empty if all was as it must be.
    pub findings: Vec<String>,
    /// How long it took to know.
    pub latencies: Latencies,
    /// Verdicts of the strictest policy that stop the licensed software.
    pub enforced: u64,
    /// `duplicate` events that reached plugins.
    pub told: u64,
    /// Datagrams and bytes that machines put on the wire.
    pub datagrams: u64,
    /// See `datagrams`.
    pub bytes: u64,
    /// For how long hosts ran, in sum.
    pub host_time: Duration,
    /// Of all that was sent and said: the same for the same seed.
    pub digest: u64,
}

/// A scenario being played.
pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    make: Make,
    now: Mono,
    queue: BinaryHeap<Entry>,
    serial: u64,
    rng: Rng,
    machines: Vec<Machine>,
    network: Network,
    truth: Truth,
    oracle: Oracle<'a>,
    /// Addresses given away so far.
    addresses: u32,
    /// IPv6 prefixes given away so far.
    prefixes: u16,
    /// What hosts sent, for strangers that repeat it.
    tape: VecDeque<(HostId, Rc<Frame>)>,
    digest: u64,
}

/// Datagrams that a stranger remembers.
const TAPE: usize = 4096;

impl<'a> World<'a> {
    /// Plays `scenario` with the story's `steps` to its end, with detectors made by `make`.
    pub(crate) fn play(scenario: &'a Scenario, steps: &[Step], seed: u64, make: Make) -> Outcome {
        let mut rng = Rng::with_seed(seed);
        let network = Network::new(&scenario.segments, &scenario.nats, rng.fork());
        let mut world = World {
            scenario,
            make,
            now: Mono(0),
            queue: BinaryHeap::new(),
            serial: 0,
            rng,
            machines: Vec::new(),
            network,
            truth: Truth::new(scenario),
            oracle: Oracle::new(scenario),
            addresses: 0,
            prefixes: 0,
            tape: VecDeque::new(),
            digest: 0,
        };
        for host in 0..scenario.hosts.len() {
            world.build(host);
        }
        for step in steps {
            world.push(step.at, Due::Step(Box::new(step.deed.clone())));
        }
        for (n, saying) in scenario.must_say.iter().enumerate() {
            world.push(saying.at, Due::Say(n));
        }
        world.run(Mono(0).after(scenario.length));
        world.outcome()
    }

    fn build(&mut self, host: HostId) {
        let plan = &self.scenario.hosts[host];
        let mut rng = self.rng.fork();
        let terms = plan.licenses.iter().map(|license| {
            let plan = &self.scenario.licenses[*license];
            Terms {
                license: *license,
                product: plan.product.clone(),
                serial: plan.serial.clone(),
                seats: plan.seats,
                standbys: plan.standbys,
                group: plan.group.clone(),
                standby: self.scenario.hosts[host].standby,
            }
        });
        let machine = Machine {
            disk: Disk::blank(&mut rng),
            saved: None,
            clocks: Clocks::new(),
            cards: Vec::new(),
            next_index: 2,
            suspended: None,
            frozen_until: None,
            starved: None,
            mute: false,
            told_broken: std::collections::BTreeSet::new(),
            terms: terms.collect(),
            process: None,
            socket: VecDeque::new(),
            rng,
            snapshot: None,
            scheduled: Mono::NEVER,
            sent: 0,
            bytes: 0,
            ran: Duration::ZERO,
            running_since: None,
        };
        self.machines.push(machine);
        for segment in plan.on.clone() {
            self.add_card(host, segment);
        }
    }

    fn push(&mut self, at: Mono, due: Due) {
        self.serial += 1;
        self.queue.push(Entry { at, serial: self.serial, due });
    }

    fn run(&mut self, end: Mono) {
        while let Some(entry) = self.queue.pop() {
            if entry.at > self.now
                && let Some(untrue) = self.truth.check(self.now)
            {
                self.oracle.find(self.now, &untrue);
            }
            if entry.at > end {
                break;
            }
            self.now = self.now.max(entry.at);
            match entry.due {
                Due::Step(deed) => self.perform(*deed),
                Due::Say(n) => self.listen(&self.scenario.must_say[n]),
                Due::Frame(frame) => self.arrive(&frame),
                Due::Card(frame, host, card) => self.receive(host, card, &frame),
                Due::Wake(host) => self.wake(host),
                Due::Thaw(host) => self.thaw(host),
            }
        }
        self.now = end;
    }

    fn outcome(mut self) -> Outcome {
        self.oracle.conclude(self.now, &self.truth, self.network.is_whole());
        let now = self.now;
        let ran = |m: &Machine| m.ran + m.running_since.map_or(Duration::ZERO, |since| now.since(since));
        Outcome {
            findings: self.oracle.findings,
            latencies: self.oracle.latencies,
            enforced: self.oracle.enforced,
            told: self.oracle.told,
            datagrams: self.machines.iter().map(|m| m.sent).sum(),
            bytes: self.machines.iter().map(|m| m.bytes).sum(),
            host_time: self.machines.iter().map(ran).sum(),
            digest: self.digest,
        }
    }

    /// Whether hosts say what they must.
    fn listen(&mut self, saying: &Saying) {
        for host in &saying.hosts {
            let machine = &self.machines[*host];
            let Some(process) = machine.process.as_ref() else {
                self.oracle.find(self.now, &format!("{} does not run", self.scenario.hosts[*host].name));
                continue;
            };
            let state = machine.terms.first().map(|t| process.state(t.license));
            let coverage = process.coverage(machine.clocks.read(self.now));
            let state = state.map_or("", |s| s.as_str());
            if state != saying.word && coverage.as_str() != saying.word {
                let name = &self.scenario.hosts[*host].name;
                let must = &saying.word;
                self.oracle
                    .find(self.now, &format!("{name} says {state} and {coverage}, it must say {must}"));
            }
        }
    }

    /// The process takes a turn because of time.
    fn wake(&mut self, host: HostId) {
        let now = self.now;
        let machine = &mut self.machines[host];
        if machine.scheduled != now {
            return;
        }
        machine.scheduled = Mono::NEVER;
        if let Some((late, until)) = machine.starved
            && machine.frozen_until.is_none()
            && now < until
        {
            self.freeze(host, late);
            return;
        }
        if !self.machines[host].is_live() {
            return;
        }
        self.turn(host);
    }

    /// A turn of the loop: was it well, then what is due by now.
    fn turn(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        let read = machine.clocks.read(self.now);
        let Some(process) = machine.process.as_mut() else { return };
        process.turn(read, &mut machine.rng);
        if process.deadline() <= read.boot {
            process.on_time(read, &mut machine.rng);
        }
        self.after(host);
    }

    /// Takes what a process has to say and to send, and asks when it wants to turn next.
    fn after(&mut self, host: HostId) {
        while let Some(said) = self.machines[host].process.as_mut().and_then(|p| p.said()) {
            self.observe(host, &said);
        }
        while let Some(transmit) = self.machines[host].process.as_mut().and_then(|p| p.transmit()) {
            self.send(host, &transmit);
        }
        let machine = &mut self.machines[host];
        let Some(process) = machine.process.as_mut() else { return };
        // What is due already was done in this turn, or will be in the next: time must get on.
        let at = machine.clocks.world_time(process.deadline()).max(self.now);
        if at < machine.scheduled && at != Mono::NEVER {
            machine.scheduled = at;
            self.push(at, Due::Wake(host));
        }
    }

    fn observe(&mut self, host: HostId, said: &Said) {
        let at = self.now;
        let word = match said {
            Said::Duplicate { license, stage, class } => {
                self.oracle.duplicate(at, (host, *license), *stage, class.as_str(), &self.truth);
                1
            }
            Said::Resolved { license } => {
                self.oracle.resolved(at, host, *license);
                2
            }
            Said::State { license, state } => {
                self.oracle.state(at, host, *license, *state);
                3 + *state as u64
            }
        };
        self.note(word ^ at.0 ^ (host as u64) << 48);
    }

    fn note(&mut self, word: u64) {
        self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5);
    }

    /// Hands a datagram to the process.
    fn hear(&mut self, host: HostId, card: u32, frame: &Frame) {
        let machine = &mut self.machines[host];
        let read = machine.clocks.read(self.now);
        let Some(process) = machine.process.as_mut() else { return };
        let mut source = frame.source;
        if let std::net::SocketAddr::V6(v6) = &mut source {
            v6.set_scope_id(card);
        }
        let arrival = Arrival {
            bytes: &frame.bytes[..frame.bytes.len().min(MOST)],
            truncated: frame.bytes.len() > MOST,
            source,
            destination: frame.destination.ip(),
            interface: card,
            ttl: Some(frame.ttl),
        };
        process.turn(read, &mut machine.rng);
        process.hear(read, &mut machine.rng, &arrival);
        self.after(host);
    }

    /// What the truth is about a host now.
    fn tell_truth(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        let live = machine.is_live();
        match machine.running_since {
            None if live => machine.running_since = Some(self.now),
            Some(since) if !live => {
                machine.ran += self.now.since(since);
                machine.running_since = None;
            }
            _ => {}
        }
        for license in self.scenario.hosts[host].licenses.clone() {
            let terms = self.machines[host].terms.iter().find(|t| t.license == license);
            let role = terms.filter(|_| live).map(|t| t.standby && !t.group.is_empty());
            self.truth.set(self.now, license, host, role);
        }
    }

    fn new_addresses(&mut self, segment: SegmentId) -> Vec<(IpAddr, u64)> {
        self.addresses += 1;
        let number = self.addresses;
        let [_, _, high, low] = number.to_be_bytes();
        let place = u8::try_from(segment).unwrap_or(255);
        let mut addresses = Vec::new();
        if self.network.carries(segment, false) {
            addresses.push((Ipv4Addr::new(10, place, high, low).into(), u64::from(number)));
        }
        if self.network.carries(segment, true) {
            addresses.push((link_local(number).into(), u64::from(number)));
        }
        addresses
    }

    /// A card with new addresses; the process learns of it by [`World::relink`].
    fn add_card(&mut self, host: HostId, segment: SegmentId) {
        let addresses = self.new_addresses(segment);
        let bond = self.scenario.hosts[host].bond;
        let machine = &mut self.machines[host];
        let index = machine.next_index;
        machine.next_index += 1;
        machine.cards.push(Card { index, segment, linked: true, addresses, bond });
    }

    /// The process is told of its interfaces.
    fn relink(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        let read = machine.clocks.read(self.now);
        let interfaces = machine.interfaces();
        if !machine.is_live() {
            // It looks when it goes on.
            return;
        }
        if let Some(process) = machine.process.as_mut() {
            process.turn(read, &mut machine.rng);
            process.set_interfaces(read, &mut machine.rng, interfaces);
            self.after(host);
        }
    }

    /// A global IPv6 address of a prefix that was never there before.
    fn new_global(&mut self) -> (IpAddr, u64) {
        self.prefixes += 1;
        self.addresses += 1;
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, self.prefixes, 0, 0, 0, 0, 0);
        let address = Ipv6Addr::from(u128::from(prefix) | u128::from(self.addresses));
        (address.into(), u64::from(self.addresses))
    }

    /// Starts the process of a machine that has none.
    fn start(&mut self, host: HostId) {
        let plan = &self.scenario.hosts[host];
        let machine = &mut self.machines[host];
        if machine.process.is_some() {
            return;
        }
        machine.disk.runs += 1;
        machine.told_broken.clear();
        machine.socket.clear();
        let settings = Settings {
            peers: plan.peers.clone(),
            host: serialnumberd_core::wire::HostName::new(&plan.name),
            ..self.scenario.settings.clone()
        };
        let birth = Birth {
            now: machine.clocks.read(self.now),
            seed: machine.disk.seed,
            runs: machine.disk.runs,
            settings,
            interfaces: machine.interfaces(),
            terms: machine.terms.clone(),
            crypto: self.scenario.crypto,
            rng: &mut machine.rng,
        };
        machine.process = Some(with_temper(plan.temper, self.make, birth));
        self.tell_truth(host);
        self.after(host);
    }

    /// The process is gone, however it went.
    fn end(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        machine.process = None;
        machine.frozen_until = None;
        machine.scheduled = Mono::NEVER;
        machine.socket.clear();
        for terms in machine.terms.clone() {
            self.oracle.resolved(self.now, host, terms.license);
        }
        self.tell_truth(host);
    }

    fn freeze(&mut self, host: HostId, d: Duration) {
        let until = self.now.after(d);
        let machine = &mut self.machines[host];
        if machine.process.is_none() {
            return;
        }
        machine.frozen_until = Some(machine.frozen_until.map_or(until, |u| u.max(until)));
        self.tell_truth(host);
        self.push(until, Due::Thaw(host));
    }

    /// The process goes on: what waited in its socket comes in one turn.
    fn thaw(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        if machine.frozen_until.is_none_or(|until| until > self.now) {
            return;
        }
        machine.frozen_until = None;
        self.tell_truth(host);
        self.relink(host);
        let waiting = std::mem::take(&mut self.machines[host].socket);
        for (frame, card) in waiting {
            self.hear(host, card, &frame);
        }
        if self.machines[host].is_live() {
            self.turn(host);
        }
    }
}

/// What the agent's receive buffer holds of a datagram.
const MOST: usize = 512;
