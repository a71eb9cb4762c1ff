//! The bounds and rates of `limits.rs` as they are seen from outside, each filled by somebody with valid signatures.

mod lan;

use lan::{GROUP, Lan, Puppet, QUESTION, interfaces, license, secs};
use serialnumberd_core::limits::{
    CLAIMS, CLASSIC_REFILL_S, CLASSIC_SOURCE, CLASSIC_TOTAL, EVENTS, FLAPS, HOLDERS, MAX_CONFLICTS, OWED,
    PEERS,
};
use serialnumberd_core::wire::Kind;
use serialnumberd_core::{
    Arrival, ClaimError, ClaimKeys, Event, Fate, Legacy, License, Product, Serial, Settings, Stage, Standard,
    State,
};
use std::time::Duration;

/// Within the budget of 1,000 signatures a second.
const PACE: Duration = Duration::from_millis(2);

fn count(n: usize) -> u16 {
    u16::try_from(n).expect("a bound below 65,536")
}

#[test]
fn foreign_installations_are_remembered_up_to_the_bound_and_the_newest_stay() {
    let mut lan = Lan::new(401);
    let a = lan.host(1, Settings { observe: true, ..Settings::default() });
    let extra = 100;
    for n in 0..count(PEERS + extra) {
        let mut stranger = Puppet::of_crowd(n, "T");
        assert_eq!(stranger.announces(&mut lan, a), Fate::Inventory);
        lan.run(PACE);
    }
    let engine = &lan.hosts[a].engine;
    assert_eq!(engine.peers(), PEERS);
    let newest = Puppet::of_crowd(count(PEERS + extra - 1), "T").instance;
    let oldest = Puppet::of_crowd(0, "T").instance;
    let known: Vec<_> = engine.inventory(lan.at()).map(|(_, _, h)| h.instance).collect();
    assert_eq!(known.len(), PEERS);
    assert!(known.contains(&newest) && !known.contains(&oldest));
}

#[test]
fn holders_are_remembered_up_to_the_bound_and_a_proved_one_stays() {
    let mut lan = Lan::new(409);
    let a = lan.holder(1, "S", Settings::default());
    let b = lan.holder(2, "S", Settings::default());
    lan.run(secs(5));
    assert_eq!(lan.state(a), State::Conflict);
    lan.kill(b);
    let proved = lan.hosts[b].engine.instance();
    for n in 0..count(HOLDERS + 100) {
        assert_eq!(Puppet::of_crowd(n, "S").announces(&mut lan, a), Fate::Heard);
        lan.run(PACE);
    }
    let view = lan.view(a);
    assert_eq!(view.holders.len(), HOLDERS + 1, "and this host");
    assert_eq!(view.more_holders, 101, "all of the crowd but those beside the proved one");
    assert!(view.holders.iter().any(|h| h.instance == proved && h.proved));
    assert!(lan.hosts[a].engine.remembered() <= HOLDERS + OWED + HOLDERS);
}

#[test]
fn answers_are_owed_up_to_the_bound() {
    let mut lan = Lan::new(419);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { seats: 0, ..license("S") });
    lan.run(secs(20));
    let askers = 600;
    for n in 0..askers {
        let mut asker = Puppet::of_crowd(n, "S");
        let bytes = asker.says(QUESTION);
        asker.sends(&mut lan, a, &bytes, true);
    }
    let holders = lan.view(a).holders.len() - 1;
    assert_eq!(holders, usize::from(askers));
    // Each of them is a holder and a peer; the rest is owed.
    let owed = lan.hosts[a].engine.remembered() - 2 * holders;
    assert_eq!(owed, OWED);
}

#[test]
fn the_65th_license_is_refused() {
    let mut lan = Lan::new(421);
    let a = lan.host(1, Settings::default());
    let mine = |n: usize| {
        let product = Product::new(&format!("p{n}")).unwrap();
        License {
            product,
            keys: ClaimKeys::derive::<Standard>(&product, &Serial::new("S").unwrap()),
            ..license("S")
        }
    };
    let now = lan.at();
    let mut claim = |license| {
        lan.with(a, |engine, rng| engine.claim(now, &mut |b: &mut [u8]| rng.fill(b), license).map(|_| ()))
    };
    for n in 0..CLAIMS {
        assert_eq!(claim(mine(n)), Ok(()));
    }
    assert_eq!(claim(mine(0)), Err(ClaimError::Held));
    assert_eq!(claim(mine(CLAIMS)), Err(ClaimError::TooMany));
}

#[test]
fn events_that_nobody_fetches_are_bounded_and_counted() {
    let mut lan = Lan::new(431);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { seats: 0, ..license("S") });
    lan.run(secs(20));
    let mut other = Puppet::new(9, 1, "S");
    let extra = 50;
    for _ in 0..EVENTS + extra {
        let bytes = other.says(Kind::Announce { probe: false, want: false });
        lan.now = lan.now.after(Duration::from_millis(20));
        let now = lan.at();
        let arrival = Arrival {
            bytes: &bytes,
            truncated: false,
            source: other.address,
            destination: "255.255.255.255".parse().unwrap(),
            interface: 1,
            ttl: Some(255),
        };
        let fate = lan.hosts[a].engine.handle_datagram(now, &mut |b: &mut [u8]| b.fill(0), &arrival);
        assert_eq!(fate, Fate::Heard);
    }
    let engine = &mut lan.hosts[a].engine;
    let waiting = std::iter::from_fn(|| engine.poll_event()).count();
    assert_eq!(waiting, EVENTS);
    assert!(engine.events_dropped() >= extra as u64, "{}", engine.events_dropped());
}

