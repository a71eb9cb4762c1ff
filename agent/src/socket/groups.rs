//! Membership in the IPv6 group, interface by interface.  Which interfaces that are is decided elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv6Addr, UdpSocket};

/// `ff12::5e71`: transient, link-local (announcement protocol, "Sending").
pub const GROUP: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x5e71);

/// The memberships of one socket.
#[derive(Debug, Default)]
pub(super) struct Groups {
    joined: BTreeSet<u32>,
}

impl Groups {
    /// Joins on every interface of `wanted` and leaves on all others; what could not be joined comes back, and is tried
    /// again at the next call.  Memberships that stand are left alone: leaving and joining again would ask a snooping
    /// switch to stop forwarding for a moment.
    pub(super) fn update(&mut self, socket: &UdpSocket, wanted: &BTreeSet<u32>) -> Vec<(u32, io::Error)> {
        for &index in self.joined.difference(wanted) {
            // The interface is gone or has lost its address; if the kernel has forgotten it too, that is fine.
            let _ = leave(socket, index);
        }
        let standing = standing();
        let stands =
            |index: &u32| self.joined.contains(index) && standing.as_ref().is_none_or(|s| s.contains(index));
        let mut joined = BTreeSet::new();
        let mut failed = Vec::new();
        for &index in wanted {
            match if stands(&index) { Ok(()) } else { join(socket, index) } {
                Ok(()) => drop(joined.insert(index)),
                Err(error) => failed.push((index, error)),
            }
        }
        self.joined = joined;
        failed
    }
}

/// The kernel keeps a socket's membership by index when the interface behind it loses IPv6 or is made anew; it
/// then hears nothing, and joining says `EADDRINUSE` (ran).  So leave first, which fails if there is nothing to leave.
fn join(socket: &UdpSocket, index: u32) -> io::Result<()> {
    let _ = leave(socket, index);
    socket.join_multicast_v6(&GROUP, index)
}

fn leave(socket: &UdpSocket, index: u32) -> io::Result<()> {
    socket.leave_multicast_v6(&GROUP, index)
}

/// On which interfaces the kernel really listens to the group; `None` if it does not say.
fn standing() -> Option<BTreeSet<u32>> {
    Some(listening(&fs::read_to_string("/proc/thread-self/net/igmp6").ok()?))
}

/// The interfaces on which `/proc/net/igmp6` has [`GROUP`]: lines of index, name, group in hex, users, flags, timer.
#[must_use]
pub fn listening(table: &str) -> BTreeSet<u32> {
    let group: String = GROUP.octets().iter().map(|b| format!("{b:02x}")).collect();
    let line = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let index = columns.next()?.parse().ok()?;
        (columns.nth(1)? == group).then_some(index)
    };
    table.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_table_is_read() {
        let table = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n\
                     50   va              ff120000000000000000000000005e71     1 00000004 0\n\
                     51   vb              ff120000000000000000000000005e72     1 00000004 0\n\
                     nonsense\n";
        assert_eq!(listening(table), BTreeSet::from([50]));
    }

    #[test]
    fn a_missing_interface_is_reported_each_time() {
        let socket = UdpSocket::bind("[::]:0").unwrap();
        let mut groups = Groups::default();
        let wanted = BTreeSet::from([u32::MAX]);
        for _ in 0..2 {
            let failed = groups.update(&socket, &wanted);
            assert_eq!(failed.len(), 1);
            assert_eq!(failed[0].1.raw_os_error(), Some(libc::ENODEV));
        }
        assert!(groups.update(&socket, &BTreeSet::new()).is_empty());
    }
}
