//! The bodies of the fuzz targets: arbitrary bytes in, a panic if anything is wrong.
//!
//! `fuzz/` runs them under libFuzzer, `main.rs` beside this folder replays the committed corpora on stable.

mod cheap;
mod classic;
mod datagram;
mod engine;
mod input;
mod names;

pub use classic::classic;
pub use datagram::datagram;
pub use engine::engine;
pub use names::names;
