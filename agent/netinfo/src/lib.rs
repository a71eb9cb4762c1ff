//! NetInfo, the directory protocol, as data and functions: no socket, no clock, no randomness, no dependency.
//!
//! ```text
//!   bytes ─▶ record ─▶ rpc ─▶ server ─▶ tree::Snapshot          client ─▶ rpc ─▶ xdr ─▶ bytes
//!             (TCP)     │       │  29 procedures, 9 of the binder
//!                       └─ xdr ─┘
//! ```
//!
//! Whoever owns sockets hands whole messages to [`server::Server::answer`] and sends what it answers.

#![forbid(unsafe_code)]

pub mod dump;
pub mod limits;
pub mod procedure;
pub mod record;
pub mod rpc;
pub mod server;
pub mod status;
pub mod tree;
pub mod xdr;

pub use status::Status;
