//! License holders who do not keep to the protocol: the one who never answers, and the one who answers falsely.

use fastrand::Rng;
use serialnumberd_core::wire::{Datagram, Kind, seal};
use serialnumberd_core::{Arrival, Coverage, Crypto, Interface, Mono, Now, Payload, State, Tag, Transmit};

use super::agent::{agent, keys};
use super::{Birth, Detector, Said, Terms};
use crate::crypto::Cheap;
use crate::scenario::{CryptoKind, Temper};

/// A liar around an honest engine: what it would say is held back or bent.  Always with the stand-ins.
pub(super) fn liar(temper: Temper, mut birth: Birth<'_>) -> Box<dyn Detector> {
    birth.crypto = CryptoKind::Cheap;
    let (seed, terms) = (birth.seed, birth.terms.clone());
    Box::new(Liar { honest: agent(birth), temper, seed, terms, lies: 0 })
}

struct Liar {
    honest: Box<dyn Detector>,
    temper: Temper,
    seed: [u8; 32],
    terms: Vec<Terms>,
    lies: u64,
}

impl Liar {
    /// The same answer, to a datagram that nobody sent; signed and MACed as well as any.
    fn bend(&mut self, bytes: &[u8]) -> Option<Box<[u8; 320]>> {
        let mut datagram = Datagram::decode(bytes).ok()?;
        let Kind::Answer { want, .. } = datagram.kind else { return None };
        self.lies += 1;
        let mut tag = Tag::default();
        tag.0[..8].copy_from_slice(&self.lies.to_be_bytes());
        datagram.kind = Kind::Answer { answers: tag, want };
        let terms = self.terms.first()?;
        Some(Box::new(seal::<Cheap>(
            &datagram,
            &Cheap::signer(&self.seed),
            &keys::<Cheap>(&terms.product, &terms.serial),
        )))
    }
}

impl Detector for Liar {
    fn transmit(&mut self) -> Option<Transmit> {
        while let Some(transmit) = self.honest.transmit() {
            let is_answer = Datagram::decode(transmit.payload.as_bytes())
                .is_ok_and(|d| matches!(d.kind, Kind::Answer { .. }));
            match self.temper {
                _ if !is_answer => return Some(transmit),
                Temper::AnswersFalsely => {
                    let bent = self.bend(transmit.payload.as_bytes())?;
                    return Some(Transmit { payload: Payload::Datagram(bent), to: transmit.to });
                }
                _ => {}
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
        })
    }
}
