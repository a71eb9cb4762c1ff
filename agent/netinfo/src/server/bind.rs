//! Which machine may bind to the domain: what BIND asks, of NetInfo and of the binder.

use std::net::Ipv4Addr;

use crate::tree::Snapshot;

/// Whether the tree has a machine of that address which serves `tag` to a child: one whose `serves` has `name/tag`,
/// where the name is neither this domain itself nor its parent.
pub(super) fn serves(tree: &Snapshot, tag: &[u8], address: u32) -> bool {
    let address = Ipv4Addr::from_bits(address).to_string();
    let mut machines = tree.lookup(0, b"name", b"machines");
    machines.any(|machines| {
        tree.lookup(machines, b"ip_address", address.as_bytes()).any(|machine| {
            tree.property(machine, b"serves").is_some_and(|p| p.values().any(|v| is_child(v, tag)))
        })
    })
}

fn is_child(serves: &[u8], tag: &[u8]) -> bool {
    let Some(slash) = serves.iter().position(|&byte| byte == b'/') else { return false };
    let name = &serves[..slash];
    &serves[slash + 1..] == tag && name != b"." && name != b".."
}
