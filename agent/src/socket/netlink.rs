//! Tells when links, addresses or routes change, from rtnetlink.  It does not say how: whoever is told looks
//! again.  Nothing is polled, and waiting for a change to settle is the loop's business.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::c_int;
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};

const INTERFACES: c_int = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
const ROUTES: c_int = libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE;
/// Messages read in one drain: a router that takes in a full table must not hold up the loop; each takes
/// about a microsecond.
const DRAIN: usize = 1024;
/// `nlmsghdr` (linux/netlink.h): length, type, flags, sequence, port.
const HEADER: usize = 16;

/// What has changed since the last [`Monitor::drain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// A link or an address: enumerate again.
    pub interfaces: bool,
    /// A route.
    pub routes: bool,
    /// The drain stopped at its bound; call it again in the next turn, mio will not tell a second time.
    pub more: bool,
}

impl Changes {
    /// Anything at all.
    #[must_use]
    pub fn any(self) -> bool {
        self.interfaces || self.routes
    }

    /// Takes note of a notification, which is one message; of whatever is unknown, links and addresses are the safe
    /// guess.
    pub fn note(&mut self, message: &[u8]) {
        match message.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes) {
            Some(libc::RTM_NEWROUTE | libc::RTM_DELROUTE) => self.routes = true,
            _ => self.interfaces = true,
        }
    }
}

/// A subscription to the kernel's changes of links, addresses and routes.
#[derive(Debug)]
pub struct Monitor {
    fd: OwnedFd,
}

impl Monitor {
    /// Subscribes.  Do this before the first enumeration, so that no change falls in between.
    ///
    /// # Errors
    /// If the kernel refuses the netlink socket.
    pub fn open() -> io::Result<Monitor> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket::socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        let groups = u32::try_from(INTERFACES | ROUTES).map_err(io::Error::other)?;
        socket::bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Monitor { fd })
    }

    /// The descriptor to wait on for reading.
    #[must_use]
    pub fn source(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Reads what waits, without blocking.
    ///
    /// # Errors
    /// If the socket fails; lost messages (`ENOBUFS`) are no error but a change of everything.
    pub fn drain(&mut self) -> io::Result<Changes> {
        let mut changes = Changes::default();
        // A message is judged by its header, so the rest of a longer one may be cut off.
        let mut message = [0; HEADER];
        for _ in 0..DRAIN {
            match socket::recv(self.fd.as_raw_fd(), &mut message, MsgFlags::MSG_DONTWAIT) {
                Ok(n) => changes.note(&message[..n.min(HEADER)]),
                Err(Errno::EAGAIN) => return Ok(changes),
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => (changes.interfaces, changes.routes) = (true, true),
                Err(error) => return Err(error.into()),
            }
        }
        changes.more = true;
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_by_type() {
        let after = |kind: u16| {
            let mut changes = Changes::default();
            let mut message = [0; HEADER];
            message[4..6].copy_from_slice(&kind.to_ne_bytes());
            changes.note(&message);
            (changes.interfaces, changes.routes)
        };
        assert_eq!(after(libc::RTM_NEWLINK), (true, false));
        assert_eq!(after(libc::RTM_DELADDR), (true, false));
        assert_eq!(after(libc::RTM_NEWROUTE), (false, true));
        assert_eq!(after(libc::RTM_DELROUTE), (false, true));
        let mut changes = Changes::default();
        changes.note(&[1, 2, 3]);
        assert!(changes.interfaces && changes.any(), "what cannot be read is a change");
    }

    #[test]
    fn a_quiet_socket_has_no_changes_and_does_not_block() {
        let mut monitor = Monitor::open().unwrap();
        // Other tests may change this host's links; a drain still ends, and soon there is nothing to tell.
        let quiet = (0..100).any(|_| monitor.drain().unwrap() == Changes::default());
        assert!(quiet);
    }
}
