//! What a stranger can send changes nothing.

use std::net::SocketAddr;

use crate::agent::{Agent, Config, SERIAL};
use crate::clock::{ms, pass, s, within};
use crate::lan::Lan;
use crate::wire::{BROADCAST, LENGTH, PORT, Random, Tap, field};

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

/// One of the four kinds of bad input: noise, cut off, a flipped bit, said before.
fn bad(random: &mut Random, heard: &[Vec<u8>]) -> Vec<u8> {
    let mut datagram = heard[random.below(heard.len())].clone();
    match random.below(5) {
        0 => {
            datagram.resize(random.below(1400), 0);
            random.fill(&mut datagram);
        }
        1 => {
            // Well formed as far as a stranger can: a claim, a key and a signature of its own making.
            random.fill(&mut datagram[field::CLAIM.start..]);
        }
        2 => datagram.truncate(random.below(LENGTH)),
        3 => datagram[random.below(LENGTH)] ^= 1 << random.below(8),
        _ => {}
    }
    datagram
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

#[test]
fn a_hundred_thousand_bad_datagrams_change_no_verdict_and_no_bound() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0x5e71_a15e_ed00_0001);
    println!("SEED={seed}");
    let lan = Lan::new(3);
    let policy = "mode = \"strict\"\nact_on = \"conflict\"";
    // Two seats and two holders: one made-up holder more would be a conflict.
    let config = |observe: &str| {
        Config::new().license("xsvr", SERIAL, "seats = 2").policy(policy).raw("observe", observe)
    };
    let (a, b) = (lan.hosts[0].agent(&config("true")), lan.hosts[1].agent(&config("false")));
    let tap = Tap::new(&lan.hosts[2]);
    let heard = heard_on(&tap);
    let events = a.watch();
    let before = (a.memory_kib("VmRSS"), settled(&a));
    let direct: SocketAddr = ([10, 0, 0, 1], PORT).into();
    let ways = [BROADCAST, tap.group(), direct, direct];
    let mut random = Random(seed);
    for n in 0..DATAGRAMS {
        tap.send(&bad(&mut random, &heard), ways[random.below(ways.len())]);
        if n % BATCH == 0 {
            pass(ms(10));
        }
    }
    settled(&a);
    for agent in [&a, &b] {
        let status = agent.status();
        assert_eq!((status.state("xsvr"), status.verdict("xsvr")), ("clear", "allow"), "SEED={seed}");
        assert_eq!(status.holders("xsvr").len(), 2, "SEED={seed}: {}", status.claim("xsvr"));
        assert_eq!(status.counter("received"), status.fates(), "SEED={seed}: one fate each");
    }
    let accused = events.so_far().into_iter().find(|e| e["event"] == "duplicate");
    assert!(accused.is_none(), "SEED={seed}: {accused:?}");
    let judged = a.status().counter("received") - before.1;
    assert!(judged > DATAGRAMS as u64 / 2, "only {judged} were judged: {}", a.status().0["counters"]);
    println!("{judged} judged; memory {} KiB, before {}", a.memory_kib("VmRSS"), before.0);
}
