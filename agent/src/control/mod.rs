//! The control socket: how licensed software, people and tools reach a running agent.
//!
//! Owns the protocol of JSON lines on a Unix stream, its server for the event loop and its client.
//! It carries questions and answers and knows nothing of engine, plugins or network.

mod access;
mod claim;
pub mod client;
mod connection;
mod event_view;
pub mod protocol;
mod request;
pub mod server;
mod socket_file;
#[cfg(test)]
mod tests;

pub use access::Access;
pub(crate) use claim::program_of_text;
pub use claim::{ClaimRequest, Terms};
pub use event_view::EventView;
