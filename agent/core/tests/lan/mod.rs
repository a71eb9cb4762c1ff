//! A seeded LAN on fake time: engines, a queue of datagrams under way, and what goes wrong with them.

#![allow(dead_code, reason = "each test file uses its part of the harness")]

mod puppet;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use serialnumberd_core::wire::Datagram;
use serialnumberd_core::{
    Arrival, ClaimKeys, ClaimView, Coverage, Destination, Engine, Event, Fate, Identity, Interface, License,
    Mono, Now, Product, Serial, Settings, Stage, Standard, State, Tag, evidence, limits,
};
use zeroize::Zeroizing;

#[allow(unused_imports, reason = "each test file uses its part of the harness")]
pub use puppet::{Puppet, QUESTION};

pub const GROUP: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x5e71);
const START_MS: u64 = 1_800_000_000_000;

/// SplitMix64: seeded, and the seed is printed with every failure.
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// The real keys, derived once a serial: Argon2 takes 30 ms.
pub fn keys(serial: &str) -> ClaimKeys {
    static KEYS: Mutex<BTreeMap<String, ClaimKeys>> = Mutex::new(BTreeMap::new());
    let derive = || ClaimKeys::derive::<Standard>(&product(), &Serial::new(serial).unwrap());
    KEYS.lock().unwrap().entry(serial.to_string()).or_insert_with(derive).clone()
}

pub fn product() -> Product {
    Product::new("xsvr").unwrap()
}

pub fn license(serial: &str) -> License {
    License {
        product: product(),
        keys: keys(serial),
        seats: 1,
        group: String::new(),
        standby: false,
        standbys: 0,
        since_ms: 0,
    }
}

pub struct Host {
    pub engine: Engine,
    pub rng: Rng,
    pub address: Ipv4Addr,
    pub nics: u32,
    pub up: bool,
    /// Told so far, oldest first.
    pub events: Vec<Event>,
    pub fates: BTreeMap<&'static str, u64>,
    pub received: u64,
    /// This host's `CLOCK_MONOTONIC` stands behind `CLOCK_BOOTTIME` by so much.
    pub slept: Duration,
    /// This host's wall clock stands still at this Unix ms.
    pub wall_stopped: Option<u64>,
    frozen_until: Option<Mono>,
    /// When time last had this host do something, and how often at that very time.
    repeats: (Mono, u32),
}

/// A host has at most so much to do at one time: each of its turns must leave the next deadline later.
const MOST_REPEATS: u32 = 8;

impl Host {
    pub fn state(&self, now: Now) -> State {
        self.engine.claims(now).next().map_or(State::Clear, |c| c.state)
    }

    pub fn ever(&self, state: State) -> bool {
        self.events.iter().any(|e| matches!(e, Event::State { new, .. } if *new == state))
    }

    pub fn accused(&self) -> bool {
        self.events.iter().any(|e| matches!(e, Event::Duplicate { .. }))
    }

    pub fn stages(&self) -> Vec<Stage> {
        let stage = |e: &Event| if let Event::Duplicate { stage, .. } = e { Some(*stage) } else { None };
        self.events.iter().filter_map(stage).collect()
    }
}

#[derive(Clone)]
struct Flight {
    to: usize,
    bytes: Vec<u8>,
    source: SocketAddr,
    destination: IpAddr,
    interface: u32,
}

pub struct Lan {
    pub hosts: Vec<Host>,
    pub now: Mono,
    pub rng: Rng,
    pub loss_percent: u64,
    flights: BTreeMap<(Mono, u64), Flight>,
    serial: u64,
    /// Everything that was broadcast, for replays.
    pub tape: Vec<(Mono, Vec<u8>, SocketAddr)>,
    pub datagrams: u64,
    /// Everything that hosts sent, with who sent it.
    pub sent: Vec<(Mono, usize, Vec<u8>)>,
    /// A box that sends every broadcast back to everybody, its sender included, after this time.
    pub reflector: Option<Duration>,
    /// Hosts that cannot hear each other, one way: (from, to).
    pub cut: Vec<(usize, usize)>,
}

