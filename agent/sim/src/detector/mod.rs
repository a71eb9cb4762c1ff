//! What finds duplicates, as the world sees it: our engine, the same without one of its defenses, naive ones that
//! must fail, and license holders who lie.

mod agent;
mod liar;
mod naive;

use fastrand::Rng;
use serialnumberd_core::{Arrival, Class, Coverage, Interface, Mono, Now, Settings, Stage, State, Transmit};

use crate::scenario::{CryptoKind, Temper};

pub(crate) use agent::{MUTANTS, agent};
pub(crate) use naive::NAIVE;

/// A license as one host holds it.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Place in the scenario's licenses.
    pub license: usize,
    pub product: String,
    pub serial: String,
    pub seats: u16,
    pub standbys: u16,
    pub group: String,
    pub standby: bool,
    /// Since when it says to hold it, Unix ms; 0 leaves that to the clock.
    pub since_ms: u64,
}

/// All that a process is started with.
pub(crate) struct Birth<'a> {
    pub now: Now,
    pub rng: &'a mut Rng,
    /// Of the installation's key.
    pub seed: [u8; 32],
    pub runs: u64,
    pub settings: Settings,
    pub interfaces: Vec<Interface>,
    pub terms: Vec<Terms>,
    pub crypto: CryptoKind,
}

/// Starts a process.
pub(crate) type Make = fn(Birth<'_>) -> Box<dyn Detector>;

/// More holders of a license than it has seats, as plugins are told.
#[derive(Clone, Debug)]
pub(crate) struct Accused {
    pub license: usize,
    pub stage: Stage,
    pub class: Class,
    /// Who counts, this host included.
    pub counted: usize,
    /// Who of them is over the seats.
    pub over: usize,
    /// Why the evidence of it convinces no third party, if it does not.
    pub flaw: Option<String>,
}

/// Something that a process says of a license.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// There are more holders than seats.
    Duplicate(Accused),
    /// That is over.
    Resolved { license: usize },
    /// Its state changed.
    State(State),
}

/// A process that holds licenses and looks out for others that do.
pub(crate) trait Detector {
    /// Begins a turn of the loop.
    fn turn(&mut self, now: Now, rng: &mut Rng);
    fn hear(&mut self, now: Now, rng: &mut Rng, arrival: &Arrival<'_>);
    fn on_time(&mut self, now: Now, rng: &mut Rng);
    /// On the machine's boot clock.
    fn deadline(&mut self) -> Mono;
    fn transmit(&mut self) -> Option<Transmit>;
    fn said(&mut self) -> Option<Said>;
    fn set_interfaces(&mut self, now: Now, rng: &mut Rng, interfaces: Vec<Interface>);
    fn set_broken(&mut self, now: Now, rng: &mut Rng, interface: u32, broken: bool);
    fn stop(&mut self, now: Now, rng: &mut Rng);
    fn release(&mut self, now: Now, rng: &mut Rng, license: usize);
    fn relicense(&mut self, now: Now, rng: &mut Rng, terms: &Terms);
    fn state(&self, license: usize) -> State;
    fn coverage(&self, now: Now) -> Coverage;
    /// What a live snapshot of the machine holds.
    fn snapshot(&self) -> Box<dyn Detector>;
}

/// A process of this temper.
pub(crate) fn with_temper(temper: Temper, make: Make, birth: Birth<'_>) -> Box<dyn Detector> {
    match temper {
        Temper::Honest | Temper::Backdates => make(birth),
        Temper::Refuses | Temper::AnswersFalsely | Temper::Forges => liar::liar(temper, birth),
    }
}
