//! The agent inside another program: one facade, whether it owns an agent or is a client of the one on this host.
//!
//! ```text
//!  program's thread ──▶ Embedded ── own ─────▶ event_loop::Agent      other threads ──▶ Handle
//!                          │      └ connect ─▶ control socket            │ claim, release, stop: queued, bell rung
//!                          └── writes, after a turn ──▶ board ◀──────────┘ check, wait, counts: read
//! ```
//!
//! [`Embedded::fd`] is readable, or [`Embedded::timeout`] over, when there is something to do;
//! [`Embedded::dispatch`] does it without ever waiting or calling back.  What the program is to be told is then
//! fetched with [`Embedded::poll_delivery`].  No signal handler, no panic hook, no umask, no process-wide setting but
//! `log`'s logger, and that only for a program that asks for log lines and has none.

mod board;
mod connect;
mod descriptors;
mod embedded;
mod failure;
mod handle;
mod own;
mod settings;
mod turning;
mod writer;

use crate::control::program_of_text;
pub use crate::event_loop::Dispatched;
pub use crate::logging::Sink;
pub use crate::plugin::{Answer as Opinion, Batch, Item as Delivery, Lost, StaticPlugin};
pub use crate::record::{Decision, Verdict};
pub use board::{Answer, Counts};
pub use embedded::Embedded;
pub use failure::{Failure, Kind};
pub use handle::Handle;
pub use turning::Looping;

/// How an embedded agent works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As a client of the agent on this host if one answers at the start, else as an agent of its own.
    #[default]
    Auto,
    /// As a client of the agent on this host: needs no port and no privilege.
    Connect,
    /// As an agent of its own.
    Own,
}

impl Mode {
    /// The word of the key `mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::Connect => "connect",
            Mode::Own => "own",
        }
    }

    fn of_word(word: &str) -> Result<Mode, Failure> {
        let all = [Mode::Auto, Mode::Connect, Mode::Own];
        all.into_iter().find(|mode| mode.as_str() == word).ok_or_else(|| {
            let all = all.map(|mode| format!("\"{}\"", mode.as_str())).join(", ");
            Failure::invalid(format!("`mode`: expected one of {all}, found \"{word}\""))
        })
    }
}

/// What people call this program, where an agent tells who claims: the name of its file.
fn program_name() -> String {
    let file = std::env::current_exe().unwrap_or_default();
    program_of_text(&file.file_name().unwrap_or_default().to_string_lossy())
}
