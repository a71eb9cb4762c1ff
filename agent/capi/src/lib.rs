//! The C library: the agent for programs that are written in C, or in anything that can call C.
//!
//! ```text
//!   C program ──▶ functions/    the functions of the header: arguments in, a status out
//!                    │ barrier    no panic leaves; refusals become slnd_status and slnd_error
//!                    │ argument   pointers, lengths and texts, each looked at before it is used
//!                    ▼
//!                 instance      one slnd_agent: who is inside, who turns the loop, who frees it
//!                    │ presence   how many are inside, and which of them is the last
//!                    │ origin     a forked child is told so
//!                    │ core       the safe facade behind its lock
//!                    │ turn       a turn of the loop: locked, then the callbacks, unlocked
//!                    ▼
//!                 agent::embed
//! ```
//!
//! Owns the memory rules of the boundary, and nothing of the protocol: whatever can be said in safe Rust is in
//! [`agent::embed`].  No signal handlers, no panic hook, no umask, no globals but the page that tells a fork.
//!
//! `types`, `instance` and `functions/` are what the C header is generated from; a test compares it.
#![allow(
    unsafe_code,
    reason = "every function takes pointers of a C program; each block says why it may use them"
)]

mod argument;
mod barrier;
mod callbacks;
mod constants;
mod convert;
mod core;
mod functions;
mod instance;
mod origin;
mod presence;
mod signals;
#[cfg(test)]
mod tests;
mod turn;
mod types;
