//! What engines keep as evidence is enough for a third party: the harness has every conflict that is told checked by
//! one, in these tests and in all others.  Here are the ways in which it was not enough.

mod lan;

use std::time::Duration;

use lan::{Lan, Puppet, Rng, license, secs};
use serialnumberd_core::evidence::{Exhibit, Findings, check, check_serial};
use serialnumberd_core::wire::Kind;
use serialnumberd_core::{Event, EvidenceId, Instance, License, Settings, Stage, Standard, State};

/// The evidence of all that host `n` was told, oldest first.
fn told(lan: &Lan, n: usize) -> Vec<(Stage, EvidenceId)> {
    let evidence = |e: &Event| match e {
        Event::Duplicate { stage, evidence, .. } => Some((*stage, *evidence)),
        _ => None,
    };
    lan.hosts[n].events.iter().filter_map(evidence).collect()
}

fn exhibit(lan: &Lan, n: usize, id: EvidenceId) -> Exhibit {
    let engine = &lan.hosts[n].engine;
    let kept = engine.evidence(id).expect("it is kept");
    kept.exhibit(engine.installation(), |at| at.0 / 1_000_000, |_| String::new())
}

fn shown(lan: &Lan, n: usize, id: EvidenceId) -> Findings {
    let exhibit = exhibit(lan, n, id);
    check_serial::<Standard>(&exhibit, &lan::keys("S"), None).expect("all know the serial");
    check::<Standard>(&exhibit).expect("it convinces a third party")
}

fn together(round: &serialnumberd_core::evidence::Round) -> Vec<Instance> {
    round.together.iter().map(|a| a.instance).collect()
}

#[test]
fn who_takes_over_in_the_middle_of_a_conflict_is_shown_by_evidence_of_its_own() {
    let mut lan = Lan::new(1);
    let a = lan.holder(1, "S", Settings::default());
    lan.run(secs(10));
    let b = lan.holder(2, "S", Settings::default());
    lan.run(secs(30));
    let c = lan.holder(3, "S", Settings::default());
    lan.run(secs(10));
    lan.kill(b);
    lan.run(secs(200));
    assert_eq!(lan.state(a), State::Duplicate);
    let d = lan.holder(4, "S", Settings::default());
    lan.run(secs(10));
    lan.kill(c);
    lan.run(secs(200));
    assert_eq!(lan.state(a), State::Duplicate);
    let mut ids: Vec<EvidenceId> = told(&lan, a).into_iter().map(|(_, id)| id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "one for each of the three others");
    let who = [b, c, d].map(|n| lan.hosts[n].engine.instance());
    for (id, who) in ids.iter().zip(who) {
        let found = shown(&lan, a, *id);
        assert!(found.rounds.iter().all(|r| together(r).contains(&who)), "{who:?} in {found:?}");
    }
    // The first was proved once, the others again and again.
    let rounds: Vec<usize> = ids.iter().map(|id| shown(&lan, a, *id).rounds.len()).collect();
    assert_eq!(rounds, [1, 2, 2]);
}

/// A host with `seats`, and a crowd of puppets that it has heard and is asking.
fn crowd(seats: u16, of: u16) -> (Lan, usize, Vec<Puppet>) {
    let mut lan = Lan::new(2);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { seats, ..license("S") });
    lan.run(secs(10));
    let mut puppets: Vec<Puppet> = (0..of).map(|n| Puppet::of_crowd(n, "S")).collect();
    for puppet in &mut puppets {
        let heard = puppet.says(Kind::Announce { probe: false, want: false });
        puppet.sends(&mut lan, a, &heard, false);
    }
    // Those first heard after the round's opening are asked by its steps.
    lan.run(Duration::from_millis(500));
    (lan, a, puppets)
}

#[test]
fn who_answers_often_does_not_crowd_the_others_out_of_the_evidence() {
    let (mut lan, a, mut puppets) = crowd(20, 21);
    let began = lan.now.before(secs(1));
    for puppet in &mut puppets {
        (0..5).for_each(|_| {
            puppet.answers(&mut lan, a, began);
        });
    }
    // The harness has had it checked; here is how many it shows.
    let [(Stage::Conflict, id), ..] = told(&lan, a)[..] else { panic!("{:?}", told(&lan, a)) };
    assert!(exhibit(&lan, a, id).first.pairs.len() <= 22, "one a puppet, and one more of the first");
    assert!(check::<Standard>(&exhibit(&lan, a, id)).unwrap().rounds[0].taken > 20);
}

#[test]
fn a_conflict_that_ends_within_its_round_leaves_its_proofs_to_the_next() {
    let (mut lan, a, mut puppets) = crowd(2, 3);
    let began = lan.now.before(secs(1));
    puppets[0].answers(&mut lan, a, began);
    puppets[1].answers(&mut lan, a, began);
    assert_eq!(lan.state(a), State::Conflict);
    let goodbye = puppets[0].says(Kind::Goodbye);
    puppets[0].sends(&mut lan, a, &goodbye, true);
    assert_eq!(lan.state(a), State::Suspected, "the third has not answered yet");
    puppets[2].answers(&mut lan, a, began);
    assert_eq!(lan.state(a), State::Conflict);
    let (_, id) = told(&lan, a)[told(&lan, a).len() - 1];
    let found = check::<Standard>(&exhibit(&lan, a, id)).unwrap();
    assert!(together(&found.rounds[0]).contains(&puppets[2].instance));
}

