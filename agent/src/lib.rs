//! The serialnumberd agent: the protocol engine of `serialnumberd-core` and the edges around it.
//!
//! ```text
//!   udp 626 ─┐                             agent/core: no_std, no unsafe, no clock, no I/O, no randomness of its own
//!            ▼                       ┌───────────────────────────────────────────────────────────┐
//!         socket/                    │ wire ─▶ Datagram ─▶ Engine::handle_datagram               │
//!            │ Arrival + now ───────▶│   │ error               claims, holders, conflicts        │
//!            │                       │   ▼                              │                        │
//!            │                       │ Fate (exactly one a datagram)    ▼                        │
//!            │                       └───┬──────────────────── events ─── transmits ─────────────┘
//!            │                           ▼                       │           │
//!            │                      counters.rs                  ▼           │
//!            │                                  verdict.rs ─▶ a ring a plugin ─▶ plugin threads (C ABI)
//!            │                                       ▲           │           │          │
//!            ▼                                       └─────── Actions ◀──────┼──────────┘
//!   event_loop/: poll until the next deadline ◀───────────────────  socket/: send
//! ```
//!
//! One turn of the loop: all input, then time, then consequences, then output.  The clock is read once a
//! turn.  What a plugin asks for is queued, so nothing re-enters.
//!
//! Beside it, in the same turns, `directory/` answers NetInfo's calls on 658 (`agent/netinfo`), from a tree that is made of
//! the status when somebody asks.
//!
//! The loop is `daemon.rs`'s in a program of our own; in somebody else's it is behind [`embed`].

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod counters;
pub mod daemon;
pub mod demo;
pub mod directory;
mod durable;
pub mod embed;
pub mod event_loop;
pub mod evidence;
pub mod generation;
mod hex;
pub mod identity;
pub mod logging;
pub mod memory;
mod nearest;
pub mod paths;
pub mod plugin;
pub mod record;
pub mod recording;
pub mod socket;
pub mod status;
mod text;
pub mod verdict;
