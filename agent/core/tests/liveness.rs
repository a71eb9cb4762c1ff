//! What must happen by time alone, without the luck of other traffic; and what must not happen all the time.
//! The LAN itself asserts that no host ever has a deadline that it does not clear.

mod lan;

use lan::{Lan, Puppet, QUESTION, license, secs};
use serialnumberd_core::wire::Kind;
use serialnumberd_core::{Arrival, Coverage, Event, License, Settings, Standard, State, crypto};
use std::time::Duration;

#[test]
fn missing_expected_peers_are_told_once_and_do_not_make_the_agent_spin() {
    let mut lan = Lan::new(101);
    let a = lan.host(1, Settings { expect_peers: 1, ..Settings::default() });
    lan.claim(a, license("S"));
    lan.run(secs(2000));
    assert_eq!(lan.coverage(a), Coverage::Blind);
    let b = lan.holder(2, "T", Settings::default());
    lan.run(secs(200));
    assert_eq!(lan.coverage(a), Coverage::Good);
    lan.kill(b);
    lan.run(secs(2000));
    assert_eq!(lan.coverage(a), Coverage::Blind, "the peer expired");
}

#[test]
fn a_question_that_the_budget_cannot_answer_is_answered_later() {
    let mut lan = Lan::new(103);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let mut asker = Puppet::new(9, 1, "S");
    asker.license.seats = 1;
    let start = lan.now;
    let mut last = None;
    for _ in 0..7 {
        let bytes = asker.says(QUESTION);
        asker.sends(&mut lan, a, &bytes, true);
        last = Some(crypto::tag::<Standard>(&bytes));
    }
    lan.run(secs(3));
    let answers: Vec<_> = lan
        .sent_since(a, start)
        .into_iter()
        .filter_map(
            |(at, d, _)| if let Kind::Answer { answers, .. } = d.kind { Some((at, answers)) } else { None },
        )
        .collect();
    assert_eq!(answers.iter().filter(|(at, _)| *at == start).count(), 4, "the budget holds");
    assert_eq!(answers.len(), 5, "the newest question is answered when the budget allows it");
    assert_eq!(Some(answers[4].1), last);
    assert!(answers[4].0.since(start) <= secs(2), "{:?}", answers[4].0.since(start));
}

#[test]
fn a_round_that_would_come_too_early_is_deferred_and_not_dropped() {
    let mut lan = Lan::new(107);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let mut mute = Puppet::new(9, 1, "S");
    let start = lan.now;
    mute.announces(&mut lan, a);
    assert!(lan.view(a).asking);
    lan.run(secs(30));
    assert!(!lan.view(a).asking && lan.state(a) == State::Suspected);
    for _ in 0..3 {
        mute.announces(&mut lan, a);
        assert!(!lan.view(a).asking, "one round an instance and minute");
        lan.run(secs(5));
    }
    let until = start.after(secs(59));
    assert!(lan.run_until(until, |l| l.view(a).asking).is_none());
    let again = lan.run_until(start.after(secs(61)), |l| l.view(a).asking);
    assert_eq!(again.map(|at| at.since(start)), Some(secs(60)));
    lan.run(secs(15));
    assert!(lan.run_until(start.after(secs(600)), |l| l.view(a).asking).is_none(), "once");
}

#[test]
fn who_joins_a_round_too_late_to_be_called_silent_is_asked_in_the_next() {
    let mut lan = Lan::new(109);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(20));
    let (mut first, mut late) = (Puppet::new(9, 1, "S"), Puppet::new(10, 1, "S"));
    first.announces(&mut lan, a);
    lan.run(Duration::from_millis(9900));
    late.announces(&mut lan, a);
    let end = lan.now;
    lan.run(secs(2));
    assert!(lan.view(a).asking, "nobody else need speak for the second round");
    let asked = lan.sent_since(a, end).iter().filter(|(_, d, _)| d.kind == QUESTION).count();
    assert!(asked >= 3, "the late one itself, the opening broadcast, and again: {asked}");
    lan.run(secs(10));
    assert!(lan.view(a).holders.iter().filter(|h| !h.is_self).all(|h| h.silent));
}

#[test]
fn a_burst_that_is_called_for_during_another_comes_ten_seconds_after_it() {
    let mut lan = Lan::new(113);
    let a = lan.holder(1, "S", Settings::default());
    let start = lan.now;
    let wants = |lan: &Lan| {
        let sent = lan.sent_since(a, start).into_iter();
        let want = |k: Kind| matches!(k, Kind::Announce { want: true, .. });
        sent.filter(|(_, d, _)| want(d.kind)).map(|(at, _, _)| at.since(start)).collect::<Vec<_>>()
    };
    lan.run(Duration::from_millis(600));
    let burst = |lan: &mut Lan| {
        let now = lan.at();
        lan.with(a, |e, rng| e.burst(now, &mut |x: &mut [u8]| rng.fill(x), None));
    };
    // The link came up while probing: what was probed so far may have gone nowhere.
    burst(&mut lan);
    lan.run(secs(9));
    assert_eq!(wants(&lan).len(), 3, "probes only");
    lan.run(Duration::from_millis(600));
    assert_eq!(wants(&lan).len(), 4, "{:?}", wants(&lan));
    burst(&mut lan);
    burst(&mut lan);
    lan.run(secs(60));
    let wants = wants(&lan);
    assert_eq!(wants.len(), 9, "{wants:?}");
    assert_eq!((wants[3], wants[6]), (secs(10), secs(20)));
}