#[test]
fn a_site_license_of_500_seats_can_be_shown_to_be_exceeded() {
    let (mut lan, a, mut puppets) = crowd(500, 500);
    let began = lan.now.before(secs(1));
    // Its first pair stays, and its newest takes a place of its own.
    puppets[0].answers(&mut lan, a, began);
    puppets.iter_mut().for_each(|puppet| {
        puppet.answers(&mut lan, a, began);
    });
    let (_, id) = told(&lan, a)[0];
    let exhibit = exhibit(&lan, a, id);
    let found = check::<Standard>(&exhibit).unwrap();
    assert_eq!((exhibit.first.pairs.len(), found.rounds[0].taken), (501, 501));
}

/// What a puppet says of itself from now on: it waits for the group `pair`, or serves.
fn role(puppet: &mut Puppet, standby: bool) {
    (puppet.license.group, puppet.license.standby) = ("pair".to_owned(), standby);
}

#[test]
fn a_role_that_is_only_heard_proves_nothing_and_takes_no_proof_away() {
    let heard = Kind::Announce { probe: false, want: false };
    let mut lan = Lan::new(3);
    let a = lan.host(1, Settings::default());
    lan.claim(a, License { seats: 2, group: "pair".to_owned(), standbys: 1, ..license("S") });
    lan.run(secs(10));
    let began = lan.now;
    let mut puppets: Vec<Puppet> = (0..3).map(|n| Puppet::of_crowd(n, "S")).collect();
    role(&mut puppets[0], true);
    for puppet in &mut puppets {
        let bytes = puppet.says(heard);
        puppet.sends(&mut lan, a, &bytes, false);
    }
    lan.run(Duration::from_millis(500));
    puppets[0].answers(&mut lan, a, began);
    puppets[1].answers(&mut lan, a, began);
    assert_eq!(lan.state(a), State::Suspected, "one waits, and the third has not answered");
    // The announcement of another role overtakes an answer in the old one.
    let (tag, late) = (lan.newest_question(a, began), &mut puppets[0]);
    let overtaken = late.says(Kind::Answer { answers: tag, want: false });
    role(late, false);
    let bytes = late.says(heard);
    late.sends(&mut lan, a, &bytes, false);
    assert_eq!(lan.state(a), State::Suspected, "that it serves was only heard");
    puppets[0].sends(&mut lan, a, &overtaken, true);
    assert_eq!(lan.state(a), State::Suspected, "it answered as one that waits");
    puppets[0].answers(&mut lan, a, began);
    assert_eq!(lan.state(a), State::Conflict);
    // What it says later does not undo what it proved.
    role(&mut puppets[0], true);
    puppets[0].answers(&mut lan, a, began);
    let (_, id) = told(&lan, a)[0];
    assert_eq!(check::<Standard>(&exhibit(&lan, a, id)).unwrap().rounds[0].taken, 3);
}

/// One step of a day on which everything happens.
fn churn(lan: &mut Lan, rng: &mut Rng) {
    let up: Vec<usize> = (0..lan.hosts.len()).filter(|n| lan.hosts[*n].up).collect();
    let pick = |rng: &mut Rng| up.get(usize::try_from(rng.below(up.len().max(1) as u64)).unwrap()).copied();
    let terms = |rng: &mut Rng| License {
        seats: u16::try_from(rng.below(3)).unwrap() + 1,
        group: if rng.below(2) == 0 { String::new() } else { "pair".to_owned() },
        standby: rng.below(3) == 0,
        standbys: u16::try_from(rng.below(2)).unwrap(),
        ..license("S")
    };
    let now = lan.at();
    match (rng.below(9), pick(rng)) {
        // Some installations twice: cloned, or started again.
        (0..=2, _) if up.len() < 6 => {
            let settings = Settings { confirm_after: secs(20), ..Settings::default() };
            let n = lan.host(u8::try_from(rng.below(5)).unwrap() + 1, settings);
            lan.claim(n, terms(rng));
        }
        (3, Some(n)) => lan.stop(n),
        (4, Some(n)) => lan.kill(n),
        (5, Some(n)) => lan.freeze(n, secs(rng.below(12))),
        (6 | 7, Some(n)) => {
            let license = terms(rng);
            lan.with(n, |engine, rng| engine.relicense(now, &mut |b: &mut [u8]| rng.fill(b), license));
        }
        _ => lan.loss_percent = rng.below(60),
    }
}

#[test]
fn whatever_happens_what_is_told_can_be_shown() {
    let mut conflicts = 0;
    for seed in 0..12 {
        let (mut lan, mut rng) = (Lan::new(seed), Rng(seed ^ 0x5eed));
        for _ in 0..60 {
            churn(&mut lan, &mut rng);
            let pause = [1, 50, 400, 3000, 9000, 40_000][usize::try_from(rng.below(6)).unwrap()];
            lan.run(Duration::from_millis(pause));
        }
        conflicts += (0..lan.hosts.len()).map(|n| told(&lan, n).len()).sum::<usize>();
    }
    println!("{conflicts} conflicts were told, and shown");
    assert!(conflicts > 300, "{conflicts}");
}
