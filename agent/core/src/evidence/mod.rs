//! Evidence: the datagram asked and the datagram answered, for both rounds.  All are signed, so anyone can
//! check offline that this installation answered that question for that claim.
//!
//! This file owns what evidence is: as an engine collects it ([`Evidence`]), and as its recorder hands it to a third
//! party ([`Exhibit`]).  `store` keeps it in memory; [`check`] judges it without engine, clock and serial.

mod check;
mod flaw;
mod store;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::crypto::{self, Crypto};
use crate::{ClaimId, Class, EvidenceId, Installation, Instance, Mono, Product};

pub use check::{Answerer, Findings, Round, check, check_serial};
pub use flaw::{Fault, Flaw, Place};
pub(crate) use store::{EvidenceStore, keep};

/// One question of mine and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidencePair {
    /// Who answered.
    pub instance: Instance,
    /// The 320 bytes asked.
    pub question: Box<[u8; 320]>,
    /// The 320 bytes answered; they name the question by its tag.
    pub answer: Box<[u8; 320]>,
    /// When that instance was first heard, `CLOCK_BOOTTIME`: what was asked later shows that it was alive all the while.
    pub heard_at: Mono,
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

/// A round that proved over-subscription, and the terms of the recorder's license that it exceeded then: they may
/// change while the conflict goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof<P> {
    /// How many instances might hold the claim at once.
    pub seats: u16,
    /// How many STANDBY holders of a group took no seat.
    pub standbys: u16,
    /// Its questions and their answers.
    pub pairs: Vec<P>,
}

impl<P> Default for Proof<P> {
    fn default() -> Proof<P> {
        Proof { seats: 0, standbys: 0, pairs: Vec::new() }
    }
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
    /// What kind it was when its newest round proved it.
    pub class: Class,
    /// The round that proved the conflict.
    pub first: Proof<EvidencePair>,
    /// The newest round that proved it again with an installation in common; without pairs until there is one.
    pub second: Proof<EvidencePair>,
}

impl Evidence {
    /// What its recorder hands to a third party.  `told` says a time in Unix ms by one clock that does not jump, and
    /// `name` an interface for people.
    #[must_use]
    pub fn exhibit(
        &self,
        recorder: Installation,
        told: impl Fn(Mono) -> u64,
        name: impl Fn(u32) -> String,
    ) -> Exhibit {
        let exchange = |p: &EvidencePair| Exchange {
            question: p.question.clone(),
            answer: p.answer.clone(),
            heard_ms: told(p.heard_at),
            asked_ms: told(p.asked_at),
            answered_ms: told(p.answered_at),
            from: p.from,
            interface: name(p.interface),
        };
        let proof = |p: &Proof<EvidencePair>| Proof {
            seats: p.seats,
            standbys: p.standbys,
            pairs: p.pairs.iter().map(exchange).collect(),
        };
        Exhibit {
            id: self.id,
            product: self.product,
            claim: self.claim,
            recorder,
            class: self.class,
            first: proof(&self.first),
            second: proof(&self.second),
        }
    }
}

/// One question and its answer, as a recorder hands them out.  All times are Unix ms on one clock of the recorder that
/// does not jump, and only its word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The 320 bytes asked.
    pub question: Box<[u8; 320]>,
    /// The 320 bytes answered.
    pub answer: Box<[u8; 320]>,
    /// When the recorder first heard the instance that answered.
    pub heard_ms: u64,
    /// When it asked.
    pub asked_ms: u64,
    /// When the answer came.
    pub answered_ms: u64,
    /// From which address; only the recorder's word.
    pub from: SocketAddr,
    /// On which interface; only the recorder's word.
    pub interface: String,
}

/// The evidence of one conflict as its recorder hands it to a third party, who trusts none of it before [`check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// Its name: first 16 bytes of BLAKE3 over the first question and its answer.
    pub id: EvidenceId,
    /// Of which product.
    pub product: Product,
    /// Of which claim.
    pub claim: ClaimId,
    /// Who asked, and kept this.
    pub recorder: Installation,
    /// What kind of over-subscription it is said to be.
    pub class: Class,
    /// The round that proved the conflict.  Its license's terms are only the recorder's word.
    pub first: Proof<Exchange>,
    /// The newest round that proved it again; without pairs if there is none.
    pub second: Proof<Exchange>,
}

/// The name of the evidence that begins with this pair.
fn id_of<C: Crypto>(question: &[u8; 320], answer: &[u8; 320]) -> EvidenceId {
    EvidenceId(crypto::first(&C::hash(&[question, answer])))
}
