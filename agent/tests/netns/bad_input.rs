//! What a stranger can send changes nothing.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use crate::agent::{Agent, Config, SERIAL};
use crate::clock::{ms, pass, s, within};
use crate::lan::{Host, Lan};
use crate::wire::{Author, BROADCAST, LENGTH, PORT, Random, Tap, field};

/// How many are sent.
const DATAGRAMS: usize = 100_000;
/// After so many the sender lets the agent catch up, so that most are judged and not dropped in the kernel.
const BATCH: usize = 500;

/// What the wire really carried, to be repeated and broken.
fn heard_on(tap: &Tap) -> Vec<Vec<u8>> {
    let heard: Vec<_> = tap.all(s(3)).into_iter().filter(|d| d.len() == LENGTH).collect();
    assert!(heard.len() >= 4, "only {} datagrams heard", heard.len());
    heard
}

/// Who sends bad input.
struct Stranger {
    random: Random,
    /// What it overheard.
    heard: Vec<Vec<u8>>,
    /// A license of its own, of no interest to anybody here.
    own: Author,
}

impl Stranger {
    /// One of the kinds of bad input.
    fn bad(&mut self) -> Vec<u8> {
        let Stranger { random, heard, own } = self;
        let mut datagram = heard[random.below(heard.len())].clone();
        match random.below(7) {
            0 => {
                datagram.resize(random.below(1400), 0);
                random.fill(&mut datagram);
            }
            // The head of a datagram, and noise in all its fields.
            1 => random.fill(&mut datagram[field::CLAIM.start..]),
            2 => datagram.truncate(random.below(LENGTH)),
            3 => datagram[random.below(LENGTH)] ^= 1 << random.below(8),
            // As well formed as it can be: signed with a fresh key, of a claim that nobody else here holds.
            4 => datagram = own.stranger(random).announcement().to_vec(),
            // The same of the claim that was overheard: whose serial it would take for the MAC.
            5 => datagram = own.stranger(random).claiming(&datagram).announcement().to_vec(),
            _ => {}
        }
        datagram
    }
}

/// Sockets with addresses of their own on one host: each has 100 signatures a second checked.
fn crowd(host: &Host) -> Vec<UdpSocket> {
    let addresses: Vec<Ipv4Addr> = (101..109).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect();
    for address in &addresses {
        host.ns.ip(&format!("addr add {address}/24 dev eth0"));
    }
    let open = |address: Ipv4Addr| {
        let socket = host.ns.run(move || UdpSocket::bind((address, PORT))).expect("the port");
        socket.set_ttl(255).expect("IP_TTL");
        socket
    };
    addresses.into_iter().map(open).collect()
}

/// Tells the first host's agent of ever more strangers that hold the author's license, as fast as it checks
/// signatures, until it keeps `room` of them, and of some more.
fn fill(host: &Host, author: &Author, random: &mut Random, room: usize, kept: impl Fn() -> usize) {
    let crowd = crowd(host);
    let mut announce = || {
        for (n, socket) in (0..SOME).zip(crowd.iter().cycle()) {
            socket.send_to(&author.stranger(random).announcement(), first()).expect("sent");
            // 600 a second: of 1,000 a quarter is kept for answers.
            if n % 6 == 0 {
                pass(ms(10));
            }
        }
    };
    let rounds = (0..2 * room / SOME).take_while(|_| kept() < room).map(|_| announce()).count();
    println!("{rounds} times {SOME} strangers filled a room for {room}");
    announce();
}

/// The first host's agent.
fn first() -> SocketAddr {
    ([10, 0, 0, 1], PORT).into()
}

/// Waits until nothing more is being judged, and gives what was received.
fn settled(agent: &Agent) -> u64 {
    let mut last = 0;
    within(s(20), "the agent has caught up", || {
        let now = agent.status().counter("received");
        let done = now.abs_diff(last) < 20;
        last = now;
        pass(ms(200));
        done.then_some(())
    });
    last
}

/// How many it keeps at most of whom it was told by strangers.
const STRANGERS: usize = 4096;
/// How many holders of a license it keeps at most beside itself.
const HOLDERS: usize = 1024;
/// By how much a million datagrams may make the process grow, in KiB; so a tenth of it may not do more.
const GROWTH_KIB: u64 = 256;

