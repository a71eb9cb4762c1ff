//! `isolation = "process"`: a plugin in a child process of the agent, behind the same loop's side and under the same
//! worker as on a thread.
//!
//! ```text
//!   the agent                                            the child: `serialnumberd plugin-child`
//!   ring of records ═▶ supervisor ──▶ frames ──────────▶ main thread ═▶ ring ═▶ worker ─▶ calls ─▶ the plugin
//!                        ▲ words                            │   ▲                  │
//!   ring of messages ◀═ hearing ◀── frames ◀───────────────-┘   └══ ring, bell ◀═══╧═ host_table ◀─┘
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `sandbox`, `facts` | what the configuration says of a process, and what status shows of it |
//! | `words`, `frame` | what is said over the pipe, and how |
//! | `supervisor`, `tending`, `program`, `restarts` | the life of one process after the other, on the thread that a plugin has in the agent |
//! | `spawn`, `pidfd`, `hearing`, `desk`, `flight` | one process: its start and end, what it says, and what of that is believed |
//! | `child` | the other side |
//!
//! What a child says is believed nothing: it may hold a plugin that wrote all over its memory.  Whatever it may ask for
//! is checked again here, against the grant, the claims that are held, and what it was asked.

pub(super) mod child;
mod desk;
mod facts;
mod flight;
mod frame;
mod hearing;
mod pidfd;
mod program;
mod restarts;
mod sandbox;
mod spawn;
mod supervisor;
mod tending;
mod words;

pub use child::run as run_child;
pub use sandbox::{Account, Process, Reach, Sandbox};

pub(super) use facts::{Figures, ProcessFacts};
pub use program::OWN_PROGRAM;
pub(super) use program::describe;
pub(super) use supervisor::run;
