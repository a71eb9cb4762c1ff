//! What good evidence shows, and whom it cannot show.

mod press;
mod spoiled;

use alloc::vec;

use super::*;
use crate::{Nonce, Standard};
use press::{ASK, DECLARED_MS, OTHER, Press, RECORDER, THIRD, key, name};

fn press() -> Press {
    Press::new("xsvr", "XSVR-1")
}

#[test]
fn good_evidence_says_who_and_how_often() {
    let press = press();
    let good = press.exhibit();
    let found = check::<Standard>(&good).unwrap();
    assert_eq!((found.rounds.len(), found.own_key, found.host.as_str()), (2, false, "host"));
    for (round, asked) in found.rounds.iter().zip([10, 90_020]) {
        assert_eq!((round.taken, round.together.len()), (2, 1));
        assert_eq!(round.together[0].instance.installation, key(OTHER));
        assert_eq!((round.asked_ms, round.answered_ms - round.asked_ms), (DECLARED_MS + asked, 1));
    }
    assert_eq!(check_serial::<Standard>(&good, &press.keys, Some("pair")), Ok(0));
    let once = press.exhibit_of(good.first.pairs, Vec::new());
    assert_eq!(check::<Standard>(&once).unwrap().rounds.len(), 1);
}

#[test]
fn with_the_serial_strangers_are_found() {
    let (press, stranger) = (press(), Press::new("xsvr", "XSVR-2"));
    let good = press.exhibit();
    let refused = |e: &Exhibit, keys: &ClaimKeys| check_serial::<Standard>(e, keys, None).unwrap_err();
    assert_eq!(refused(&good, &stranger.keys), Flaw { place: Place::Whole, fault: Fault::Serial });
    let mut bad = good.clone();
    bad.first.pairs[0].question[319] ^= 1;
    assert_eq!(refused(&bad, &press.keys), Flaw { place: Place::Pair(1, 1), fault: Fault::QuestionMac });
    let mut bad = good.clone();
    bad.second.pairs[0].answer[304] ^= 1;
    name(&mut bad);
    let unseen = check::<Standard>(&bad);
    assert!(unseen.is_ok(), "the MAC is outside of the answer's signature: {unseen:?}");
    assert_eq!(refused(&bad, &press.keys), Flaw { place: Place::Pair(2, 1), fault: Fault::AnswerMac });
}

#[test]
fn a_fail_over_group_is_checked_by_its_name() {
    let press = press();
    let group = press.keys.group::<Standard>("pair");
    let ours = |d: Datagram| Datagram { group, ..d };
    let (q, a) = (press.datagram(RECORDER, 5, ASK), press.datagram(OTHER, 105, ASK));
    let mut split = press.exhibit_of(vec![press.exchange_of(&ours(q), &ours(a), 10)], Vec::new());
    split.class = Class::SplitBrain;
    assert_eq!(check::<Standard>(&split).unwrap().rounds[0].taken, 2);
    assert_eq!(check_serial::<Standard>(&split, &press.keys, Some("pair")), Ok(2));
    let flaw = check_serial::<Standard>(&split, &press.keys, Some("other")).unwrap_err();
    assert_eq!(flaw, Flaw { place: Place::Pair(1, 1), fault: Fault::QuestionGroup });
    let mixed = press.exhibit_of(vec![press.exchange_of(&q, &ours(a), 10)], Vec::new());
    let flaw = check_serial::<Standard>(&mixed, &press.keys, Some("other")).unwrap_err();
    assert_eq!(flaw, Flaw { place: Place::Pair(1, 1), fault: Fault::AnswerGroup });
    // A standby of the group takes no seat, whoever of the two it is, but only as many as the license allows.
    let waits = |d: Datagram| Datagram { standby: true, ..ours(d) };
    for exchange in [press.exchange_of(&waits(q), &ours(a), 10), press.exchange_of(&ours(q), &waits(a), 10)] {
        let mut waiting = press.exhibit_of(vec![exchange], Vec::new());
        assert_eq!(check::<Standard>(&waiting).unwrap().rounds[0].taken, 2);
        waiting.first.standbys = 1;
        let fault = Fault::NotOver { taken: 1, seats: 1 };
        assert_eq!(check::<Standard>(&waiting).unwrap_err(), Flaw { place: Place::Round(1), fault });
    }
}

#[test]
fn what_only_the_accused_controls_cannot_spoil_the_evidence() {
    let press = press();
    let mut wild = press.exhibit();
    let lies = |sequence| Datagram {
        sequence,
        nonce: Nonce([0; 16]),
        sent_ms: u64::MAX,
        since_ms: u64::MAX,
        version: 200,
        seats: 0,
        ..press.datagram(OTHER, 1, ASK)
    };
    wild.first.pairs[0] = press.exchange_of(&press.datagram(RECORDER, 5, ASK), &lies(u64::MAX), 10);
    wild.second.pairs[0] = press.exchange_of(&press.datagram(RECORDER, 9, ASK), &lies(0), 90_020);
    // It answers what did not ask, too.
    let plain = Kind::Announce { probe: false, want: false };
    wild.second.pairs.push(press.exchange_of(&press.datagram(RECORDER, 10, plain), &lies(0), 90_030));
    name(&mut wild);
    assert_eq!(check::<Standard>(&wild).unwrap().rounds[1].taken, 2);
}

#[test]
fn two_boots_of_one_key_count_twice_only_if_they_overlap() {
    let press = press();
    let boot = |boot: u8, sequence: u64| {
        let mut d = press.datagram(OTHER, sequence + 100, ASK);
        d.instance = Instance { installation: key(boot), boot: BootId([boot; 8]) };
        d
    };
    let again = |sequence: u64| {
        // The recorder's own key, run a second time.
        let mut d = boot(RECORDER, sequence);
        d.instance.boot = BootId([RECORDER; 8]);
        d
    };
    let asked = |sequence| {
        let mut q = press.datagram(RECORDER, sequence, ASK);
        q.instance.boot = BootId([77; 8]);
        q
    };
    let mut clone = press.exhibit_of(vec![press.exchange_of(&asked(5), &again(5), 10)], Vec::new());
    clone.class = Class::Clone;
    let found = check::<Standard>(&clone).unwrap();
    assert!(found.own_key && found.rounds[0].taken == 2);
    // A third instance, heard only later, with two seats: once it overlaps, once it does not.
    for (heard, taken) in [(DECLARED_MS + 12, 2), (DECLARED_MS + 10, 3)] {
        let third = Exchange { heard_ms: heard, ..press.exchange_of(&asked(6), &boot(THIRD, 6), 20) };
        let mut three = press.exhibit_of(vec![clone.first.pairs[0].clone(), third], Vec::new());
        (three.class, three.first.seats) = (Class::Clone, 2);
        let found = check::<Standard>(&three).map(|f| f.rounds[0].taken);
        let fault = Fault::NotOver { taken, seats: 2 };
        assert_eq!(found, if taken > 2 { Ok(3) } else { Err(Flaw { place: Place::Round(1), fault }) });
    }
}