#[test]
fn a_hundred_thousand_bad_datagrams_change_no_verdict_and_no_bound() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0x5e71_a15e_ed00_0001);
    println!("SEED={seed}");
    let mut random = Random(seed);
    let lan = Lan::new(3);
    let policy = "mode = \"strict\"\nact_on = \"conflict\"";
    // Two seats and two holders: one made-up holder more would be a conflict.
    let config = |observe: &str| {
        Config::new().license("xsvr", SERIAL, "seats = 2").policy(policy).raw("observe", observe)
    };
    let (a, b) = (lan.hosts[0].agent(&config("true")), lan.hosts[1].agent(&config("false")));
    let tap = Tap::new(&lan.hosts[2]);
    let heard = heard_on(&tap);
    drop(tap);
    let own = Author::of("other", "STRANGERS-1");
    // Its tables are full before it begins: what grows from then on is no table.
    fill(&lan.hosts[2], &own, &mut random, STRANGERS, || kept(&a).0);
    settled(&a);
    assert_eq!(kept(&a), (STRANGERS, STRANGERS as u64), "SEED={seed}: {}", a.status().0["counters"]);
    let events = a.watch();
    let before = [&a, &b].map(|agent| (settled(agent), agent.memory_kib("RssAnon"), agent.status()));
    let tap = Tap::new(&lan.hosts[2]);
    let ways = [BROADCAST, tap.group(), first(), first()];
    let mut stranger = Stranger { random, heard, own };
    for n in 0..DATAGRAMS {
        tap.send(&stranger.bad(), ways[stranger.random.below(ways.len())]);
        if n % BATCH == 0 {
            pass(ms(10));
        }
    }
    for (agent, (received, memory, _)) in [&a, &b].into_iter().zip(&before) {
        let judged = settled(agent) - received;
        let status = agent.status();
        assert_eq!((status.state("xsvr"), status.verdict("xsvr")), ("clear", "allow"), "SEED={seed}");
        assert_eq!(status.holders("xsvr").len(), 2, "SEED={seed}: {}", status.claim("xsvr"));
        assert_eq!(status.counter("received"), status.fates(), "SEED={seed}: one fate each");
        let grown = agent.memory_kib("RssAnon").saturating_sub(*memory);
        println!("{judged} judged; memory of its own {memory} KiB, grown by {grown} KiB");
        assert!(grown <= GROWTH_KIB, "SEED={seed}: {grown} KiB");
    }
    assert_eq!(kept(&a), (STRANGERS, STRANGERS as u64), "SEED={seed}");
    let accused = events.so_far().into_iter().find(|e| e["event"] == "duplicate");
    assert!(accused.is_none(), "SEED={seed}: {accused:?}");
    let (status, [(received, _, earlier), _]) = (a.status(), &before);
    let judged = status.counter("received") - received;
    assert!(judged > DATAGRAMS as u64 / 2, "only {judged} were judged: {}", status.0["counters"]);
    for fate in FATES {
        let times = status.fate(fate) - earlier.fate(fate);
        assert!(times > 0, "SEED={seed}: nothing met the fate {fate}: {}", status.0["counters"]);
    }
}

/// How far the bad input must get: to each check that there is.
const FATES: [&str; 7] =
    ["wrong_length", "wrong_magic", "foreign_forged", "inventory", "rate_limited", "wrong_mac", "replayed"];

/// How many strangers speak before it is looked whether there is room left.
const SOME: usize = 128;

/// What it keeps of strangers: entries of the inventory, and installations that it counts as heard.
fn kept(agent: &Agent) -> (usize, u64) {
    let status = agent.status();
    // One that is empty is left out.
    let inventory = status.0["inventory"].as_array().map_or(0, Vec::len);
    (inventory, status.claim("xsvr")["coverage"]["peers"].as_u64().expect("a count"))
}

#[test]
fn more_holders_than_it_has_room_for_are_not_kept() {
    let lan = Lan::new(2);
    let agent = lan.hosts[0].agent(&Config::xsvr());
    agent.reaches("clear", s(4));
    let author = Author::of("xsvr", SERIAL);
    let holders = || agent.status().holders("xsvr").len() - 1;
    fill(&lan.hosts[1], &author, &mut Random(1), HOLDERS, holders);
    settled(&agent);
    let status = agent.status();
    assert_eq!(status.holders("xsvr").len(), HOLDERS + 1, "{}", status.0["counters"]);
    // None of them ever answered.
    assert_eq!(status.state("xsvr"), "suspected");
}
