//! A hundred thousand random, truncated, bit-flipped and replayed datagrams change no verdict and no bound.

mod lan;

use lan::{Lan, license, secs};
use serialnumberd_core::{Arrival, Coverage, Event, Fate, HolderView, License, Settings, State};

/// A holder of two seats with another holder and a foreign claim beside it; both of them were stopped and came back, so
/// that there are goodbyes to repeat.
fn a_lan_with_a_past() -> (Lan, usize) {
    let mut lan = Lan::new(0x5eed);
    let two = || License { seats: 2, ..license("S") };
    let a = lan.host(1, Settings { expect_peers: 2, ..Settings::default() });
    lan.claim(a, two());
    for stopped in [true, false] {
        let b = lan.host(2, Settings::default());
        lan.claim(b, two());
        let c = lan.holder(3, "T", Settings::default());
        lan.run(secs(700));
        if stopped {
            lan.stop(b);
            lan.stop(c);
        }
    }
    (lan, a)
}

#[test]
fn nothing_that_a_stranger_sends_matters() {
    let (mut lan, a) = a_lan_with_a_past();
    let tape: Vec<Vec<u8>> = lan.tape.iter().map(|(_, bytes, _)| bytes.clone()).collect();
    let holders = |lan: &Lan| {
        let who = |h: &HolderView| (h.instance, h.proved, h.over, h.silent);
        lan.view(a).holders.iter().map(who).collect::<Vec<_>>()
    };
    let (known, remembered) = (holders(&lan), lan.hosts[a].engine.remembered());
    assert_eq!((known.len(), lan.coverage(a)), (2, Coverage::Good));
    let before = lan.hosts[a].received;
    let events = lan.hosts[a].events.len();
    for round in 0..100_000u32 {
        let mut bytes = tape[usize::try_from(lan.rng.below(tape.len() as u64)).unwrap()].clone();
        match round % 5 {
            0 => lan.rng.fill(&mut bytes),
            1 => bytes.truncate(usize::try_from(lan.rng.below(320)).unwrap()),
            2 => {
                let at = usize::try_from(lan.rng.below(320)).unwrap();
                bytes[at] ^= 1 << lan.rng.below(8);
            }
            3 => {}
            _ => bytes.extend_from_slice(b"SNQUERY: 1.2.3.4:x:xsvr"),
        }
        let source = format!("10.0.0.{}:626", 1 + round % 250).parse().unwrap();
        let arrival = Arrival {
            bytes: &bytes,
            truncated: false,
            source,
            destination: "255.255.255.255".parse().unwrap(),
            interface: 1,
            ttl: Some(if round % 7 == 0 { 64 } else { 255 }),
        };
        lan.inject(a, &arrival);
        if round % 100 == 0 {
            lan.run(std::time::Duration::from_millis(10));
            assert_eq!(lan.coverage(a), Coverage::Good);
        }
    }
    assert_eq!(holders(&lan), known);
    let host = &lan.hosts[a];
    assert!(host.received - before >= 100_000);
    assert_eq!(lan.state(a), State::Clear);
    assert!(!host.accused() && !host.ever(State::Suspected));
    assert!(host.engine.remembered() <= remembered + 1, "no table grew");
    let of_b = |e: &Event| matches!(e, Event::Announcement { holder, .. } if !holder.is_self);
    let quiet = host.events[events..].iter().all(|e| matches!(e, Event::Query { .. }) || of_b(e));
    assert!(quiet, "nothing but queries and the other holder is told of");
    for fate in [
        Fate::WrongLength,
        Fate::WrongMagic,
        Fate::OffLink,
        Fate::WrongMac,
        Fate::Echo,
        Fate::Replayed,
        Fate::Foreign,
    ] {
        assert!(
            host.fates.contains_key(fate.as_str()),
            "the load did not reach {}: {:?}",
            fate.as_str(),
            host.fates
        );
    }
}
