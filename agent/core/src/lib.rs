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

mod bucket;
mod claim;
mod coverage;
pub mod crypto;
mod defenses;
mod engine;
mod entropy;
mod event;
pub mod evidence;
mod fate;
mod health;
mod holders;
mod ids;
mod inventory;
mod keys;
mod legacy;
pub mod limits;
mod network;
mod round;
mod sent;
mod station;
mod time;
mod verify;
mod window;
pub mod wire;

pub use claim::{ClaimView, ConflictView};
pub use crypto::{Crypto, Standard};
pub use defenses::{AllOn, Defenses};
pub use engine::{ClaimBrief, ClaimError, Engine, Identity, Settings};
pub use entropy::Entropy;
pub use event::{
    Class, Coverage, Event, HolderView, InterfaceCoverage, PeerRole, ResolvedCause, Stage, State,
};
pub use evidence::{Evidence, EvidencePair};
pub use fate::Fate;
pub use health::Mishap;
pub use ids::{
    BootId, ClaimId, EvidenceId, GroupDigest, Installation, Instance, Nonce, Product, ProductError, Tag,
};
pub use keys::{ClaimKeys, Serial, SerialError};
pub use legacy::Legacy;
pub use network::{Arrival, Destination, Interface, Payload, Transmit};
pub use station::License;
pub use time::{Mono, Now};
