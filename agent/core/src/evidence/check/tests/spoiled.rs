//! Every way to spoil evidence: each is refused for its own reason.

use alloc::string::ToString;
use alloc::vec;

use super::super::*;
use super::press::{ASK, DECLARED_MS, OTHER, Press, RECORDER, THIRD, key, name};
use crate::{ClaimId, Nonce, Product, Standard, Tag};
use Fault as F;
use Place::{Pair, Round, Whole};

/// Good evidence, spoiled, is refused for this reason.
fn refused(what: &str, place: Place, fault: Fault, spoil: impl FnOnce(&Press, &mut Exhibit)) {
    let press = super::press();
    let mut spoiled = press.exhibit();
    spoil(&press, &mut spoiled);
    let flaw = check::<Standard>(&spoiled).expect_err(what);
    assert_eq!(flaw, Flaw { place, fault }, "{what}: {flaw}");
    assert!(flaw.to_string().len() > 20, "{flaw}");
}

#[test]
fn by_what_it_says_as_a_whole() {
    let good = super::press().exhibit();
    let swapped = id_of::<Standard>(&good.second.pairs[0].question, &good.second.pairs[0].answer);
    refused("no pair", Whole, F::NoPairs, |_, e| e.first.pairs.clear());
    refused("pairs without end", Whole, F::TooManyPairs, |_, e| {
        e.second.pairs = vec![e.second.pairs[0].clone(); EVIDENCE_PAIRS];
    });
    refused("no limit of seats", Round(2), F::Unlimited, |_, e| e.second.seats = 0);
    refused("another id", Whole, F::Id(good.id), |_, e| e.id.0[3] ^= 1);
    refused("the rounds swapped", Whole, F::Id(swapped), |_, e| {
        core::mem::swap(&mut e.first, &mut e.second);
    });
    refused("the rounds swapped, renamed", Round(2), F::RoundsOverlap, |_, e| {
        core::mem::swap(&mut e.first, &mut e.second);
        name(e);
    });
    refused("another claim", Pair(1, 1), F::QuestionClaim, |_, e| e.claim = ClaimId([9; 16]));
    let other = Product::new("other").unwrap();
    refused("another product", Pair(1, 1), F::QuestionProduct, |_, e| e.product = other);
    refused("another recorder", Pair(1, 1), F::Asker, |_, e| e.recorder = key(THIRD));
    refused("more seats", Round(1), F::NotOver { taken: 2, seats: 2 }, |_, e| e.first.seats = 2);
    refused("no clone", Whole, F::Class(Class::Clone), |_, e| e.class = Class::Clone);
    refused("no split brain", Whole, F::Class(Class::SplitBrain), |_, e| e.class = Class::SplitBrain);
    refused("a copy of itself", Whole, F::Class(Class::Copy), |p, e| {
        let asked = |sequence| {
            let mut d = p.datagram(RECORDER, sequence, ASK);
            d.instance.boot = BootId([77; 8]);
            d
        };
        let clone = p.datagram(RECORDER, 109, ASK);
        e.first.pairs = vec![p.exchange_of(&asked(5), &clone, 10)];
        e.second.pairs = vec![p.exchange_of(&asked(9), &clone, 90_020)];
        name(e);
    });
}

#[test]
fn by_a_datagram() {
    refused("no question", Pair(1, 1), F::QuestionUnreadable, |_, e| {
        e.first.pairs[0].question[0] = b'X';
        name(e);
    });
    refused("no answer", Pair(2, 1), F::AnswerUnreadable, |_, e| e.second.pairs[0].answer[4] = 9);
    refused("a forged question", Pair(2, 1), F::QuestionSignature, |_, e| {
        e.second.pairs[0].question[250] ^= 1
    });
    refused("a forged answer", Pair(2, 1), F::AnswerSignature, |_, e| e.second.pairs[0].answer[240] ^= 1);
    refused("a question signed by another", Pair(2, 1), F::QuestionSignature, |p, e| {
        e.second.pairs[0].question = p.seal(THIRD, &p.datagram(RECORDER, 9, ASK));
    });
    refused("a question by another", Pair(2, 1), F::Asker, |p, e| {
        e.second.pairs[0].question = p.seal(THIRD, &p.datagram(THIRD, 9, ASK));
    });
    refused("an answer signed by another", Pair(2, 1), F::AnswerSignature, |p, e| {
        let answer = Datagram::decode(&e.second.pairs[0].answer[..]).unwrap();
        e.second.pairs[0].answer = p.seal(THIRD, &answer);
    });
    refused("a goodbye asks", Pair(1, 1), F::QuestionKind, |p, e| p.asked(e, |q| q.kind = Kind::Goodbye));
    refused("an announcement answers", Pair(2, 1), F::AnswerKind, |p, e| {
        e.second.pairs[0].answer = p.seal(OTHER, &p.datagram(OTHER, 109, ASK));
    });
    let (claim, product) = (ClaimId([9; 16]), Product::new("other").unwrap());
    refused("asked of another claim", Pair(1, 1), F::QuestionClaim, |p, e| p.asked(e, |q| q.claim = claim));
    refused("answered of another claim", Pair(1, 1), F::AnswerClaim, |p, e| {
        p.answered(e, |a| a.claim = claim)
    });
    refused("asked of another product", Pair(1, 1), F::QuestionProduct, |p, e| {
        p.asked(e, |q| q.product = product);
    });
    refused("answered of another product", Pair(1, 1), F::AnswerProduct, |p, e| {
        p.answered(e, |a| a.product = product);
    });
    refused("the answers swapped", Pair(1, 1), F::AnotherQuestion, |_, e| {
        core::mem::swap(&mut e.first.pairs[0].answer, &mut e.second.pairs[0].answer);
        name(e);
    });
    refused("a fresh answer to nothing", Pair(2, 1), F::AnotherQuestion, |p, e| {
        let kind = Kind::Answer { answers: Tag([7; 16]), want: false };
        e.second.pairs[0].answer = p.seal(OTHER, &p.datagram(OTHER, 109, kind));
    });
    refused("it answers itself", Pair(1, 1), F::OwnAnswer, |p, e| {
        p.answered(e, |a| a.instance = p.datagram(RECORDER, 1, ASK).instance);
    });
    refused("another serial", Pair(2, 1), F::QuestionClaim, |_, e| {
        e.second.pairs[0] = Press::new("xsvr", "XSVR-2").exchange(OTHER, 9, 90_020);
    });
}

