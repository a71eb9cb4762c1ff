//! The network edge by itself on real interfaces: two network namespaces joined by veth pairs.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serialnumberd::socket::interfaces::{Link, enumerate};
use serialnumberd::socket::{Batch, Changes, Family, GROUP, Monitor, Sockets};
use serialnumberd_core::{Destination, Payload, Transmit};

use crate::namespace::Namespace;
use crate::wire::PORT;

/// Longer than anything awaited here takes; the longest is duplicate address detection, some 4 s.
const PATIENCE: Duration = Duration::from_secs(20);

fn links(of: &Namespace) -> Vec<Link> {
    of.within(|| enumerate(&["*".to_owned()], None).unwrap())
}

fn bind(of: &Namespace) -> Sockets {
    of.within(|| Sockets::bind(PORT, None).unwrap())
}

/// Sockets with all interfaces set.
fn ready(of: &Namespace) -> Sockets {
    let mut sockets = bind(of);
    adopt(of, &mut sockets);
    sockets
}

/// What the loop does after a change.
fn adopt(of: &Namespace, sockets: &mut Sockets) {
    let links = links(of);
    let failed = of.within(|| sockets.set_interfaces(links));
    assert!(failed.is_empty(), "{failed:?}");
}

/// Two namespaces and `n` veth pairs `a0`-`b0`, `a1`-`b1`, ..., all in one IPv4 subnet.
fn pairs(n: u8) -> (Namespace, Namespace) {
    let (a, b) = (Namespace::new(), Namespace::new());
    for i in 0..n {
        add_pair(&a, &b, i);
        settle(&a, &b, i);
    }
    (a, b)
}

fn add_pair(a: &Namespace, b: &Namespace, i: u8) {
    // Indices of our own choice, so that no two ends have the same by chance.
    let (left, right) = (100 + u32::from(i), 200 + u32::from(i));
    a.ip(&format!("link add a{i} index {left} type veth peer name b{i} index {right} netns {}", b.path()));
    a.ip(&format!("addr add 10.62.6.{}/24 dev a{i}", 10 + i));
    b.ip(&format!("addr add 10.62.6.{}/24 dev b{i}", 20 + i));
    a.ip(&format!("link set a{i} up"));
    b.ip(&format!("link set b{i} up"));
}

/// Waits until both ends of pair `i` are ready for IPv4 and IPv6; the kernel tells of a carrier a while later.
fn settle(a: &Namespace, b: &Namespace, i: u8) {
    for (namespace, name) in [(a, format!("a{i}")), (b, format!("b{i}"))] {
        let mut monitor = namespace.within(|| Monitor::open().unwrap());
        let ready = |link: &Link| link.interface.name == name && link.broadcast && link.multicast;
        watch(&mut monitor, |_| links(namespace).iter().any(ready));
    }
}

/// An arrival that outlives its batch: text, source, destination, interface, TTL.
type Heard = (String, SocketAddr, IpAddr, u32, Option<u8>);

/// The `n` datagrams that are to arrive, and any beyond them that arrive within a moment.
fn hear(sockets: &mut Sockets, family: Family, n: usize) -> Vec<Heard> {
    const MOMENT: Duration = Duration::from_millis(100);
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    let (_, fd) = sockets.sources().find(|(f, _)| *f == family).unwrap();
    poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE).unwrap();
    let (mut batch, mut heard) = (Batch::new(), Vec::new());
    loop {
        if sockets.receive(family, &mut batch).unwrap() == 0 {
            wait(&mut poll, &mut events, if heard.len() < n { PATIENCE } else { MOMENT });
            if events.is_empty() {
                return heard;
            }
        }
        heard.extend(batch.arrivals().map(|a| {
            let text = String::from_utf8_lossy(a.bytes).into_owned();
            (text, a.source, a.destination, a.interface, a.ttl)
        }));
    }
}

fn say(sockets: &Sockets, text: &str, to: Destination) {
    let transmit = Transmit { payload: Payload::Classic(text.as_bytes().to_vec()), to };
    let report = sockets.transmit(&transmit, &[]);
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert!(report.sent > 0, "nothing was sent for {text}");
}

