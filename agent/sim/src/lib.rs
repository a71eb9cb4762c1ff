//! Simulated LANs on which serialnumberd's engine is judged.
//!
//! A scenario (`scenarios/*.toml`) tells a story about hosts; [`play`] plays it on virtual time with everything random
//! drawn from one seed, and an oracle that knows the truth, that is how many hosts really hold each license at each
//! moment, says what was wrong.  Nothing here opens a socket, starts a thread or reads a clock, but the command line,
//! which plays several runs at once.
//!
//! ```text
//!   scenario ──▶ world: machines, clocks, network ──▶ detector (the engine) ──▶ what it says
//!                  │                                                               │
//!                  └──▶ truth: who really holds what ──▶ oracle ◀── plugin ◀───────┘
//! ```
#![forbid(unsafe_code)]

mod cli;
mod crypto;
mod detector;
mod oracle;
mod plugin;
mod report;
mod run;
mod scenario;
mod truth;
mod world;

pub use cli::main;
pub use oracle::Latencies;
pub use run::play;
pub use scenario::{Guard, Scenario};
pub use world::Outcome;
