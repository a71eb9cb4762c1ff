//! Judges an [`Exhibit`]: what a third party can conclude from it without engine, clock and serial.
//!
//! The answers are the accused's, who may say in them what he likes.  So nothing is asked of an answer that the
//! engine did not ask of it, too: his nonces, sequences and clock could spoil the evidence against him.  The questions
//! and the times are the recorder's, and must fit each other.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Exchange, Exhibit, Fault, Flaw, Place, Proof, id_of};
use crate::crypto::{self, Crypto};
use crate::keys::ClaimKeys;
use crate::limits::{EVIDENCE_PAIRS, LIVE_FOR};
use crate::wire::{Datagram, Header, HostName, Kind, verify_mac, verify_signature};
use crate::{BootId, Class, GroupDigest, Instance};

/// Who is shown to have held the claim together with the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answerer {
    /// Which run of which installation.
    pub instance: Instance,
    /// The host name that it states.
    pub host: HostName,
    /// It states to wait as a STANDBY of a fail-over group.
    pub standby: bool,
}

/// What one round shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The largest set that was alive together with the recorder; one entry an instance.
    pub together: Vec<Answerer>,
    /// The seats of the recorder's license then; only its word.
    pub seats: u16,
    /// The seats that they and the recorder take.
    pub taken: usize,
    /// When the first question was asked, Unix ms.
    pub asked_ms: u64,
    /// When the last answer came, Unix ms.
    pub answered_ms: u64,
}

/// What the evidence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// One or two rounds.
    pub rounds: Vec<Round>,
    /// The recorder's host name, as its questions state it.
    pub host: HostName,
    /// Some of those who answered bear the recorder's own key.  That they were other machines is then only its
    /// word: whoever has that key could have signed both.
    pub own_key: bool,
}

/// A pair whose datagrams are genuine.
struct Genuine<'a> {
    place: Place,
    exchange: &'a Exchange,
    question: Datagram,
    answer: Datagram,
}

/// Checks that both datagrams of every pair are signed, fresh and about this claim, that the times are in order, and
/// that the holders shown exceed the seats in every round.
///
/// # Errors
/// The first flaw found.
pub fn check<C: Crypto>(exhibit: &Exhibit) -> Result<Findings, Flaw> {
    let whole = |fault| Err(Flaw { place: Place::Whole, fault });
    let Some(first) = exhibit.first.pairs.first() else { return whole(Fault::NoPairs) };
    if exhibit.first.pairs.len() + exhibit.second.pairs.len() > EVIDENCE_PAIRS {
        return whole(Fault::TooManyPairs);
    }
    let derived = id_of::<C>(&first.question, &first.answer);
    if derived != exhibit.id {
        return whole(Fault::Id(derived));
    }
    let proofs = || [&exhibit.first, &exhibit.second].into_iter().filter(|p| !p.pairs.is_empty()).enumerate();
    let rounds = proofs().map(|(n, proof)| genuine_round::<C>(exhibit, n + 1, &proof.pairs));
    let rounds = rounds.collect::<Result<Vec<_>, _>>()?;
    check_questions(rounds.iter().flatten())?;
    if let [first, second] = rounds.as_slice() {
        check_succession(first, second)?;
    }
    let newest = rounds.last().map_or(&[][..], Vec::as_slice);
    if !shows_class(exhibit, newest) {
        return whole(Fault::Class(exhibit.class));
    }
    let judged = proofs().zip(&rounds).map(|((n, proof), round)| judge(proof, n + 1, round));
    let own = |g: &Genuine<'_>| g.answer.instance.installation == exhibit.recorder;
    Ok(Findings {
        own_key: newest.iter().any(own),
        host: newest.last().map(|g| g.question.host).unwrap_or_default(),
        rounds: judged.collect::<Result<_, _>>()?,
    })
}