/// Waits for readiness; a signal on the way is none.
fn wait(poll: &mut Poll, events: &mut Events, at_most: Duration) {
    while let Err(e) = poll.poll(events, Some(at_most)) {
        assert_eq!(e.kind(), std::io::ErrorKind::Interrupted, "{e}");
    }
}

/// Waits for changes until `settled`, as the loop would, without the pause for things to settle.
fn watch(monitor: &mut Monitor, mut settled: impl FnMut(Changes) -> bool) {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    poll.registry().register(&mut SourceFd(&monitor.source()), Token(0), Interest::READABLE).unwrap();
    while !settled(monitor.drain().unwrap()) {
        wait(&mut poll, &mut events, PATIENCE);
        assert!(!events.is_empty(), "no change within {PATIENCE:?}");
    }
}

#[test]
fn broadcast_leaves_by_the_asked_interface_though_two_share_the_subnet() {
    let (a, b) = pairs(2);
    let (mut sender, mut receiver) = (ready(&a), ready(&b));
    for (left, right, source) in [(101, 201, "10.62.6.11"), (100, 200, "10.62.6.10")] {
        let text = format!("by {left}");
        say(&sender, &text, Destination::Link { interface: left, v6: false });
        let from = SocketAddr::new(source.parse().unwrap(), PORT);
        let all = "255.255.255.255".parse().unwrap();
        let expected = |interface| [(text.clone(), from, all, interface, Some(255))];
        assert_eq!(hear(&mut receiver, Family::V4, 1), expected(right));
        // The kernel hands a broadcast to its sender too, as if it had come by that interface.
        assert_eq!(hear(&mut sender, Family::V4, 1), expected(left));
    }
    say(&sender, "all", Destination::Everywhere);
    let mut by: Vec<u32> = hear(&mut receiver, Family::V4, 2).iter().map(|h| h.3).collect();
    by.sort_unstable();
    assert_eq!(by, [200, 201]);
    let mut by: Vec<u32> = hear(&mut receiver, Family::V6, 2).iter().map(|h| h.3).collect();
    by.sort_unstable();
    assert_eq!(by, [200, 201]);
}

#[test]
fn a_reply_leaves_by_the_interface_and_from_the_address_that_was_asked() {
    let (a, b) = pairs(2);
    // Whichever of the two routes to the subnet the kernel prefers, one of the rounds goes against it.
    let (replier, mut asker) = (ready(&a), ready(&b));
    for (left, right, from) in [(101, 201, "10.62.6.11"), (100, 200, "10.62.6.10")] {
        let to = SocketAddr::new("10.62.6.20".parse().unwrap(), PORT);
        let source: IpAddr = from.parse().unwrap();
        say(&replier, "reply", Destination::Unicast { to, interface: left, source: Some(source) });
        let heard = hear(&mut asker, Family::V4, 1);
        let expected = ("reply".to_owned(), SocketAddr::new(source, PORT), to.ip(), right, Some(255));
        assert_eq!(heard, [expected]);
    }
}

