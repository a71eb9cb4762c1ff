//! What the edges tell the engine of the network, and what it asks them to send.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A network interface that datagrams may use: up, fitting the configured names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's index, never zero.
    pub index: u32,
    /// The kernel's name, e.g. `eth0`.
    pub name: String,
    /// Its addresses with their prefix lengths, in the kernel's order.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// A datagram as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// What was received; cut off if `truncated`.
    pub bytes: &'a [u8],
    /// The datagram was longer than the receive buffer (`MSG_TRUNC`).
    pub truncated: bool,
    /// Who sent it; IPv6 with its scope.
    pub source: SocketAddr,
    /// To which address it was sent: one of mine, a broadcast or a group address.
    pub destination: IpAddr,
    /// On which interface it came.
    pub interface: u32,
    /// IPv4 TTL or IPv6 hop limit; `None` if the kernel did not say.
    pub ttl: Option<u8>,
}

/// Where a datagram is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// On every interface: IPv4 to 255.255.255.255 and IPv6 to the group; and, by unicast, to each of
    /// the configured `peers`.
    Everywhere,
    /// On one interface: IPv4 to 255.255.255.255, or IPv6 to the group.
    Link {
        /// By which interface.
        interface: u32,
        /// IPv6 group, else IPv4 broadcast.
        v6: bool,
    },
    /// To one address.
    Unicast {
        /// To whom.
        to: SocketAddr,
        /// By which interface; 0 leaves it to the routing table (configured peers).
        interface: u32,
        /// From which of this host's addresses; `None` is the interface's own.
        source: Option<IpAddr>,
    },
}

/// A datagram's bytes: the fixed one of the protocol, or a classic text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A protocol datagram, always 320 bytes.
    Datagram(alloc::boxed::Box<[u8; 320]>),
    /// A classic text response, its NUL included.
    Classic(Vec<u8>),
}

impl Payload {
    /// The bytes to send.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Payload::Datagram(d) => &d[..],
            Payload::Classic(v) => v,
        }
    }
}

/// A datagram that the edges shall send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// What.
    pub payload: Payload,
    /// To whom.
    pub to: Destination,
}
