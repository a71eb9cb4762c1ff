//! Recordings: the stream of records as plugins get it, in a file, to be played again into a plugin.
//!
//! ```text
//!   {"slr":1,"agent":"0.1.0",...,"standing":[...]}     the header: who wrote it, when, of which claims
//!   {"event":"announcement","seq":7,...}               a record a line, as record/line.rs has them
//! ```
//!
//! What is worth recording is an incident, and nobody knows when it comes: so the newest part is kept, not the first one.
//! A file that has grown to [`FILE_MAX`] becomes `FILE.1`, in place of an older one, and a new one is begun: the disk
//! gives up two of them at most.  So that each can be played by itself, the header of a file tells how things stood when
//! it was begun: the last state of each claim, and its conflict.
//!
//! No serial is in it, since none is in a record.  A gap in `seq` is a loss: of a queue that was full, or of a disk.

mod header;
mod reading;
mod recorder;
mod tape;

pub use header::{Header, HeldClaim};
pub use reading::{Part, ReadError, Recording};
pub(crate) use recorder::Recorder;

/// A file of a recording: a week of a network of ten hosts, or an hour of one of a thousand.
pub const FILE_MAX: u64 = 32 << 20;
/// Longest line: a duplicate of the most holders that the core keeps has about this much.
pub const LINE_MAX: u64 = 64 << 20;
/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;
