//! The directory in a foreign loop, over real sockets on loopback: bounds, order, and who is served meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use netinfo::procedure::{LISTALL, NETINFO, NETINFO_VERSION, PING, ROOT};
use netinfo::record::{Assembler, mark};
use netinfo::rpc::{Call, Outcome};
use serialnumberd::event_loop::Agent;

use crate::home::{Home, step, until};

const PORT: u16 = 62_758;

/// An agent on an address of its own that serves `tree`, or what it knows.
fn serving(address: &'static str, tree: Option<&str>) -> (Home, Vec<Agent>) {
    let home = Home::new(address);
    let tree = tree.map_or_else(String::new, |text| {
        std::fs::write(home.path("tree.nidump"), text).expect("written");
        format!("tree = \"{}\"\n", home.path("tree.nidump"))
    });
    home.write("port = 62710", &format!("[directory]\nport = {PORT}\n{tree}"));
    let agents = vec![home.start()];
    (home, agents)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect((address, PORT)).expect("connected");
    stream.set_nonblocking(true).expect("nonblocking");
    stream
}

fn call(xid: u32, procedure: u32, arguments: &[u32]) -> Vec<u8> {
    let mut call = Call::head(xid, NETINFO, NETINFO_VERSION, procedure);
    arguments.iter().for_each(|word| call.word(*word));
    call.into_bytes()
}

fn marked(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    mark(message, &mut out);
    out
}

/// What comes back on a stream, as far as it is here; `None` once it is closed.
fn received(stream: &mut TcpStream, into: &mut Assembler) -> Option<()> {
    let mut chunk = [0; 64 * 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return None,
            Ok(n) => into.push(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Some(()),
            Err(_) => return None,
        }
    }
}

/// Turns the agent until `replies` have come, and gives their xids and outcomes.
fn replies(agents: &mut [Agent], stream: &mut TcpStream, replies: usize) -> Vec<(u32, Outcome)> {
    let (mut input, mut all) = (Assembler::new(1 << 26), Vec::new());
    until("the replies are here", agents, |_| {
        assert!(received(stream, &mut input).is_some(), "closed after {} replies", all.len());
        while let Some(record) = input.next_record().expect("records") {
            let (xid, outcome, _) = Outcome::parse(&record).expect("a reply");
            all.push((xid, outcome));
        }
        all.len() >= replies
    });
    all
}

fn is_closed(agents: &mut [Agent], stream: &mut TcpStream) -> bool {
    let mut input = Assembler::new(1 << 26);
    (0..50).any(|_| {
        step_at_once(agents);
        received(stream, &mut input).is_none()
    })
}

fn step_at_once(agents: &mut [Agent]) {
    for agent in agents {
        agent.dispatch(1).expect("dispatched");
    }
}

#[test]
fn pipelined_calls_in_any_pieces_are_answered_in_order() {
    let (_home, mut agents) = serving("127.0.7.41", None);
    let mut stream = connect("127.0.7.41");
    // More calls than one turn carries out.
    let calls: Vec<u8> = (0..500).flat_map(|xid| marked(&call(xid, ROOT, &[]))).collect();
    let (first, rest) = calls.split_at(10_001);
    stream.write_all(first).expect("written");
    step(&mut agents);
    stream.write_all(rest).expect("written");
    let expected: Vec<_> = (0..500).map(|xid| (xid, Outcome::Success)).collect();
    assert_eq!(replies(&mut agents, &mut stream, 500), expected);
    // A call in three fragments of its own.
    let message = call(7, PING, &[]);
    for (part, last) in [(&message[..1], 0), (&message[1..20], 0), (&message[20..], 1u32 << 31)] {
        let mark = last | u32::try_from(part.len()).expect("short");
        stream.write_all(&mark.to_be_bytes()).and_then(|()| stream.write_all(part)).expect("written");
        step_at_once(&mut agents);
    }
    assert_eq!(replies(&mut agents, &mut stream, 1), [(7, Outcome::Success)]);
}

#[test]
fn what_cannot_be_followed_is_closed_and_others_are_served() {
    let (_home, mut agents) = serving("127.0.7.42", None);
    let mut good = connect("127.0.7.42");
    for nonsense in [
        &[0xff; 8][..],               // a fragment of 2 GiB
        &[0x7f, 0xff, 0xff, 0xff],    // the same, and not the last
        &[0, 0, 0, 0],                // fragments without bytes, for ever
        &[0x80, 0, 0, 4, 1, 2, 3, 4], // no RPC
    ] {
        let mut bad = connect("127.0.7.42");
        bad.write_all(nonsense).expect("written");
        assert!(is_closed(&mut agents, &mut bad), "{nonsense:?}");
    }
    // Half a call, then silence: nobody waits for it.
    let mut half = connect("127.0.7.42");
    half.write_all(&marked(&call(1, ROOT, &[]))[..20]).expect("written");
    good.write_all(&marked(&call(2, ROOT, &[]))).expect("written");
    assert_eq!(replies(&mut agents, &mut good, 1), [(2, Outcome::Success)]);
    assert!(!is_closed(&mut agents, &mut half));
}

