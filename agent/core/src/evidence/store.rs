//! The evidence that an engine keeps in memory, bounded.  That it outlasts the process is the agent's matter.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{Evidence, EvidencePair, Proof, id_of};
use crate::crypto::Crypto;
use crate::limits::EVIDENCE_PAIRS;
use crate::{ClaimId, Class, EvidenceId, Product};

/// All evidence kept: at most [`EVIDENCE_PAIRS`] pairs, oldest conflicts dropped first.
#[derive(Clone, Debug, Default)]
pub(crate) struct EvidenceStore {
    kept: VecDeque<Evidence>,
}

/// Adds a pair to those of a round, at most `bound` of them.
///
/// Of one instance the answer to the newest question is kept: it shows longest that the instance was alive.  But
/// the round's first pair stays as it is, since it names the evidence.
pub(crate) fn keep(pairs: &mut Vec<EvidencePair>, pair: EvidencePair, bound: usize) {
    // The network may bring an answer twice.
    if pairs.iter().any(|p| p.answer == pair.answer) {
        return;
    }
    let place = pairs.iter().skip(1).position(|p| p.instance == pair.instance).map(|place| place + 1);
    match place {
        Some(place) if pairs[place].asked_at <= pair.asked_at => pairs[place] = pair,
        None if pairs.len() < bound => pairs.push(pair),
        _ => {}
    }
}

impl EvidenceStore {
    /// Names and keeps a new evidence.
    ///
    /// Who stays when a conflict ends within its round may be part of the next one that the round proves.  A pair names
    /// one evidence only, or the second would be written over the first: such a pair goes last.
    pub(crate) fn open<C: Crypto>(
        &mut self,
        product: Product,
        claim: ClaimId,
        conflict_id: u64,
        class: Class,
        mut first: Proof<EvidencePair>,
    ) -> EvidenceId {
        let names_none = |p: &EvidencePair| self.find(id_of::<C>(&p.question, &p.answer)).is_none();
        if let Some(free) = first.pairs.iter().position(names_none) {
            first.pairs.rotate_left(free);
        }
        let id = first.pairs.first().map_or_else(EvidenceId::default, |p| id_of::<C>(&p.question, &p.answer));
        self.kept.push_back(Evidence {
            id,
            product,
            claim,
            conflict_id,
            class,
            first,
            second: Proof::default(),
        });
        self.trim();
        id
    }

    /// Adds a pair to the first or second round of the newest evidence of this name, at most `bound` to each.  What
    /// proved the round stays: who answers again may do so in another role.
    pub(crate) fn add(&mut self, id: EvidenceId, second: bool, pair: EvidencePair, bound: usize) {
        if let Some(evidence) = self.kept.iter_mut().rev().find(|e| e.id == id) {
            let round = if second { &mut evidence.second } else { &mut evidence.first };
            if round.pairs.len() < bound && round.pairs.iter().all(|p| p.instance != pair.instance) {
                round.pairs.push(pair);
            }
            self.trim();
        }
    }

    /// Replaces the second round.
    pub(crate) fn confirm(&mut self, id: EvidenceId, class: Class, second: Proof<EvidencePair>) {
        if let Some(evidence) = self.kept.iter_mut().rev().find(|e| e.id == id) {
            (evidence.class, evidence.second) = (class, second);
            self.trim();
        }
    }

    fn trim(&mut self) {
        let pairs = |e: &Evidence| e.first.pairs.len() + e.second.pairs.len();
        let mut total: usize = self.kept.iter().map(pairs).sum();
        while total > EVIDENCE_PAIRS && self.kept.len() > 1 {
            total -= self.kept.pop_front().map_or(0, |e| pairs(&e));
        }
    }

