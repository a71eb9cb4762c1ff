//! Who is healthy is not accused, whatever is late, replayed, restarted or asleep.

mod lan;

use lan::{Lan, Puppet, QUESTION, license, secs};
use serialnumberd_core::wire::Kind;
use serialnumberd_core::{
    Class, Coverage, Engine, Event, Fate, Identity, License, Mishap, Mono, Now, ResolvedCause, Settings,
    State,
};
use std::time::Duration;

#[test]
fn an_answer_that_a_goodbye_overtakes_proves_nothing() {
    let mut lan = Lan::new(211);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let mut leaving = Puppet::new(9, 1, "S");
    let start = lan.now;
    leaving.announces(&mut lan, a);
    let (_, _, tag) = *lan.sent_since(a, start).first().expect("it is asked");
    let answer = leaving.says(Kind::Answer { answers: tag, want: false });
    let goodbye = leaving.says(Kind::Goodbye);
    assert_eq!(leaving.sends(&mut lan, a, &goodbye, false), Fate::Goodbye);
    assert_eq!(leaving.sends(&mut lan, a, &answer, true), Fate::Replayed);
    lan.run(secs(20));
    assert!(!lan.hosts[a].accused());
    assert_eq!(lan.state(a), State::Clear);
}

#[test]
fn an_old_goodbye_does_not_bury_who_came_back() {
    let mut lan = Lan::new(223);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { seats: 2, ..license("S") });
    lan.run(secs(20));
    let mut other = Puppet::new(9, 1, "S");
    other.announces(&mut lan, a);
    let (first, second) = (other.says(Kind::Goodbye), other.says(Kind::Goodbye));
    other.sends(&mut lan, a, &first, false);
    assert_eq!(lan.view(a).holders.len(), 1);
    other.announces(&mut lan, a);
    assert_eq!(lan.view(a).holders.len(), 2, "it claims again, in the same run");
    other.sends(&mut lan, a, &second, false);
    assert_eq!(lan.view(a).holders.len(), 2, "the goodbye is older than the claim");
}

#[test]
fn a_frozen_wall_clock_is_no_step() {
    let mut lan = Lan::new(227);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(500));
    lan.hosts[a].wall_stopped = Some(lan.at().wall_ms);
    // That it fell behind since the turn before cannot be told from a step.
    lan.run(secs(400));
    let boot = lan.hosts[a].engine.instance().boot;
    let before = lan.datagrams;
    lan.run(secs(3000));
    assert_eq!(lan.hosts[a].engine.instance().boot, boot);
    assert!(lan.datagrams - before <= 12, "{} datagrams in ten intervals", lan.datagrams - before);
    lan.hosts[a].wall_stopped = None;
    lan.run(secs(400));
    assert_ne!(lan.hosts[a].engine.instance().boot, boot, "set right again, it stepped");
}

#[test]
fn my_own_earlier_run_does_not_make_my_ears_one_way() {
    let mut lan = Lan::new(229);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let mut earlier = Puppet::new(1, 7, "S");
    for _ in 0..5 {
        earlier.announces(&mut lan, a);
        lan.run(secs(3));
    }
    lan.run(secs(10));
    assert_eq!(lan.coverage(a), Coverage::NoneHeard);
    assert!(!lan.hosts[a].accused() && !lan.hosts[a].ever(State::Suspected));
}

#[test]
fn who_slept_takes_nobody_for_gone_before_listening_again() {
    let mut lan = Lan::new(233);
    let a = lan.holder(1, "S", Settings::default());
    let others: Vec<usize> =
        (2..=4).map(|i| lan.holder(i, if i == 2 { "S" } else { "T" }, Settings::default())).collect();
    lan.run(secs(400));
    assert_eq!((lan.state(a), lan.coverage(a)), (State::Duplicate, Coverage::Good));
    // Nothing wakes a sleeping host: its socket's queue is empty when it resumes.
    lan.hosts[a].up = false;
    lan.run(secs(3600));
    lan.hosts[a].up = true;
    lan.hosts[a].slept = secs(3600);
    let events = lan.hosts[a].events.len();
    lan.run(secs(60));
    assert_eq!(lan.coverage(a), Coverage::Good, "that nobody was heard asleep says nothing");
    let resolved = |e: &Event| matches!(e, Event::Resolved { cause: ResolvedCause::Expired, .. });
    assert!(!lan.hosts[a].events[events..].iter().any(resolved));
    assert_eq!(lan.state(a), State::Duplicate, "a duplicate is not shaken off by a nap");
    others.iter().for_each(|o| lan.kill(*o));
    lan.run(secs(1100));
    assert_eq!(lan.state(a), State::Clear, "but nobody is remembered for ever");
}

