//! The bounds of the directory service, and why they are what they are.

use std::time::Duration;

use netinfo::limits::NAME_MAX;

/// TCP connections at once, over all tags.  A tool keeps one while it runs; descriptors of a process are 1024 by
/// default, and the agent needs few others.
pub(super) const CONNECTIONS: usize = 512;
/// Connections of one peer: four such peers fill the table, and then the longest idle gives way.
pub(super) const PER_PEER: usize = 128;
/// A connection without a whole call for so long is closed: the tools' own patience is 30 s, a program may think.
pub(super) const IDLE: Duration = Duration::from_secs(300);
/// One that owes the rest of a call, or does not take its replies, for so long is closed.
pub(super) const STALLED: Duration = Duration::from_secs(30);
/// Bytes of a call: LOOKUP with the longest key and the longest value, and the head.  A longer write would be refused
/// anyway.
pub(super) const CALL: usize = 2 * (NAME_MAX + 1) + 1024;
/// Bytes of replies that may wait for one peer before its next call is looked at.
pub(super) const WAITING: usize = 64 * 1024;
/// Bytes of replies that may wait over all connections; a longer reply is SYSTEM_ERR then.  A tree of 100,000
/// directories is 16 MB as READALL has it.
pub(super) const WAITING_IN_ALL: usize = 64 * 1024 * 1024;
/// What one connection may hand in during one turn of the loop; the rest waits for the next.
pub(super) const READ_PER_TURN: usize = 64 * 1024;
/// Calls of one connection that one turn carries out.
pub(super) const CALLS_PER_TURN: usize = 64;
/// Batches of datagrams taken from one socket in one turn.
pub(super) const BATCHES_PER_TURN: usize = 8;
/// Connections taken in one turn.
pub(super) const ACCEPTS_PER_TURN: usize = 64;
/// Connections that wait in the kernel to be taken.
pub(crate) const BACKLOG: i32 = 128;
/// Reads over UDP that one source may send at once; one more every [`UDP_REFILL`].  A reply has at most 1,400 bytes:
/// who forges a neighbor's address sends it no more than 140 KB/s.
pub(super) const UDP_BURST: u32 = 100;
/// See [`UDP_BURST`].
pub(super) const UDP_REFILL: Duration = Duration::from_millis(10);
/// Sources of UDP reads that are remembered; while all are busy, a further one is refused.
pub(super) const UDP_SOURCES: usize = 1024;
/// The tree is made anew at most so often ...
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// ... and, if making it takes long, no more than this part of the time is spent on it.
pub(super) const MAKING_SHARE: u32 = 50;

const _: () = assert!(PER_PEER < CONNECTIONS);
const _: () = assert!(WAITING_IN_ALL > CONNECTIONS * WAITING);
