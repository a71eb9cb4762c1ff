//! The serialnumberd agent: the protocol engine of `serialnumberd-core` and the edges around it.

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod logging;
pub mod paths;
pub mod plugin;
pub mod record;
pub mod socket;
pub mod status;
