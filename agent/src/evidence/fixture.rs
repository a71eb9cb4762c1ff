//! A case as an agent records it, for the tests: `buero` and `alpha` share a serial, proved twice, 90 s apart.

use std::sync::OnceLock;

use serialnumberd_core::evidence::{Exchange, Exhibit, Proof};
use serialnumberd_core::wire::{Datagram, HostName, Kind, seal};
use serialnumberd_core::{
    BootId, ClaimKeys, Class, Coverage, Crypto, EvidenceId, GroupDigest, Instance, Nonce, Product, Serial,
    Stage, Standard, crypto,
};

use super::Case;
use super::file::Signer;

/// When it was declared.
pub(crate) const DECLARED_MS: u64 = 1_795_445_463_000;

pub(crate) fn keys() -> ClaimKeys {
    static KEYS: OnceLock<ClaimKeys> = OnceLock::new();
    let derive = || ClaimKeys::derive::<Standard>(&product(), &Serial::new("XSVR-123-456").unwrap());
    KEYS.get_or_init(derive).clone()
}

fn product() -> Product {
    Product::new("xsvr").unwrap()
}

/// The secret key of an installation: 1 records, 2 answers, others are nobody's.
pub(crate) fn signer(seed: u8) -> Signer {
    Standard::signer(&[seed; 32])
}

fn datagram(seed: u8, boot: u8, host: &str, sequence: u64, kind: Kind) -> [u8; 320] {
    let datagram = Datagram {
        kind,
        standby: false,
        interval_s: 300,
        claim: keys().id(),
        instance: Instance { installation: Standard::installation(&signer(seed)), boot: BootId([boot; 8]) },
        sequence,
        sent_ms: DECLARED_MS + sequence,
        since_ms: 0,
        nonce: Nonce([u8::try_from(sequence).unwrap(); 16]),
        seats: 1,
        version: 1,
        runs: 14,
        product: product(),
        host: HostName::new(host),
        group: GroupDigest::NONE,
    };
    seal::<Standard>(&datagram, &signer(seed), &keys())
}

/// Asked so much after (or before) the conflict was declared, and answered 12 ms later.
fn exchange((seed, boot): (u8, u8), host: &str, sequence: u64, asked_ms: u64) -> Exchange {
    let question = datagram(1, 1, "buero", sequence, Kind::Announce { probe: false, want: true });
    let answers = crypto::tag::<Standard>(&question);
    Exchange {
        answer: Box::new(datagram(seed, boot, host, sequence + 100, Kind::Answer { answers, want: false })),
        question: Box::new(question),
        heard_ms: DECLARED_MS - 20,
        asked_ms: DECLARED_MS - 12 + asked_ms,
        answered_ms: DECLARED_MS + asked_ms,
        from: "192.0.2.7:626".parse().unwrap(),
        interface: "eth0".to_owned(),
    }
}

/// A case; another `number` is another conflict, and another evidence.
pub(crate) fn case_of(number: u8) -> Case {
    between(number, (2, 2), "alpha")
}

/// The same with a second machine that bears the recorder's own key.
pub(crate) fn clone() -> Case {
    let mut case = between(1, (1, 7), "buero");
    case.exhibit.class = Class::Clone;
    case
}

fn between(number: u8, other: (u8, u8), host: &str) -> Case {
    let sequence = 2 * u64::from(number % 60) + 1;
    let first = vec![exchange(other, host, sequence, 0)];
    let id = crypto::first(&Standard::hash(&[&first[0].question[..], &first[0].answer[..]]));
    Case {
        exhibit: Exhibit {
            id: EvidenceId(id),
            product: product(),
            claim: keys().id(),
            recorder: Standard::installation(&signer(1)),
            class: Class::Copy,
            first: Proof { seats: 1, standbys: 0, pairs: first },
            second: Proof { seats: 1, standbys: 0, pairs: vec![exchange(other, host, sequence + 1, 90_500)] },
        },
        conflict: u64::from(number),
        stage: Stage::Duplicate,
        coverage: Coverage::Good,
        declared_ms: DECLARED_MS,
        ended: None,
        host: "buero".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

pub(crate) fn case() -> Case {
    case_of(1)
}