/// A conflict with a new run of `installation`, which then says goodbye.  Says how far it was established at once.
fn short_conflict(lan: &mut Lan, a: usize, installation: u8, boot: u8) -> Stage {
    let mut other = Puppet::new(installation, boot, "S");
    let (start, events) = (lan.now, lan.hosts[a].events.len());
    other.announces(lan, a);
    other.answers(lan, a, start);
    let stage = |e: &Event| if let Event::Duplicate { stage, .. } = e { Some(*stage) } else { None };
    let stage = lan.hosts[a].events[events..].iter().find_map(stage).expect("it is proved");
    let goodbye = other.says(Kind::Goodbye);
    other.sends(lan, a, &goodbye, false);
    assert_eq!(lan.state(a), State::Clear);
    stage
}

#[test]
fn the_fifth_conflict_with_one_installation_in_180_s_is_a_duplicate_at_once() {
    // So far apart that the first and the fifth are within 180 s of each other, or just not.
    for (apart, fifth) in [(45, Stage::Duplicate), (46, Stage::Conflict)] {
        let mut lan = Lan::new(433);
        let a = lan.holder(1, "S", Settings::default());
        lan.run(secs(20));
        for boot in 1..=u8::try_from(FLAPS).unwrap() {
            let expected = if usize::from(boot) == FLAPS { fifth } else { Stage::Conflict };
            assert_eq!(short_conflict(&mut lan, a, 9, boot), expected, "{apart} s apart, number {boot}");
            lan.run(secs(apart));
        }
    }
    let mut lan = Lan::new(439);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    for installation in 10..20 {
        assert_eq!(short_conflict(&mut lan, a, installation, 1), Stage::Conflict, "always somebody else");
        lan.run(secs(1));
    }
}

#[test]
fn after_ten_conflicts_hearing_begins_a_round_a_minute() {
    let mut lan = Lan::new(443);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let mut last = lan.now;
    for n in 0..u8::try_from(MAX_CONFLICTS).unwrap() {
        last = lan.now;
        short_conflict(&mut lan, a, 10 + n, 1);
        lan.run(secs(1));
    }
    Puppet::new(99, 1, "S").announces(&mut lan, a);
    assert!(!lan.view(a).asking);
    assert_eq!(lan.view(a).next_round, Some(last.after(secs(60))));
}

#[test]
fn a_live_clone_costs_a_boot_id_in_ten_seconds() {
    let mut lan = Lan::new(449);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let mut clone = Puppet::new(1, 0, "S");
    clone.sequence = 1000;
    let mut speaks = |lan: &mut Lan| {
        let before = lan.hosts[a].engine.instance();
        clone.instance = before;
        let fate = clone.announces(lan, a);
        (fate, lan.hosts[a].engine.instance().boot != before.boot)
    };
    assert_eq!(speaks(&mut lan), (Fate::Heard, true));
    lan.run(Duration::from_millis(9_900));
    assert_eq!(speaks(&mut lan), (Fate::CloneDeferred, false));
    lan.run(Duration::from_millis(200));
    assert_eq!(speaks(&mut lan), (Fate::Heard, true));
}

#[test]
fn a_new_interface_or_address_is_worth_a_burst_and_a_lost_one_is_not() {
    let mut lan = Lan::new(457);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(300));
    let address = lan.hosts[a].address;
    let (one, two) = (interfaces(address, 1), interfaces(address, 2));
    let mut renumbered = one.clone();
    renumbered[0].addresses.push((GROUP.into(), 64));
    for (now_has, announcements) in [(one.clone(), 0), (two, 3), (one.clone(), 0), (renumbered, 3), (one, 3)]
    {
        let (now, start) = (lan.at(), lan.now);
        lan.with(a, |engine, rng| engine.set_interfaces(now, &mut |b: &mut [u8]| rng.fill(b), now_has));
        lan.run(secs(2));
        let burst: Vec<Kind> = lan.sent_since(a, start).into_iter().map(|(_, d, _)| d.kind).collect();
        assert_eq!(burst, vec![QUESTION; announcements]);
        lan.run(secs(15));
    }
}

#[test]
fn classic_texts_are_answered_and_told_of_within_their_budgets() {
    let mut lan = Lan::new(461);
    let a = lan.host(1, Settings { legacy: Legacy::Answer, ..Settings::default() });
    lan.claim(a, license("S"));
    lan.run(secs(20));
    let query = b"SNQUERY: 10.0.0.1:token:xsvr";
    let ask = |lan: &mut Lan, source: &str, times: u32| {
        let (sent, events) = (lan.sent.len(), lan.hosts[a].events.len());
        for _ in 0..times {
            let (source, destination) = (source.parse().unwrap(), lan.hosts[a].address.into());
            lan.inject(
                a,
                &Arrival { bytes: query, truncated: false, source, destination, interface: 1, ttl: Some(41) },
            );
        }
        let told = lan.hosts[a].events[events..].iter().filter(|e| matches!(e, Event::Query { .. })).count();
        (u32::try_from(lan.sent.len() - sent).unwrap(), told)
    };
    assert_eq!(ask(&mut lan, "10.0.3.1:40000", 20), (CLASSIC_SOURCE, 1));
    lan.run(secs(CLASSIC_REFILL_S.into()));
    assert_eq!(ask(&mut lan, "10.0.3.1:40000", 20), (1, 1));
    lan.run(secs(2));
    let by_all: u32 = (2..20).map(|n| ask(&mut lan, &format!("10.0.3.{n}:40000"), 3).0).sum();
    assert_eq!(by_all, CLASSIC_TOTAL);
}
