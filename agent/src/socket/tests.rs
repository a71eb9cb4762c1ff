//! Real sockets on loopback.  What takes other interfaces is tested in `tests/netns/sockets.rs`.

use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use proptest::prelude::*;
use serialnumberd_core::{Arrival, Destination, Payload, Transmit};

use super::*;

const LO: u32 = 1;

fn at(address: &str) -> Sockets {
    Sockets::bind(0, Some(address.parse().unwrap())).unwrap()
}

/// On all addresses.  The free port is found for IPv4, so that another process may just have it for IPv6.
fn everywhere() -> Sockets {
    let attempt = || match Sockets::bind(0, None) {
        Err(BindError::InUse { .. }) => None,
        other => Some(other.unwrap()),
    };
    (0..8).find_map(|_| attempt()).expect("no port free for both in eight attempts")
}

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// Waits until something can be received; loopback may deliver a moment after the send returned.
fn receive(sockets: &mut Sockets, family: Family, batch: &mut Batch) -> usize {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    let (_, fd) = sockets.sources().find(|(f, _)| *f == family).unwrap();
    poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE).unwrap();
    poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
    assert!(!events.is_empty(), "nothing came within 5 s");
    sockets.receive(family, batch).unwrap()
}

fn only(batch: &Batch) -> Arrival<'_> {
    assert_eq!(batch.len(), 1);
    batch.arrivals().next().unwrap()
}

fn to(to: SocketAddr) -> Route {
    Route { to, interface: 0, source: None }
}

#[test]
fn destination_interface_and_ttl_are_known() {
    let mut receiver = everywhere();
    let mut batch = Batch::new();
    for (source, destination, family) in [
        ("127.0.0.2", "127.0.0.3", Family::V4),
        ("127.0.0.1", "127.255.1.2", Family::V4),
        ("::1", "::1", Family::V6),
    ] {
        let sender = at(source);
        sender.send(b"which way?", to(address(destination, receiver.port()))).unwrap();
        assert_eq!(receive(&mut receiver, family, &mut batch), 1);
        let arrival = only(&batch);
        assert_eq!(arrival.bytes, b"which way?");
        assert!(!arrival.truncated);
        assert_eq!(arrival.source, address(source, sender.port()));
        assert_eq!(arrival.destination, destination.parse::<IpAddr>().unwrap());
        assert_eq!((arrival.interface, arrival.ttl), (LO, Some(255)));
    }
}

#[test]
fn a_foreign_ttl_is_seen() {
    let mut receiver = at("127.0.0.1");
    let scanner = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    scanner.set_ttl(37).unwrap();
    scanner.send_to(b"SNQUERY: 127.0.0.1:AAAAAA:xsvr", address("127.0.0.1", receiver.port())).unwrap();
    let mut batch = Batch::new();
    receive(&mut receiver, Family::V4, &mut batch);
    assert_eq!(only(&batch).ttl, Some(37));
}

#[test]
fn truncation_is_seen() {
    let mut receiver = at("127.0.0.1");
    let sender = at("127.0.0.1");
    let mut batch = Batch::new();
    for (sent, received, truncated) in [(0, 0, false), (512, 512, false), (513, 512, true), (9000, 512, true)]
    {
        let bytes: Vec<u8> = (0..=255).cycle().take(sent).collect();
        sender.send(&bytes, to(address("127.0.0.1", receiver.port()))).unwrap();
        receive(&mut receiver, Family::V4, &mut batch);
        let arrival = only(&batch);
        assert_eq!((arrival.bytes, arrival.truncated), (&bytes[..received], truncated), "{sent} bytes");
    }
}

#[test]
fn batches_are_bounded_ordered_and_reused_across_families() {
    let mut receiver = everywhere();
    let mut batch = Batch::new();
    let port = receiver.port();
    // The same batch takes IPv6 first, so that addresses and control messages of every length follow each other.
    for (ip, family) in [("::1", Family::V6), ("127.0.0.1", Family::V4), ("::1", Family::V6)] {
        let sender = at(ip);
        for i in 0..40u8 {
            sender.send(&vec![i; usize::from(i)], to(address(ip, port))).unwrap();
        }
        let mut received = Vec::new();
        for (n, full) in [(Batch::CAPACITY, true), (40 - Batch::CAPACITY, false)] {
            assert_eq!(receive(&mut receiver, family, &mut batch), n);
            assert_eq!((batch.len(), batch.is_full()), (n, full));
            for arrival in batch.arrivals() {
                assert_eq!(arrival.source, address(ip, sender.port()));
                assert_eq!((arrival.interface, arrival.ttl), (LO, Some(255)));
                received.push(arrival.bytes.to_vec());
            }
        }
        assert_eq!(received, (0..40u8).map(|i| vec![i; usize::from(i)]).collect::<Vec<_>>());
        assert_eq!(receiver.receive(family, &mut batch).unwrap(), 0);
        assert!(batch.is_empty() && batch.arrivals().next().is_none());
    }
}

#[test]
fn a_batch_may_go_to_another_thread() {
    let mut receiver = at("127.0.0.1");
    at("127.0.0.1").send(b"over there", to(address("127.0.0.1", receiver.port()))).unwrap();
    let mut batch = Batch::new();
    receive(&mut receiver, Family::V4, &mut batch);
    let bytes = std::thread::spawn(move || only(&batch).bytes.to_vec()).join().unwrap();
    assert_eq!(bytes, b"over there");
}

