//! The engine as a detector, whole or without one of its defenses.

use std::collections::BTreeMap;
use std::sync::Mutex;

use fastrand::Rng;
use serialnumberd_core::limits::EVIDENCE_PAIRS;
use serialnumberd_core::{
    AllOn, Arrival, ClaimId, ClaimKeys, Coverage, Crypto, Defenses, Engine, Event, EvidenceId, Identity,
    Interface, License, Mono, Now, Product, Serial, Standard, State, Transmit, evidence,
};
use zeroize::Zeroizing;

use super::{Accused, Birth, Detector, Make, Said, Terms};
use crate::crypto::{Cheap, Colliding};
use crate::scenario::{CryptoKind, Guard};

/// Of [`Mono`].
const NS_PER_MS: u64 = 1_000_000;

/// One that lacks a defense, by the defense's name.
macro_rules! mutants {
    ($($guard:ident $off:ident,)*) => {
        /// The engine without one of its defenses.
        pub(crate) const MUTANTS: &[(Guard, Make)] = &[$((Guard::$guard, without::<off::$guard>)),*];

        /// Defenses with one of them off.
        mod off {
            use serialnumberd_core::Defenses;
            $(
                #[derive(Clone, Copy)]
                pub(super) struct $guard;
                impl Defenses for $guard {
                    const $off: bool = false;
                }
            )*
        }
    };
}

mutants! {
    EchoLog ECHO_LOG,
    LiveQuestion LIVE_QUESTION,
    CloneCheck CLONE_CHECK,
    AnswerLimit ANSWER_LIMIT,
    HealthGate HEALTH_GATE,
    NewerThanYoungest NEWER_THAN_YOUNGEST,
    SilentNotCounted SILENT_NOT_COUNTED,
    OneBoot ONE_BOOT,
}

/// Ours.
pub(crate) fn agent(birth: Birth<'_>) -> Box<dyn Detector> {
    match birth.crypto {
        CryptoKind::Cheap => Agent::<Cheap, AllOn>::start(birth),
        CryptoKind::Real => Agent::<Standard, AllOn>::start(birth),
        CryptoKind::Colliding => Agent::<Colliding, AllOn>::start(birth),
    }
}

/// Ours without a defense; always with the stand-ins.
fn without<D: Defenses + Clone + 'static>(birth: Birth<'_>) -> Box<dyn Detector> {
    Agent::<Cheap, D>::start(birth)
}

/// Keys by product and serial, for one kind of cryptography: Argon2 takes 30 ms, and a scenario is run often.
pub(super) fn keys<C: Crypto>(product: &str, serial: &str) -> ClaimKeys {
    static KEYS: Mutex<BTreeMap<(&str, String), ClaimKeys>> = Mutex::new(BTreeMap::new());
    let name = (std::any::type_name::<C>(), format!("{product} {serial}"));
    let mut kept = KEYS.lock().expect("no thread panics while it holds the keys");
    let derive = || {
        let serial = Serial::new(serial).expect("scenarios' serials are ASCII");
        ClaimKeys::derive::<C>(&Product::new(product).expect("scenarios' products are valid"), &serial)
    };
    kept.entry(name).or_insert_with(derive).clone()
}

pub(super) fn license<C: Crypto>(terms: &Terms) -> License {
    License {
        product: Product::new(&terms.product).expect("scenarios' products are valid"),
        keys: keys::<C>(&terms.product, &terms.serial),
        seats: terms.seats,
        group: terms.group.clone(),
        standby: terms.standby,
        standbys: terms.standbys,
        since_ms: terms.since_ms,
    }
}

#[derive(Clone)]
struct Agent<C: Crypto, D: Defenses> {
    engine: Engine<C, D>,
    /// Which of the scenario's licenses a claim is.
    claims: Vec<(ClaimId, usize)>,
}

impl<C: Crypto + Clone + 'static, D: Defenses + Clone + 'static> Agent<C, D> {
    fn start(birth: Birth<'_>) -> Box<dyn Detector> {
        let Birth { now, rng, seed, runs, settings, interfaces, terms, .. } = birth;
        let identity = Identity { seed: Zeroizing::new(seed), runs };
        let mut entropy = |b: &mut [u8]| rng.fill(b);
        let mut engine = Engine::<C, D>::new(now, &mut entropy, &identity, settings);
        engine.set_interfaces(now, &mut entropy, interfaces);
        let mut claims = Vec::new();
        for terms in terms {
            // A second license with the first one's claim id is refused, as the agent refuses it.
            if let Ok(id) = engine.claim(now, &mut entropy, license::<C>(&terms)) {
                claims.push((id, terms.license));
            }
        }
        Box::new(Agent { engine, claims })
    }

