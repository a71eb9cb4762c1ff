//! A hundred thousand random, truncated, bit-flipped and replayed datagrams change no verdict and no bound.

mod lan;

use lan::{Lan, license, secs};
use serialnumberd_core::{Arrival, Fate, Settings, State};

#[test]
fn nothing_that_a_stranger_sends_matters() {
    let mut lan = Lan::new(0x5eed);
    let a = lan.holder(1, "S", Settings::default());
    let b = lan.host(2, Settings::default());
    lan.claim(b, license("T"));
    lan.run(secs(700));
    let tape: Vec<Vec<u8>> = lan.tape.iter().map(|(_, bytes, _)| bytes.clone()).collect();
    let remembered = lan.hosts[a].engine.remembered();
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
        }
    }
    let host = &lan.hosts[a];
    assert!(host.received - before >= 100_000);
    assert_eq!(lan.state(a), State::Clear);
    assert!(!host.accused() && !host.ever(State::Suspected));
    assert!(host.engine.remembered() <= remembered + 1, "no table grew");
    let quiet = host.events[events..].iter().all(|e| matches!(e, serialnumberd_core::Event::Query { .. }));
    assert!(quiet, "nothing but queries is told of");
    for fate in
        [Fate::WrongLength, Fate::WrongMagic, Fate::OffLink, Fate::WrongMac, Fate::Echo, Fate::Foreign]
    {
        assert!(
            host.fates.contains_key(fate.as_str()),
            "the load did not reach {}: {:?}",
            fate.as_str(),
            host.fates
        );
    }
}
