//! The life of a process: it starts, turns, hears, speaks, stands still and ends.

use std::net::SocketAddr;
use std::time::Duration;

use serialnumberd_core::wire::HostName;
use serialnumberd_core::{Arrival, Mono, Settings};

use super::World;
use super::network::Frame;
use super::queue::Due;
use crate::detector::{Birth, Said, with_temper};
use crate::scenario::HostId;

/// What the agent's receive buffer holds of a datagram.
const MOST: usize = 512;
/// Because of time a process has a few turns at one moment, one for each thing that is due.  One that has so many has
/// something due that it never does.
const TURNS_AT_ONCE: u32 = 10_000;

impl World<'_> {
    /// Starts the process of a machine that has none; of one that sleeps, when it wakes up.
    pub(super) fn start(&mut self, host: HostId) {
        let plan = &self.scenario.hosts[host];
        let machine = &mut self.machines[host];
        if machine.process.is_some() {
            return;
        }
        machine.starts_on_resume = machine.suspended.is_some();
        if machine.starts_on_resume {
            return;
        }
        machine.disk.runs += 1;
        machine.told_broken.clear();
        machine.socket.clear();
        let settings = Settings {
            peers: plan.peers.clone(),
            host: HostName::new(&plan.name),
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
    pub(super) fn end(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        machine.process = None;
        machine.starts_on_resume = false;
        machine.frozen_until = None;
        machine.scheduled = Mono::NEVER;
        machine.socket.clear();
        self.oracle.ended(self.now, host);
        self.tell_truth(host);
    }

    pub(super) fn freeze(&mut self, host: HostId, d: Duration) {
        let until = self.now.after(d);
        let machine = &mut self.machines[host];
        if machine.process.is_none() {
            return;
        }
        machine.frozen_until = Some(machine.frozen_until.map_or(until, |u| u.max(until)));
        self.tell_truth(host);
        self.queue.push(until, Due::Thaw(host));
    }

    /// The process goes on: what waited in its socket comes in one turn.
    pub(super) fn thaw(&mut self, host: HostId) {
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

    /// The process takes a turn because of time.
    pub(super) fn wake(&mut self, host: HostId) {
        let now = self.now;
        let machine = &mut self.machines[host];
        if machine.scheduled != now {
            return;
        }
        machine.scheduled = Mono::NEVER;
        if self.comes_late(host) {
            return;
        }
        if self.machines[host].is_live() && !self.spins(host) {
            self.turn(host);
        }
    }

    /// Whether a process is starved: it does not turn now, whatever wakes it, but some time later.
    pub(super) fn comes_late(&mut self, host: HostId) -> bool {
        let machine = &self.machines[host];
        let starved = machine.starved.filter(|(_, until)| machine.is_live() && self.now < *until);
        if let Some((late, _)) = starved {
            self.freeze(host, late);
        }
        starved.is_some()
    }

    /// Whether a process wakes up again and again and time does not get on: that ends the run.
    fn spins(&mut self, host: HostId) -> bool {
        let turns = &mut self.machines[host].turns;
        *turns = if turns.0 == self.now { (turns.0, turns.1 + 1) } else { (self.now, 1) };
        self.stuck |= turns.1 > TURNS_AT_ONCE;
        if self.stuck {
            let name = &self.scenario.hosts[host].name;
            self.oracle.find(
                self.now,
                &format!("{name} woke up {TURNS_AT_ONCE} times at one moment, and would for ever"),
            );
        }
        self.stuck
    }

    /// A turn of the loop: was it well, then what is due by now.
    pub(super) fn turn(&mut self, host: HostId) {
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
    pub(super) fn after(&mut self, host: HostId) {
        let mut spoke = false;
        while let Some(said) = self.machines[host].process.as_mut().and_then(|p| p.said()) {
            self.observe(host, &said);
            spoke = true;
        }
        if spoke {
            self.compare(host);
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
            self.queue.push(at, Due::Wake(host));
        }
    }

    pub(super) fn observe(&mut self, host: HostId, said: &Said) {
        let at = self.now;
        let word = match said {
            Said::Duplicate(accused) => {
                let own = self.machines[host].clocks.read(at).boot;
                self.oracle.duplicate(at, own, host, accused, &self.truth);
                1
            }
            Said::Resolved { license } => {
                self.oracle.resolved(at, host, *license);
                2
            }
            Said::State(state) => 3 + *state as u64,
        };
        self.note(word ^ at.0 ^ (host as u64) << 48);
    }

    /// What a process told its plugins is what it shows.
    fn compare(&mut self, host: HostId) {
        let Some(process) = &self.machines[host].process else { return };
        for license in &self.scenario.hosts[host].licenses {
            self.oracle.shows(self.now, host, *license, process.state(*license));
        }
    }

    pub(super) fn note(&mut self, word: u64) {
        self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5);
    }

    /// Hands a datagram to the process.
    pub(super) fn hear(&mut self, host: HostId, card: u32, frame: &Frame) {
        let machine = &mut self.machines[host];
        let read = machine.clocks.read(self.now);
        let Some(process) = machine.process.as_mut() else { return };
        let mut source = frame.source;
        if let SocketAddr::V6(v6) = &mut source {
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
    pub(super) fn tell_truth(&mut self, host: HostId) {
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

    /// The process is told of its interfaces.
    pub(super) fn relink(&mut self, host: HostId) {
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
}
