//! The plugin ABI of serialnumberd, and the safe Rust SDK over it.

pub mod abi;
