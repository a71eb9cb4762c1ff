//! The targets' bodies, as the stable tests have them.

#[path = "../../tests/fuzz/targets/mod.rs"]
mod targets;

pub use targets::*;
