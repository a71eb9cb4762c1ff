//! The bodies of the fuzz targets: arbitrary bytes in, a panic if anything is wrong.
//!
//! `fuzz/` runs them under libFuzzer, `main.rs` beside this folder replays the committed corpora on stable.

mod calls;
mod dump;
#[path = "../../../../core/tests/fuzz/targets/input.rs"]
mod input;
mod message;
mod model;
mod record;
mod results;

pub use calls::calls;
pub use dump::dump;
pub use message::message;
pub use record::record;