#[test]
fn one_peer_has_its_share_of_connections_and_its_idlest_gives_way() {
    let (_home, mut agents) = serving("127.0.7.43", None);
    let mut all: Vec<TcpStream> = Vec::new();
    for n in 0..140 {
        let mut stream = connect("127.0.7.43");
        stream.write_all(&marked(&call(n, ROOT, &[]))).expect("written");
        all.push(stream);
        step_at_once(&mut agents);
    }
    until("the connections are taken in", &mut agents, |a| a[0].status().directory.accepted == 140);
    let directory = agents[0].status().directory;
    assert_eq!((directory.connections, directory.gave_way), (128, 12));
    let closed = all.iter_mut().take(12).all(|stream| is_closed(&mut agents, stream));
    assert!(closed, "the first ones have not called for the longest");
    let mut last = all.pop().expect("140");
    assert_eq!(replies(&mut agents, &mut last, 1), [(139, Outcome::Success)]);
}

#[test]
fn who_does_not_read_waits_alone_and_costs_a_bounded_amount() {
    let child = |n: u32| format!("{{ \"name\" = ( \"c{n}\" ); \"text\" = ( \"{}\" ); }}", "x".repeat(1000));
    let children: Vec<String> = (0..2000).map(child).collect();
    let tree = format!("{{ CHILDREN = ( {} ) }}", children.join(", "));
    let (_home, mut agents) = serving("127.0.7.44", Some(&tree));
    let mut slow = connect("127.0.7.44");
    // 2 MB each, and no byte of it is read.
    for xid in 0..100 {
        slow.write_all(&marked(&call(xid, LISTALL, &[0, 0]))).expect("written");
    }
    (0..200).for_each(|_| step_at_once(&mut agents));
    let calls = agents[0].status().directory.calls;
    assert!(calls < 10, "{calls} calls were carried out for nobody");
    let mut good = connect("127.0.7.44");
    good.write_all(&marked(&call(2, ROOT, &[]))).expect("written");
    assert_eq!(replies(&mut agents, &mut good, 1), [(2, Outcome::Success)]);
    // Once it reads, it has all that it asked for.
    let expected: Vec<_> = (0..100).map(|xid| (xid, Outcome::Success)).collect();
    assert_eq!(replies(&mut agents, &mut slow, 100), expected);
}

#[test]
fn a_bad_tree_is_refused_with_its_place_and_a_reload_keeps_ids() {
    let (home, mut agents) =
        serving("127.0.7.45", Some("{ CHILDREN = ( { name = ( a ); }, { name = ( b ); } ) }"));
    assert_eq!(agents[0].status().directory.directories, 3);
    std::fs::write(home.path("tree.nidump"), "{ CHILDREN = (\n  { name ( a ) } ) }").expect("written");
    agents[0].wake().reload();
    step_at_once(&mut agents);
    assert_eq!(agents[0].status().directory.directories, 3, "the old one stays");
    std::fs::write(home.path("tree.nidump"), "{ CHILDREN = ( { name = ( b ); } ) }").expect("written");
    agents[0].wake().reload();
    until("the new tree is served", &mut agents, |a| a[0].status().directory.directories == 2);
    let mut stream = connect("127.0.7.45");
    // b was 2 and is 2; a is gone.
    stream.write_all(&marked(&call(1, netinfo::procedure::CHILDREN, &[0, 0]))).expect("written");
    let mut input = Assembler::new(1 << 16);
    let mut children = Vec::new();
    until("the children are told", &mut agents, |_| {
        received(&mut stream, &mut input);
        if let Some(record) = input.next_record().expect("records") {
            let (_, _, mut results) = Outcome::parse(&record).expect("a reply");
            assert_eq!(results.word(), Ok(0));
            children = results.list(10, netinfo::xdr::Reader::word).expect("children");
        }
        !children.is_empty()
    });
    assert_eq!(children, [2]);
    let broken = Home::new("127.0.7.46");
    std::fs::write(broken.path("bad.nidump"), "{ CHILDREN = (\n  { name ( a ) } ) }").expect("written");
    broken.write(
        "port = 62710",
        &format!("[directory]\nport = {PORT}\ntree = \"{}\"\n", broken.path("bad.nidump")),
    );
    let refused = std::panic::catch_unwind(|| broken.start()).err().expect("it does not start");
    let said = refused.downcast_ref::<String>().expect("a sentence");
    assert!(said.contains("bad.nidump: line 2, column 10: '=' is expected"), "{said}");
}

#[test]
fn an_idle_connection_tells_when_it_ends() {
    let (_home, mut agents) = serving("127.0.7.47", None);
    let mut stream = connect("127.0.7.47");
    stream.write_all(&[0x80, 0, 0, 40, 0, 0]).expect("written");
    until("it is taken in", &mut agents, |a| a[0].status().directory.connections == 1);
    let timeout = agents[0].timeout().expect("something is due");
    assert!(timeout <= Duration::from_secs(30), "{timeout:?}");
}
