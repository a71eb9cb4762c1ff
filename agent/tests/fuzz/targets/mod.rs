//! The bodies of the agent's fuzz targets: arbitrary bytes in, a panic if anything is wrong.
//!
//! `fuzz/` runs them under libFuzzer, `main.rs` beside this folder replays the committed corpora on stable.

mod client;
mod config;
mod control;
mod evidence;
mod kernel;
mod manifest;
mod state;

pub use client::client;
pub use config::config;
pub use control::control;
pub use evidence::evidence;
pub use kernel::kernel;
pub use manifest::manifest;
pub use state::state;

use std::path::Path;

/// A line for people: it has words, and nothing that a terminal obeys or that makes two lines of it.
fn is_sentence(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// Runs `body` with a directory of this thread, the same for every input.
fn with_folder<T>(body: impl FnOnce(&Path) -> T) -> T {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a temporary directory");
    }
    FOLDER.with(|folder| body(folder.path()))
}
