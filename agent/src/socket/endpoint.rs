//! One UDP socket, set up the way the protocol wants it.  Which ones there are is decided in `mod.rs`.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::c_int;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, sockopt};

use super::error::BindError;
use super::{occupant, sys};

/// What is asked of the kernel as receive buffer: 6,500 of the protocol's datagrams, where its default (208 KiB)
/// holds 166, less than a burst of 250 (ran).
const RECEIVE_BUFFER: usize = 4 << 20;
/// The protocol's TTL and hop limit: whoever receives less knows of a router between (RFC 5082).
const HOPS: c_int = 255;
/// linux/in6.h (Linux 4.20), which the libc crate does not name.
const IPV6_MULTICAST_ALL: c_int = 29;

type Setting = (&'static str, c_int, c_int, c_int);

const V4: [Setting; 6] = [
    ("SO_BROADCAST", libc::SOL_SOCKET, libc::SO_BROADCAST, 1),
    ("IP_TTL", libc::IPPROTO_IP, libc::IP_TTL, HOPS),
    ("IP_MULTICAST_TTL", libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, HOPS),
    // Groups that other processes of this host joined are not ours.
    ("IP_MULTICAST_ALL", libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0),
    ("IP_PKTINFO", libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
    ("IP_RECVTTL", libc::IPPROTO_IP, libc::IP_RECVTTL, 1),
];

/// Not to be changed once it is bound.
const V6_ONLY: Setting = ("IPV6_V6ONLY", libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1);

/// Who bound an adopted socket (systemd, for one) may have allowed others on its port.
const EXCLUSIVE: [Setting; 2] = [
    ("SO_REUSEADDR", libc::SOL_SOCKET, libc::SO_REUSEADDR, 0),
    ("SO_REUSEPORT", libc::SOL_SOCKET, libc::SO_REUSEPORT, 0),
];

const V6: [Setting; 6] = [
    ("IPV6_UNICAST_HOPS", libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, HOPS),
    ("IPV6_MULTICAST_HOPS", libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, HOPS),
    ("IPV6_MULTICAST_LOOP", libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, 0),
    ("IPV6_MULTICAST_ALL", libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0),
    ("IPV6_RECVPKTINFO", libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    ("IPV6_RECVHOPLIMIT", libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1),
];

/// A bound, nonblocking UDP socket.
#[derive(Debug)]
pub(super) struct Endpoint {
    socket: UdpSocket,
    local: SocketAddr,
    /// What the kernel's 32-bit drop counter said last, and the sum since it was zero.
    drops_seen: u32,
    drops: u64,
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Endpoint {
    /// Opens and binds; `None` if the kernel lacks the address family.
    ///
    /// All options are set before the socket is bound, so that no datagram slips in without its circumstances.
    /// Neither SO_REUSEADDR nor SO_REUSEPORT: a second process would steal unicast answers.
    pub(super) fn open(at: SocketAddr) -> Result<Option<Endpoint>, BindError> {
        let failed = |step: &'static str| move |error: io::Error| BindError::System { step, at, error };
        let family = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = match socket::socket(family, SockType::Datagram, flags, None) {
            Ok(fd) => fd,
            Err(Errno::EAFNOSUPPORT) => return Ok(None),
            Err(e) => return Err(failed("socket")(e.into())),
        };
        let only: &[Setting] = if at.is_ipv4() { &[] } else { &[V6_ONLY] };
        set_up(fd.as_fd(), at, only)?;
        socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(at)).map_err(|e| refused(e, at))?;
        let socket = UdpSocket::from(fd);
        let local = socket.local_addr().map_err(failed("getsockname"))?;
        Ok(Some(Endpoint { socket, local, drops_seen: 0, drops: 0 }))
    }

    /// Takes over a socket that is bound.  What it received before has no circumstances, and is refused for that.
    pub(super) fn adopt(socket: UdpSocket, local: SocketAddr) -> Result<Endpoint, BindError> {
        let failed =
            |step: &'static str| move |error: io::Error| BindError::System { step, at: local, error };
        socket.set_nonblocking(true).map_err(failed("O_NONBLOCK"))?;
        fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|e| failed("FD_CLOEXEC")(e.into()))?;
        set_up(socket.as_fd(), local, &EXCLUSIVE)?;
        let drops_seen = sys::drops(socket.as_fd()).map_err(failed("SO_MEMINFO"))?;
        Ok(Endpoint { socket, local, drops_seen, drops: 0 })
    }

    /// The socket itself, for what the standard library can do with it.
    pub(super) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Where it is bound.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The receive buffer in the kernel's bytes (twice what was asked and granted: it counts its own overhead).
    pub(super) fn receive_buffer(&self) -> io::Result<usize> {
        Ok(socket::getsockopt(&self.socket, sockopt::RcvBuf)?)
    }

    /// Datagrams dropped by the kernel since the socket was opened.  Right as long as it is asked at least once in
    /// 2^32 drops.
    pub(super) fn drops(&mut self) -> io::Result<u64> {
        let seen = sys::drops(self.socket.as_fd())?;
        self.drops += u64::from(seen.wrapping_sub(self.drops_seen));
        self.drops_seen = seen;
        Ok(self.drops)
    }
}

/// Sets the options of the address family and `more`, and asks for room.
fn set_up(fd: BorrowedFd<'_>, at: SocketAddr, more: &[Setting]) -> Result<(), BindError> {
    let failed = |step: &'static str| move |error: io::Error| BindError::System { step, at, error };
    let settings: &[Setting] = if at.is_ipv4() { &V4 } else { &V6 };
    for &(step, level, name, value) in more.iter().chain(settings) {
        sys::set_option(fd, level, name, value).map_err(failed(step))?;
    }
    // More than net.core.rmem_max takes CAP_NET_ADMIN.
    if socket::setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        socket::setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER)
            .map_err(|e| failed("SO_RCVBUF")(e.into()))?;
    }
    Ok(())
}

