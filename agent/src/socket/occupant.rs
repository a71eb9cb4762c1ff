//! Finds out which process has a UDP port, for the one error message that needs it.
//!
//! It reads `/proc` and gives up quietly: a process of another user, PID namespace or container stays unnamed.

use std::fmt;
use std::fs;
use std::path::Path;

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Its process id.
    pub pid: u32,
    /// Its name as the kernel has it, at most 15 bytes, control characters escaped.
    pub name: String,
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

/// The kernel hands out its table in pieces, and if sockets come and go meanwhile, a line may be missing: one time
/// in a hundred on a busy host (ran).
const ATTEMPTS: u32 = 4;

/// Who has UDP `port`, as far as this process may know.
pub(super) fn of_udp_port(port: u16, v6: bool) -> Option<Occupant> {
    // The thread's own network namespace; /proc/net is the main thread's.
    let table = if v6 { "/proc/thread-self/net/udp6" } else { "/proc/thread-self/net/udp" };
    let inode = (0..ATTEMPTS).find_map(|_| inode(&fs::read_to_string(table).ok()?, port))?;
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let process = entry.path();
        has_link(&process.join("fd"), &link).then(|| {
            let name = fs::read(process.join("comm")).unwrap_or_default();
            let name = String::from_utf8_lossy(&name).trim_end().escape_debug().to_string();
            (started(&fs::read_to_string(process.join("stat")).unwrap_or_default()), Occupant { pid, name })
        })
    });
    // A child that it has just forked has the socket, too, and with luck a lower id.
    processes.min_by_key(|(started, _)| *started).map(|(_, oldest)| oldest)
}

/// When a process was started, in ticks since boot: the 22nd field of its `stat`, the 20th after the name in
/// parentheses (proc(5)).
fn started(stat: &str) -> u64 {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_ascii_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(u64::MAX)
}

/// The inode in the first line of `/proc/net/udp` whose local port is `port`; the kernel writes the address in hex.
#[must_use]
pub fn inode(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let (_, local) = columns.nth(1)?.rsplit_once(':')?;
        if u16::from_str_radix(local, 16).ok()? != port {
            return None;
        }
        // rem_address, st, queues, tr:when, retrnsmt, uid, timeout, then the inode.
        columns.nth(7)?.parse().ok()
    })
}

fn has_link(folder: &Path, link: &str) -> bool {
    fs::read_dir(folder).is_ok_and(|fds| {
        fds.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == link))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   84: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 111 2 0 0
  675: 00000000:0272 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0
";

    #[test]
    fn the_inode_of_a_port_is_found() {
        assert_eq!(inode(TABLE, 626), Some(4711));
        assert_eq!(inode(TABLE, 53), Some(111));
        assert_eq!(inode(TABLE, 54), None);
        assert_eq!(inode("heading\nnonsense\n  1: x y\n 2: 0:0272\n", 626), None);
    }

    #[test]
    fn when_a_process_was_started_is_found_behind_any_name() {
        let stat = "7 (a) b) 1) S 1 7 7 0 -1 4194560 9 0 0 0 1 2 0 0 20 0 1 0 4711 99 8 18446744073709551615";
        assert_eq!(started(stat), 4711);
        assert_eq!(started("7 (a) S"), u64::MAX);
    }

    #[test]
    fn this_process_is_found_by_a_socket_of_its_own() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let found = of_udp_port(socket.local_addr().unwrap().port(), false).unwrap();
        assert_eq!(found.pid, std::process::id());
        assert!(!found.name.is_empty() && !found.name.ends_with('\n'));
    }
}