#[test]
fn who_answered_in_the_round_stays_counted_when_another_leaves() {
    let mut lan = Lan::new(239);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let start = lan.now;
    let mut puppets: Vec<Puppet> = (9..=11).map(|i| Puppet::new(i, 1, "S")).collect();
    for p in &mut puppets {
        p.announces(&mut lan, a);
    }
    lan.run(Duration::from_millis(1));
    let answer = |lan: &mut Lan, p: &mut Puppet| {
        let questions = lan.sent_since(a, start);
        let (_, _, tag) = questions.iter().rfind(|(_, d, _)| d.kind == QUESTION).expect("it asks");
        let bytes = p.says(Kind::Answer { answers: *tag, want: false });
        p.sends(lan, a, &bytes, true)
    };
    // The first two answer, the third keeps the round open.
    assert_eq!(answer(&mut lan, &mut puppets[0]), Fate::Proof);
    assert_eq!(lan.state(a), State::Conflict);
    assert_eq!(answer(&mut lan, &mut puppets[1]), Fate::Proof);
    let goodbye = puppets[0].says(Kind::Goodbye);
    puppets[0].sends(&mut lan, a, &goodbye, false);
    assert_eq!(lan.state(a), State::Conflict, "the second answered, too");
    let goodbye = puppets[1].says(Kind::Goodbye);
    puppets[1].sends(&mut lan, a, &goodbye, false);
    assert_eq!(lan.state(a), State::Suspected);
    assert_eq!(answer(&mut lan, &mut puppets[2]), Fate::Proof);
    assert_eq!(lan.state(a), State::Conflict, "the same round finds the third");
}

#[test]
fn a_promoted_standby_asks_whether_the_other_still_serves() {
    let member = |standby| License { group: "pair".into(), standby, standbys: 1, ..license("S") };
    let mut lan = Lan::new(241);
    let a = lan.host(1, Settings::default());
    lan.claim(a, member(false));
    let b = lan.host(2, Settings::default());
    lan.claim(b, member(true));
    lan.run(secs(1000));
    lan.kill(a);
    lan.run(secs(5));
    let now: Now = lan.at();
    lan.with(b, |e, rng| e.relicense(now, &mut |x: &mut [u8]| rng.fill(x), member(false)));
    lan.run(secs(12));
    let view = lan.view(b);
    assert!(view.holders.iter().any(|h| !h.is_self && h.silent), "a whole round was left unanswered");
    assert!(!lan.hosts[b].accused());
}

#[test]
fn who_cannot_send_takes_nobody_for_silent() {
    let mut lan = Lan::new(251);
    let a = lan.holder(1, "S", Settings::default());
    let b = lan.holder(2, "S", Settings::default());
    lan.run(secs(200));
    assert_eq!(lan.state(a), State::Duplicate);
    let broken = |lan: &mut Lan, why: Option<&str>| {
        let now = lan.at();
        let why = why.map(String::from);
        lan.with(a, |e, rng| e.set_broken(now, &mut |x: &mut [u8]| rng.fill(x), 1, why));
    };
    lan.cut = vec![(a, b), (b, a)];
    broken(&mut lan, Some("network is down"));
    lan.run(secs(300));
    assert_eq!((lan.state(a), lan.coverage(a)), (State::Duplicate, Coverage::Blind));
    lan.cut.clear();
    broken(&mut lan, None);
    lan.run(secs(100));
    assert_eq!(lan.state(a), State::Duplicate);
    assert!(!lan.hosts[a].events.iter().any(|e| matches!(e, Event::Resolved { .. })));
    assert!(lan.view(a).holders.iter().all(|h| !h.silent));
}

