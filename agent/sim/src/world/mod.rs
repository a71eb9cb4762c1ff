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
mod process;
mod queue;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use serialnumberd_core::limits::SINCE_MIN_MS;
use serialnumberd_core::{Mono, State};

use crate::detector::{Make, Terms};
use crate::oracle::{Ending, Latencies, Oracle};
use crate::scenario::{HostId, Saying, Scenario, SegmentId, Step, Temper, Word};
use crate::truth::Truth;
use clock::Clocks;
use machine::{Card, Disk, Machine, link_local};
use network::{Frame, Network};
use queue::{Due, Queue};

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
    queue: Queue,
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
    /// A process turns for ever at one moment: time does not get on.
    stuck: bool,
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
            queue: Queue::default(),
            rng,
            machines: Vec::new(),
            network,
            truth: Truth::new(scenario),
            oracle: Oracle::new(scenario),
            addresses: 0,
            prefixes: 0,
            tape: VecDeque::new(),
            digest: 0,
            stuck: false,
        };
        for host in 0..scenario.hosts.len() {
            world.build(host);
        }
        for step in steps {
            world.queue.push(step.at, Due::Step(Box::new(step.deed.clone())));
        }
        for (n, saying) in scenario.must_say.iter().enumerate() {
            world.queue.push(saying.at, Due::Say(n));
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
                since_ms: if self.scenario.hosts[host].temper == Temper::Backdates {
                    SINCE_MIN_MS
                } else {
                    0
                },
            }
        });
        let machine = Machine {
            disk: Disk::blank(&mut rng),
            saved: None,
            clocks: Clocks::new(),
            cards: Vec::new(),
            next_index: 2,
            suspended: None,
            starts_on_resume: false,
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
            turns: (Mono(0), 0),
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

    fn run(&mut self, end: Mono) {
        while let Some(entry) = self.queue.pop() {
            if entry.at > self.now
                && let Some(untrue) = self.truth.check(self.now)
            {
                self.oracle.find(self.now, &untrue);
            }
            if entry.at > end || self.stuck {
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
        self.listen_at_the_end();
        let ending = Ending { at: self.now, whole: self.network.is_whole() };
        self.oracle.conclude(ending, &self.truth);
        if let Some(most) = self.scenario.must_send_at_most {
            for (host, machine) in self.machines.iter().enumerate().filter(|(_, m)| m.sent > most) {
                let (name, sent) = (&self.scenario.hosts[host].name, machine.sent);
                self.oracle.find(self.now, &format!("{name} has sent {sent} datagrams, {most} were allowed"));
            }
        }
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
            let (machine, name) = (&self.machines[*host], &self.scenario.hosts[*host].name);
            let Some(process) = machine.process.as_ref() else {
                self.oracle.find(self.now, &format!("{name} does not run"));
                continue;
            };
            let license = machine.terms.first().map(|t| t.license);
            let state = license.map_or(State::Clear, |l| process.state(l));
            let coverage = process.coverage(machine.clocks.read(self.now));
            let counted = license.and_then(|l| self.oracle.counted(*host, l));
            let says = match saying.word {
                Word::State(must) => state == must,
                Word::Coverage(must) => coverage == must,
                Word::Counts(holders, over) => counted == Some((holders, over)),
            };
            if !says {
                let counts =
                    counted.map_or(String::new(), |(n, over)| format!(", it counts {n}, {over} over"));
                let must = saying.word;
                self.oracle.find(
                    self.now,
                    &format!("{name} says {state} and {coverage}{counts}, it must say {must}"),
                );
            }
        }
    }

    /// When all is over whoever need not be accused is clear, unless something else is to be said of it.
    fn listen_at_the_end(&mut self) {
        let honest = |host: &HostId| self.scenario.hosts[*host].temper.is_honest();
        for host in (0..self.machines.len()).filter(honest) {
            let machine = &self.machines[host];
            let Some(process) = machine.process.as_ref().filter(|_| machine.is_live()) else { continue };
            let Some(must) = self.scenario.last_state(host) else { continue };
            let state = |t: &Terms| process.state(t.license);
            if let Some(state) = machine.terms.iter().map(state).find(|s| *s != must) {
                let name = &self.scenario.hosts[host].name;
                self.oracle.find(self.now, &format!("{name} says {state} in the end, it must say {must}"));
            }
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

    /// A global IPv6 address of a prefix that was never there before.
    fn new_global(&mut self) -> (IpAddr, u64) {
        self.prefixes += 1;
        self.addresses += 1;
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, self.prefixes, 0, 0, 0, 0, 0);
        let address = Ipv6Addr::from(u128::from(prefix) | u128::from(self.addresses));
        (address.into(), u64::from(self.addresses))
    }
}

#[cfg(test)]
mod tests;
