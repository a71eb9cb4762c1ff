//! Sockets that somebody else bound: a program that dropped its privileges since, or systemd.
//!
//! They are checked, and set up as our own are; what cannot be set any more once a socket is bound must have been.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use libc::c_int;

use super::endpoint::Endpoint;
use super::groups::Groups;
use super::{Family, Sockets, sys};

/// Bound UDP sockets, one IPv4 and one IPv6 at most.
#[derive(Debug, Default)]
pub struct Adopted {
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
}

impl Adopted {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }

    /// The port that they are bound to.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.v4.as_ref().or(self.v6.as_ref()).map(|endpoint| endpoint.local().port())
    }

    /// Takes a socket over.
    ///
    /// # Errors
    /// A sentence: it is no UDP socket, not bound, connected, bound in a way that the protocol cannot use, or does not
    /// go with the one that was taken before.
    pub fn add(&mut self, socket: OwnedFd) -> Result<(), String> {
        let refuse = |what: &str| Err(format!("the socket cannot be adopted: {what}"));
        let option = |name| sys::option(socket.as_fd(), libc::SOL_SOCKET, name);
        let kind = option(libc::SO_TYPE).and_then(|kind| Ok((kind, option(libc::SO_PROTOCOL)?)));
        match kind {
            Ok((libc::SOCK_DGRAM, libc::IPPROTO_UDP)) => {}
            Ok(_) => return refuse("it is no UDP socket"),
            Err(e) => return refuse(&format!("the kernel does not say what it is: {e}")),
        }
        let socket = UdpSocket::from(socket);
        let at = match socket.local_addr() {
            Ok(at) if at.port() == 0 => return refuse("it is not bound: bind it to its port first"),
            Ok(at) => at,
            Err(_) => return refuse("it is neither IPv4 nor IPv6"),
        };
        if socket.peer_addr().is_ok() {
            return refuse("it is connected, and would hear its peer only");
        }
        if let Err(what) = usable(at, &socket) {
            return refuse(&what);
        }
        let (own, other) = match Family::from(at) {
            Family::V4 => (&mut self.v4, &self.v6),
            Family::V6 => (&mut self.v6, &self.v4),
        };
        if own.is_some() {
            return refuse(if at.is_ipv4() {
                "there is an IPv4 one already"
            } else {
                "there is an IPv6 one already"
            });
        }
        if let Some(other) = other.as_ref().map(Endpoint::local) {
            if other.port() != at.port() {
                return refuse(&format!(
                    "it is bound to {at} and the other one to {other}: both need one port"
                ));
            }
            if !other.ip().is_unspecified() || !at.ip().is_unspecified() {
                return refuse("of two, each must be bound to all addresses: 0.0.0.0 and ::");
            }
        }
        *own = Some(Endpoint::adopt(socket, at).map_err(|e| format!("the socket cannot be adopted: {e}"))?);
        Ok(())
    }
}

/// Whether what the binding fixed for ever is as the protocol needs it.
fn usable(at: SocketAddr, socket: &UdpSocket) -> Result<(), String> {
    let ip = at.ip();
    if ip.is_multicast() || ip == Ipv4Addr::BROADCAST {
        return Err(format!("it is bound to {ip}, which is no address of one host; bind 0.0.0.0 or ::"));
    }
    let IpAddr::V6(v6) = ip else { return Ok(()) };
    if v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some() {
        return Err(format!("it is bound to {ip}; bind :: or an address that is valid on every link"));
    }
    let only: c_int = sys::option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY).unwrap_or(0);
    if v6.is_unspecified() && only == 0 {
        return Err("it is bound to :: for IPv4, too; set IPV6_V6ONLY before it is bound".to_owned());
    }
    Ok(())
}

impl Sockets {
    /// Uses adopted sockets, of which there is one at least, in the place of own ones.
    ///
    /// # Errors
    /// A sentence, if there is none.
    pub fn adopt(adopted: Adopted) -> Result<Sockets, String> {
        let Adopted { v4, v6 } = adopted;
        let local = v4.as_ref().or(v6.as_ref()).map(Endpoint::local).ok_or("no socket was adopted")?;
        let bound = Some(local.ip()).filter(|ip| !ip.is_unspecified());
        Ok(Sockets { v4, v6, port: local.port(), bound, links: Vec::new(), groups: Groups::default() })
    }

    /// The one address that they are bound to; `None` if to all.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.bound
    }
}