    pub(crate) fn find(&self, id: EvidenceId) -> Option<&Evidence> {
        self.kept.iter().rev().find(|e| e.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BootId, Installation, Instance, Mono, Standard};
    use alloc::boxed::Box;
    use alloc::vec;
    use core::net::SocketAddr;

    /// The `n`th pair, of instance `who`.
    fn pair_of(who: u8, n: usize) -> EvidencePair {
        let bytes = u16::try_from(n).unwrap().to_be_bytes();
        let mut question = Box::new([0; 320]);
        question[..2].copy_from_slice(&bytes);
        EvidencePair {
            instance: Instance { installation: Installation([who; 32]), boot: BootId([1; 8]) },
            answer: question.clone(),
            question,
            heard_at: Mono(0),
            asked_at: Mono(n as u64),
            answered_at: Mono(n as u64 + 1),
            answered_ms: 0,
            from: SocketAddr::new(core::net::Ipv4Addr::LOCALHOST.into(), 626),
            interface: 1,
        }
    }

    fn pair(n: usize) -> EvidencePair {
        pair_of(1, n)
    }

    fn proof(pairs: Vec<EvidencePair>) -> Proof<EvidencePair> {
        Proof { pairs, ..Proof::default() }
    }

    #[test]
    fn the_oldest_conflicts_go_first() {
        let mut store = EvidenceStore::default();
        let product = Product::new("xsvr").unwrap();
        let ids: Vec<EvidenceId> = (0..EVIDENCE_PAIRS)
            .map(|n| {
                store.open::<Standard>(
                    product,
                    ClaimId::default(),
                    n as u64,
                    Class::Copy,
                    proof(vec![pair(n)]),
                )
            })
            .collect();
        assert!(ids.iter().all(|id| store.find(*id).is_some()), "all of them fit");
        store.confirm(ids[EVIDENCE_PAIRS - 1], Class::Copy, proof(vec![pair(0), pair(1)]));
        let gone = ids.iter().position(|id| store.find(*id).is_some());
        assert_eq!(gone, Some(2), "two pairs more, the two oldest less");
        store.add(ids[EVIDENCE_PAIRS - 1], false, pair(2), 16);
        assert_eq!(ids.iter().position(|id| store.find(*id).is_some()), Some(2), "it answered before");
        store.add(ids[EVIDENCE_PAIRS - 1], false, pair_of(2, 2), 16);
        assert_eq!(ids.iter().position(|id| store.find(*id).is_some()), Some(3));
    }

    #[test]
    fn a_pair_names_one_evidence() {
        let mut store = EvidenceStore::default();
        let product = Product::new("xsvr").unwrap();
        let mut open = |conflict, pairs| {
            store.open::<Standard>(product, ClaimId::default(), conflict, Class::Copy, proof(pairs))
        };
        let first = open(1, vec![pair(0), pair(1)]);
        let second = open(2, vec![pair(0), pair(2)]);
        assert_ne!(first, second);
        assert_eq!(store.find(first).map(|e| (e.conflict_id, e.first.pairs.len())), Some((1, 2)));
        assert_eq!(store.find(second).map(|e| (e.conflict_id, e.first.pairs.len())), Some((2, 2)));
    }

    #[test]
    fn who_answers_often_takes_nobodys_place() {
        let mut pairs = Vec::new();
        let kept = |pairs: &[EvidencePair]| -> Vec<(u8, u64)> {
            pairs.iter().map(|p| (p.instance.installation.0[0], p.asked_at.0)).collect()
        };
        for n in [0, 1, 2, 9, 3, 9] {
            keep(&mut pairs, pair_of(1, n), 3);
        }
        assert_eq!(kept(&pairs), [(1, 0), (1, 9)], "the first, and the answer to the newest question");
        keep(&mut pairs, pair_of(2, 4), 3);
        keep(&mut pairs, pair_of(3, 5), 3);
        assert_eq!(kept(&pairs), [(1, 0), (1, 9), (2, 4)], "full");
        keep(&mut pairs, pair_of(2, 6), 3);
        assert_eq!(kept(&pairs), [(1, 0), (1, 9), (2, 6)]);
    }
}