fn refused(error: Errno, at: SocketAddr) -> BindError {
    match error {
        Errno::EACCES | Errno::EPERM => BindError::Denied { at },
        Errno::EADDRINUSE => BindError::InUse { at, by: occupant::of_udp_port(at.port(), at.is_ipv6()) },
        Errno::EADDRNOTAVAIL => BindError::NotMine { address: at.ip() },
        other => BindError::System { step: "bind", at, error: other.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drop_counter_is_exact_and_survives_its_wrap() {
        let mut endpoint = Endpoint::open("127.0.0.1:0".parse().unwrap()).unwrap().unwrap();
        socket::setsockopt(&endpoint.socket, sockopt::RcvBuf, &4096).unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let flood =
            |n: u64| (0..n).for_each(|_| assert_eq!(sender.send_to(&[0; 320], endpoint.local).unwrap(), 320));
        flood(100);
        let mut ring = sys::Ring::new();
        let received = ring.receive(endpoint.as_fd()).unwrap();
        assert!(received < sys::BATCH, "the socket is empty");
        assert!(received > 0);
        let dropped = 100 - u64::try_from(received).unwrap();
        assert_eq!(endpoint.drops().unwrap(), dropped);
        assert_eq!(endpoint.drops().unwrap(), dropped, "asking again adds nothing");
        // As if the counter had been just below 2^32 before these drops.
        endpoint.drops_seen = u32::MAX - 9;
        endpoint.drops = 1000;
        assert_eq!(endpoint.drops().unwrap(), 1000 + 10 + dropped);
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let at: SocketAddr = "0.0.0.0:626".parse().unwrap();
        for (errno, expected) in [
            (Errno::EACCES, "0.0.0.0:626: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE"),
            (Errno::EADDRNOTAVAIL, "0.0.0.0: no interface of this host has it; correct `address`"),
            (Errno::EMFILE, "0.0.0.0:626: bind failed: Too many open files (os error 24)"),
        ] {
            let sentence = refused(errno, at).to_string();
            assert!(sentence.contains(expected), "{sentence}");
        }
        let old = BindError::System { step: "IPV6_MULTICAST_ALL", at, error: Errno::ENOPROTOOPT.into() }
            .to_string();
        assert!(old.ends_with("Linux 4.20 or newer is needed"), "{old}");
        let unnamed = BindError::InUse { at, by: None }.to_string();
        assert!(unnamed.contains("`ss -lunp sport = :626`"), "{unnamed}");
    }

    #[test]
    fn the_receive_buffer_is_larger_than_the_default() {
        let plain = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let default = socket::getsockopt(&plain, sockopt::RcvBuf).unwrap();
        let endpoint = Endpoint::open("127.0.0.1:0".parse().unwrap()).unwrap().unwrap();
        let granted = endpoint.receive_buffer().unwrap();
        let largest = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
        let largest: usize = largest.trim().parse().unwrap();
        assert!(granted >= default && granted >= 2 * largest.min(RECEIVE_BUFFER), "{granted} of {default}");
    }
}
