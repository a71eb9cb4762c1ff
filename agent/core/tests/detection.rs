//! Engines on a seeded LAN and fake time: who is found, by when, and who is never accused.

mod lan;

use lan::{Lan, Puppet, Rng, license, secs};
use serialnumberd_core::wire::Kind;
use serialnumberd_core::{Class, Coverage, Event, License, ResolvedCause, Settings, Stage, State, limits};
use std::time::Duration;

fn settings() -> Settings {
    Settings::default()
}

#[test]
fn a_copied_license_is_found_on_both_sides_within_a_second_and_confirmed_after_ninety() {
    for seed in 0..50 {
        let mut lan = Lan::new(seed);
        let a = lan.holder(1, "XSVR-0001", settings());
        lan.run(secs(1000));
        assert_eq!(lan.state(a), State::Clear);
        let b = lan.holder(2, "xsvr0001", settings());
        let start = lan.now;
        let both = |s: State| move |l: &Lan| l.state(a) == s && l.state(b) == s;
        let conflict =
            lan.run_until(start.after(secs(1)), both(State::Conflict)).expect("conflict within a second");
        assert!(conflict.since(start) < Duration::from_millis(300), "{:?}", conflict.since(start));
        let duplicate = lan.run_until(start.after(secs(100)), both(State::Duplicate)).expect("duplicate");
        assert!(duplicate.since(start) >= secs(90) && duplicate.since(start) < secs(91));
        for n in [a, b] {
            assert_eq!(lan.hosts[n].stages(), [Stage::Conflict, Stage::Duplicate]);
            let Some(Event::Duplicate { class, holders, evidence, .. }) =
                lan.hosts[n].events.iter().rfind(|e| matches!(e, Event::Duplicate { .. }))
            else {
                unreachable!("two stages were told");
            };
            assert_eq!(*class, Class::Copy);
            let over: Vec<bool> = holders.iter().map(|h| h.over).collect();
            assert_eq!(over, [false, true], "the newcomer is over the one seat");
            assert_eq!(holders[1].is_self, n == b);
            let kept = lan.hosts[n].engine.evidence(*evidence).expect("evidence is kept");
            assert!(!kept.first.pairs.is_empty() && !kept.second.pairs.is_empty());
        }
    }
}

#[test]
fn a_goodbye_resolves_at_once_and_a_killed_holder_within_its_lifetime() {
    let mut lan = Lan::new(7);
    let a = lan.holder(1, "S", settings());
    let b = lan.holder(2, "S", settings());
    lan.run(secs(200));
    assert_eq!((lan.state(a), lan.state(b)), (State::Duplicate, State::Duplicate));
    lan.stop(b);
    lan.run(secs(1));
    assert_eq!(lan.state(a), State::Clear);
    let goodbye = |e: &Event| matches!(e, Event::Resolved { cause: ResolvedCause::Goodbye, .. });
    assert_eq!(lan.hosts[a].events.iter().filter(|e| goodbye(e)).count(), 1);

    let c = lan.holder(3, "S", settings());
    lan.run(secs(200));
    assert_eq!(lan.state(a), State::Duplicate);
    lan.kill(c);
    lan.run(secs(75));
    assert_eq!(lan.state(a), State::Suspected, "it was asked and is silent");
    lan.run(secs(1000));
    assert_eq!(lan.state(a), State::Clear);
}

#[test]
fn different_serials_never_meet_and_a_quiet_lan_stays_quiet() {
    let mut lan = Lan::new(11);
    let hosts: Vec<usize> = (1..=10).map(|i| lan.holder(i, &format!("S{i}"), settings())).collect();
    lan.run(secs(1000));
    let before = lan.datagrams;
    lan.run(secs(30_000));
    let each = (lan.datagrams - before) as f64 / 10.0 / 100.0;
    assert!((0.9..1.1).contains(&each), "{each} datagrams a host and interval");
    for h in hosts {
        assert_eq!(lan.state(h), State::Clear);
        assert!(!lan.hosts[h].accused() && !lan.hosts[h].ever(State::Suspected));
        assert_eq!(lan.coverage(h), Coverage::Good, "others are heard, whatever their license");
    }
}

