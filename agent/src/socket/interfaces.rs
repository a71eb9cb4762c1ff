//! Which network interfaces there are to use.  It asks the kernel and filters; it remembers nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use nix::ifaddrs::InterfaceAddress;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use serialnumberd_core::Interface;

/// An interface, and what can be sent by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The interface: IPv4 addresses first, then IPv6 with the link-local ones in front; never without any.
    pub interface: Interface,
    /// It can send IPv4 to 255.255.255.255: it has an IPv4 address, and the kernel calls it broadcast-capable
    /// (a tunnel is not).
    pub broadcast: bool,
    /// It can send IPv6 to the group: it has a link-local address to send from and is multicast-capable.
    pub multicast: bool,
}

/// Interfaces to use, in the order of their indices: up with a carrier, with at least one usable address, not
/// loopback, and of a name that fits one of `patterns` (see [`fits`]).
///
/// With `address` instead only the interface that has it, be it loopback, whatever its name, and with only that
/// address: the agents of a demonstration share `lo`, and each has one address of its own there.
///
/// IPv6 addresses still being checked for duplicates, or found to be one, are left out: the kernel does not
/// send from them.
///
/// # Errors
/// If the kernel does not list its interfaces.
pub fn enumerate(patterns: &[String], address: Option<IpAddr>) -> io::Result<Vec<Link>> {
    let unusable = match fs::read_to_string("/proc/thread-self/net/if_inet6") {
        Ok(table) => unusable_v6(&table),
        Err(_) => Vec::new(),
    };
    let mut found = BTreeMap::new();
    for entry in nix::ifaddrs::getifaddrs()? {
        let Some(entry) = Found::read(&entry) else { continue };
        if entry.is_wanted(patterns, address) && !unusable.contains(&(entry.index, entry.address)) {
            entry.add_to(&mut found, address);
        }
    }
    Ok(found.into_values().map(finish).collect())
}

/// One address of one interface.
struct Found {
    index: u32,
    name: String,
    flags: InterfaceFlags,
    address: IpAddr,
    prefix: u8,
}

impl Found {
    /// `None` for entries that are no IP address, and for an interface that has just gone.
    fn read(entry: &InterfaceAddress) -> Option<Found> {
        let (address, prefix) = match (entry.address?, entry.netmask?) {
            (a, m) if a.as_sockaddr_in().is_some() => {
                let mask = u32::from(m.as_sockaddr_in()?.ip());
                (IpAddr::V4(a.as_sockaddr_in()?.ip()), mask.leading_ones())
            }
            (a, m) => {
                let mask = u128::from(m.as_sockaddr_in6()?.ip());
                (IpAddr::V6(a.as_sockaddr_in6()?.ip()), mask.leading_ones())
            }
        };
        // An IPv4 address may carry a label, `eth0:1`, in place of the interface's name.
        let name = entry.interface_name.split(':').next()?.to_owned();
        let index = if_nametoindex(name.as_str()).ok()?;
        Some(Found { index, name, flags: entry.flags, address, prefix: u8::try_from(prefix).ok()? })
    }

    fn is_wanted(&self, patterns: &[String], address: Option<IpAddr>) -> bool {
        if !self.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING) {
            return false;
        }
        let loopback = self.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        match address {
            // The kernel takes all of 127.0.0.0/8 for its own where `lo` has 127.0.0.1/8.
            Some(address) => {
                address == self.address || (loopback && same_v4_net(address, self.address, self.prefix))
            }
            None => !loopback && patterns.iter().any(|pattern| fits(pattern, &self.name)),
        }
    }

    fn add_to(self, links: &mut BTreeMap<u32, Link>, address: Option<IpAddr>) {
        let link = match links.entry(self.index) {
            Entry::Occupied(link) => link.into_mut(),
            Entry::Vacant(room) => {
                let interface = Interface { index: self.index, name: self.name, addresses: Vec::new() };
                room.insert(Link {
                    interface,
                    broadcast: self.flags.contains(InterfaceFlags::IFF_BROADCAST),
                    multicast: self.flags.contains(InterfaceFlags::IFF_MULTICAST),
                })
            }
        };
        link.interface.addresses.push((address.unwrap_or(self.address), self.prefix));
        if address.is_some() {
            link.interface.addresses.truncate(1);
        }
    }
}

/// Orders the addresses, and takes back what they do not allow.
fn finish(mut link: Link) -> Link {
    let addresses = &mut link.interface.addresses;
    addresses.sort_by_key(|(address, _)| (address.is_ipv6(), !is_link_local_v6(address)));
    link.broadcast &= addresses.iter().any(|(address, _)| address.is_ipv4());
    link.multicast &= addresses.iter().any(|(address, _)| is_link_local_v6(address));
    link
}

fn is_link_local_v6(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn same_v4_net(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let (IpAddr::V4(a), IpAddr::V4(b)) = (a, b) else { return false };
    let host_bits = 32u32.saturating_sub(u32::from(prefix));
    let net = |address: std::net::Ipv4Addr| u64::from(u32::from(address)) >> host_bits;
    net(a) == net(b)
}

/// Reads the kernel's list of IPv6 addresses (address, index, prefix, scope, flags in hex, then the name) for those
/// that nothing can be sent from.  `getifaddrs` does not tell.
#[must_use]
pub fn unusable_v6(table: &str) -> Vec<(u32, IpAddr)> {
    // linux/if_addr.h
    const TENTATIVE_OR_DUPLICATE: u8 = 0x40 | 0x08;
    let line = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let address = u128::from_str_radix(columns.next()?, 16).ok()?;
        let index = u32::from_str_radix(columns.next()?, 16).ok()?;
        let flags = u8::from_str_radix(columns.nth(2)?, 16).ok()?;
        (flags & TENTATIVE_OR_DUPLICATE != 0).then_some((index, Ipv6Addr::from(address).into()))
    };
    table.lines().filter_map(line).collect()
}

