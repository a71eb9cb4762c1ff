//! Makes evidence: datagrams of any installation, signed properly or not.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use super::super::*;
use crate::keys::Serial;
use crate::wire::seal;
use crate::{EvidenceId, Installation, Nonce, Product, Standard};

pub const DECLARED_MS: u64 = 1_800_000_000_000;
/// The recorder's, and those of two other installations.
pub const RECORDER: u8 = 1;
pub const OTHER: u8 = 2;
pub const THIRD: u8 = 3;
pub const ASK: Kind = Kind::Announce { probe: false, want: true };

/// Makes datagrams of any installation that knows the serial.
pub struct Press {
    pub keys: ClaimKeys,
}

impl Press {
    pub fn new(product: &str, serial: &str) -> Press {
        let (product, serial) = (Product::new(product).unwrap(), Serial::new(serial).unwrap());
        Press { keys: ClaimKeys::derive::<Standard>(&product, &serial) }
    }

    pub fn datagram(&self, seed: u8, sequence: u64, kind: Kind) -> Datagram {
        Datagram {
            kind,
            standby: false,
            interval_s: 300,
            claim: self.keys.id(),
            instance: Instance { installation: key(seed), boot: BootId([seed; 8]) },
            sequence,
            sent_ms: DECLARED_MS,
            since_ms: 0,
            nonce: Nonce([u8::try_from(sequence).unwrap(); 16]),
            seats: 1,
            version: 1,
            runs: 1,
            product: Product::new("xsvr").unwrap(),
            host: HostName::new("host"),
            group: GroupDigest::NONE,
        }
    }

    pub fn seal(&self, seed: u8, datagram: &Datagram) -> Box<[u8; 320]> {
        Box::new(seal::<Standard>(datagram, &Standard::signer(&[seed; 32]), &self.keys))
    }

    /// A question of the recorder, asked `asked_ms` after the beginning, and `who`'s answer a millisecond later.
    pub fn exchange(&self, who: u8, sequence: u64, asked_ms: u64) -> Exchange {
        let question = self.datagram(RECORDER, sequence, ASK);
        self.exchange_of(&question, &self.datagram(who, sequence + 100, ASK), asked_ms)
    }

    /// The same with a question and an answer like these; whom the answer answers is filled in.
    pub fn exchange_of(&self, question: &Datagram, answer: &Datagram, asked_ms: u64) -> Exchange {
        let question = self.seal(RECORDER, question);
        let answers = crypto::tag::<Standard>(&question);
        let answer = Datagram { kind: Kind::Answer { answers, want: false }, ..*answer };
        let seed = answer.instance.boot.0[0];
        Exchange {
            answer: self.seal(seed, &answer),
            question,
            heard_ms: DECLARED_MS,
            asked_ms: DECLARED_MS + asked_ms,
            answered_ms: DECLARED_MS + asked_ms + 1,
            from: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 626),
            interface: String::new(),
        }
    }

    /// The recorder and one other, proved twice, 90 s apart.
    pub fn exhibit(&self) -> Exhibit {
        self.exhibit_of(vec![self.exchange(OTHER, 5, 10)], vec![self.exchange(OTHER, 9, 90_020)])
    }

    pub fn exhibit_of(&self, first: Vec<Exchange>, second: Vec<Exchange>) -> Exhibit {
        let mut exhibit = Exhibit {
            id: EvidenceId::default(),
            product: Product::new("xsvr").unwrap(),
            claim: self.keys.id(),
            recorder: key(RECORDER),
            class: Class::Copy,
            first: Proof { seats: 1, standbys: 0, pairs: first },
            second: Proof { seats: 1, standbys: 0, pairs: second },
        };
        name(&mut exhibit);
        exhibit
    }

    /// Spoils the first question of the first round before it is signed, and has it answered properly.
    pub fn asked(&self, e: &mut Exhibit, spoil: impl FnOnce(&mut Datagram)) {
        let mut question = self.datagram(RECORDER, 5, ASK);
        spoil(&mut question);
        let answer = self.datagram(OTHER, 105, ASK);
        e.first.pairs[0] = self.exchange_of(&question, &answer, 10);
        name(e);
    }

    /// Spoils the answer to it before it is signed.
    pub fn answered(&self, e: &mut Exhibit, spoil: impl FnOnce(&mut Datagram)) {
        let question = self.datagram(RECORDER, 5, ASK);
        let mut answer = self.datagram(OTHER, 105, ASK);
        spoil(&mut answer);
        e.first.pairs[0] = self.exchange_of(&question, &answer, 10);
        name(e);
    }
}

pub fn key(seed: u8) -> Installation {
    Standard::installation(&Standard::signer(&[seed; 32]))
}

/// Gives it the name that its first pair makes: whoever forges evidence can do that.
pub fn name(e: &mut Exhibit) {
    e.id = id_of::<Standard>(&e.first.pairs[0].question, &e.first.pairs[0].answer);
}
