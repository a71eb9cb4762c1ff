//! The serialnumberd agent: the protocol engine of `serialnumberd-core` and the edges around it.

pub mod clock;
pub mod record;
pub mod socket;
pub mod config;
pub mod paths;
pub mod record;
pub mod status;
