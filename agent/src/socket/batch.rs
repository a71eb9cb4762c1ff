//! The datagrams of one receive call, as [`Arrival`]s.  It judges none of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use serialnumberd_core::Arrival;

use super::control;
use super::sys::{BATCH, Raw, Ring};

/// Room for the datagrams of one receive call, 22 KiB made once; one serves all sockets of a loop in turn.
pub struct Batch {
    pub(super) ring: Ring,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Batch {
    /// An empty one.
    #[must_use]
    pub fn new() -> Batch {
        Batch { ring: Ring::new() }
    }

    /// How many datagrams it holds, at most [`Batch::CAPACITY`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.filled()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether more may be waiting.  A batch that is not full has emptied the socket, so there is no need to
    /// ask the kernel for `EAGAIN`; one that is full must be followed by another call, for mio tells of
    /// a socket only once.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == BATCH
    }

    /// How many datagrams it takes at most.
    pub const CAPACITY: usize = BATCH;

    /// Every datagram of it, in the order of arrival.
    pub fn arrivals(&self) -> impl Iterator<Item = Arrival<'_>> {
        (0..self.len()).filter_map(|i| self.ring.raw(i)).map(arrival)
    }
}

/// The options are set before the socket is bound, so the kernel says destination and interface of every
/// datagram.  Would it not, they are `0.0.0.0` and 0, which nobody has.
fn arrival(raw: Raw<'_>) -> Arrival<'_> {
    const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    const NOWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
    let circumstances = control::read(raw.control);
    Arrival {
        bytes: raw.bytes,
        truncated: raw.truncated,
        source: control::read_address(raw.name).unwrap_or(NOWHERE),
        destination: circumstances.destination.unwrap_or(NOBODY),
        interface: circumstances.interface,
        ttl: circumstances.ttl,
    }
}
