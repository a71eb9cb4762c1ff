//! A machine: what its agent runs on.

use super::super::cheap::Cheap;
use super::network::Flight;
use super::witness::Witness;
use serialnumberd_core::{Engine, Entropy, Interface, Mono, Settings};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Not the protocol's 300 s: nobody is remembered for longer than 3.3 intervals, and so long the LAN is left in peace.
pub const LONGEST_INTERVAL_S: u64 = 60;

/// SplitMix64.
pub struct Rng(pub u64);

impl Entropy for Rng {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A running agent.
pub struct Process {
    pub engine: Engine<Cheap>,
    pub rng: Rng,
    pub witness: Witness,
}

/// Why a machine's agent does not turn, and until when.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// Its process is stopped; what arrives waits in the socket.
    Stopped(Mono),
    /// The machine sleeps since then; what arrives is lost.
    Asleep { since: Mono, until: Mono },
}

pub struct Machine {
    pub seed: [u8; 32],
    /// What its entropy began with when its process was started.
    pub pool: u64,
    pub address: Ipv4Addr,
    pub nics: u32,
    pub settings: Settings,
    pub process: Option<Process>,
    /// How often its agent was started.
    pub runs: u64,
    pub halt: Option<Halt>,
    /// What has arrived and waits for a turn.
    pub inbox: Vec<Flight>,
    /// `CLOCK_MONOTONIC` stands behind `CLOCK_BOOTTIME` by so much.
    pub slept: Duration,
    pub wall_ahead_ms: u64,
    pub wall_stopped: Option<u64>,
    /// Which of the next eight datagrams are lost on arrival.
    pub losses: u8,
    /// Its sends fail.
    pub mute: bool,
}

pub fn address(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(n).expect("few") + 1)
}

impl Machine {
    pub fn new(n: usize) -> Machine {
        Machine {
            seed: [u8::try_from(n).expect("few"); 32],
            pool: 0,
            address: address(n),
            nics: 1,
            settings: Settings { interval: Duration::from_secs(LONGEST_INTERVAL_S), ..Settings::default() },
            process: None,
            runs: 0,
            halt: None,
            inbox: Vec::new(),
            slept: Duration::ZERO,
            wall_ahead_ms: 0,
            wall_stopped: None,
            losses: 0,
            mute: false,
        }
    }

    pub fn interfaces(&self) -> Vec<Interface> {
        let interface = |index| Interface {
            index,
            name: format!("eth{index}"),
            addresses: vec![(self.address.into(), 16)],
        };
        (1..=self.nics).map(interface).collect()
    }

    /// When its agent has something to do.
    pub fn due(&mut self) -> Option<Mono> {
        let process = self.process.as_mut()?;
        match self.halt {
            Some(Halt::Stopped(until) | Halt::Asleep { until, .. }) => Some(until),
            None if !self.inbox.is_empty() => Some(Mono::default()),
            None => Some(process.engine.next_deadline()),
        }
    }

    /// Goes on if its halt is over.
    pub fn wake(&mut self, now: Mono) {
        match self.halt {
            Some(Halt::Stopped(until)) if until <= now => self.halt = None,
            Some(Halt::Asleep { since, until }) if until <= now => {
                self.slept += now.since(since);
                self.halt = None;
            }
            _ => {}
        }
    }

    /// Its agent, if it turns.
    pub fn running(&mut self) -> Option<&mut Process> {
        self.process.as_mut().filter(|_| self.halt.is_none())
    }
}