impl Lan {
    pub fn new(seed: u64) -> Lan {
        println!("seed {seed}");
        Lan {
            hosts: Vec::new(),
            now: Mono(1_000_000_000_000),
            rng: Rng(seed),
            loss_percent: 0,
            flights: BTreeMap::new(),
            serial: 0,
            tape: Vec::new(),
            datagrams: 0,
            sent: Vec::new(),
            reflector: None,
            cut: Vec::new(),
        }
    }

    pub fn clocks(&self, slept: Duration) -> Now {
        let awake = self.now.before(slept);
        Now { boot: self.now, awake, wall_ms: START_MS + self.now.0 / 1_000_000 }
    }

    pub fn at(&self) -> Now {
        self.clocks(Duration::ZERO)
    }

    /// The clocks of one host.
    pub fn clocks_of(&self, n: usize) -> Now {
        let host = &self.hosts[n];
        let now = self.clocks(host.slept);
        Now { wall_ms: host.wall_stopped.unwrap_or(now.wall_ms), ..now }
    }

    pub fn host(&mut self, installation: u8, settings: Settings) -> usize {
        self.host_with(installation, settings, 1)
    }

    pub fn host_with(&mut self, installation: u8, settings: Settings, nics: u32) -> usize {
        let rng = Rng(self.rng.next());
        self.host_from(installation, settings, nics, rng)
    }

    /// A host whose entropy is `rng`: two from one are one machine state, resumed twice.
    pub fn host_from(&mut self, installation: u8, settings: Settings, nics: u32, mut rng: Rng) -> usize {
        let n = self.hosts.len();
        let address =
            Ipv4Addr::new(10, 0, u8::try_from(n / 200).unwrap(), u8::try_from(n % 200 + 1).unwrap());
        let identity = Identity { seed: Zeroizing::new([installation; 32]), runs: 1 };
        let now = self.at();
        let mut engine = Engine::new(now, &mut |b: &mut [u8]| rng.fill(b), &identity, settings);
        engine.set_interfaces(now, &mut |b: &mut [u8]| rng.fill(b), interfaces(address, nics));
        self.hosts.push(Host {
            engine,
            rng,
            address,
            nics,
            up: true,
            events: Vec::new(),
            fates: BTreeMap::new(),
            received: 0,
            slept: Duration::ZERO,
            wall_stopped: None,
            frozen_until: None,
            repeats: (Mono(0), 0),
        });
        n
    }

    /// A host that claims `serial`.
    pub fn holder(&mut self, installation: u8, serial: &str, settings: Settings) -> usize {
        let n = self.host(installation, settings);
        self.claim(n, license(serial));
        n
    }

    pub fn claim(&mut self, n: usize, license: License) {
        let now = self.at();
        self.with(n, |engine, rng| {
            engine.claim(now, &mut |b: &mut [u8]| rng.fill(b), license).map(|_| ()).unwrap()
        });
    }

    pub fn with<T>(&mut self, n: usize, f: impl FnOnce(&mut Engine, &mut Rng) -> T) -> T {
        let host = &mut self.hosts[n];
        let result = f(&mut host.engine, &mut host.rng);
        self.collect(n);
        result
    }

    pub fn stop(&mut self, n: usize) {
        let now = self.at();
        self.with(n, |engine, rng| engine.shut_down(now, &mut |b: &mut [u8]| rng.fill(b)));
        self.hosts[n].up = false;
    }

    pub fn kill(&mut self, n: usize) {
        self.hosts[n].up = false;
    }

    /// The host's process is stopped, its datagrams wait in the socket.
    pub fn freeze(&mut self, n: usize, d: Duration) {
        self.hosts[n].frozen_until = Some(self.now.after(d));
    }

