//! An Ethernet of this process's own: network cards of hosts whose cables end here, and a switch between them, for
//! what this kernel has no driver of: bonds, VLANs, and losses in bursts.
//!
//! A frame takes this way: card, driver of the card ([`Nic`]), port of the [`Bridge`], port, driver, [`Bursts`],
//! card.  Nothing here knows of the agent; what happened to frames is counted, for a test to show that it did.

mod bond;
mod bridge;
mod bursts;
mod card;

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub use bond::{Bond, Mode};
pub use bridge::{Bridge, Port, Repeater};
pub use bursts::Bursts;

use crate::lan::{Families, Host};
use card::Card;

/// A hardware address.
pub type Mac = [u8; 6];

/// How often the switch looks whether it shall end.
const LOOK_MS: u8 = 20;

/// What a host's driver makes of a network card: by which ports of the switch its frames leave and come.
pub enum Nic {
    /// One cable to this port.
    Cable(usize),
    /// One of several VLANs on one cable to a trunk port; the host sees frames without their tag.
    Vlan {
        /// The port.
        port: usize,
        /// The VLAN.
        vid: u16,
    },
    /// Two cables.
    Bond(Bond),
}

impl Nic {
    /// What leaves, by which port, of a frame that the host sends.
    fn send(&mut self, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
        match self {
            Nic::Cable(port) => vec![(*port, frame.to_vec())],
            Nic::Vlan { port, vid } => vec![(*port, bridge::tagged(*vid, frame))],
            Nic::Bond(bond) => bond.send(frame),
        }
    }

    /// What the host gets of a frame that leaves the switch by `port`.
    fn receive(&mut self, port: usize, frame: &[u8]) -> Option<Vec<u8>> {
        match self {
            Nic::Cable(own) => (*own == port).then(|| frame.to_vec()),
            Nic::Vlan { port: own, vid } => {
                let (tag, untagged) = bridge::untagged(frame).filter(|_| *own == port)?;
                (tag == *vid).then_some(untagged)
            }
            Nic::Bond(bond) => bond.receive(port, frame),
        }
    }

    /// The ports that its cables lead to.
    fn ports(&self) -> Vec<usize> {
        match self {
            Nic::Cable(port) | Nic::Vlan { port, .. } => vec![*port],
            Nic::Bond(bond) => bond.ports().to_vec(),
        }
    }
}

/// What happened to frames so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Frames that came back to the host that sent them.
    pub returned: u64,
    /// Frames that a card got more than once, without the first.
    pub doubled: u64,
    /// Frames lost on their way to a card.
    pub lost: u64,
    /// The hardware addresses that frames came from.
    pub senders: BTreeSet<Mac>,
}

/// All that lies between the cards.
pub struct Fabric {
    nics: Vec<Nic>,
    /// Which host has which card.
    owners: Vec<usize>,
    /// The switch.
    pub bridge: Bridge,
    /// What each card loses of what comes in, where any is lost.
    pub losses: Vec<Bursts>,
    /// What happened so far.
    pub counts: Counts,
}

impl Fabric {
    /// What each card gets of a frame that card `from` sends.
    fn carry(&mut self, from: usize, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let mut carried = Vec::new();
        for (port, sent) in self.nics[from].send(frame) {
            self.counts.senders.insert(source(&sent));
            for (port, forwarded) in self.bridge.forward(port, &sent) {
                for (to, nic) in self.nics.iter_mut().enumerate() {
                    carried.extend(nic.receive(port, &forwarded).map(|received| (to, received)));
                }
            }
        }
        let cards: BTreeSet<usize> = carried.iter().map(|(to, _)| *to).collect();
        self.counts.doubled += (carried.len() - cards.len()) as u64;
        let is_its_own = |to: &usize| self.owners[*to] == self.owners[from];
        self.counts.returned += u64::from(cards.iter().any(is_its_own));
        let all = carried.len();
        carried.retain(|(to, _)| !self.losses.get_mut(*to).is_some_and(Bursts::loses));
        self.counts.lost += (all - carried.len()) as u64;
        carried
    }

    /// Breaks the first cable of each bond, or mends it.
    pub fn fail_over(&mut self) {
        for nic in &mut self.nics {
            if let Nic::Bond(bond) = nic {
                bond.fail_over();
            }
        }
    }
}

/// From which hardware address a frame comes.
fn source(frame: &[u8]) -> Mac {
    frame[6..12].try_into().expect("six bytes")
}

/// Whether a frame is for many.
fn is_for_many(frame: &[u8]) -> bool {
    frame[0] & 1 == 1
}

/// Hosts with network cards, all on one switch.
pub struct Wired {
    /// The hosts, numbered from 0; `eth0` of number N has 10.0.0.(N+1).
    pub hosts: Vec<Host>,
    fabric: Arc<Mutex<Fabric>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wired {
    /// Hosts of which each has `eth0`, made of these.
    pub fn new(families: Families, nics: Vec<Nic>) -> Wired {
        let hosts: Vec<Host> = (0..nics.len()).map(|number| Host::new(number, families)).collect();
        let cards = hosts.iter().zip(nics).map(|(host, nic)| (host.number, "eth0", host.address(), nic));
        let cards = cards.collect();
        Wired::with(hosts, cards)
    }

    /// Hosts with these cards: the host's number, the card's name, its address and what it is made of.
    pub fn with(hosts: Vec<Host>, cards: Vec<(usize, &str, String, Nic)>) -> Wired {
        let (mut ends, mut nics, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (number, name, address, nic) in cards {
            ends.push(Card::plug_into(&hosts[number], name, ends.len()));
            hosts[number].bring_up(name, &address);
            nics.push(nic);
            owners.push(number);
        }
        let bridge = Bridge::new(nics.iter().flat_map(Nic::ports));
        let fabric = Fabric { nics, owners, bridge, losses: Vec::new(), counts: Counts::default() };
        let fabric = Arc::new(Mutex::new(fabric));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, ends_now) = (Arc::clone(&fabric), Arc::clone(&stop));
        let thread = std::thread::spawn(move || switch(&ends, &shared, &ends_now));
        Wired { hosts, fabric, stop, thread: Some(thread) }
    }

    /// What lies between the cards, to be looked at or changed; frames wait meanwhile.
    pub fn fabric(&self) -> MutexGuard<'_, Fabric> {
        self.fabric.lock().expect("the switch runs")
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has failed the test already, by the lock.
            let _ = thread.join();
        }
    }
}

/// Carries frames until told to end.
fn switch(cards: &[Card], fabric: &Mutex<Fabric>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut ready: Vec<PollFd<'_>> =
            cards.iter().map(|card| PollFd::new(card.as_fd(), PollFlags::POLLIN)).collect();
        // Interrupted is as good as nothing ready.
        let _ = poll(&mut ready, PollTimeout::from(LOOK_MS));
        for (from, card) in cards.iter().enumerate() {
            while let Some(frame) = card.next() {
                for (to, frame) in fabric.lock().expect("no test panics with it").carry(from, &frame) {
                    cards[to].deliver(&frame);
                }
            }
        }
    }
}
