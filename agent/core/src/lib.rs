//! The announcement protocol of serialnumberd, as a pure state machine.
//!
//! This crate does no I/O, reads no clock and draws no randomness: datagrams, times and entropy are
//! arguments, and what follows from them comes back as values ([`Event`], [`Transmit`], [`Fate`])
//! that somebody else performs and counts.  That it is `no_std` is the proof.
//!
//! Data flows one way: `wire` decodes a datagram, `Engine` judges it, events and transmits come out.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod event;
mod ids;
mod network;
mod time;

pub use event::{
    Class, Coverage, Event, HolderView, InterfaceCoverage, PeerRole, ResolvedCause, Stage, State,
};
pub use ids::{
    BootId, ClaimId, EvidenceId, GroupDigest, Installation, Instance, Nonce, Product, ProductError, Tag,
};
pub use network::{Arrival, Destination, Interface, Payload, Transmit};
pub use time::{Mono, Now};
