//! The network edge: UDP sockets, the interfaces they use and the changes of these.
//!
//! It moves datagrams between the kernel and the engine's vocabulary ([`serialnumberd_core::Arrival`],
//! [`serialnumberd_core::Transmit`]) and knows nothing of what is in them.  It never waits and owns no timer:
//! whoever drives it registers [`Sockets::sources`] and [`Monitor::source`] and calls when they are ready.
//!
//! ```text
//!   netlink::Monitor ─ "changed" ─▶ interfaces::enumerate ─▶ Sockets::set_interfaces (joins, leaves)
//!   kernel ─ recvmmsg ─▶ Batch ─▶ Arrival ─▶ engine ─▶ Transmit ─▶ Sockets::transmit ─ sendmsg ─▶ kernel
//! ```

mod adopt;
mod batch;
mod control;
mod endpoint;
mod error;
mod groups;
pub mod interfaces;
mod listener;
pub mod netlink;
mod occupant;
mod sys;
mod transmit;

/// What the kernel says, read: what comes with a datagram, and its tables under `/proc`.  No system calls.
pub mod kernel {
    pub use super::control::{Circumstances, read as control_messages, read_address as address};
    pub use super::groups::listening as group_members;
    pub use super::interfaces::unusable_v6 as unusable_addresses;
    pub use super::occupant::inode as udp_inode;
}

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

pub use adopt::Adopted;
pub use batch::Batch;
pub use error::BindError;
pub use groups::GROUP;
pub use interfaces::Link;
pub use listener::listen;
pub use netlink::{Changes, Monitor};
pub use occupant::Occupant;
pub(crate) use sys::{peer_groups, poll_descriptor};
pub use transmit::{Route, SendError, SendReport};

use endpoint::Endpoint;
use groups::Groups;

/// Which of the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The IPv4 one.
    V4,
    /// The IPv6 one.
    V6,
}

impl From<SocketAddr> for Family {
    fn from(address: SocketAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// The agent's UDP sockets: IPv4 and IPv6 on one port, or one of them on one address.
#[derive(Debug)]
pub struct Sockets {
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
    /// The port of both.
    port: u16,
    /// The one address, if configured.
    bound: Option<IpAddr>,
    /// What is sent by, as last told.
    links: Vec<Link>,
    groups: Groups,
}

impl Sockets {
    /// Binds UDP `port` exclusively, for IPv4 and IPv6 on all addresses, or for one `address` alone.
    ///
    /// A kernel without IPv6 (or without IPv4) is no error; [`Sockets::sources`] tells.  Port 0 takes any
    /// free one; [`Sockets::port`] says which.
    ///
    /// # Errors
    /// [`BindError`], each with a sentence that says what to do.
    pub fn bind(port: u16, address: Option<IpAddr>) -> Result<Sockets, BindError> {
        let open = |ip: IpAddr, port: u16| Endpoint::open(SocketAddr::new(ip, port));
        let (v4, v6) = match address {
            Some(IpAddr::V6(ip)) if ip.is_unicast_link_local() => {
                return Err(BindError::LinkLocal { address: ip.into() });
            }
            // The kernel would bind to these, but no host is called so.
            Some(ip) if ip.is_unspecified() || ip.is_multicast() || ip == Ipv4Addr::BROADCAST => {
                return Err(BindError::NotMine { address: ip });
            }
            Some(ip @ IpAddr::V4(_)) => (open(ip, port)?, None),
            Some(ip @ IpAddr::V6(_)) => (None, open(ip, port)?),
            None => {
                let v4 = open(Ipv4Addr::UNSPECIFIED.into(), port)?;
                let port = v4.as_ref().map_or(port, |v4| v4.local().port());
                (v4, open(Ipv6Addr::UNSPECIFIED.into(), port)?)
            }
        };
        let local = v4.as_ref().or(v6.as_ref()).ok_or(BindError::NoFamily)?.local();
        let (links, groups) = (Vec::new(), Groups::default());
        Ok(Sockets { v4, v6, port: local.port(), bound: address, links, groups })
    }

    /// The UDP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The descriptors to wait on for reading, and which is which.  They stay the same for the life of this.
    pub fn sources(&self) -> impl Iterator<Item = (Family, RawFd)> {
        [Family::V4, Family::V6].into_iter().filter_map(|f| Some((f, self.of(f)?.as_fd().as_raw_fd())))
    }

    /// Fills `batch` with what waits and says with how many; 0 if nothing waits.  After [`Batch::is_full`]
    /// call again before waiting, for edge-triggered readiness is told once.
    ///
    /// Arrivals are not filtered by interface: broadcasts and unicast come by every interface of the host, and
    /// the group by every one on which any process has joined it, if this one has joined it anywhere (ran).
    ///
    /// # Errors
    /// What the kernel says; the batch is empty then.
    pub fn receive(&mut self, family: Family, batch: &mut Batch) -> io::Result<usize> {
        let socket = self.endpoint(family).ok_or(io::ErrorKind::Unsupported)?;
        batch.ring.receive(socket)
    }

    /// Takes over the interfaces to use, joins the group on those that are new (or whose membership the kernel has
    /// lost) and leaves it on those that went.  Call it again after any change; what has not changed is left alone.
    ///
    /// Returns what could not be joined, by interface index: there, nothing sent to the group is heard.  It is tried
    /// again at the next call.  Bound to one address no group is joined.
    pub fn set_interfaces(&mut self, links: Vec<Link>) -> Vec<(u32, io::Error)> {
        self.links = links;
        let Some(endpoint) = self.v6.as_ref().filter(|_| self.bound.is_none()) else { return Vec::new() };
        let able = self.links.iter().filter(|link| link.multicast);
        let wanted: BTreeSet<u32> = able.map(|link| link.interface.index).collect();
        self.groups.update(endpoint.socket(), &wanted)
    }

    /// How many datagrams the kernel has dropped since the start because nobody took them in time.  Exact at
    /// the moment of asking; a system call for each socket, so ask when somebody wants to know.
    ///
    /// # Errors
    /// If the kernel does not tell (it does since 4.12).
    pub fn kernel_drops(&mut self) -> io::Result<u64> {
        let mut sum = 0;
        for endpoint in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            sum += endpoint.drops()?;
        }
        Ok(sum)
    }

    /// The receive buffer of one socket in the kernel's bytes, which is twice what was granted; for the log.
    ///
    /// # Errors
    /// What the kernel says, and `Unsupported` if there is no such socket.
    pub fn receive_buffer(&self, family: Family) -> io::Result<usize> {
        self.of(family).ok_or(io::ErrorKind::Unsupported)?.receive_buffer()
    }

    fn of(&self, family: Family) -> Option<&Endpoint> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    fn endpoint(&self, family: Family) -> Option<BorrowedFd<'_>> {
        self.of(family).map(Endpoint::as_fd)
    }
}

#[cfg(test)]
mod tests;