    pub fn state(&self, n: usize) -> State {
        self.hosts[n].state(self.at())
    }

    /// The only claim of host `n`.
    pub fn view(&self, n: usize) -> ClaimView {
        self.hosts[n].engine.claims(self.at()).next().expect("the host claims something")
    }

    /// What host `n` sent since `from`, decoded, with its tags.
    pub fn sent_since(&self, n: usize, from: Mono) -> Vec<(Mono, Datagram, Tag)> {
        let tag = |b: &[u8]| serialnumberd_core::crypto::tag::<Standard>(b.try_into().unwrap());
        let by = self.sent.iter().filter(|(at, who, _)| *at >= from && *who == n);
        by.map(|(at, _, b)| (*at, Datagram::decode(b).unwrap(), tag(b))).collect()
    }

    pub fn coverage(&self, n: usize) -> Coverage {
        self.hosts[n].engine.coverage(self.at()).0
    }

    /// Whoever is told of a conflict can show it to a third party, in every test.
    fn show_evidence(&self, n: usize, event: &Event) {
        let Event::Duplicate { evidence, .. } = event else { return };
        let engine = &self.hosts[n].engine;
        let kept = engine.evidence(*evidence).expect("what was told of is kept");
        let told = |at: Mono| at.0 / 1_000_000;
        let exhibit = kept.exhibit(engine.installation(), told, |i| format!("eth{i}"));
        if usize::from(exhibit.first.seats) < limits::EVIDENCE_PAIRS / 2 {
            evidence::check::<Standard>(&exhibit).unwrap_or_else(|flaw| panic!("host {n}: {flaw}"));
        }
    }

    fn collect(&mut self, n: usize) {
        while let Some(event) = self.hosts[n].engine.poll_event() {
            self.show_evidence(n, &event);
            self.hosts[n].events.push(event);
        }
        while let Some(transmit) = self.hosts[n].engine.poll_transmit() {
            self.datagrams += 1;
            let from = SocketAddr::new(self.hosts[n].address.into(), 626);
            let bytes = transmit.payload.as_bytes().to_vec();
            self.sent.push((self.now, n, bytes.clone()));
            match transmit.to {
                Destination::Everywhere => {
                    self.broadcast(Some(n), &bytes, from);
                    if let Some(after) = self.reflector {
                        self.tape.push((self.now.after(after), bytes.clone(), from));
                        let later = self.now.after(after);
                        self.fly_to_all(None, &bytes, from, later);
                    }
                }
                Destination::Link { .. } => self.broadcast(Some(n), &bytes, from),
                Destination::Unicast { to, .. } => {
                    let there =
                        (0..self.hosts.len()).filter(|i| IpAddr::V4(self.hosts[*i].address) == to.ip());
                    let there: Vec<usize> = there.collect();
                    let when = self.now.after(Duration::from_micros(100));
                    for i in there {
                        self.fly(n, i, when, &bytes, (from, to.ip()), 1);
                    }
                }
            }
        }
    }

    pub fn broadcast(&mut self, sender: Option<usize>, bytes: &[u8], from: SocketAddr) {
        self.tape.push((self.now, bytes.to_vec(), from));
        let when = self.now.after(Duration::from_micros(100));
        self.fly_to_all(sender, bytes, from, when);
    }

    fn fly_to_all(&mut self, sender: Option<usize>, bytes: &[u8], from: SocketAddr, when: Mono) {
        for to in 0..self.hosts.len() {
            for interface in 1..=self.hosts[to].nics {
                // A host hears its own broadcast on its other NICs only.
                if sender == Some(to) && interface == 1 {
                    continue;
                }
                self.fly(
                    sender.unwrap_or(to),
                    to,
                    when,
                    bytes,
                    (from, Ipv4Addr::BROADCAST.into()),
                    interface,
                );
            }
        }
    }

