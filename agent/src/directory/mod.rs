//! The directory on 658: NetInfo's protocol over UDP and TCP, for a mio loop.
//!
//! Owns the sockets, the connections and their bounds, and the tree that is served.  What a call means is `netinfo`'s
//! matter; what is in the tree is told from outside, when somebody asks.  It never blocks.
//!
//! ```text
//!   UDP 658 ──────────────┐                  tree.rs ◀─ the status, the plugins' subtrees
//!   TCP 658 ─ connection ─┴▶ netinfo::server ─▶ Snapshot
//!                          ◀──── reply ──────────┘
//! ```

mod access;
mod connection;
mod connections;
mod datagrams;
mod doors;
mod limits;
mod neighbors;
mod portmapper;
mod registrar;
mod service;
mod sources;
pub mod tree;

pub use service::{Directory, Surroundings, fixed_tree};