/// With the serial: that the claim is that of `keys`, and every datagram was made by somebody who knows it.  Those that
/// name a fail-over group must name `group`, if one is given; says how many do.
///
/// # Errors
/// The first flaw found.
pub fn check_serial<C: Crypto>(
    exhibit: &Exhibit,
    keys: &ClaimKeys,
    group: Option<&str>,
) -> Result<usize, Flaw> {
    if keys.id() != exhibit.claim {
        return Err(Flaw { place: Place::Whole, fault: Fault::Serial });
    }
    let group = group.map(|name| keys.group::<C>(name));
    let mut named = 0;
    for (number, proof) in [&exhibit.first, &exhibit.second].into_iter().enumerate() {
        for (n, exchange) in proof.pairs.iter().enumerate() {
            let place = Place::Pair(number + 1, n + 1);
            for (bytes, unreadable, forged, foreign) in [
                (&exchange.question, Fault::QuestionUnreadable, Fault::QuestionMac, Fault::QuestionGroup),
                (&exchange.answer, Fault::AnswerUnreadable, Fault::AnswerMac, Fault::AnswerGroup),
            ] {
                let (header, datagram) = read(&bytes[..]).ok_or(Flaw { place, fault: unreadable })?;
                if !verify_mac::<C>(&header, keys) {
                    return Err(Flaw { place, fault: forged });
                }
                let names_one = datagram.group != GroupDigest::NONE;
                if names_one && group.is_some_and(|g| g != datagram.group) {
                    return Err(Flaw { place, fault: foreign });
                }
                named += usize::from(names_one);
            }
        }
    }
    Ok(named)
}

fn read(bytes: &[u8]) -> Option<(Header<'_>, Datagram)> {
    Some((Header::peek(bytes).ok()?, Datagram::decode(bytes).ok()?))
}

fn genuine_round<'a, C: Crypto>(
    exhibit: &Exhibit,
    number: usize,
    pairs: &'a [Exchange],
) -> Result<Vec<Genuine<'a>>, Flaw> {
    let pair = |(n, exchange)| genuine::<C>(exhibit, Place::Pair(number, n + 1), exchange);
    pairs.iter().enumerate().map(pair).collect()
}

fn genuine<'a, C: Crypto>(
    exhibit: &Exhibit,
    place: Place,
    exchange: &'a Exchange,
) -> Result<Genuine<'a>, Flaw> {
    let flaw = |fault| Flaw { place, fault };
    let (asked, question) = read(&exchange.question[..]).ok_or(flaw(Fault::QuestionUnreadable))?;
    let (answered, answer) = read(&exchange.answer[..]).ok_or(flaw(Fault::AnswerUnreadable))?;
    let answers = match answer.kind {
        Kind::Answer { answers, .. } => Some(answers),
        _ => None,
    };
    let Exchange { heard_ms, asked_ms, answered_ms, .. } = *exchange;
    let live_ms = u64::try_from(LIVE_FOR.as_millis()).unwrap_or(u64::MAX);
    // A question need not be WANT: any datagram of mine that somebody answers shows that he is there.
    for (holds, fault) in [
        (verify_signature::<C>(&asked), Fault::QuestionSignature),
        (verify_signature::<C>(&answered), Fault::AnswerSignature),
        (question.instance.installation == exhibit.recorder, Fault::Asker),
        (question.kind != Kind::Goodbye, Fault::QuestionKind),
        (answers.is_some(), Fault::AnswerKind),
        (question.claim == exhibit.claim, Fault::QuestionClaim),
        (answer.claim == exhibit.claim, Fault::AnswerClaim),
        (question.product == exhibit.product, Fault::QuestionProduct),
        (answer.product == exhibit.product, Fault::AnswerProduct),
        (answers == Some(crypto::tag::<C>(&exchange.question)), Fault::AnotherQuestion),
        (answer.instance != question.instance, Fault::OwnAnswer),
        (asked_ms <= answered_ms, Fault::AnsweredBeforeAsked),
        (answered_ms.saturating_sub(asked_ms) <= live_ms, Fault::AnsweredLate),
        (heard_ms <= answered_ms, Fault::HeardLate),
    ] {
        if !holds {
            return Err(flaw(fault));
        }
    }
    Ok(Genuine { place, exchange, question, answer })
}

/// The recorder's questions among each other: one time each, a nonce of its own, and sequences in the order of times.
fn check_questions<'a>(all: impl Iterator<Item = &'a Genuine<'a>>) -> Result<(), Flaw> {
    let mut asked: BTreeMap<&[u8; 320], u64> = BTreeMap::new();
    let mut nonces = BTreeSet::new();
    let mut in_order: BTreeMap<(BootId, u64), &Genuine<'_>> = BTreeMap::new();
    for g in all {
        let flaw = |fault| Err(Flaw { place: g.place, fault });
        let at = g.exchange.asked_ms;
        // By broadcast one question is asked of many.
        match asked.insert(&g.exchange.question, at) {
            Some(before) if before == at => continue,
            Some(_) => return flaw(Fault::AskedTwice),
            None => {}
        }
        if !nonces.insert(g.question.nonce.0) {
            return flaw(Fault::NonceAgain);
        }
        if in_order.insert((g.question.instance.boot, g.question.sequence), g).is_some() {
            return flaw(Fault::Sequence);
        }
    }
    let neighbors = in_order.iter().zip(in_order.iter().skip(1));
    for (((boot, _), earlier), ((next_boot, _), later)) in neighbors {
        if boot == next_boot && earlier.exchange.asked_ms > later.exchange.asked_ms {
            return Err(Flaw { place: later.place, fault: Fault::Sequence });
        }
    }
    Ok(())
}