#[test]
fn the_port_is_exclusive_and_the_refusal_names_who_has_it() {
    let first = everywhere();
    let refusal = Sockets::bind(first.port(), None).unwrap_err();
    let sentence = refusal.to_string();
    assert!(matches!(refusal, BindError::InUse { .. }), "{sentence}");
    let expected = format!("cannot bind UDP 0.0.0.0:{}: process {} (", first.port(), std::process::id());
    assert!(sentence.starts_with(&expected), "{sentence}");
    assert!(sentence.ends_with("has the port; stop it, or choose another port"), "{sentence}");
    // Nor can one that does allow sharing take a part of it.
    assert!(std::net::UdpSocket::bind(("127.0.0.1", first.port())).is_err());
}

#[test]
fn an_address_that_cannot_be_is_refused_with_a_sentence() {
    // RFC 5737: nobody's; and those that never are a host's.
    for ip in ["192.0.2.1", "0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff12::5e71"] {
        let sentence = Sockets::bind(0, Some(ip.parse().unwrap())).unwrap_err().to_string();
        let expected = format!("address {ip}: no interface of this host has it; correct `address`");
        assert!(sentence.contains(&expected), "{sentence}");
    }
    let sentence = Sockets::bind(0, Some("fe80::1".parse().unwrap())).unwrap_err().to_string();
    assert!(sentence.contains("fe80::1: it is link-local"), "{sentence}");
}

fn transmit(to: Destination) -> Transmit {
    Transmit { payload: Payload::Datagram(Box::new([7; 320])), to }
}

#[test]
fn bound_to_an_address_everywhere_means_the_peers() {
    let mut sender = at("127.0.0.2");
    let mut peers = [at("127.0.0.3"), at("127.0.0.1")];
    let links = interfaces::enumerate(&[], Some("127.0.0.2".parse().unwrap())).unwrap();
    assert_eq!(links.len(), 1);
    assert!(sender.set_interfaces(links).is_empty());
    let list = [address("127.0.0.3", peers[0].port()), address("127.0.0.1", peers[1].port())];
    let report = sender.transmit(&transmit(Destination::Everywhere), &list);
    assert_eq!((report.sent, report.failed.len()), (2, 0));
    let mut batch = Batch::new();
    for (peer, destination) in peers.iter_mut().zip(list) {
        receive(peer, Family::V4, &mut batch);
        let arrival = only(&batch);
        assert_eq!(arrival.source, address("127.0.0.2", sender.port()));
        assert_eq!((arrival.destination, arrival.bytes.len()), (destination.ip(), 320));
    }
    // And to all of the link there is nobody: loopback has no broadcast.
    let report = sender.transmit(&transmit(Destination::Link { interface: LO, v6: false }), &list);
    assert_eq!((report.sent, report.failed.len()), (0, 0));
}

#[test]
fn a_reply_leaves_from_the_address_that_was_asked() {
    let mut asker = at("127.0.0.3");
    let replier = everywhere();
    let mut batch = Batch::new();
    for (source, expected) in [(Some("127.0.0.7"), "127.0.0.7"), (None, "127.0.0.1")] {
        let route = Destination::Unicast {
            to: address("127.0.0.3", asker.port()),
            interface: LO,
            source: source.map(|source| source.parse().unwrap()),
        };
        let report = replier.transmit(&transmit(route), &[]);
        assert_eq!((report.sent, report.failed.len()), (1, 0));
        receive(&mut asker, Family::V4, &mut batch);
        assert_eq!(only(&batch).source, address(expected, replier.port()));
    }
}

#[test]
fn what_cannot_leave_is_reported_and_does_not_stop_the_rest() {
    let sender = at("127.0.0.2");
    let peer = at("127.0.0.3");
    let list = [address("::1", 1), address("127.0.0.3", peer.port())];
    let report = sender.transmit(&transmit(Destination::Everywhere), &list);
    assert_eq!(report.sent, 1);
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].route.to, list[0]);
    assert_eq!(report.failed[0].error.kind(), io::ErrorKind::Unsupported);
    let gone = Route { to: list[1], interface: u32::MAX, source: None };
    assert!(sender.send(b"by an interface that is not there", gone).is_err());
    let mixed = Route { to: list[1], interface: 0, source: Some("::1".parse().unwrap()) };
    assert_eq!(sender.send(b"", mixed).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_is_sent_arrives_as_it_was(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..80)) {
        let mut receiver = at("127.0.0.1");
        let sender = at("127.0.0.1");
        for datagram in &datagrams {
            sender.send(datagram, to(address("127.0.0.1", receiver.port()))).unwrap();
        }
        let mut batch = Batch::new();
        let mut received = Vec::new();
        while received.len() < datagrams.len() {
            receive(&mut receiver, Family::V4, &mut batch);
            received.extend(batch.arrivals().map(|a| (a.bytes.to_vec(), a.truncated)));
        }
        let cut = |d: &Vec<u8>| (d[..d.len().min(512)].to_vec(), d.len() > 512);
        prop_assert_eq!(received, datagrams.iter().map(cut).collect::<Vec<_>>());
    }
}