#[test]
fn the_group_is_heard_where_it_is_joined_and_never_by_its_sender() {
    let (a, b) = pairs(2);
    let (mut sender, mut receiver) = (ready(&a), bind(&b));
    let mut one = links(&b);
    one.retain(|link| link.interface.name == "b1");
    let failed = b.within(|| receiver.set_interfaces(one));
    assert!(failed.is_empty(), "{failed:?}");
    say(&sender, "deaf", Destination::Link { interface: 100, v6: true });
    say(&sender, "joined", Destination::Link { interface: 101, v6: true });
    let heard = hear(&mut receiver, Family::V6, 1);
    assert_eq!(heard.len(), 1, "{heard:?}");
    let (text, source, destination, interface, hops) = &heard[0];
    assert_eq!((text.as_str(), *destination), ("joined", IpAddr::from(GROUP)));
    assert_eq!((*interface, *hops), (201, Some(255)));
    let SocketAddr::V6(source) = source else { panic!("{source} is IPv6") };
    assert!(source.ip().is_unicast_link_local());
    assert_eq!((source.scope_id(), source.port()), (201, PORT));
    assert_eq!(hear(&mut sender, Family::V6, 0), []);
    // A reply to such a source needs no other scope than the one that came with it.
    say(&receiver, "reply", Destination::Unicast { to: (*source).into(), interface: 201, source: None });
    assert_eq!(hear(&mut sender, Family::V6, 1)[0].3, 101);
    // Another process of the host that joins does not do it for us.
    let other = b.within(|| UdpSocket::bind("[::]:0").unwrap());
    other.join_multicast_v6(&GROUP, 200).unwrap();
    // Joining all, then none, follows at once and is the same when said twice.
    for (wanted, expected) in [(links(&b), 2), (links(&b), 2), (Vec::new(), 0)] {
        let failed = b.within(|| receiver.set_interfaces(wanted));
        assert!(failed.is_empty(), "{failed:?}");
        say(&sender, "all", Destination::Link { interface: 100, v6: true });
        say(&sender, "all", Destination::Link { interface: 101, v6: true });
        assert_eq!(hear(&mut receiver, Family::V6, expected).len(), expected);
    }
}

#[test]
fn interfaces_that_come_and_go_are_told_and_used() {
    let (a, b) = pairs(1);
    let (mut sender, mut receiver) = (ready(&a), ready(&b));
    let mut monitor = b.within(|| Monitor::open().unwrap());
    assert_eq!(monitor.drain().unwrap(), Changes::default());
    let names = || links(&b).iter().map(|link| link.interface.name.clone()).collect::<Vec<_>>();
    let ready = || links(&b).iter().any(|l| l.interface.name == "b1" && l.broadcast && l.multicast);
    let mut reaches = || {
        adopt(&a, &mut sender);
        adopt(&b, &mut receiver);
        say(&sender, "v4", Destination::Link { interface: 101, v6: false });
        say(&sender, "v6", Destination::Link { interface: 101, v6: true });
        let v4 = hear(&mut receiver, Family::V4, 1);
        let v6 = hear(&mut receiver, Family::V6, 1);
        assert_eq!((v4[0].3, v6[0].3), (201, 201));
    };

    add_pair(&a, &b, 1);
    watch(&mut monitor, |changes| changes.interfaces && ready());
    settle(&a, &b, 1);
    reaches();
    b.ip("link del b0");
    watch(&mut monitor, |changes| changes.interfaces && names() == ["b1"]);
    reaches();

    // Without a carrier it is of no use; with one, it is again.
    a.ip("link set a1 down");
    watch(&mut monitor, |changes| changes.interfaces && names().is_empty());
    a.ip("link set a1 up");
    watch(&mut monitor, |changes| changes.interfaces && ready());
    settle(&a, &b, 1);
    reaches();

    for address in ["10.62.8.1/32", "2001:db8::8/128"] {
        while monitor.drain().unwrap() != Changes::default() {}
        b.ip(&format!("addr add {address} dev b1"));
        watch(&mut monitor, |changes| changes.interfaces);
    }
    b.ip("route add 192.0.2.0/24 dev b1");
    watch(&mut monitor, |changes| changes.routes);
}

#[test]
fn a_membership_that_the_kernel_lost_is_renewed() {
    let (a, b) = pairs(1);
    let (mut sender, mut receiver) = (ready(&a), ready(&b));
    let mut reaches = |flap: &str| {
        settle(&a, &b, 0);
        // Only what the loop does, and only once all has settled, as if the change had not been seen half-way.
        adopt(&a, &mut sender);
        adopt(&b, &mut receiver);
        say(&sender, flap, Destination::Link { interface: 100, v6: true });
        assert_eq!(hear(&mut receiver, Family::V6, 1).len(), 1, "deaf after {flap}");
    };
    reaches("the start");
    // Below the smallest MTU of IPv6 the interface loses it, and with it the group.
    b.ip("link set b0 mtu 1000");
    b.ip("link set b0 mtu 1500");
    reaches("losing IPv6");
    // The same index is another interface now.
    b.ip("link del b0");
    add_pair(&a, &b, 0);
    reaches("being made anew");
    b.ip("link set b0 down");
    b.ip("link set b0 up");
    reaches("down and up");
}