#[test]
fn by_the_order_of_times() {
    refused("answered before asked", Pair(1, 1), F::AnsweredBeforeAsked, |_, e| {
        e.first.pairs[0].asked_ms = e.first.pairs[0].answered_ms + 1;
    });
    refused("answered late", Pair(2, 1), F::AnsweredLate, |_, e| {
        e.second.pairs[0].answered_ms = e.second.pairs[0].asked_ms + 10_001;
    });
    refused("heard late", Pair(1, 1), F::HeardLate, |_, e| {
        e.first.pairs[0].heard_ms = e.first.pairs[0].answered_ms + 1;
    });
    refused("asked before it was heard", Round(1), F::NotOver { taken: 1, seats: 1 }, |_, e| {
        e.first.pairs[0].heard_ms = e.first.pairs[0].asked_ms + 1;
    });
    refused("one question, two times", Pair(1, 2), F::AskedTwice, |_, e| {
        let again = Exchange { asked_ms: DECLARED_MS + 11, ..e.first.pairs[0].clone() };
        e.first.pairs.push(again);
    });
    refused("an old nonce", Pair(2, 1), F::NonceAgain, |p, e| {
        let question = Datagram { nonce: Nonce([5; 16]), ..p.datagram(RECORDER, 9, ASK) };
        e.second.pairs[0] = p.exchange_of(&question, &p.datagram(OTHER, 109, ASK), 90_020);
    });
    refused("a sequence again", Pair(2, 1), F::Sequence, |p, e| {
        let question = Datagram { nonce: Nonce([6; 16]), ..p.datagram(RECORDER, 5, ASK) };
        e.second.pairs[0] = p.exchange_of(&question, &p.datagram(OTHER, 109, ASK), 90_020);
    });
    refused("a sequence that falls", Pair(1, 1), F::Sequence, |p, e| {
        e.second.pairs[0] = p.exchange(OTHER, 4, 90_020);
    });
    refused("rounds that overlap", Round(2), F::RoundsOverlap, |p, e| {
        e.second.pairs[0] = p.exchange(OTHER, 9, 10);
    });
    refused("somebody else the second time", Round(2), F::NothingInCommon, |p, e| {
        e.second.pairs[0] = p.exchange(THIRD, 9, 90_020);
    });
    refused("never there together", Round(1), F::NotOver { taken: 2, seats: 2 }, |p, e| {
        e.first.seats = 2;
        e.first.pairs.push(Exchange { heard_ms: DECLARED_MS + 500, ..p.exchange(THIRD, 6, 1000) });
    });
    refused("not over the second time", Round(2), F::NotOver { taken: 2, seats: 2 }, |p, e| {
        (e.first.seats, e.second.seats) = (2, 2);
        e.first.pairs.push(p.exchange(THIRD, 6, 10));
    });
}

/// Every bit of every signed byte, without trusting the table above.
#[test]
fn no_bit_of_a_datagram_can_be_changed() {
    let good = super::press().exhibit();
    for at in 0..304 {
        for spoil in [
            |e: &mut Exhibit, at: usize| e.first.pairs[0].question[at] ^= 1 << (at % 8),
            |e: &mut Exhibit, at: usize| e.second.pairs[0].question[at] ^= 1 << (at % 8),
            |e: &mut Exhibit, at: usize| e.first.pairs[0].answer[at] ^= 1 << (at % 8),
            |e: &mut Exhibit, at: usize| e.second.pairs[0].answer[at] ^= 1 << (at % 8),
        ] {
            let mut spoiled = good.clone();
            spoil(&mut spoiled, at);
            name(&mut spoiled);
            assert!(check::<Standard>(&spoiled).is_err(), "byte {at}");
        }
    }
}
