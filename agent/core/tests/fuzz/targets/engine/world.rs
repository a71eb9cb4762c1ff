//! The LAN: its machines' clocks, the turns of their agents, and what they send to each other.

use super::super::cheap::Cheap;
use super::super::input::Input;
use super::machine::{Halt, Machine, Process, Rng};
use super::network::{Flight, Network};
use super::truth::Truth;
use super::witness::{Made, Witness};
use serialnumberd_core::{Destination, Engine, Entropy, Identity, Mono, Now, Transmit};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use zeroize::Zeroizing;

pub const MACHINES: usize = 4;
const START_MS: u64 = 1_800_000_000_000;
/// Datagrams that a stopped process finds in its socket: the kernel's buffer is bounded, too.
const INBOX: usize = 64;

pub struct World {
    pub now: Mono,
    pub machines: Vec<Machine>,
    pub network: Network,
    /// Who hears whom no more: (from, to).
    pub cut: [[bool; MACHINES]; MACHINES],
    pub truth: Truth,
    pub made: Made,
    pub rng: Rng,
    pub turns: u32,
    processes: usize,
}

impl World {
    pub fn new(input: &mut Input<'_>) -> World {
        let mut world = World {
            now: Mono(1_000_000_000_000),
            machines: Vec::new(),
            network: Network::default(),
            cut: [[false; MACHINES]; MACHINES],
            truth: Truth::default(),
            made: Made::default(),
            rng: Rng(u64::from(input.byte())),
            turns: 0,
            processes: 0,
        };
        for n in 0..2 + input.below(MACHINES - 1) {
            world.machines.push(Machine::new(n));
            world.start(n);
        }
        world
    }

    pub fn clocks(&self, n: usize) -> Now {
        let machine = &self.machines[n];
        let wall_ms = START_MS.wrapping_add(self.now.0 / 1_000_000).wrapping_add(machine.wall_ahead_ms);
        Now {
            boot: self.now,
            awake: self.now.before(machine.slept),
            wall_ms: machine.wall_stopped.unwrap_or(wall_ms),
        }
    }

    /// Starts a machine's agent with what its state directory holds.
    pub fn start(&mut self, n: usize) {
        let mut pool = [0; 8];
        self.rng.fill(&mut pool);
        self.start_with(n, u64::from_le_bytes(pool));
    }

    /// Starts it with this entropy.
    pub fn start_with(&mut self, n: usize, pool: u64) {
        let now = self.clocks(n);
        let machine = &mut self.machines[n];
        machine.runs += 1;
        machine.pool = pool;
        let identity = Identity { seed: Zeroizing::new(machine.seed), runs: machine.runs };
        let mut rng = Rng(pool);
        let engine = Engine::new(now, &mut rng, &identity, machine.settings.clone());
        machine.process = Some(Process { engine, rng, witness: Witness::new(self.processes) });
        machine.halt = None;
        self.processes += 1;
        self.link(n);
    }

    /// Tells a machine's agent of its interfaces.
    pub fn link(&mut self, n: usize) {
        let interfaces = self.machines[n].interfaces();
        self.act(n, |engine, now, entropy| engine.set_interfaces(now, entropy, interfaces));
    }

    /// Ends it without a word.
    pub fn kill(&mut self, n: usize) {
        let machine = &mut self.machines[n];
        if let Some(process) = machine.process.take() {
            self.truth.end(process.witness.process, None, self.now);
        }
        machine.inbox.clear();
        machine.halt = None;
    }

    /// A turn of a machine's agent, with something to do in it.  Nothing is done by one that does not run.
    pub fn act<T>(
        &mut self,
        n: usize,
        action: impl FnOnce(&mut Engine<Cheap>, Now, &mut dyn Entropy) -> T,
    ) -> Option<T> {
        self.turn(n, Vec::new(), Some(action))
    }

