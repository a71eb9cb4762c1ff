//! The sockets of one port, UDP and TCP, and what is served there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::limits::BACKLOG;
use crate::socket::{Family, Sockets, listen};

/// How many tokens one door uses: UDP and TCP, IPv4 and IPv6.
pub(super) const TOKENS: usize = 4;

/// A listener, and whether it may have connections that no event will tell of.
pub(super) struct Entrance {
    pub(super) listener: TcpListener,
    pub(super) ready: bool,
}

/// What is served behind a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// The domain of this place in the server's list, and the binder.
    Domain(usize),
    /// A portmapper that knows the directory's ports and no others.
    Portmapper,
}

/// The sockets of one port.
pub(super) struct Door {
    pub(super) serves: Serves,
    pub(super) sockets: Sockets,
    /// Which of the UDP sockets may hold datagrams that no event will tell of.
    pub(super) waiting: [bool; 2],
    /// The IPv4 one, then the IPv6 one.
    pub(super) entrances: [Option<Entrance>; 2],
    first: usize,
}

impl Door {
    /// Binds `port` over UDP and TCP, of all addresses or of one; the tokens from `first` on are its own.
    pub(super) fn open(
        port: u16,
        address: Option<IpAddr>,
        serves: Serves,
        registry: &Registry,
        first: usize,
    ) -> Result<Door, String> {
        let sockets = Sockets::bind(port, address).map_err(|e| e.to_string())?;
        let at = |ip: IpAddr| listen(SocketAddr::new(ip, sockets.port()), BACKLOG);
        let listeners = match address {
            Some(ip @ IpAddr::V4(_)) => [at(ip)?, None],
            Some(ip @ IpAddr::V6(_)) => [None, at(ip)?],
            None => [at(Ipv4Addr::UNSPECIFIED.into())?, at(Ipv6Addr::UNSPECIFIED.into())?],
        };
        let entrances = listeners
            .map(|l| l.map(|listener| Entrance { listener: TcpListener::from_std(listener), ready: true }));
        let mut door = Door { serves, sockets, waiting: [true, true], entrances, first };
        door.register(registry).map_err(|e| format!("cannot poll the directory's sockets: {e}"))?;
        Ok(door)
    }

    fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for (family, fd) in self.sockets.sources() {
            let token = self.first + usize::from(family == Family::V6);
            registry.register(&mut SourceFd(&fd), Token(token), Interest::READABLE)?;
        }
        for (n, entrance) in self.entrances.iter_mut().enumerate() {
            if let Some(entrance) = entrance {
                registry.register(&mut entrance.listener, Token(self.first + 2 + n), Interest::READABLE)?;
            }
        }
        Ok(())
    }

    /// Notes an event; says whether it was one of this door's.
    pub(super) fn ready(&mut self, token: Token) -> bool {
        match token.0.checked_sub(self.first) {
            Some(n @ (0 | 1)) => self.waiting[n] = true,
            Some(n @ (2 | 3)) => {
                if let Some(entrance) = &mut self.entrances[n - 2] {
                    entrance.ready = true;
                }
            }
            _ => return false,
        }
        true
    }

    pub(super) fn has_backlog(&self) -> bool {
        self.waiting.iter().any(|waits| *waits) || self.entrances.iter().flatten().any(|e| e.ready)
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let listeners = self.entrances.iter().flatten().map(|e| e.listener.as_raw_fd());
        self.sockets.sources().map(|(_, fd)| fd).chain(listeners)
    }
}
