//! Evidence: the datagram asked and the datagram answered, for both rounds.  All are signed, so anyone can
//! check offline that this installation answered that question for that claim.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::crypto::{self, Crypto};
use crate::limits::EVIDENCE_PAIRS;
use crate::{ClaimId, EvidenceId, Instance, Mono, Product};

/// One question of mine and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidencePair {
    /// Who answered.
    pub instance: Instance,
    /// The 320 bytes asked.
    pub question: Box<[u8; 320]>,
    /// The 320 bytes answered; they name the question by its tag.
    pub answer: Box<[u8; 320]>,
    /// When it was asked, `CLOCK_BOOTTIME`.
    pub asked_at: Mono,
    /// When the answer came, `CLOCK_BOOTTIME`.
    pub answered_at: Mono,
    /// When the answer came, Unix ms of my clock.
    pub answered_ms: u64,
    /// From which address.
    pub from: SocketAddr,
    /// On which interface.
    pub interface: u32,
}

/// What one conflict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its name.
    pub id: EvidenceId,
    /// Of which product.
    pub product: Product,
    /// Of which claim.
    pub claim: ClaimId,
    /// Of which conflict.
    pub conflict_id: u64,
    /// The round that proved the conflict.
    pub first: Vec<EvidencePair>,
    /// The newest round that proved it again; empty until there is one.
    pub second: Vec<EvidencePair>,
}

/// All evidence kept: at most [`EVIDENCE_PAIRS`] pairs, oldest conflicts dropped first.
#[derive(Debug, Default)]
pub(crate) struct EvidenceStore {
    kept: VecDeque<Evidence>,
}

impl EvidenceStore {
    /// Names and keeps a new evidence.
    pub(crate) fn open<C: Crypto>(
        &mut self,
        product: Product,
        claim: ClaimId,
        conflict_id: u64,
        first: Vec<EvidencePair>,
    ) -> EvidenceId {
        let pair = first.first().map_or([&[][..], &[][..]], |p| [&p.question[..], &p.answer[..]]);
        let id = EvidenceId(crypto::first(&C::hash(&pair)));
        self.kept.push_back(Evidence { id, product, claim, conflict_id, first, second: Vec::new() });
        self.trim();
        id
    }

    /// Adds a pair to the first or second round of the newest evidence of this name.
    pub(crate) fn add(&mut self, id: EvidenceId, second: bool, pair: EvidencePair) {
        if let Some(evidence) = self.kept.iter_mut().rev().find(|e| e.id == id) {
            if second {
                evidence.second.push(pair)
            } else {
                evidence.first.push(pair)
            }
            self.trim();
        }
    }

    /// Replaces the second round.
    pub(crate) fn confirm(&mut self, id: EvidenceId, pairs: Vec<EvidencePair>) {
        if let Some(evidence) = self.kept.iter_mut().rev().find(|e| e.id == id) {
            evidence.second = pairs;
            self.trim();
        }
    }

    /// The pairs of the newest evidence of this name that were asked since `opened` and answered by one of `who`.
    pub(crate) fn since(
        &self,
        id: EvidenceId,
        opened: Mono,
        who: impl Fn(&Instance) -> bool,
    ) -> Vec<EvidencePair> {
        let pairs = self.find(id).into_iter().flat_map(|e| e.first.iter().chain(&e.second));
        pairs.filter(|pair| pair.asked_at >= opened && who(&pair.instance)).cloned().collect()
    }

    fn trim(&mut self) {
        let pairs = |e: &Evidence| e.first.len() + e.second.len();
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
    use crate::{BootId, Installation, Standard};
    use alloc::vec;

    #[test]
    fn the_oldest_conflicts_go_first() {
        let pair = |n: usize| {
            let n = u16::try_from(n).unwrap().to_be_bytes();
            let mut question = Box::new([0; 320]);
            question[..2].copy_from_slice(&n);
            EvidencePair {
                instance: Instance { installation: Installation([1; 32]), boot: BootId([1; 8]) },
                question,
                answer: Box::new([0; 320]),
                asked_at: Mono(0),
                answered_at: Mono(1),
                answered_ms: 0,
                from: SocketAddr::new(core::net::Ipv4Addr::LOCALHOST.into(), 626),
                interface: 1,
            }
        };
        let mut store = EvidenceStore::default();
        let product = Product::new("xsvr").unwrap();
        let ids: Vec<EvidenceId> = (0..EVIDENCE_PAIRS)
            .map(|n| store.open::<Standard>(product, ClaimId::default(), n as u64, vec![pair(n)]))
            .collect();
        assert!(ids.iter().all(|id| store.find(*id).is_some()), "all of them fit");
        store.confirm(ids[EVIDENCE_PAIRS - 1], vec![pair(0), pair(1)]);
        let gone = ids.iter().position(|id| store.find(*id).is_some());
        assert_eq!(gone, Some(2), "two pairs more, the two oldest less");
        store.add(ids[EVIDENCE_PAIRS - 1], false, pair(2));
        assert_eq!(ids.iter().position(|id| store.find(*id).is_some()), Some(3));
    }
}