    /// Why the evidence that is kept under this name convinces no third party, if it does not.
    fn flaw(&self, id: EvidenceId) -> Option<String> {
        let Some(evidence) = self.engine.evidence(id) else { return Some("it is not kept".to_owned()) };
        let told = |at: Mono| at.0 / NS_PER_MS;
        let exhibit = evidence.exhibit(self.engine.installation(), told, |index| format!("eth{index}"));
        // Of more seats it cannot be shown that they are exceeded: PROTOCOL.md, "Evidence".
        let shows = usize::from(exhibit.first.seats) < EVIDENCE_PAIRS / 2;
        evidence::check::<C>(&exhibit).err().filter(|_| shows).map(|flaw| flaw.to_string())
    }

    fn license_of(&self, claim: &ClaimId) -> Option<usize> {
        self.claims.iter().find(|(id, _)| id == claim).map(|(_, license)| *license)
    }

    fn claim_of(&self, license: usize) -> Option<ClaimId> {
        self.claims.iter().find(|(_, l)| *l == license).map(|(id, _)| *id)
    }
}

impl<C: Crypto + Clone + 'static, D: Defenses + Clone + 'static> Detector for Agent<C, D> {
    fn turn(&mut self, now: Now, rng: &mut Rng) {
        self.engine.turn(now, &mut |b: &mut [u8]| rng.fill(b));
    }

    fn hear(&mut self, now: Now, rng: &mut Rng, arrival: &Arrival<'_>) {
        self.engine.handle_datagram(now, &mut |b: &mut [u8]| rng.fill(b), arrival);
    }

    fn on_time(&mut self, now: Now, rng: &mut Rng) {
        self.engine.handle_time(now, &mut |b: &mut [u8]| rng.fill(b));
    }

    fn deadline(&mut self) -> Mono {
        self.engine.next_deadline()
    }

    fn transmit(&mut self) -> Option<Transmit> {
        self.engine.poll_transmit()
    }

    fn said(&mut self) -> Option<Said> {
        while let Some(event) = self.engine.poll_event() {
            let said = match event {
                Event::Duplicate { claim, stage, class, evidence, holders, .. } => {
                    let counted = || holders.iter().filter(|h| h.is_self || h.proved);
                    self.license_of(&claim).map(|license| {
                        Said::Duplicate(Accused {
                            license,
                            stage,
                            class,
                            counted: counted().count(),
                            over: counted().filter(|h| h.over).count(),
                            flaw: self.flaw(evidence),
                        })
                    })
                }
                Event::Resolved { claim, .. } => {
                    self.license_of(&claim).map(|license| Said::Resolved { license })
                }
                Event::State { new, .. } => Some(Said::State(new)),
                Event::Announcement { .. } | Event::Query { .. } => None,
            };
            if said.is_some() {
                return said;
            }
        }
        None
    }

    fn set_interfaces(&mut self, now: Now, rng: &mut Rng, interfaces: Vec<Interface>) {
        self.engine.set_interfaces(now, &mut |b: &mut [u8]| rng.fill(b), interfaces);
    }

    fn set_broken(&mut self, now: Now, rng: &mut Rng, interface: u32, broken: bool) {
        let why = broken.then(|| "Network is unreachable".to_owned());
        self.engine.set_broken(now, &mut |b: &mut [u8]| rng.fill(b), interface, why);
    }

    fn stop(&mut self, now: Now, rng: &mut Rng) {
        self.engine.shut_down(now, &mut |b: &mut [u8]| rng.fill(b));
    }

    fn release(&mut self, now: Now, rng: &mut Rng, license: usize) {
        if let Some(claim) = self.claim_of(license) {
            self.engine.release(now, &mut |b: &mut [u8]| rng.fill(b), &claim);
        }
    }

    fn relicense(&mut self, now: Now, rng: &mut Rng, terms: &Terms) {
        self.engine.relicense(now, &mut |b: &mut [u8]| rng.fill(b), license::<C>(terms));
    }

    fn state(&self, license: usize) -> State {
        let brief = self.claim_of(license).and_then(|claim| self.engine.claim_brief(&claim));
        brief.map_or(State::Clear, |b| b.state)
    }

    fn coverage(&self, now: Now) -> Coverage {
        self.engine.coverage(now).0
    }

    fn snapshot(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}