    fn turn<T>(
        &mut self,
        n: usize,
        arrivals: Vec<Flight>,
        action: Option<impl FnOnce(&mut Engine<Cheap>, Now, &mut dyn Entropy) -> T>,
    ) -> Option<T> {
        let now = self.clocks(n);
        let machine = &mut self.machines[n];
        let Process { engine, rng, witness } = machine.running()?;
        self.turns += 1;
        engine.turn(now, rng);
        for flight in arrivals {
            let fate = engine.handle_datagram(now, rng, &flight.arrival());
            witness.received(now.boot, &flight.bytes, flight.truncated, fate, &self.made);
        }
        let done = action.map(|action| action(engine, now, rng));
        engine.handle_time(now, rng);
        self.collect(n, now);
        done
    }

    /// Takes what the agent has to say and to send.
    pub fn collect(&mut self, n: usize, now: Now) {
        let machine = &mut self.machines[n];
        let Some(Process { engine, witness, .. }) = &mut machine.process else { return };
        let mut sent: Vec<Transmit> = Vec::new();
        while let Some(transmit) = engine.poll_transmit() {
            witness.transmitted(now.boot, engine, &transmit, machine.settings.legacy, &mut self.made);
            sent.push(transmit);
        }
        while let Some(event) = engine.poll_event() {
            witness.said(now.boot, engine, &event, &self.truth, &self.made);
        }
        witness.turned(now, engine, &self.made);
        for transmit in sent {
            self.send(n, &transmit);
        }
    }

    fn send(&mut self, n: usize, transmit: &Transmit) {
        let machine = &self.machines[n];
        if machine.mute || machine.nics == 0 {
            return;
        }
        let bytes: Rc<[u8]> = transmit.payload.as_bytes().into();
        let source = SocketAddr::new(machine.address.into(), 626);
        self.network.record(&bytes, source);
        let destination = match transmit.to {
            Destination::Everywhere | Destination::Link { .. } => IpAddr::V4(Ipv4Addr::BROADCAST),
            Destination::Unicast { to, .. } => to.ip(),
        };
        for to in 0..self.machines.len() {
            self.fly(n, to, &bytes, source, destination);
        }
    }

    /// To all interfaces of one machine that hear it.
    fn fly(&mut self, from: usize, to: usize, bytes: &Rc<[u8]>, source: SocketAddr, destination: IpAddr) {
        let machine = &self.machines[to];
        let broadcast = destination == IpAddr::V4(Ipv4Addr::BROADCAST);
        // Linux takes no IPv4 datagram from its own address; a host's second interface hears its own broadcast.
        let own_address = from != to && IpAddr::V4(machine.address) == source.ip();
        if self.cut[from][to] || own_address || !(broadcast || IpAddr::V4(machine.address) == destination) {
            return;
        }
        let first = if from == to { 2 } else { 1 };
        let last = if broadcast { machine.nics } else { machine.nics.min(1) };
        for interface in first..=last {
            let bytes = bytes.clone();
            let flight = Flight { to, interface, bytes, source, destination, ttl: 255, truncated: false };
            self.network.send(self.now, Duration::ZERO, flight);
        }
    }

    /// Time goes by.
    pub fn pass(&mut self, d: Duration) {
        let end = self.now.after(d);
        loop {
            let machines = self.machines.iter_mut().filter_map(Machine::due);
            let next = machines.chain(self.network.next_arrival()).min().unwrap_or(Mono::NEVER);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.deliver();
            for n in 0..self.machines.len() {
                self.machines[n].wake(self.now);
                if self.machines[n].due().is_some_and(|at| at <= self.now) {
                    let arrivals = std::mem::take(&mut self.machines[n].inbox);
                    self.turn(n, arrivals, None::<fn(&mut Engine<Cheap>, Now, &mut dyn Entropy)>);
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        for flight in self.network.arrived(self.now) {
            let machine = &mut self.machines[flight.to];
            let lost = machine.losses & 1 != 0;
            machine.losses >>= 1;
            let asleep = matches!(machine.halt, Some(Halt::Asleep { .. }));
            if machine.process.is_some() && !lost && !asleep && machine.inbox.len() < INBOX {
                machine.inbox.push(flight);
            }
        }
    }
}
