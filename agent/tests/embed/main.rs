//! Agents inside this process, through the facade alone: what a program does with it, on loopback addresses.
//!
//! Times are the protocol's shortest; every wait has a bound.  SIGPIPE is what it is in a C program: deadly.

mod connect;
mod decisions;
mod home;
mod own;
mod plugins;
mod sockets;
mod threads;
