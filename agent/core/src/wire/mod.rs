//! What is on the wire: the protocol datagram and the classic text format.  Bytes in, values out, and back.

pub mod classic;
mod datagram;
mod host;

pub use datagram::{Datagram, Header, Kind, WireError, seal, verify_mac, verify_signature};
pub use host::HostName;