#[test]
fn a_shorter_interval_holds_at_once_and_a_license_given_up_ends_its_conflict() {
    let mut lan = Lan::new(97);
    let a = lan.holder(1, "S", Settings::default());
    let b = lan.holder(2, "S", Settings::default());
    lan.run(secs(1000));
    let now = lan.at();
    let faster = Settings { interval: secs(2), ..Settings::default() };
    lan.with(a, |engine, _| engine.configure(now, faster));
    let heard = |l: &Lan| {
        let announced = |e: &&Event| matches!(e, Event::Announcement { .. });
        l.hosts[b].events.iter().filter(announced).count()
    };
    let before = heard(&lan);
    lan.run(secs(7));
    assert!(heard(&lan) >= before + 3, "{} announcements in 7 s", heard(&lan) - before);
    let claim = lan.hosts[a].engine.claims(lan.at()).next().expect("it holds one").claim;
    let now = lan.at();
    lan.with(a, |engine, rng| engine.release(now, &mut |bytes: &mut [u8]| rng.fill(bytes), &claim));
    let resolved = |e: &Event| matches!(e, Event::Resolved { .. });
    assert_eq!(lan.hosts[a].events.iter().filter(|e| resolved(e)).count(), 1);
}

#[test]
fn a_plugin_cannot_flood_the_network_by_asking() {
    let mut lan = Lan::new(101);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(1000));
    let before = lan.datagrams;
    for _ in 0..1000 {
        let now = lan.at();
        lan.with(a, |engine, rng| {
            engine.announce(now, &mut |bytes: &mut [u8]| rng.fill(bytes), lan::product())
        });
        lan.run(std::time::Duration::from_millis(10));
    }
    assert!((9..=13).contains(&(lan.datagrams - before)), "{} in 10 s", lan.datagrams - before);
}

#[test]
fn new_seats_in_a_standing_conflict_are_told() {
    let mut lan = Lan::new(127);
    for installation in 1..=3 {
        lan.holder(installation, "S", Settings::default());
        lan.run(secs(20));
    }
    lan.run(secs(300));
    let second = 1;
    let over = |e: &Event| match e {
        Event::Duplicate { holders, .. } => holders.iter().find(|h| h.is_self).map(|h| h.over),
        _ => None,
    };
    assert_eq!(lan.state(second), State::Duplicate);
    assert_eq!(lan.hosts[second].events.iter().rev().find_map(over), Some(true));
    let told = lan.hosts[second].events.len();
    let now = lan.at();
    lan.with(second, |engine, rng| {
        engine.relicense(now, &mut |b: &mut [u8]| rng.fill(b), License { seats: 2, ..license("S") });
    });
    assert_eq!(
        lan.hosts[second].events[told..].iter().find_map(over),
        Some(false),
        "within the seats by now"
    );
    assert_eq!(lan.state(second), State::Duplicate, "the third is still one too many");
}

#[test]
fn who_stops_right_after_a_change_of_role_says_goodbye() {
    let mut lan = Lan::new(131);
    let a = lan.host(1, Settings::default());
    let member = |standby| License { group: String::from("g"), standby, standbys: 1, ..license("S") };
    lan.claim(a, member(true));
    lan.run(secs(400));
    let (now, start) = (lan.at(), lan.now);
    lan.with(a, |engine, rng| engine.relicense(now, &mut |b: &mut [u8]| rng.fill(b), member(false)));
    lan.stop(a);
    let said: Vec<Kind> = lan.sent_since(a, start).into_iter().map(|(_, d, _)| d.kind).collect();
    assert_eq!(said, [Kind::Goodbye, Kind::Goodbye]);
}

#[test]
fn a_configured_peer_behind_an_interface_that_is_not_used_is_heard_and_falls_silent() {
    let mut lan = Lan::new(137);
    let mut far = Puppet::new(9, 1, "S");
    let a = lan.host(1, Settings { peers: vec![far.address], ..Settings::default() });
    lan.claim(a, license("S"));
    lan.run(secs(20));
    let start = lan.now;
    let source = far.address;
    let says = |lan: &mut Lan, bytes: &[u8]| {
        let destination = lan.hosts[a].address.into();
        let arrival = Arrival { bytes, truncated: false, source, destination, interface: 7, ttl: Some(60) };
        lan.inject(a, &arrival)
    };
    let announced = far.says(Kind::Announce { probe: false, want: false });
    says(&mut lan, &announced);
    let (_, _, tag) = *lan.sent_since(a, start).first().expect("it is asked");
    let answered = far.says(Kind::Answer { answers: tag, want: false });
    says(&mut lan, &answered);
    assert_eq!((lan.state(a), lan.coverage(a)), (State::Conflict, Coverage::Good));
    assert!(lan.view(a).holders.iter().all(|h| h.interface == 0), "the routing table's");
    lan.run(secs(200));
    assert_eq!(lan.state(a), State::Suspected, "it left the confirming round unanswered");
}

#[test]
fn a_deferred_round_outlives_the_goodbye_of_somebody_else() {
    let mut lan = Lan::new(139);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { seats: 2, ..license("S") });
    lan.run(secs(20));
    let mut other = Puppet::new(9, 1, "S");
    other.announces(&mut lan, a);
    // My own key, another boot id: it is asked, answers nothing, and is heard again too early.
    let mut clone = Puppet::new(1, 7, "S");
    clone.announces(&mut lan, a);
    lan.run(secs(20));
    clone.announces(&mut lan, a);
    let deferred = lan.view(a).next_round.expect("it is deferred");
    lan.run(secs(5));
    let goodbye = other.says(Kind::Goodbye);
    other.sends(&mut lan, a, &goodbye, false);
    assert_eq!(lan.view(a).next_round, Some(deferred));
    lan.run_until(deferred.after(Duration::from_millis(1)), |_| false);
    assert!(lan.view(a).asking);
}