#[test]
fn two_nics_a_reflector_and_a_ten_minute_replay_never_accuse() {
    for reflect_after in [Duration::from_millis(1), secs(600)] {
        let mut lan = Lan::new(13);
        lan.reflector = Some(reflect_after);
        let n = lan.host_with(1, settings(), 2);
        lan.claim(n, license("S"));
        lan.run(secs(4000));
        assert!(
            lan.hosts[n].fates.get("echo").is_some_and(|echoes| *echoes > 20),
            "{:?}",
            lan.hosts[n].fates
        );
        assert!(!lan.hosts[n].accused() && !lan.hosts[n].ever(State::Suspected));
        assert_eq!(lan.hosts[n].engine.claims(lan.at()).next().unwrap().holders.len(), 1);
    }
}

#[test]
fn a_copied_state_directory_is_a_clone() {
    let mut lan = Lan::new(17);
    let a = lan.holder(1, "S", settings());
    lan.run(secs(500));
    let b = lan.holder(1, "S", settings());
    lan.run(secs(1));
    for n in [a, b] {
        assert_eq!(lan.state(n), State::Conflict);
        let clone = |e: &Event| matches!(e, Event::Duplicate { class: Class::Clone, .. });
        assert!(lan.hosts[n].events.iter().any(clone));
        assert_eq!(lan.coverage(n), Coverage::Good, "who answers is heard, whatever its key");
    }
}

#[test]
fn my_own_earlier_run_causes_nothing() {
    for seed in 0..20 {
        let mut lan = Lan::new(seed);
        let watcher = lan.holder(2, "OTHER", settings());
        let observer = lan.host(3, settings());
        let mut shared = license("S");
        shared.seats = 2;
        lan.claim(observer, shared);
        for _ in 0..50 {
            let mut l = license("S");
            l.seats = 2;
            let n = lan.host(1, settings());
            lan.claim(n, l);
            let life = Duration::from_millis(lan.rng.below(6000));
            lan.run(life);
            lan.kill(n);
            // The last datagrams of the dead run come again.
            let tape: Vec<_> = lan.tape.iter().rev().take(3).cloned().collect();
            for (_, bytes, from) in tape {
                lan.broadcast(None, &bytes, from);
            }
        }
        lan.run(secs(2000));
        for h in &lan.hosts {
            assert!(!h.accused(), "seed {seed}");
        }
        assert_eq!(lan.state(watcher), State::Clear);
    }
}

#[test]
fn a_stranger_replaying_a_dead_holder_causes_suspicion_at_most() {
    let mut lan = Lan::new(19);
    let a = lan.holder(1, "S", settings());
    lan.run(secs(300));
    // The dead holder was heard by the tape only, and by a third one that it answered.
    let (b, c) = (lan.holder(2, "S", settings()), lan.holder(3, "S", settings()));
    lan.cut = vec![(b, a), (a, b), (c, a), (a, c)];
    let start = lan.now;
    lan.run(secs(300));
    lan.kill(b);
    lan.kill(c);
    let tape = lan.sent_since(b, start);
    assert!(tape.iter().any(|(_, d, _)| matches!(d.kind, Kind::Answer { .. })), "answers are on it");
    let of_b = lan.sent.iter().filter(|(_, who, _)| *who == b);
    let bytes: Vec<_> = of_b.map(|(_, _, bytes)| bytes.clone()).collect();
    let from = (lan.hosts[b].address, 626).into();
    for bytes in bytes {
        lan.broadcast(None, &bytes, from);
        lan.run(secs(30));
    }
    assert!(lan.hosts[a].ever(State::Suspected));
    assert!(!lan.hosts[a].accused());
    lan.run(secs(2000));
    assert_eq!(lan.state(a), State::Clear);
}

#[test]
fn exactly_the_seats_are_no_conflict_and_one_more_is() {
    let seats = |n: u16| License { seats: n, ..license("S") };
    let mut lan = Lan::new(23);
    for i in 0..5 {
        let n = lan.host(i + 1, settings());
        lan.claim(n, seats(5));
        lan.run(secs(20));
    }
    lan.run(secs(1000));
    assert!(lan.hosts.iter().all(|h| !h.accused()));
    let extra = lan.host(9, settings());
    lan.claim(extra, seats(5));
    lan.run(secs(5));
    assert!((0..6).all(|n| lan.state(n) == State::Conflict));
    let Some(Event::Duplicate { holders, .. }) =
        lan.hosts[0].events.iter().rfind(|e| matches!(e, Event::Duplicate { .. }))
    else {
        unreachable!("a conflict was told");
    };
    assert_eq!(holders.iter().map(|h| h.over).collect::<Vec<_>>(), [false, false, false, false, false, true]);
    lan.stop(extra);
    lan.run(secs(1));
    assert!((0..5).all(|n| lan.state(n) == State::Clear));
}

