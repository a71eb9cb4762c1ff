//! The plugin ABI of serialnumberd, and the safe Rust SDK over it.
//!
//! [`abi`] holds the C types, from which `include/serialnumberd/types.h` is generated; the host uses only that.
//! Everything else is for plugins in Rust: implement [`Plugin`], and export it once with [`export_plugin!`].
//! The macro is the only way to export, because what it exports catches every panic before it reaches the agent.
//!
//! ```
//! #![forbid(unsafe_code)]
//! use serialnumberd_plugin::{About, Decision, Error, Event, Events, Host, Kinds, Permissions, Plugin};
//!
//! struct Strict;
//!
//! impl Plugin for Strict {
//!     const ABOUT: About = About {
//!         wants: Permissions::VERDICT,
//!         // With STATE it is asked again when the conflict is over, and its silence then is "no opinion".
//!         events: Kinds::DUPLICATE.and(Kinds::STATE),
//!         ..About::new(c"strict", c"1.0", c"Denies every duplicate")
//!     };
//!
//!     fn create(_host: Host, _instance: &str) -> Result<Self, Error> {
//!         Ok(Strict)
//!     }
//!
//!     fn on_events(&mut self, events: Events<'_>) -> Result<(), Error> {
//!         for mut delivery in events {
//!             if let Event::Duplicate(dup) = delivery.event() {
//!                 delivery.answer(&Decision::deny(format!("{} hosts use one license", dup.holders.len())));
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! serialnumberd_plugin::export_plugin!(Strict);
//! # fn main() {}
//! ```
//!
//! A plugin crate is a `cdylib`.  The SDK tolerates hosts that are newer than itself: events of kinds that it does not
//! know are skipped, structs that have grown are read as far as it knows them.

pub mod abi;

mod about;
mod barrier;
mod decision;
mod error;
mod event;
mod holder;
mod host;
mod logger;
mod note;
mod options;
mod plugin;
mod slots;
mod table;
mod text;
mod words;

pub use about::{About, Kinds, Permissions};
pub use decision::{Decision, Verdict};
pub use error::Error;
pub use event::{
    Announcement, Delivery, Duplicate, Event, Events, Head, Lost, Query, Resolved, StateChange, Tick,
};
pub use holder::{Holder, HolderFlags, Holders};
pub use host::{Host, HostHandle};
pub use options::{OptionSpec, Options};
pub use plugin::Plugin;
pub use words::{Cause, ClaimId, Class, Coverage, EvidenceId, Stage, State};

/// What [`export_plugin!`] expands to, and what a host needs for plugins of its own program; nothing else may name it.
#[doc(hidden)]
pub mod private {
    pub use crate::logger::leave_alone;
    pub use crate::note::{Note, note, note_length};
    pub use crate::slots::descriptor;
}
