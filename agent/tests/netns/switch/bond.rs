//! Two cables used as one card, in the seven ways of Linux (Documentation/networking/bonding.rst), as far as they
//! show outside the driver: by which cable a frame leaves, with which hardware address, and which is taken in.

use super::{Mac, is_for_many, source};

/// A way to use two cables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `balance-rr`: by turns; the switch knows nothing of it, and floods back by the other cable.
    RoundRobin,
    /// `active-backup`: one at a time.
    ActiveBackup,
    /// `balance-xor`: by whom a frame is between; the switch knows nothing of it.
    Xor,
    /// `broadcast`: everything by both.
    Broadcast,
    /// `802.3ad`: as `balance-xor`, but the switch knows that both are one: they lead to one port.
    Aggregate,
    /// `balance-tlb`: what is for one host by any, under that cable's own address; taken in by one.
    TransmitBalanced,
    /// `balance-alb`: the same, and others are told different addresses, so that their frames come by any.
    AdaptiveBalanced,
}

/// The type of ARP, and where an ARP datagram says what it is and who sends it (RFC 826).
const ARP: [u8; 2] = [0x08, 0x06];
const ARP_OPERATION: std::ops::Range<usize> = 20..22;
const ARP_REPLY: [u8; 2] = [0, 2];
const ARP_SENDER: std::ops::Range<usize> = 22..28;

/// Two cables of a host.
pub struct Bond {
    mode: Mode,
    ports: [usize; 2],
    /// The host's hardware address, from the first frame on.
    own: Mac,
    /// That of the member that is not active.
    spare: Mac,
    broken: Option<usize>,
    turn: usize,
}

impl Bond {
    /// Cables to these ports.
    pub fn new(mode: Mode, ports: [usize; 2]) -> Bond {
        let spare = [2, 0, 0, 0, 1, u8::try_from(ports[0]).expect("few ports")];
        Bond { mode, ports, own: [0; 6], spare, broken: None, turn: 0 }
    }

    /// To which ports of the switch they lead.
    pub fn ports(&self) -> [usize; 2] {
        match self.mode {
            Mode::Aggregate => [self.ports[0]; 2],
            _ => self.ports,
        }
    }

    fn active(&self) -> usize {
        usize::from(self.broken == Some(0))
    }

    fn works(&self, member: usize) -> bool {
        self.broken != Some(member)
    }

    /// Whether what is sent to one host leaves under the member's own address.
    fn balances(&self) -> bool {
        matches!(self.mode, Mode::TransmitBalanced | Mode::AdaptiveBalanced)
    }

    /// Breaks the first cable, which is the active one, or mends it.
    pub fn fail_over(&mut self) {
        self.broken = if self.broken.is_none() { Some(0) } else { None };
    }

    /// What leaves, by which port, of a frame that the host sends.
    pub fn send(&mut self, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
        self.own = source(frame);
        // The kernel's `layer2`: both addresses and the type.
        let hashed = usize::from((frame[5] ^ frame[11] ^ frame[13]) & 1);
        self.turn ^= 1;
        let members = match self.mode {
            Mode::Broadcast => vec![0, 1],
            Mode::RoundRobin => vec![self.turn],
            Mode::Xor | Mode::Aggregate => vec![hashed],
            Mode::ActiveBackup => vec![self.active()],
            Mode::TransmitBalanced | Mode::AdaptiveBalanced if is_for_many(frame) => vec![self.active()],
            Mode::TransmitBalanced | Mode::AdaptiveBalanced => vec![hashed],
        };
        let mut members: Vec<usize> =
            members.into_iter().map(|m| if self.works(m) { m } else { 1 - m }).collect();
        members.dedup();
        members.into_iter().map(|m| (self.ports()[m], self.as_sent_by(m, frame))).collect()
    }

    fn as_sent_by(&self, member: usize, frame: &[u8]) -> Vec<u8> {
        let mut sent = frame.to_vec();
        if self.balances() && member != self.active() {
            sent[6..12].copy_from_slice(&self.spare);
            let replies = frame[12..14] == ARP && frame[ARP_OPERATION] == ARP_REPLY;
            if self.mode == Mode::AdaptiveBalanced && replies {
                sent[ARP_SENDER].copy_from_slice(&self.spare);
            }
        }
        sent
    }

    /// What the host gets of a frame that leaves the switch by `port`.
    pub fn receive(&mut self, port: usize, frame: &[u8]) -> Option<Vec<u8>> {
        let mut frame = frame.to_vec();
        let is_active = |member| member == self.active();
        let member = self.ports().iter().position(|own| *own == port)?;
        let takes = match self.mode {
            // An aggregate is one port: which of its cables the switch takes is nobody's business.
            Mode::Aggregate => true,
            Mode::RoundRobin | Mode::Xor | Mode::Broadcast => self.works(member),
            Mode::ActiveBackup | Mode::TransmitBalanced => is_active(member),
            Mode::AdaptiveBalanced => is_active(member) || (self.works(member) && !is_for_many(&frame)),
        };
        if self.mode == Mode::AdaptiveBalanced && frame[..6] == self.spare {
            frame[..6].copy_from_slice(&self.own);
        }
        takes.then_some(frame)
    }
}
