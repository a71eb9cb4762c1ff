//! The real agent on real networks: every claim that the protocol makes about hosts is shown here by the
//! binary itself, on port 626, in network namespaces joined by a bridge, or by a switch of these tests' own.
//!
//! Needs root, `ip`, `nft`, `setpriv`, `flock`, `strace`, `valgrind`, `nmap`, `cc`, `rpcbind`, `rpcgen` and libtirpc; a
//! missing one fails the test that wants it.  `make test` builds the release agent and passes its path in `SERIALNUMBERD`; without it
//! the binary that Cargo built beside this test is run.  A namespace belongs to a thread of this process
//! and has no name: nothing is left behind, however a run ends.
//!
//! Timings are shortened (`interval` 1 s instead of 5 min, `confirm_after` 3 s instead of 90 s); all bounds
//! that the protocol states in absolute seconds are tested as they stand.

mod accusation;
mod agent;
mod clock;
#[path = "../directory_c/client.rs"]
mod directory_client;
mod lan;
mod namespace;
mod rpc;
mod status;
mod switch;
mod wire;

mod access;
mod addresses;
mod bad_input;
mod bonds;
mod classic;
mod configuration;
mod crowd;
mod detection;
mod directory;
mod evidence;
mod figures;
mod firewall;
mod freeze;
mod lifecycle;
mod links;
mod loss;
mod macvlan;
mod multicast;
mod plugins;
mod programs;
mod recognition;
mod refusals;
mod sockets;
mod verdicts;
mod vlan;
