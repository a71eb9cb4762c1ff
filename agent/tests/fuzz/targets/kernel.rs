//! What the kernel says: control messages, socket addresses, notifications, and the tables under `/proc`.

use serialnumberd::generation::tells_of_a_copy;
use serialnumberd::memory::unwritten_parts_of_files;
use serialnumberd::socket::{Changes, kernel};

pub fn kernel(bytes: &[u8]) {
    let (kind, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let text = || std::str::from_utf8(bytes).unwrap_or_default();
    match kind % 8 {
        0 => {
            let found = kernel::control_messages(bytes);
            let unsaid = found.destination.is_none() && found.interface == 0 && found.ttl.is_none();
            assert!(unsaid || bytes.len() > 16, "from less than one control message");
        }
        1 => assert!(kernel::address(bytes).is_none_or(|a| bytes.len() >= if a.is_ipv4() { 8 } else { 28 })),
        2 => {
            let mut changes = Changes::default();
            changes.note(bytes);
            assert!(changes.any() && !changes.more, "every message is a change");
            assert!(changes.interfaces != changes.routes);
        }
        3 => assert_eq!(tells_of_a_copy(bytes), fields(bytes).any(|f| f == b"NEW_VMGENID=1")),
        4 => assert!(kernel::group_members(text()).len() <= text().lines().count()),
        5 => assert!(kernel::unusable_addresses(text()).len() <= text().lines().count()),
        6 => assert!(kernel::udp_inode(text(), 626).is_none() || text().contains("272")),
        _ => {
            let parts = unwritten_parts_of_files(text());
            assert!(parts.iter().all(|(start, len)| start.checked_add(*len).is_some()));
        }
    }
}

fn fields(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == 0)
}