/// The second round comes after the first, and proves one of the same installations again.
fn check_succession(first: &[Genuine<'_>], second: &[Genuine<'_>]) -> Result<(), Flaw> {
    let flaw = |fault| Err(Flaw { place: Place::Round(2), fault });
    let over = first.iter().map(|g| g.exchange.answered_ms).max();
    if second.iter().map(|g| g.exchange.asked_ms).min() < over {
        return flaw(Fault::RoundsOverlap);
    }
    let proved: BTreeSet<_> = first.iter().map(|g| g.answer.instance.installation).collect();
    if second.iter().any(|g| proved.contains(&g.answer.instance.installation)) {
        Ok(())
    } else {
        flaw(Fault::NothingInCommon)
    }
}

/// Whether the newest round has what the class needs at the least.  Not more is asked: who left since then is still
/// in it, and no longer counts.
fn shows_class(exhibit: &Exhibit, newest: &[Genuine<'_>]) -> bool {
    let mut of_others = newest.iter().map(|g| &g.answer);
    match exhibit.class {
        Class::Copy => of_others.any(|a| a.instance.installation != exhibit.recorder),
        Class::SplitBrain => of_others.any(|a| !a.standby && a.group != GroupDigest::NONE),
        Class::Clone => {
            let instances: BTreeSet<_> = of_others.map(|a| a.instance).collect();
            let mut keys = BTreeSet::from([exhibit.recorder]);
            instances.iter().any(|i| !keys.insert(i.installation))
        }
    }
}

/// The deepest overlap of lives in a round, and whether it exceeds the seats.
///
/// Each pair is an interval, from when its instance was first heard to when the question that it answered was asked:
/// who was heard before a question, and answered that or a later one, was alive when it was asked.
fn judge(proof: &Proof<Exchange>, number: usize, round: &[Genuine<'_>]) -> Result<Round, Flaw> {
    let flaw = |fault| Err(Flaw { place: Place::Round(number), fault });
    if proof.seats == 0 {
        return flaw(Fault::Unlimited);
    }
    let standby = |d: &Datagram| d.standby && d.group != GroupDigest::NONE;
    let me = round.iter().max_by_key(|g| g.exchange.asked_ms).is_some_and(|g| standby(&g.question));
    let mut best = Round {
        together: Vec::new(),
        seats: proof.seats,
        taken: 0,
        asked_ms: round.iter().map(|g| g.exchange.asked_ms).min().unwrap_or(0),
        answered_ms: round.iter().map(|g| g.exchange.answered_ms).max().unwrap_or(0),
    };
    let ends: BTreeSet<u64> = round.iter().map(|g| g.exchange.asked_ms).collect();
    for at in ends {
        let mut alive: BTreeMap<Instance, &Genuine<'_>> = BTreeMap::new();
        for g in round.iter().filter(|g| (g.exchange.heard_ms..=g.exchange.asked_ms).contains(&at)) {
            let newest = alive.entry(g.answer.instance).or_insert(g);
            if newest.exchange.asked_ms <= g.exchange.asked_ms {
                *newest = g;
            }
        }
        let waiting = usize::from(me) + alive.values().filter(|g| standby(&g.answer)).count();
        let taken = alive.len() + 1 - waiting + waiting.saturating_sub(usize::from(proof.standbys));
        if taken > best.taken {
            best.taken = taken;
            best.together = alive.values().map(|g| answerer(&g.answer, standby(&g.answer))).collect();
        }
    }
    if best.taken > usize::from(proof.seats) {
        return Ok(best);
    }
    flaw(Fault::NotOver { taken: best.taken, seats: proof.seats })
}

fn answerer(d: &Datagram, standby: bool) -> Answerer {
    Answerer { instance: d.instance, host: d.host, standby }
}

#[cfg(test)]
mod tests;