#[test]
fn a_license_that_moves_about_is_never_held_by_too_many() {
    for seed in 0..150 {
        let mut lan = Lan::new(seed);
        let seats = u16::try_from(1 + seed % 3).unwrap();
        lan.loss_percent = [0, 10, 30][usize::try_from(seed % 3).unwrap()];
        lan.reflector = (seed % 4 == 0).then(|| Duration::from_millis(1 + lan.rng.below(2000)));
        let mut up: Vec<usize> = Vec::new();
        for _ in 0..25 {
            // Whoever goes is gone before the next comes: moved, restarted, crashed, asleep.
            if up.len() == usize::from(seats) {
                let n = up.swap_remove(usize::try_from(lan.rng.below(up.len() as u64)).unwrap());
                if lan.rng.below(2) == 0 { lan.stop(n) } else { lan.kill(n) }
            }
            let installation = u8::try_from(1 + lan.rng.below(5)).unwrap();
            let seed_of = |lan: &Lan, n: usize| lan.hosts[n].engine.installation();
            let n = lan.host(installation, Settings::default());
            // One installation runs once: another process of it would be a clone.
            if up.iter().any(|o| seed_of(&lan, *o) == seed_of(&lan, n)) {
                lan.kill(n);
                continue;
            }
            lan.claim(n, License { seats, ..license("S") });
            up.push(n);
            let ms = [200, 2_000, 20_000, 400_000][usize::try_from(lan.rng.below(4)).unwrap()];
            let time = Duration::from_millis(1 + lan.rng.below(ms));
            if lan.rng.below(4) == 0 {
                let who = up[usize::try_from(lan.rng.below(up.len() as u64)).unwrap()];
                let nap = Duration::from_millis(lan.rng.below(20_000));
                lan.freeze(who, nap);
            }
            lan.run(time);
        }
        for (n, h) in lan.hosts.iter().enumerate() {
            assert!(!h.accused(), "seed {seed}: host {n} of {seats} seats");
        }
    }
}

#[test]
fn two_nics_on_one_lan_both_hear_whichever_copy_comes_first() {
    for seed in 0..5 {
        let mut lan = Lan::new(seed);
        let seats = || License { seats: 3, ..license("S") };
        let a = lan.host_with(1, Settings::default(), 2);
        lan.claim(a, seats());
        for installation in [2, 3] {
            let n = lan.host(installation, Settings::default());
            lan.claim(n, seats());
        }
        lan.run(secs(20));
        for _ in 0..2000 {
            lan.run(secs(100));
            assert_eq!(lan.coverage(a), Coverage::Good, "seed {seed}");
        }
        let ears = lan.hosts[a].engine.interface_coverage();
        assert!(ears.iter().all(|e| e.peers == 2), "{ears:?}");
    }
}

#[test]
fn an_old_goodbye_of_a_foreign_claim_deafens_nobody() {
    let mut lan = Lan::new(251);
    let a = lan.host(1, Settings { expect_peers: 1, ..Settings::default() });
    lan.claim(a, license("S"));
    let b = lan.holder(2, "T", Settings::default());
    lan.run(secs(400));
    lan.stop(b);
    let (_, goodbye, from) = lan.tape.last().cloned().expect("it said goodbye");
    lan.holder(2, "T", Settings::default());
    lan.run(secs(1000));
    assert_eq!(lan.coverage(a), Coverage::Good);
    let seen = lan.hosts[a].engine.foreign_seen();
    lan.broadcast(None, &goodbye, from);
    lan.run(secs(1));
    assert!(lan.hosts[a].engine.foreign_seen() > seen, "it was heard");
    assert_eq!(lan.coverage(a), Coverage::Good);
}

#[test]
fn what_befell_the_agent_is_told_once() {
    let mono = |s: u64| Mono(0).after(Duration::from_secs(s));
    let at = |s: u64| Now { boot: mono(s), awake: mono(s), wall_ms: 1_800_000_000_000 + s * 1000 };
    let mut entropy = |bytes: &mut [u8]| bytes.fill(7);
    let identity = Identity { seed: [1; 32].into(), runs: 1 };
    let mut engine: Engine = Engine::new(at(0), &mut entropy, &identity, Settings::default());
    engine.claim(at(0), &mut entropy, license("S")).unwrap();
    assert_eq!(engine.turn(at(0), &mut entropy), None);
    assert!(engine.next_deadline() < at(1).boot);
    let stalled = at(10);
    assert_eq!(engine.turn(stalled, &mut entropy), Some(Mishap::Stalled));
    assert_eq!(engine.turn(stalled, &mut entropy), None);
    let resumed = Now { awake: at(11).awake, ..at(71) };
    assert_eq!(engine.turn(resumed, &mut entropy), Some(Mishap::Resumed));
    let stepped = Now { awake: at(12).awake, wall_ms: at(2000).wall_ms, ..at(72) };
    assert_eq!(engine.turn(stepped, &mut entropy), Some(Mishap::ClockStepped));
    assert_eq!(engine.turn(stepped, &mut entropy), None);
}

