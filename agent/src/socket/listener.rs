//! TCP listeners for the directory: nonblocking, IPv6 apart from IPv4.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, sockopt};

/// Opens, binds and listens; `None` if the kernel lacks the address family.
///
/// SO_REUSEADDR, unlike with UDP: it lets an agent start anew while connections of the one before are fading, and two
/// listeners never share a port by it.
///
/// # Errors
/// A sentence that says what to do.
pub fn listen(at: SocketAddr, backlog: i32) -> Result<Option<TcpListener>, String> {
    let family = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = match socket::socket(family, SockType::Stream, flags, None) {
        Ok(fd) => fd,
        Err(Errno::EAFNOSUPPORT) => return Ok(None),
        Err(e) => return Err(refused(at, e)),
    };
    let set_up = || {
        socket::setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        if at.is_ipv6() {
            socket::setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
        }
        socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(at))?;
        socket::listen(&fd, Backlog::new(backlog)?)
    };
    set_up().map_err(|e| refused(at, e))?;
    Ok(Some(TcpListener::from(fd)))
}

fn refused(at: SocketAddr, error: Errno) -> String {
    let what = match error {
        Errno::EACCES | Errno::EPERM => {
            "permission denied; ports below 1024 need CAP_NET_BIND_SERVICE".to_owned()
        }
        Errno::EADDRINUSE => format!(
            "another process has the port; `ss -ltnp sport = :{}` as root shows which; stop it, or choose another port",
            at.port()
        ),
        Errno::EADDRNOTAVAIL => "no interface of this host has the address; correct `address`".to_owned(),
        other => other.desc().to_owned(),
    };
    format!("cannot bind TCP {at}: {what}")
}
