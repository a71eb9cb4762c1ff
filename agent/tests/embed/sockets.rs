//! Sockets that the program bound.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};
use serialnumberd::embed::{Embedded, Kind};
use serialnumberd_core::State;

use crate::home::{Home, is, until};

fn udp(at: &str) -> UdpSocket {
    UdpSocket::bind(at).expect("a socket")
}

fn own(family: AddressFamily) -> OwnedFd {
    socket(family, SockType::Datagram, SockFlag::empty(), None).expect("a socket")
}

fn bound(socket: OwnedFd, at: &str) -> OwnedFd {
    let at: SocketAddr = at.parse().expect("an address");
    bind(socket.as_raw_fd(), &SockaddrStorage::from(at)).expect("bound");
    socket
}

#[test]
fn adopted_sockets_are_as_good_as_own_ones() {
    let homes = [Home::new("127.0.8.40"), Home::new("127.0.8.41")];
    let mut agents: Vec<Embedded> = homes
        .iter()
        .zip(["127.0.8.41", "127.0.8.40"])
        .map(|(home, peer)| {
            let mut embedded = home.embedded(&[peer]);
            // Elsewhere than the settings say, and shared, blocking and inherited as nobody should have it.
            let socket = own(AddressFamily::Inet);
            setsockopt(&socket, sockopt::ReuseAddr, &true).expect("set");
            setsockopt(&socket, sockopt::ReusePort, &true).expect("set");
            let socket = bound(socket, &format!("{}:62721", home.address));
            let copy = socket.try_clone().expect("a copy");
            embedded.set("address", "192.0.2.7").expect("set");
            embedded.adopt_socket(socket).expect("adopted");
            assert!(fcntl(&copy, FcntlArg::F_GETFL).expect("flags") & OFlag::O_NONBLOCK.bits() != 0);
            let thief = own(AddressFamily::Inet);
            setsockopt(&thief, sockopt::ReuseAddr, &true).expect("set");
            setsockopt(&thief, sockopt::ReusePort, &true).expect("set");
            let at: SocketAddr = format!("{}:62721", home.address).parse().expect("an address");
            bind(thief.as_raw_fd(), &SockaddrStorage::from(at)).expect_err("nobody shares it any more");
            embedded.start().expect("it starts");
            embedded
        })
        .collect();
    let handles = [agents[0].handle(), agents[1].handle()];
    handles.iter().for_each(|handle| handle.claim("xsvr", "SHARED", 1).expect("claimed"));
    until("they find each other", &mut agents, |_| handles.iter().all(|h| is(h, State::Duplicate)));
    let status = agents[0].status_json().expect("a document");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["agent"]["port"], 62721);
    let interface = &status["claims"][0]["coverage"]["interfaces"][0]["name"];
    assert_eq!(interface, "lo", "where the socket's address is, not the one that was set");
}

#[test]
fn both_families_go_together_on_one_port() {
    let home = Home::new("127.0.8.42");
    let mut embedded = home.embedded(&[]);
    let v4 = udp("0.0.0.0:0");
    let port = v4.local_addr().expect("bound").port();
    let v6 = own(AddressFamily::Inet6);
    setsockopt(&v6, sockopt::Ipv6V6Only, &true).expect("set");
    let v6 = bound(v6, &format!("[::]:{port}"));
    let copy = v6.try_clone().expect("a copy");
    embedded.adopt_socket(v4.into()).expect("adopted");
    embedded.adopt_socket(v6).expect("adopted");
    assert_eq!(fcntl(&copy, FcntlArg::F_GETFD).expect("flags"), FdFlag::FD_CLOEXEC.bits());
    embedded.start().expect("it starts");
    let status = embedded.status_json().expect("a document");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["agent"]["port"], port);
}

#[test]
fn a_wrong_socket_is_refused_by_a_sentence() {
    let home = Home::new("127.0.8.43");
    let mut embedded = home.embedded(&[]);
    let connected = udp("127.0.8.43:0");
    connected.connect("127.0.8.44:9").expect("connected");
    let dual = own(AddressFamily::Inet6);
    setsockopt(&dual, sockopt::Ipv6V6Only, &false).expect("set");
    let unix = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    for (socket, part) in [
        (TcpListener::bind("127.0.8.43:0").expect("a socket").into(), "no UDP socket"),
        (unix.into(), "no UDP socket"),
        (std::fs::File::open("/dev/null").expect("opened").into(), "does not say what it is"),
        (own(AddressFamily::Inet), "not bound"),
        (own(AddressFamily::Inet6), "not bound"),
        (connected.into(), "it is connected"),
        (bound(dual, "[::]:0"), "IPV6_V6ONLY"),
        (bound(own(AddressFamily::Inet), "224.0.0.1:0"), "no address of one host"),
        (bound(own(AddressFamily::Inet6), "[::ffff:127.0.8.43]:0"), "valid on every link"),
    ] {
        let refused = embedded.adopt_socket(socket).expect_err(part);
        assert_eq!(refused.kind, Kind::Invalid);
        assert!(refused.sentence.contains(part), "{refused}");
    }
    embedded.adopt_socket(udp("127.0.8.43:0").into()).expect("adopted");
    for (socket, part) in
        [(udp("127.0.8.43:0").into(), "an IPv4 one already"), (udp("[::1]:0").into(), "both need one port")]
    {
        let refused = embedded.adopt_socket(socket).expect_err(part);
        assert!(refused.sentence.contains(part), "{refused}");
    }
    let one = embedded_with(&home, "127.0.8.43:0");
    let (mut embedded, port) = one;
    let other = bound(own(AddressFamily::Inet6), &format!("[::1]:{port}"));
    let refused = embedded.adopt_socket(other).expect_err("two addresses");
    assert!(refused.sentence.contains("bound to all addresses"), "{refused}");
}

fn embedded_with(home: &Home, at: &str) -> (Embedded, u16) {
    let mut embedded = home.embedded(&[]);
    let socket = udp(at);
    let port = socket.local_addr().expect("bound").port();
    embedded.adopt_socket(socket.into()).expect("adopted");
    (embedded, port)
}
