//! Every bound of the protocol and of this implementation, and why it is what it is.

/// Bytes of a name or value: `name` is a string of at most 65535 in every published interface file.
pub const NAME_MAX: usize = 65_535;
/// Values of a property, and names in a namelist: likewise.
pub const NAMES_MAX: usize = 65_535;
/// Properties of a directory: likewise.
pub const PROPERTIES_MAX: usize = 65_535;
/// Directories in a tree: an idlist, an entry list and a list of property lists hold at most this many.
pub const DIRECTORIES_MAX: usize = 1_048_576;
/// Levels below the root.  The conventional tree has three; walking recurses, so it must end.
pub const DEPTH_MAX: usize = 64;
/// Bytes of an authenticator's body (RFC 5531 section 8.2).
pub const AUTHENTICATOR_MAX: usize = 400;
/// Bytes of the machine name in AUTH_SYS (RFC 5531 appendix A).
pub const MACHINE_NAME_MAX: usize = 255;
/// Group ids in AUTH_SYS (RFC 5531 appendix A).
pub const GROUPS_MAX: usize = 16;
/// Bytes of a TCP fragment's body that is sent: the original's buffer of 1024 less the mark.
pub const FRAGMENT: usize = 1020;
/// Bytes of a reply over UDP: one Ethernet frame with room for tunnels, so that no reply needs IP fragments.
pub const UDP_REPLY_MAX: usize = 1400;
/// Retired ids wait for at least this many others before they are used again: a client that still holds one learns
/// that its directory is gone instead of reading another.
pub const RETIRED_MIN: usize = 4096;

const _: () = assert!(RETIRED_MIN < DIRECTORIES_MAX);
const _: () = assert!(MACHINE_NAME_MAX + 4 * GROUPS_MAX < AUTHENTICATOR_MAX);