#[test]
fn a_machine_state_that_is_restored_is_another_boot() {
    let mut lan = Lan::new(241);
    let boot = |lan: &Lan, n: usize| lan.hosts[n].engine.instance().boot;
    let pool = lan.rng.clone();
    let first = lan.host_from(1, Settings::default(), 1, pool.clone());
    lan.kill(first);
    lan.run(secs(1));
    let restored = lan.host_from(1, Settings::default(), 1, pool);
    assert_ne!(
        boot(&lan, first),
        boot(&lan, restored),
        "its sequences would be those of the run that is gone"
    );
}

#[test]
fn a_suspicion_ends_when_the_suspect_only_waits() {
    let mut lan = Lan::new(251);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { standbys: 1, ..license("S") });
    lan.run(secs(20));
    let mut mute = Puppet::new(9, 1, "S");
    mute.announces(&mut lan, a);
    lan.run(secs(30));
    assert_eq!(lan.state(a), State::Suspected);
    mute.license = License { group: String::from("g"), standby: true, ..license("S") };
    mute.announces(&mut lan, a);
    assert_eq!(lan.state(a), State::Clear, "a STANDBY takes no seat");
}

#[test]
fn who_takes_a_new_boot_id_in_a_round_counts_once_and_is_no_clone() {
    let mut lan = Lan::new(257);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { seats: 2, ..license("S") });
    lan.run(secs(20));
    let (mut old, mut new) = (Puppet::new(9, 1, "S"), Puppet::new(9, 2, "S"));
    let (mut other, mut mute) = (Puppet::new(10, 1, "S"), Puppet::new(11, 1, "S"));
    let start = lan.now;
    for p in [&mut old, &mut other, &mut mute] {
        p.announces(&mut lan, a);
    }
    assert_eq!(old.answers(&mut lan, a, start), Fate::Proof);
    assert_eq!(other.answers(&mut lan, a, start), Fate::Proof);
    assert_eq!(lan.state(a), State::Conflict, "three for two seats");
    lan.run(secs(1));
    let asked = lan.now;
    new.announces(&mut lan, a);
    lan.run(Duration::from_millis(1));
    assert_eq!(new.answers(&mut lan, a, asked), Fate::Proof);
    assert_eq!(other.answers(&mut lan, a, asked), Fate::Proof);
    let goodbye = other.says(Kind::Goodbye);
    other.sends(&mut lan, a, &goodbye, false);
    let clone = |e: &Event| matches!(e, Event::Duplicate { class: Class::Clone, .. });
    assert!(!lan.hosts[a].events.iter().any(clone), "one process has had both boot ids");
    assert_eq!(lan.state(a), State::Suspected, "two for two seats; one is heard and silent");
}

#[test]
fn a_round_whose_proof_came_to_nothing_ends_the_conflict() {
    let mut lan = Lan::new(263);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { standbys: 1, ..license("S") });
    lan.run(secs(20));
    let (mut other, mut mute) = (Puppet::new(9, 1, "S"), Puppet::new(10, 1, "S"));
    let start = lan.now;
    for p in [&mut mute, &mut other] {
        p.announces(&mut lan, a);
    }
    lan.run(Duration::from_millis(1));
    other.answers(&mut lan, a, start);
    assert_eq!(lan.state(a), State::Conflict);
    lan.run(secs(1));
    other.license = License { group: String::from("g"), standby: true, ..license("S") };
    other.announces(&mut lan, a);
    lan.run(secs(10));
    assert!(!lan.view(a).asking);
    assert_eq!(lan.state(a), State::Suspected, "one waits, the other is silent");
    let over = |e: &Event| match e {
        Event::Duplicate { holders, .. } => holders.iter().any(|h| h.over),
        _ => true,
    };
    assert!(lan.hosts[a].events.iter().all(over), "nobody is accused where nobody is over the seats");
}

#[test]
fn a_goodbye_is_that_of_all_earlier_boots() {
    let mut lan = Lan::new(269);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let (mut old, mut new) = (Puppet::new(9, 1, "S"), Puppet::new(9, 2, "S"));
    old.announces(&mut lan, a);
    new.announces(&mut lan, a);
    let goodbye = new.says(Kind::Goodbye);
    new.sends(&mut lan, a, &goodbye, false);
    assert_eq!(lan.view(a).holders.len(), 1, "the process that had both boot ids is gone");
    lan.run(secs(1));
    assert_eq!(lan.state(a), State::Clear);
    old.announces(&mut lan, a);
    assert_eq!(lan.view(a).holders.len(), 2, "unless there were two");
}
