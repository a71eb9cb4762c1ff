//! License holders who do not keep to the protocol: the one who never answers, the one who answers
//! falsely, the one who speaks under another's key.

use fastrand::Rng;
use serialnumberd_core::wire::{Datagram, Kind, seal};
use serialnumberd_core::{
    Arrival, Coverage, Crypto, Destination, Installation, Interface, Mono, Now, Payload, State, Tag, Transmit,
};

use super::agent::{agent, keys};
use super::{Birth, Detector, Said, Terms};
use crate::crypto::Cheap;
use crate::scenario::{CryptoKind, Temper};

/// Of a key that no installation has: nobody can sign under it.
const NOBODY: [u8; 32] = [0x17; 32];

/// A liar around an honest engine: what it would say is held back, bent or said again.  Always with the stand-ins.
pub(super) fn liar(temper: Temper, mut birth: Birth<'_>) -> Box<dyn Detector> {
    birth.crypto = CryptoKind::Cheap;
    let (seed, terms) = (birth.seed, birth.terms.clone());
    Box::new(Liar { honest: agent(birth), temper, seed, terms, lies: 0, second: None })
}

struct Liar {
    honest: Box<dyn Detector>,
    temper: Temper,
    seed: [u8; 32],
    terms: Vec<Terms>,
    lies: u64,
    /// What it says next, whatever the engine wants.
    second: Option<Transmit>,
}

impl Liar {
    /// A datagram of its own making, signed by its key and MACed as well as any.
    fn sealed(&self, datagram: &Datagram, to: Destination) -> Option<Transmit> {
        let terms = self.terms.first()?;
        let keys = keys::<Cheap>(&terms.product, &terms.serial);
        let bytes = Box::new(seal::<Cheap>(datagram, &Cheap::signer(&self.seed), &keys));
        Some(Transmit { payload: Payload::Datagram(bytes), to })
    }

    /// A tag of a datagram that nobody sent.
    fn false_tag(&mut self) -> Tag {
        self.lies += 1;
        let mut tag = Tag::default();
        tag.0[..8].copy_from_slice(&self.lies.to_be_bytes());
        tag
    }

    /// What becomes of what the engine wants to say.
    fn bend(&mut self, transmit: Transmit) -> Option<Transmit> {
        let Ok(mut datagram) = Datagram::decode(transmit.payload.as_bytes()) else { return Some(transmit) };
        match (self.temper, datagram.kind) {
            (Temper::Refuses, Kind::Answer { .. }) => None,
            (Temper::AnswersFalsely, Kind::Answer { want, .. }) => {
                datagram.kind = Kind::Answer { answers: self.false_tag(), want };
                self.sealed(&datagram, transmit.to)
            }
            (Temper::Forges, _) => {
                datagram.instance.installation = Installation(NOBODY);
                self.second = self.sealed(&datagram, transmit.to.clone());
                Some(transmit)
            }
            _ => Some(transmit),
        }
    }
}

impl Detector for Liar {
    fn transmit(&mut self) -> Option<Transmit> {
        if self.second.is_some() {
            return self.second.take();
        }
        while let Some(transmit) = self.honest.transmit() {
            if let Some(bent) = self.bend(transmit) {
                return Some(bent);
            }
        }
        None
    }

    fn turn(&mut self, now: Now, rng: &mut Rng) {
        self.honest.turn(now, rng);
    }

    fn hear(&mut self, now: Now, rng: &mut Rng, arrival: &Arrival<'_>) {
        self.honest.hear(now, rng, arrival);
    }

    fn on_time(&mut self, now: Now, rng: &mut Rng) {
        self.honest.on_time(now, rng);
    }

    fn deadline(&mut self) -> Mono {
        self.honest.deadline()
    }

    /// What a liar says of others is no finding of ours.
    fn said(&mut self) -> Option<Said> {
        while self.honest.said().is_some() {}
        None
    }

    fn set_interfaces(&mut self, now: Now, rng: &mut Rng, interfaces: Vec<Interface>) {
        self.honest.set_interfaces(now, rng, interfaces);
    }

    fn set_broken(&mut self, now: Now, rng: &mut Rng, interface: u32, broken: bool) {
        self.honest.set_broken(now, rng, interface, broken);
    }

    fn stop(&mut self, now: Now, rng: &mut Rng) {
        self.honest.stop(now, rng);
    }

    fn release(&mut self, now: Now, rng: &mut Rng, license: usize) {
        self.honest.release(now, rng, license);
    }

    fn relicense(&mut self, now: Now, rng: &mut Rng, terms: &Terms) {
        self.honest.relicense(now, rng, terms);
    }

    fn state(&self, license: usize) -> State {
        self.honest.state(license)
    }

    fn coverage(&self, now: Now) -> Coverage {
        self.honest.coverage(now)
    }

    fn snapshot(&self) -> Box<dyn Detector> {
        Box::new(Liar {
            honest: self.honest.snapshot(),
            temper: self.temper,
            seed: self.seed,
            terms: self.terms.clone(),
            lies: self.lies,
            second: self.second.clone(),
        })
    }
}