#[test]
fn one_killed_and_replaced_does_not_add_up_with_its_successor() {
    for seed in 0..20 {
        let mut lan = Lan::new(seed);
        for i in 0..3 {
            let n = lan.host(i + 1, settings());
            lan.claim(n, License { seats: 3, ..license("S") });
        }
        lan.run(secs(400));
        lan.kill(2);
        let n = lan.host(9, settings());
        lan.claim(n, License { seats: 3, ..license("S") });
        lan.run(secs(3000));
        assert!(lan.hosts.iter().all(|h| !h.accused()), "seed {seed}");
    }
}

#[test]
fn a_standby_takes_no_seat_and_two_active_members_are_split_brain() {
    let member = |standby| License { group: "pair".into(), standby, standbys: 1, ..license("S") };
    let mut lan = Lan::new(29);
    let a = lan.host(1, settings());
    lan.claim(a, member(false));
    let b = lan.host(2, settings());
    lan.claim(b, member(true));
    lan.run(secs(2000));
    assert!(lan.hosts.iter().all(|h| !h.accused()));
    let now = lan.at();
    lan.with(b, |e, rng| e.relicense(now, &mut |x: &mut [u8]| rng.fill(x), member(false)));
    lan.run(secs(120));
    for n in [a, b] {
        assert_eq!(lan.state(n), State::Duplicate);
        let split = |e: &Event| matches!(e, Event::Duplicate { class: Class::SplitBrain, .. });
        assert!(lan.hosts[n].events.iter().any(split));
        let other = |e: &Event| matches!(e, Event::Duplicate { class: Class::Copy | Class::Clone, .. });
        assert!(!lan.hosts[n].events.iter().any(other));
    }
}

#[test]
fn at_thirty_percent_loss_a_copy_is_still_found_in_seconds() {
    let mut found: Vec<Duration> = Vec::new();
    for seed in 0..400 {
        let mut lan = Lan::new(seed);
        lan.loss_percent = 30;
        let a = lan.holder(1, "S", settings());
        lan.run(secs(30));
        let b = lan.holder(2, "S", settings());
        let start = lan.now;
        let both = move |l: &Lan| l.hosts[a].accused() && l.hosts[b].accused();
        let at =
            lan.run_until(start.after(secs(400)), both).unwrap_or_else(|| panic!("seed {seed}: not found"));
        found.push(at.since(start));
    }
    found.sort();
    println!("30 % loss: median {:?}, p99 {:?}, max {:?}", found[200], found[396], found[399]);
    assert!(found[200] < Duration::from_millis(300), "median {:?}", found[200]);
    assert!(found[396] < secs(6), "p99 {:?}", found[396]);
    assert!(found[398] < secs(10), "all but one within the first round: {:?}", found[398]);
}

#[test]
fn one_way_hearing_is_suspected_and_said() {
    let mut lan = Lan::new(31);
    let a = lan.holder(1, "S", settings());
    let b = lan.host(2, settings());
    lan.cut = vec![(a, b)];
    lan.claim(b, license("S"));
    lan.run(secs(400));
    assert_eq!(lan.state(a), State::Suspected);
    assert_eq!(lan.coverage(a), Coverage::OneWay);
    assert!(!lan.hosts[a].accused() && !lan.hosts[b].accused());
}

#[test]
fn a_process_that_was_stopped_does_not_trust_what_waited_for_it() {
    for seed in 0..20 {
        let mut lan = Lan::new(seed);
        let a = lan.holder(1, "S", settings());
        lan.run(secs(100));
        let b = lan.holder(2, "S", settings());
        let end = lan.now.after(secs(1));
        lan.run_until(end, |l| l.state(a) == State::Suspected).expect("it asks the newcomer");
        // Stopped with its question on the way: the answer waits in the socket, and its sender dies meanwhile.
        lan.freeze(a, secs(8));
        lan.run(Duration::from_millis(500));
        lan.kill(b);
        assert!(!lan.hosts[a].accused());
        lan.run(secs(100));
        assert!(
            lan.hosts[a].fates.contains_key("late_answer"),
            "the answer came, too late: {:?}",
            lan.hosts[a].fates
        );
        assert!(!lan.hosts[a].accused(), "seed {seed}: an answer that waited 8 s proves nothing by now");
    }
}

