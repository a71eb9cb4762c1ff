//! The plugin host: loads plugins, runs each on a thread or in a process of its own, and keeps the event loop free of
//! them.
//!
//! ```text
//!              publish ──▶ outbox ═ ring of records ═▶ worker ──▶ calls ──▶ on_events ...   the plugin (C ABI)
//!  event loop                                            │                                        │
//!              poll_action ◀═══════ ring of messages ═══ context ◀── host_table ◀── decide, log ...
//!              tick, status ◀── shared: atomics ──────────┘
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `file`, `elf`, `manifest` | what is known of a plugin before any of its code runs |
//! | `descriptor`, `options`, `permission` | the acceptance rules once it is loaded |
//! | `spec`, `host`, `instance`, `outbox`, `reload`, `trial` | the loop's side: never waits, takes no lock |
//! | `begin`, `worker`, `batch`, `view`, `numbers`, `calls`, `timers` | the plugin's thread: every call into it is made there |
//! | `host_table`, `context`, `metrics`, `log_line` | what a plugin may call, from any thread of its own |
//! | `process` | the plugin's thread where it has a process of its own: a supervisor, and the worker on the other side |
//! | `check`, `replay`, `scratch` | the validator and the player of recordings: programs of their own on top of the others |
//! | `shared`, `handshake`, `mailbox`, `sync`, `watchdog`, `limits` | what both sides see, and every bound |
//!
//! Must not know the protocol engine, the sockets or the configuration file.

mod batch;
mod begin;
mod calls;
pub mod check;
mod context;
mod describe;
mod descriptor;
mod elf;
mod error;
mod file;
mod foreign;
mod handshake;
mod host;
mod host_table;
mod instance;
mod kept;
mod limits;
mod log_line;
mod mailbox;
mod manifest;
mod metrics;
mod numbers;
mod options;
mod outbox;
mod permission;
mod process;
mod reload;
pub mod replay;
mod scratch;
mod shared;
mod spec;
mod state_dir;
mod statically;
mod sync;
mod text_room;
mod timers;
mod trial;
mod view;
mod watchdog;
mod worker;

pub use batch::Batch;
pub use describe::{Description, check, describe};
pub use error::{PluginError, Rule};
pub use file::find;
pub use handshake::Wake;
pub use host::PluginHost;
pub use host_table::HostInfo;
pub use instance::PluginStatus;
pub(crate) use log_line::clean;
pub use manifest::{Manifest, manifest};
pub use metrics::Metric;
pub use numbers::state_number;
pub use options::{OptionKind, OptionSpec};
pub use outbox::{Answer, Item, Lost};
pub(crate) use outbox::{Outbox, kind};
pub use permission::Permissions;
pub use process::{Account, OWN_PROGRAM, Process, Reach, Sandbox, run_child};
pub use shared::{Claims, Clock, Clocks};
pub use spec::{Action, Decider, Isolation, PluginSpec, Source, VerdictUse};
pub use statically::StaticPlugin;
pub use watchdog::Health;
