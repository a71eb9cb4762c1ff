//! How clients find the directory's port: by this host's rpcbind, or by the agent itself on UDP 111.

use std::os::fd::RawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use netinfo::portmap;
use serialnumberd_core::Mono;

use super::registrar::Registrar;
use crate::config::{Config, Portmapper};
use crate::socket::{Family, Sockets};

/// How many tokens it uses: UDP over IPv4 and IPv6.
pub(super) const TOKENS: usize = 2;

/// The way that is configured.
pub(super) enum Mapper {
    /// They know it.
    Off,
    /// By rpcbind.
    Registered(Registrar),
    /// By these sockets; which of them may hold datagrams that no event will tell of.
    Own(Sockets, [bool; 2]),
}

impl Mapper {
    /// Opens what it takes; the tokens from `first` on are its own.
    pub(super) fn open(
        config: &Config,
        port: u16,
        registry: &Registry,
        first: usize,
    ) -> Result<Mapper, String> {
        let cannot = |e: std::io::Error| format!("the directory cannot be registered: {e}");
        match config.directory.portmapper {
            Portmapper::Off => Ok(Mapper::Off),
            Portmapper::Register => {
                let registrar = Registrar::open(port).map_err(cannot)?;
                let mut source = SourceFd(&registrar.source());
                registry.register(&mut source, Token(first), Interest::READABLE).map_err(cannot)?;
                Ok(Mapper::Registered(registrar))
            }
            Portmapper::Embedded => {
                let hint = "where an rpcbind runs, use portmapper = \"register\"";
                let sockets = Sockets::bind(portmap::PORT, config.agent.address)
                    .map_err(|e| format!("the directory does not answer as portmapper: {e}; {hint}"))?;
                for (family, fd) in sockets.sources() {
                    let token = Token(first + usize::from(family == Family::V6));
                    registry.register(&mut SourceFd(&fd), token, Interest::READABLE).map_err(cannot)?;
                }
                Ok(Mapper::Own(sockets, [true, true]))
            }
        }
    }

    /// Notes an event for one of its tokens, the first of which is 0.
    pub(super) fn ready(&mut self, place: usize) {
        if let Mapper::Own(_, waiting) = self
            && let Some(waits) = waiting.get_mut(place)
        {
            *waits = true;
        }
    }

    pub(super) fn has_backlog(&self) -> bool {
        matches!(self, Mapper::Own(_, waiting) if waiting.iter().any(|waits| *waits))
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        match self {
            Mapper::Registered(registrar) => Some(registrar.deadline()),
            Mapper::Off | Mapper::Own(..) => None,
        }
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        match self {
            Mapper::Registered(registrar) => registrar.trouble(),
            Mapper::Off | Mapper::Own(..) => None,
        }
    }

    /// Takes the registration back.
    pub(super) fn stop(self) {
        if let Mapper::Registered(registrar) = self {
            registrar.stop();
        }
    }

    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        match self {
            Mapper::Off => Vec::new(),
            Mapper::Registered(registrar) => vec![registrar.source()],
            Mapper::Own(sockets, _) => sockets.sources().map(|(_, fd)| fd).collect(),
        }
    }
}