#[test]
fn a_live_snapshot_resumed_beside_the_original_is_found() {
    for same_entropy in [false, true] {
        let mut lan = Lan::new(41);
        // Both are the same machine state: one boot id, one sequence.
        let state = Rng(4242);
        let a = lan.host_from(1, settings(), 1, state.clone());
        let b = lan.host_from(1, settings(), 1, state);
        let boot = |l: &Lan, n: usize| l.hosts[n].engine.instance().boot;
        assert_eq!(boot(&lan, a), boot(&lan, b));
        if !same_entropy {
            lan.hosts[b].rng.0 ^= 0xdead;
        }
        lan.claim(a, license("S"));
        lan.run(Duration::from_millis(70));
        lan.claim(b, license("S"));
        lan.run(secs(30));
        assert_ne!(boot(&lan, a), boot(&lan, b), "same entropy pool: {same_entropy}");
        for n in [a, b] {
            assert_eq!(lan.state(n), State::Conflict, "same entropy pool: {same_entropy}");
            let clone = |e: &Event| matches!(e, Event::Duplicate { class: Class::Clone, .. });
            assert!(lan.hosts[n].events.iter().any(clone));
        }
    }
}

#[test]
fn on_a_lan_in_order_nobody_answers_a_broadcast() {
    let mut lan = Lan::new(47);
    for i in 0..5 {
        let n = lan.host(i + 1, settings());
        lan.claim(n, License { seats: 5, ..license("S") });
        lan.run(secs(20));
    }
    lan.run(secs(1000));
    let before = lan.datagrams;
    let now = lan.at();
    lan.with(0, |engine, rng| engine.burst(now, &mut |b: &mut [u8]| rng.fill(b), None));
    lan.run(secs(2));
    assert_eq!(lan.datagrams - before, 3, "three announcements that want an answer, and no answer");
}

#[test]
fn a_restarted_host_takes_one_seat_and_not_two() {
    let mut lan = Lan::new(53);
    let a = lan.host(1, settings());
    lan.claim(a, License { seats: 2, ..license("S") });
    let first = lan.host(2, settings());
    lan.claim(first, License { seats: 2, ..license("S") });
    lan.run(secs(300));
    lan.kill(first);
    let second = lan.host(2, settings());
    lan.claim(second, License { seats: 2, ..license("S") });
    lan.run(secs(2000));
    assert!(!lan.hosts[a].ever(State::Suspected), "of one installation only the newest-heard run counts");
    assert!(lan.hosts.iter().all(|h| !h.accused()));
}

#[test]
fn many_holders_of_a_site_license_are_found_when_one_too_many() {
    let mut lan = Lan::new(43);
    for i in 0..20u8 {
        let n = lan.host(i + 1, settings());
        lan.claim(n, License { seats: 20, ..license("S") });
    }
    lan.run(secs(1000));
    assert!(lan.hosts.iter().all(|h| !h.accused()));
    let n = lan.host(200, settings());
    lan.claim(n, License { seats: 20, ..license("S") });
    let start = lan.now;
    let at = lan.run_until(start.after(secs(700)), |l| (0..21).all(|i| l.hosts[i].accused()));
    println!("21 holders of 20 seats: all know after {:?}", at.map(|t| t.since(start)));
    assert!(at.is_some());
}

#[test]
fn a_confirming_round_that_proves_somebody_else_begins_the_time_anew() {
    let mut lan = Lan::new(71);
    let a = lan.holder(1, "S", settings());
    lan.run(secs(20));
    let (mut first, mut second) = (Puppet::new(8, 1, "S"), Puppet::new(9, 1, "S"));
    let start = lan.now;
    first.announces(&mut lan, a);
    first.answers(&mut lan, a, start);
    assert_eq!(lan.state(a), State::Conflict);
    lan.run(secs(91));
    assert!(lan.view(a).asking, "the confirming round, which the first leaves unanswered");
    let asked = lan.now;
    second.announces(&mut lan, a);
    lan.run(secs(2));
    second.answers(&mut lan, a, asked);
    let proved = |lan: &Lan| lan.view(a).holders.iter().any(|h| h.instance == second.instance && h.proved);
    assert!(proved(&lan));
    assert_eq!(lan.state(a), State::Conflict, "nobody was proved twice");
    lan.run(secs(88));
    assert_eq!(lan.state(a), State::Conflict);
    let confirming = lan.now;
    lan.run(secs(4));
    second.answers(&mut lan, a, confirming);
    assert_eq!(lan.state(a), State::Duplicate, "90 s after the round that proved the second");
}