#[test]
fn an_address_is_used_once_the_kernel_sends_from_it() {
    let (a, b) = (Namespace::new(), Namespace::new());
    a.sysctl("net/ipv6/conf/default/accept_dad", "1");
    // Checking takes a second a probe, so that a busy machine cannot miss it.
    a.sysctl("net/ipv6/conf/default/dad_transmits", "3");
    let mut monitor = a.within(|| Monitor::open().unwrap());
    add_pair(&a, &b, 0);
    let mut before = Vec::new();
    watch(&mut monitor, |_| {
        before = links(&a);
        !before.is_empty()
    });
    // Still being checked for duplicates: usable for IPv4, not for IPv6.
    assert!(before[0].broadcast && !before[0].multicast, "{before:?}");
    watch(&mut monitor, |_| links(&a)[0].multicast);
    say(&ready(&a), "from it", Destination::Link { interface: 100, v6: true });
}

#[test]
fn addresses_are_listed_with_prefix_order_and_labels() {
    let (a, _b) = pairs(2);
    a.ip("addr add 2001:db8::1/64 dev a0 nodad");
    a.ip("addr add 10.62.7.1/28 dev a0 label a0:1");
    let links = a.within(|| enumerate(&["a0".to_owned(), "c*".to_owned()], None).unwrap());
    assert_eq!(links.len(), 1, "{links:?}");
    assert_eq!((links[0].interface.index, links[0].interface.name.as_str()), (100, "a0"));
    let addresses = &links[0].interface.addresses;
    assert_eq!(addresses.len(), 4, "{addresses:?}");
    assert_eq!(addresses[0], ("10.62.6.10".parse().unwrap(), 24));
    assert_eq!(addresses[1], ("10.62.7.1".parse().unwrap(), 28));
    assert!(matches!(addresses[2], (IpAddr::V6(ip), 64) if ip.is_unicast_link_local()));
    assert_eq!(addresses[3], ("2001:db8::1".parse().unwrap(), 64));
    // One address of it, as configured by `address`.
    let address = "10.62.7.1".parse().unwrap();
    let links = a.within(|| enumerate(&[], Some(address)).unwrap());
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].interface.addresses, [(address, 28)]);
    assert!(links[0].broadcast && !links[0].multicast);
}

#[test]
fn bound_to_one_address_it_broadcasts_on_that_interface_only() {
    let (a, b) = pairs(2);
    let address: IpAddr = "10.62.6.11".parse().unwrap();
    let mut sender = a.within(|| Sockets::bind(PORT, Some(address)).unwrap());
    let links = a.within(|| enumerate(&[], Some(address)).unwrap());
    assert!(a.within(|| sender.set_interfaces(links)).is_empty());
    let mut receiver = ready(&b);
    say(&sender, "one", Destination::Everywhere);
    let heard = hear(&mut receiver, Family::V4, 1);
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].1, heard[0].3), (SocketAddr::new(address, PORT), 201));
}

#[test]
fn changes_that_the_kernel_could_not_queue_are_changes_of_everything() {
    let (_a, b) = pairs(1);
    let mut monitor = b.within(|| Monitor::open().unwrap());
    let batch = tempfile::NamedTempFile::new().unwrap();
    let routes: String =
        (0..2000).map(|i| format!("route add 192.{}.{}.0/24 dev b0\n", i / 250, i % 250)).collect();
    fs::write(batch.path(), routes).unwrap();
    b.ip(&format!("-batch {}", batch.path().display()));
    // Only routes changed, but more than the socket holds: nobody knows what else was lost.
    assert_eq!(monitor.drain().unwrap(), Changes { interfaces: true, routes: true, more: false });
    assert_eq!(monitor.drain().unwrap(), Changes::default());
}