/// Whether `pattern` describes the whole of `name`: `*` stands for any characters, `?` for one, all others for
/// themselves.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // After the last star: where the pattern goes on, and how far that star has eaten.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, n));
            }
            Some(&c) if c == b'?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((after, eaten)) = star else { return false };
                star = Some((after, eaten + 1));
                (p, n) = (after, eaten + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name) in [
            ("*", "eth0"),
            ("*", ""),
            ("eth0", "eth0"),
            ("eth*", "eth"),
            ("eth?", "eth7"),
            ("*0", "eth00"),
            ("e*h*0", "eth10"),
            ("**a", "bba"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("eth0", "eth01"), ("eth?", "eth"), ("", "eth0"), ("eth0", ""), ("*0", "eth1"), ("e*x", "eth0")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        // Linear in stars, so a pattern is no trap.
        assert!(!fits(&"*a".repeat(500), &"a".repeat(499)));
    }

    fn found(index: u32, address: &str, prefix: u8, flags: InterfaceFlags) -> Found {
        Found { index, name: format!("if{index}"), flags, address: address.parse().unwrap(), prefix }
    }

    fn links(all: Vec<Found>, address: Option<IpAddr>) -> Vec<Link> {
        let mut links = BTreeMap::new();
        for found in all {
            if found.is_wanted(&["if*".to_owned()], address) {
                found.add_to(&mut links, address);
            }
        }
        links.into_values().map(finish).collect()
    }

    const ETHERNET: InterfaceFlags = InterfaceFlags::IFF_UP
        .union(InterfaceFlags::IFF_RUNNING)
        .union(InterfaceFlags::IFF_BROADCAST)
        .union(InterfaceFlags::IFF_MULTICAST);
    const LOOPBACK: InterfaceFlags =
        InterfaceFlags::IFF_UP.union(InterfaceFlags::IFF_RUNNING).union(InterfaceFlags::IFF_LOOPBACK);

    #[test]
    fn links_are_filtered_and_know_what_they_can() {
        let tunnel = ETHERNET.difference(InterfaceFlags::IFF_BROADCAST);
        let no_carrier = ETHERNET.difference(InterfaceFlags::IFF_RUNNING);
        let links = links(
            vec![
                found(1, "127.0.0.1", 8, LOOPBACK),
                found(4, "192.0.2.1", 24, no_carrier),
                found(3, "10.8.0.1", 32, tunnel),
                found(2, "2001:db8::1", 64, ETHERNET),
                found(2, "fe80::1", 64, ETHERNET),
                found(2, "192.0.2.2", 24, ETHERNET),
                found(5, "2001:db8::5", 64, ETHERNET),
            ],
            None,
        );
        let abilities: Vec<_> = links.iter().map(|l| (l.interface.index, l.broadcast, l.multicast)).collect();
        assert_eq!(abilities, [(2, true, true), (3, false, false), (5, false, false)]);
        let order: Vec<_> = links[0].interface.addresses.iter().map(|(a, p)| format!("{a}/{p}")).collect();
        assert_eq!(order, ["192.0.2.2/24", "fe80::1/64", "2001:db8::1/64"]);
    }

    #[test]
    fn an_address_picks_its_interface_and_nothing_else() {
        let all = || {
            vec![
                found(1, "127.0.0.1", 8, LOOPBACK),
                found(1, "127.0.0.9", 8, LOOPBACK),
                found(2, "192.0.2.2", 24, ETHERNET),
                found(2, "192.0.2.3", 24, ETHERNET),
            ]
        };
        let lo = links(all(), Some("127.0.0.2".parse().unwrap()));
        assert_eq!(lo.len(), 1);
        assert_eq!(lo[0].interface.addresses, [("127.0.0.2".parse().unwrap(), 8)]);
        assert!(!lo[0].broadcast && !lo[0].multicast);
        let eth = links(all(), Some("192.0.2.3".parse().unwrap()));
        assert_eq!(eth[0].interface.addresses, [("192.0.2.3".parse().unwrap(), 24)]);
        assert!(eth[0].broadcast && !eth[0].multicast);
        // Other than on loopback, a neighbor's address is not one of ours.
        assert!(links(all(), Some("192.0.2.4".parse().unwrap())).is_empty());
    }

    #[test]
    fn tentative_and_duplicate_addresses_are_unusable() {
        let table = "00000000000000000000000000000001 01 80 10 80       lo\n\
                     fe800000000000000000000000000001 32 40 20 c0     eth0\n\
                     fe800000000000000000000000000002 32 40 20 88     eth0\n\
                     nonsense\n";
        assert_eq!(unusable_v6(table), [(50, "fe80::1".parse().unwrap()), (50, "fe80::2".parse().unwrap())]);
    }

    #[test]
    fn this_host_has_a_loopback() {
        let address = Some("127.0.0.3".parse().unwrap());
        let links = enumerate(&[], address).unwrap();
        assert_eq!(links.len(), 1, "{links:?}");
        assert_eq!(links[0].interface.name, "lo");
        assert!(enumerate(&["lo".to_owned()], None).unwrap().is_empty());
    }
}