    fn fly(
        &mut self,
        from: usize,
        to: usize,
        when: Mono,
        bytes: &[u8],
        path: (SocketAddr, IpAddr),
        interface: u32,
    ) {
        if self.rng.below(100) < self.loss_percent || self.cut.contains(&(from, to)) {
            return;
        }
        self.serial += 1;
        let jitter = Duration::from_nanos(self.rng.below(50_000));
        let flight = Flight { to, bytes: bytes.to_vec(), source: path.0, destination: path.1, interface };
        self.flights.insert((when.after(jitter), self.serial), flight);
    }

    /// Runs for `d`.
    pub fn run(&mut self, d: Duration) {
        let end = self.now.after(d);
        self.run_until(end, |_| false);
    }

    /// Runs until `end`, or until `done`; says when it was done.
    pub fn run_until(&mut self, end: Mono, done: impl Fn(&Lan) -> bool) -> Option<Mono> {
        loop {
            if done(self) {
                return Some(self.now);
            }
            let mut next = end;
            if let Some(((when, _), _)) = self.flights.first_key_value() {
                next = next.min(*when);
            }
            for host in self.hosts.iter_mut().filter(|h| h.up) {
                let due = host.engine.next_deadline().max(host.frozen_until.unwrap_or_default());
                next = next.min(due);
            }
            self.now = self.now.max(next);
            if next >= end && self.now >= end {
                return None;
            }
            self.deliver();
            for n in 0..self.hosts.len() {
                self.time(n);
            }
        }
    }

    fn deliver(&mut self) {
        while let Some((&(when, id), _)) = self.flights.first_key_value() {
            if when > self.now {
                return;
            }
            let Some(flight) = self.flights.remove(&(when, id)) else { return };
            let host = &self.hosts[flight.to];
            if let Some(until) = host.frozen_until.filter(|u| *u > self.now) {
                self.flights.insert((until, id), flight);
                continue;
            }
            if host.up {
                self.receive(&flight);
            }
        }
    }

    fn receive(&mut self, flight: &Flight) {
        let arrival = Arrival {
            bytes: &flight.bytes,
            truncated: false,
            source: flight.source,
            destination: flight.destination,
            interface: flight.interface,
            ttl: Some(255),
        };
        self.inject(flight.to, &arrival);
    }

    /// Hands a datagram straight to a host.
    pub fn inject(&mut self, n: usize, arrival: &Arrival<'_>) -> Fate {
        let now = self.clocks_of(n);
        let host = &mut self.hosts[n];
        let rng = &mut host.rng;
        let mut entropy = |b: &mut [u8]| rng.fill(b);
        host.engine.turn(now, &mut entropy);
        let fate = host.engine.handle_datagram(now, &mut entropy, arrival);
        host.received += 1;
        *host.fates.entry(fate.as_str()).or_default() += 1;
        self.collect(n);
        fate
    }

    fn time(&mut self, n: usize) {
        let now = self.clocks_of(n);
        let host = &mut self.hosts[n];
        if !host.up || host.frozen_until.is_some_and(|u| u > self.now) {
            return;
        }
        host.frozen_until = None;
        if host.engine.next_deadline() <= now.boot {
            let rng = &mut host.rng;
            let mut entropy = |b: &mut [u8]| rng.fill(b);
            host.engine.turn(now, &mut entropy);
            host.engine.handle_time(now, &mut entropy);
            let before = if host.repeats.0 == now.boot { host.repeats.1 } else { 0 };
            host.repeats = (now.boot, before + 1);
            assert!(before < MOST_REPEATS, "host {n} would spin: its deadline stays at {:?}", now.boot);
            self.collect(n);
        }
    }
}

pub fn interfaces(address: Ipv4Addr, nics: u32) -> Vec<Interface> {
    (1..=nics)
        .map(|index| Interface { index, name: format!("eth{index}"), addresses: vec![(address.into(), 16)] })
        .collect()
}

pub fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}
