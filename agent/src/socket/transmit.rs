//! Turns a [`Transmit`] of the engine into the datagrams that leave, and says which of them could not.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use serialnumberd_core::{Destination, Transmit};

use super::groups::GROUP;
use super::interfaces::Link;
use super::{Sockets, control, sys};

/// How one datagram is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// To whom; a link-local or group address without a scope gets that of `interface`.
    pub to: SocketAddr,
    /// By which interface; 0 leaves it to the routing table and is for configured peers only.
    pub interface: u32,
    /// From which of this host's addresses; `None` is the bound one, else the interface's own.
    pub source: Option<IpAddr>,
}

/// A datagram that did not leave.
#[derive(Debug)]
pub struct SendError {
    /// How it should have left.
    pub route: Route,
    /// What the kernel said.
    pub error: io::Error,
}

/// What became of a [`Transmit`].  If all is well it holds no allocation.
#[derive(Debug, Default)]
pub struct SendReport {
    /// How many datagrams left.
    pub sent: u32,
    /// Those that did not.
    pub failed: Vec<SendError>,
}

impl SendReport {
    fn add(&mut self, route: Route, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => self.sent += 1,
            Err(error) => self.failed.push(SendError { route, error }),
        }
    }
}

impl Sockets {
    /// Sends one datagram.  It does not wait: a full send buffer is an error (`WouldBlock`).
    ///
    /// # Errors
    /// What the kernel says, e.g. that the interface is gone; `Unsupported` if there is no socket for the
    /// address family; `InvalidInput` if source and destination are of two families.
    pub fn send(&self, bytes: &[u8], route: Route) -> io::Result<()> {
        let socket = self.endpoint(route.to.into()).ok_or(io::ErrorKind::Unsupported)?;
        // Said in every datagram: with a packet info, the kernel forgets the address that the socket is bound to.
        let source = match (route.source.or(self.bound), route.to) {
            (Some(source), to) if source.is_ipv4() != to.is_ipv4() => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            (Some(source), _) => source,
            (None, SocketAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            (None, SocketAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let name = control::write_address(route.to, route.interface);
        let info = control::write_packet_info(route.interface, source);
        sys::send(socket, bytes, name.as_bytes(), info.as_bytes())
    }

    /// Sends what the engine asks for; `peers` are the configured ones that get a copy of what goes everywhere.
    ///
    /// A link that cannot broadcast, has no address to send from, or is loopback is passed over without a word.
    #[must_use]
    pub fn transmit(&self, transmit: &Transmit, peers: &[SocketAddr]) -> SendReport {
        let mut report = SendReport::default();
        let bytes = transmit.payload.as_bytes();
        let mut send = |route| report.add(route, self.send(bytes, route));
        match transmit.to {
            Destination::Everywhere => {
                for link in &self.links {
                    self.routes(link, false).into_iter().chain(self.routes(link, true)).for_each(&mut send);
                }
                let peer = |&to| Route { to, interface: 0, source: None };
                peers.iter().map(peer).for_each(&mut send);
            }
            Destination::Link { interface, v6 } => {
                let link = self.links.iter().find(|link| link.interface.index == interface);
                link.and_then(|link| self.routes(link, v6)).into_iter().for_each(&mut send);
            }
            Destination::Unicast { to, interface, source } => send(Route { to, interface, source }),
        }
        report
    }

    /// The route to all of a link, if the link and this agent can take it.
    fn routes(&self, link: &Link, v6: bool) -> Option<Route> {
        let able = if v6 { link.multicast && self.v6.is_some() } else { link.broadcast && self.v4.is_some() };
        let interface = link.interface.index;
        let to = if v6 {
            SocketAddrV6::new(GROUP, self.port, 0, interface).into()
        } else {
            SocketAddrV4::new(Ipv4Addr::BROADCAST, self.port).into()
        };
        able.then_some(Route { to, interface, source: None })
    }
}