#[test]
fn split_brain_is_two_that_serve_and_nobody_who_waits() {
    let class = |lan: &Lan| lan.view(0).conflict.expect("a conflict").class;
    let member = |standby| License { group: String::from("g"), standby, ..license("S") };
    let mut waiting = Lan::new(61);
    for installation in [1, 2] {
        let n = waiting.host(installation, Settings::default());
        waiting.claim(n, member(true));
    }
    waiting.run(secs(30));
    assert_eq!(class(&waiting), Class::Copy, "two that wait, beyond the standbys of the license");
    // Whoever's key sorts first.
    for (second, ungrouped) in [(2, 3), (3, 2)] {
        let mut lan = Lan::new(67);
        for (installation, license) in [
            (1, member(false)),
            (second, member(false)),
            (ungrouped, License { standby: true, ..license("S") }),
        ] {
            let n = lan.host(installation, Settings::default());
            lan.claim(n, license);
        }
        lan.run(secs(200));
        assert_eq!(class(&lan), Class::Copy, "not all of them are of the group");
    }
}

#[test]
fn a_second_conflict_of_one_round_has_all_its_evidence() {
    let mut lan = Lan::new(271);
    let a = lan.host(1, settings());
    lan.claim(a, License { seats: 2, ..license("S") });
    lan.run(secs(20));
    let mut puppets: Vec<Puppet> = (9..=12).map(|i| Puppet::new(i, 1, "S")).collect();
    let start = lan.now;
    for p in &mut puppets {
        p.announces(&mut lan, a);
    }
    lan.run(Duration::from_millis(1));
    // The first two are one too many.  One of them leaves, and a third answers in the same round.
    puppets[0].answers(&mut lan, a, start);
    puppets[1].answers(&mut lan, a, start);
    assert_eq!(lan.state(a), State::Conflict);
    let goodbye = puppets[0].says(Kind::Goodbye);
    puppets[0].sends(&mut lan, a, &goodbye, false);
    assert_eq!(lan.state(a), State::Suspected);
    puppets[2].answers(&mut lan, a, start);
    assert_eq!(lan.state(a), State::Conflict);
    let conflict = lan.view(a).conflict.expect("a conflict");
    assert_eq!(conflict.id, 2);
    let evidence = lan.hosts[a].engine.evidence(conflict.evidence).expect("it is kept");
    let who: Vec<_> = evidence.first.pairs.iter().map(|pair| pair.instance).collect();
    assert_eq!(who, [puppets[1].instance, puppets[2].instance]);
}

#[test]
fn who_answers_many_times_crowds_nobody_out_of_the_evidence() {
    let mut lan = Lan::new(277);
    let a = lan.host(1, settings());
    lan.claim(a, License { seats: 2, ..license("S") });
    lan.run(secs(20));
    let (mut eager, mut second) = (Puppet::new(9, 1, "S"), Puppet::new(10, 1, "S"));
    let start = lan.now;
    for p in [&mut eager, &mut second] {
        p.announces(&mut lan, a);
    }
    for _ in 0..limits::EVIDENCE_PAIRS_PER_ROUND + 2 {
        eager.answers(&mut lan, a, start);
    }
    second.answers(&mut lan, a, start);
    let conflict = lan.view(a).conflict.expect("a conflict");
    let evidence = lan.hosts[a].engine.evidence(conflict.evidence).expect("it is kept");
    let mut who: Vec<_> = evidence.first.pairs.iter().map(|pair| pair.instance).collect();
    who.dedup();
    assert_eq!(who, [eager.instance, second.instance]);
    // The first answer names the evidence; of the others the newest is kept.
    let of_eager: Vec<_> = evidence.first.pairs.iter().filter(|p| p.instance == eager.instance).collect();
    let sequence = |answer: &[u8; 320]| u64::from_be_bytes(answer[64..72].try_into().expect("eight bytes"));
    let newest = of_eager.iter().map(|p| sequence(&p.answer)).max();
    assert_eq!((of_eager.len(), newest), (2, Some(eager.sequence)));
}
