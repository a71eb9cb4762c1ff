//! Tells when this virtual machine has become a copy of itself.
//!
//! The hypervisor gives every resumed copy of a snapshot a new generation id; the kernel's vmgenid driver announces
//! that by a uevent with `NEW_VMGENID=1` (Linux 6.9, drivers/virt/vmgenid.c).  Without such a device nothing comes.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType};

/// The kernel's own uevents, not udev's (linux/netlink.h: groups are bits).
const KERNEL_UEVENTS: u32 = 1;
/// The kernel's bound on a uevent's text (linux/kobject.h, UEVENT_BUFFER_SIZE), and room for its head.
const UEVENT_BYTES: usize = 4096;

/// Listens to uevents.
#[derive(Debug)]
pub struct Generation {
    fd: OwnedFd,
}

impl Generation {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the kernel does not let us.
    pub fn listen() -> io::Result<Generation> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket::socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            flags,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        socket::bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_UEVENTS))?;
        Ok(Generation { fd })
    }

    /// The descriptor to wait on for reading.
    #[must_use]
    pub fn source(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Takes in all uevents that wait; says whether one told of a new generation.
    pub fn drain(&mut self) -> bool {
        let mut changed = false;
        let mut text = [0; UEVENT_BYTES];
        loop {
            match socket::recvfrom::<NetlinkAddr>(self.fd.as_raw_fd(), &mut text) {
                // From process 0, the kernel: anybody may send to this socket.
                Ok((len, Some(from))) if from.pid() == 0 => changed |= tells_of_a_copy(&text[..len]),
                Ok(_) | Err(Errno::EINTR) => {}
                // ENOBUFS: some were lost.  A burst of uevents is no sign of a copy, and the loop must go on.
                Err(Errno::ENOBUFS) => {}
                Err(_) => return changed,
            }
        }
    }
}

/// Whether a uevent is the vmgenid driver's: fields that end with a NUL each.
#[must_use]
pub fn tells_of_a_copy(uevent: &[u8]) -> bool {
    uevent.split(|b| *b == 0).any(|field| field == b"NEW_VMGENID=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vmgenid_drivers_uevent_tells_of_a_copy() {
        let head = b"change@/devices/LNXSYSTM:00/VMGENCTR:00\0ACTION=change\0SUBSYSTEM=acpi\0".to_vec();
        let with = |field: &[u8]| [&head[..], field, b"\0SEQNUM=99\0"].concat();
        assert!(tells_of_a_copy(&with(b"NEW_VMGENID=1")));
        for other in [&b"NEW_VMGENID=0"[..], b"XNEW_VMGENID=1", b"NEW_VMGENID=10", b""] {
            assert!(!tells_of_a_copy(&with(other)));
        }
    }

    #[test]
    fn a_quiet_kernel_is_no_copy() {
        let mut generation = Generation::listen().expect("uevents can be listened to");
        assert!(!generation.drain());
    }
}
