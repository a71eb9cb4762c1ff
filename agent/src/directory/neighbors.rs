//! Hardware addresses, as the kernel knows them: of this host's interfaces, and of its IPv4 neighbors.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

/// A table of more neighbors is read no further.
const MOST: usize = 4096;

/// Whose hardware address is known, in NetInfo's form.
pub(super) fn known(own: &[(String, IpAddr)]) -> BTreeMap<IpAddr, String> {
    let table = fs::read_to_string("/proc/thread-self/net/arp").unwrap_or_default();
    let mut all = arp(&table);
    let interfaces: BTreeMap<String, String> = match nix::ifaddrs::getifaddrs() {
        Ok(entries) => entries
            .filter_map(|entry| Some((entry.interface_name, entry.address?.as_link_addr()?.addr()?)))
            .map(|(name, bytes)| (name, form(&bytes)))
            .collect(),
        Err(_) => BTreeMap::new(),
    };
    all.extend(own.iter().filter_map(|(name, address)| Some((*address, interfaces.get(name)?.clone()))));
    all
}

/// Reads the kernel's table of IPv4 neighbors: address, type, flags, hardware address, mask, device.
fn arp(table: &str) -> BTreeMap<IpAddr, String> {
    let line = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let address = columns.next()?.parse().ok()?;
        let hardware = columns.nth(2)?;
        let bytes: Vec<u8> =
            hardware.split(':').map(|hex| u8::from_str_radix(hex, 16)).collect::<Result<_, _>>().ok()?;
        (bytes.len() == 6 && bytes.iter().any(|byte| *byte != 0)).then(|| (address, form(&bytes)))
    };
    table.lines().skip(1).take(MOST).filter_map(line).collect()
}

/// NetInfo writes hardware addresses in hex without leading zeros.
fn form(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_that_have_answered_are_read() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     10.5.0.2         0x1         0x2         00:05:02:0a:0b:0c     *        eth0\n\
                     10.5.0.3         0x1         0x0         00:00:00:00:00:00     *        eth0\nnonsense\n";
        let known = arp(table);
        assert_eq!(known, BTreeMap::from([(IpAddr::from([10, 5, 0, 2]), "0:5:2:a:b:c".to_owned())]));
    }
}
