//! A machine: its disk, clocks, cards, and the process that runs on it.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use serialnumberd_core::{Interface, Mono};

use super::clock::Clocks;
use super::network::Frame;
use crate::detector::{Detector, Terms};
use crate::oracle::Memory;
use crate::scenario::{Bond, SegmentId};

/// Datagrams that wait in the socket of a process that stands still: the agent asks for 4 MiB, the kernel grants twice
/// that, and counts 768 bytes for a small datagram.
const SOCKET_QUEUE: usize = 2 * (4 << 20) / 768;

/// What the state directory holds.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// Seed of the installation's key.
    pub seed: [u8; 32],
    pub runs: u64,
}

impl Disk {
    pub(crate) fn blank(rng: &mut Rng) -> Disk {
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        Disk { seed, runs: 0 }
    }
}

/// A card, or a bond of two.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub index: u32,
    pub segment: SegmentId,
    pub linked: bool,
    /// With when each was taken: of two machines with one address the later is reached.
    pub addresses: Vec<(IpAddr, u64)>,
    pub bond: Bond,
}

impl Card {
    /// How many copies of a datagram it puts on the wire, and how many of one on the wire it receives.
    pub(crate) fn ports(&self) -> (u32, u32) {
        // Documentation/networking/bonding.rst: what goes out on which port, and which port listens to broadcasts.
        match self.bond {
            Bond::None | Bond::ActiveBackup | Bond::Lag | Bond::BalanceTlb | Bond::BalanceAlb => (1, 1),
            Bond::BalanceRr | Bond::BalanceXor => (1, 2),
            Bond::Broadcast => (2, 2),
        }
    }

    pub(crate) fn first(&self, v6: bool) -> Option<IpAddr> {
        self.addresses.iter().map(|(ip, _)| *ip).find(|ip| ip.is_ipv6() == v6)
    }

    fn interface(&self) -> Interface {
        let prefix = |ip: &IpAddr| if ip.is_ipv6() { 64 } else { 16 };
        Interface {
            index: self.index,
            name: format!("eth{}", self.index),
            addresses: self.addresses.iter().map(|(ip, _)| (*ip, prefix(ip))).collect(),
        }
    }
}

/// Everything of a running machine, as a live snapshot keeps it.
pub(crate) struct Snapshot {
    pub detector: Box<dyn Detector>,
    pub clocks: Clocks,
    pub rng: Rng,
    pub disk: Disk,
    pub cards: Vec<Card>,
    /// What its process has told of each license.
    pub memories: Vec<(usize, Memory)>,
    pub at: Mono,
}

/// A machine.
pub(crate) struct Machine {
    pub disk: Disk,
    pub saved: Option<Disk>,
    pub clocks: Clocks,
    pub cards: Vec<Card>,
    pub next_index: u32,
    pub suspended: Option<Mono>,
    /// Its process was started while it was suspended.
    pub starts_on_resume: bool,
    pub frozen_until: Option<Mono>,
    /// Every turn comes so late, until then.
    pub starved: Option<(Duration, Mono)>,
    /// Nothing that it sends leaves.
    pub mute: bool,
    /// Cards of which the process was told that sending fails.
    pub told_broken: BTreeSet<u32>,
    pub terms: Vec<Terms>,
    pub process: Option<Box<dyn Detector>>,
    pub socket: VecDeque<(Rc<Frame>, u32)>,
    pub rng: Rng,
    pub snapshot: Option<Snapshot>,
    /// The earliest entry in the world's queue that wakes it.
    pub scheduled: Mono,
    /// The moment of its newest turn, and how many it took then.
    pub turns: (Mono, u32),
    pub sent: u64,
    pub bytes: u64,
    /// How long it has run, and since when it does now.
    pub ran: Duration,
    pub running_since: Option<Mono>,
}

impl Machine {
    /// Whether its process runs.
    pub(crate) fn is_live(&self) -> bool {
        self.process.is_some() && self.suspended.is_none() && self.frozen_until.is_none()
    }

    pub(crate) fn interfaces(&self) -> Vec<Interface> {
        self.cards.iter().filter(|c| c.linked).map(Card::interface).collect()
    }

    pub(crate) fn card(&self, index: u32) -> Option<&Card> {
        self.cards.iter().find(|c| c.index == index)
    }

    pub(crate) fn has(&self, segment: SegmentId, address: IpAddr) -> Option<u64> {
        let cards = self.cards.iter().filter(|c| c.linked && c.segment == segment);
        cards.flat_map(|c| &c.addresses).find(|(ip, _)| *ip == address).map(|(_, taken)| *taken)
    }

    /// A datagram waits for a process that stands still.
    pub(crate) fn queue(&mut self, frame: Rc<Frame>, card: u32) {
        if self.socket.len() < SOCKET_QUEUE {
            self.socket.push_back((frame, card));
        }
    }
}

/// A card's addresses on a segment.
pub(crate) fn link_local(number: u32) -> Ipv6Addr {
    Ipv6Addr::from(0xfe80_0000_0000_0000_0200_00ff_fe00_0000_u128 | u128::from(number))
}
