//! The engine: datagrams, times and entropy in; fates, events and transmits out.
//!
//! `receive` judges what arrives, cheap checks first; this file owns the claims and turns time into their
//! consequences.  Nothing here performs anything.

mod receive;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::net::SocketAddr;
use core::time::Duration;

use crate::claim::{Claim, ClaimView, Context};
use crate::coverage::Ears;
use crate::crypto::{Crypto, Standard};
use crate::defenses::{AllOn, Defenses};
use crate::entropy::Entropy;
use crate::evidence::{Evidence, EvidenceStore};
use crate::health::{Health, Mishap};
use crate::holders::Holder;
use crate::inventory::Inventory;
use crate::legacy::{Desk, Legacy};
use crate::limits::{CLAIMS, CONFIRM_AFTER, EVENTS, INTERVAL, INTERVAL_S, SINCE_MIN_MS};
use crate::station::{self, License, Station};
use crate::verify::VerifyBudget;
use crate::wire::HostName;
use crate::{
    ClaimId, Coverage, Event, EvidenceId, HolderView, Installation, Instance, Interface, InterfaceCoverage,
    Mono, Now, Product, State, Transmit,
};

/// What the engine is told once, and again on reload.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Steady interval of announcements, 1 s to 1 h.
    pub interval: Duration,
    /// From conflict to duplicate, at the least.
    pub confirm_after: Duration,
    /// What to do with classic texts.
    pub legacy: Legacy,
    /// Check the signatures of foreign claims too and tell of them as unverified.
    pub observe: bool,
    /// Accept datagrams with TTL or hop limit 255 only (RFC 5082), and IPv6 from link-local sources only.
    pub on_link_only: bool,
    /// Fewer other installations than this heard is blindness.
    pub expect_peers: u32,
    /// Configured unicast peers: exempt from `on_link_only`.
    pub peers: Vec<SocketAddr>,
    /// The host name to announce; empty for none.
    pub host: HostName,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interval: INTERVAL,
            confirm_after: CONFIRM_AFTER,
            legacy: Legacy::default(),
            observe: false,
            on_link_only: true,
            expect_peers: 0,
            peers: Vec::new(),
            host: HostName::default(),
        }
    }
}

/// Who this agent is.
pub struct Identity {
    /// Seed of the installation's Ed25519 key: a secret.
    pub seed: zeroize::Zeroizing<[u8; 32]>,
    /// Persisted number of starts, this one included.
    pub runs: u64,
}

/// Why a claim was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// It is held here already.
    Held,
    /// 64 claims are held here.
    TooMany,
}

impl core::fmt::Display for ClaimError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ClaimError::Held => f.write_str("this product is claimed here already"),
            ClaimError::TooMany => write!(f, "more than {CLAIMS} claims"),
        }
    }
}

impl core::error::Error for ClaimError {}

/// What the verdict on a claim depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimBrief<'a> {
    /// Its state.
    pub state: State,
    /// This host waits to take over.
    pub standby: bool,
    /// The fail-over group's name, empty for none.
    pub group: &'a str,
}

/// The protocol's state machine for one agent.  A clone of it is what a live snapshot of its machine holds.
#[derive(Clone)]
pub struct Engine<C: Crypto = Standard, D: Defenses = AllOn> {
    settings: Settings,
    station: Station<C>,
    /// Sorted by claim id.
    claims: Vec<Claim>,
    ears: Ears,
    coverage: Coverage,
    events: VecDeque<Event>,
    events_dropped: u64,
    evidence: EvidenceStore,
    verify: VerifyBudget,
    desk: Desk,
    health: Health,
    next_conflict: u64,
    beats: u64,
    inventory: Inventory,
    defenses: PhantomData<D>,
}

/// Splits an engine into a claim's [`Context`] and the claims themselves.
macro_rules! context {
    ($engine:expr, $now:expr, $entropy:expr) => {
        Context {
            now: $now,
            entropy: $entropy,
            station: &mut $engine.station,
            events: &mut $engine.events,
            evidence: &mut $engine.evidence,
            next_conflict: &mut $engine.next_conflict,
            coverage: $engine.coverage,
            ears: &$engine.ears,
            confirm_after: $engine.settings.confirm_after,
            interval: $engine.settings.interval,
        }
    };
}
use context;

impl<C: Crypto, D: Defenses> Engine<C, D> {
    /// An engine without claims and without interfaces.
    pub fn new(now: Now, entropy: &mut dyn Entropy, identity: &Identity, settings: Settings) -> Engine<C, D> {
        let boot = station::boot_id::<C>(now, entropy, &[]);
        let interval_s = interval_s(&settings);
        Engine {
            station: Station::new(&identity.seed, boot, identity.runs, settings.host, interval_s),
            claims: Vec::new(),
            ears: Ears::new(now.boot, settings.expect_peers, settings.interval),
            coverage: Coverage::Blind,
            events: VecDeque::new(),
            events_dropped: 0,
            evidence: EvidenceStore::default(),
            verify: VerifyBudget::new(),
            desk: Desk::new(),
            health: Health::new(now),
            next_conflict: 0,
            beats: 0,
            inventory: Inventory::default(),
            settings,
            defenses: PhantomData,
        }
    }

    /// Claims `license`: probes for it, then announces it.
    ///
    /// # Errors
    /// If the claim is held here already, or there are too many.
    pub fn claim(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        mut license: License,
    ) -> Result<ClaimId, ClaimError> {
        let id = license.keys.id();
        let Err(place) = self.place(&id) else { return Err(ClaimError::Held) };
        if self.claims.len() >= CLAIMS {
            return Err(ClaimError::TooMany);
        }
        if license.since_ms < SINCE_MIN_MS {
            license.since_ms = known_since(now);
        }
        self.claims.insert(place, Claim::new::<C>(now, entropy, license));
        Ok(id)
    }

    /// The license of a claim held here changed: seats, group, role.
    pub fn relicense(&mut self, now: Now, entropy: &mut dyn Entropy, mut license: License) {
        let Ok(place) = self.place(&license.keys.id()) else { return };
        let mut ctx = context!(self, now, entropy);
        license.since_ms = self.claims[place].license.since_ms;
        self.claims[place].relicense::<C, D>(&mut ctx, license);
    }

    /// Gives up a claim, with a goodbye.
    pub fn release(&mut self, now: Now, entropy: &mut dyn Entropy, claim: &ClaimId) {
        let Ok(place) = self.place(claim) else { return };
        let mut released = self.claims.remove(place);
        let mut ctx = context!(self, now, entropy);
        released.end_conflict(&mut ctx);
        released.say_goodbye(&mut ctx);
    }

    /// A clean stop: gives up all claims.
    pub fn shut_down(&mut self, now: Now, entropy: &mut dyn Entropy) {
        while let Some(mut claim) = self.claims.pop() {
            claim.say_goodbye(&mut context!(self, now, entropy));
        }
    }

    /// New settings; they hold from now on: nothing is announced later than the new interval says.
    pub fn configure(&mut self, now: Now, settings: Settings) {
        self.ears.reconfigure(settings.expect_peers, settings.interval);
        for claim in &mut self.claims {
            claim.announce_within(now, settings.interval);
            claim.changed = true;
        }
        self.station.interval_s = interval_s(&settings);
        self.station.host = settings.host;
        self.settings = settings;
    }

    /// The interfaces that datagrams may use.  A new one, or a new address, is worth a burst of announcements.
    pub fn set_interfaces(&mut self, now: Now, entropy: &mut dyn Entropy, interfaces: Vec<Interface>) {
        if interfaces == self.station.interfaces {
            return;
        }
        let known = |i: &Interface| self.station.interfaces.iter().any(|old| old == i);
        let news = !interfaces.iter().all(known);
        self.ears.set_interfaces(now.boot, &interfaces);
        self.station.interfaces = interfaces;
        if news {
            self.burst(now, entropy, None);
        }
        self.update_coverage(now);
    }

    /// Announces everything again, in a burst, and wants to be answered: of one product, or of all.
    pub fn burst(&mut self, now: Now, entropy: &mut dyn Entropy, product: Option<Product>) {
        let mut ctx = context!(self, now, entropy);
        let chosen = |c: &&mut Claim| product.is_none_or(|p| c.license.product == p);
        self.claims.iter_mut().filter(chosen).for_each(|c| c.announce_now(&mut ctx, true));
    }

    /// Announces one product once, now.
    pub fn announce(&mut self, now: Now, entropy: &mut dyn Entropy, product: Product) {
        let mut ctx = context!(self, now, entropy);
        let chosen = |c: &&mut Claim| c.license.product == product;
        self.claims.iter_mut().filter(chosen).for_each(|c| c.announce_now(&mut ctx, false));
    }

    /// Sending or joining on an interface failed (`why`), or works again (`None`).
    pub fn set_broken(&mut self, now: Now, entropy: &mut dyn Entropy, interface: u32, why: Option<String>) {
        let works = why.is_none();
        if self.ears.set_broken(interface, why) {
            self.claims.iter_mut().for_each(Claim::doubt_round);
            if works {
                self.burst(now, entropy, None);
            }
            self.update_coverage(now);
        }
    }

    /// Begins a turn of the loop: before anything else is concluded, was this agent itself well?  If not, it has
    /// voided its questions and probes afresh; what befell it is told once, for the log.
    pub fn turn(&mut self, now: Now, entropy: &mut dyn Entropy) -> Option<Mishap> {
        self.station.beat = now.boot;
        let (mishap, unheard) = self.health.check(now).filter(|_| D::HEALTH_GATE)?;
        self.recover(now, entropy, mishap != Mishap::Stalled, unheard);
        Some(mishap)
    }

    /// The machine is a copy of a snapshot by now, as its virtual machine generation id tells: this process
    /// must not speak with the boot id of the original.
    pub fn generation_changed(&mut self, now: Now, entropy: &mut dyn Entropy) {
        self.recover(now, entropy, true, Duration::ZERO);
    }

    /// Voids all open questions and probes afresh, before anything is concluded.  Nobody could be heard for `unheard`.
    fn recover(&mut self, now: Now, entropy: &mut dyn Entropy, new_boot: bool, unheard: Duration) {
        self.station.log.void();
        if new_boot {
            self.station.take_boot(now, entropy, &[]);
        }
        self.ears.forgive(unheard);
        let since = known_since(now);
        let mut ctx = context!(self, now, entropy);
        for claim in &mut self.claims {
            if claim.license.since_ms < SINCE_MIN_MS {
                claim.license.since_ms = since;
            }
            claim.holders.forgive(unheard);
            claim.doubt::<C, D>(&mut ctx);
        }
    }

    /// Does all that is due by now.  To be called once a turn, after all input.
    pub fn handle_time(&mut self, now: Now, entropy: &mut dyn Entropy) {
        let sent = self.station.sent;
        let mut ctx = context!(self, now, entropy);
        for claim in &mut self.claims {
            if claim.deadline(ctx.station) <= now.boot {
                claim.on_time::<C, D>(&mut ctx);
            }
        }
        if self.station.sent != sent {
            self.beats += 1;
        }
        self.update_coverage(now);
    }

    /// When [`Engine::handle_time`] has something to do; [`Mono::NEVER`] if nothing ever.
    pub fn next_deadline(&mut self) -> Mono {
        let claims = self.claims.iter().map(|c| c.deadline(&self.station)).min().unwrap_or(Mono::NEVER);
        // An expiry alone may be late without harm; what is asked and announced may not.
        self.health.promise(claims);
        self.ears.next_expiry(claims).unwrap_or(claims)
    }

    fn update_coverage(&mut self, now: Now) {
        let mut one_way = BTreeSet::new();
        for claim in self.claims.iter().filter(|c| c.may_be_one_way) {
            // Another run of mine causes nothing by being heard: it may be over, and come late through some box.
            let mine = |h: &&Holder| h.instance.installation == self.station.me.installation;
            let one_way_here = claim.holders.live().filter(|h| h.is_one_way() && !mine(h));
            one_way.extend(one_way_here.map(|h| h.interface));
        }
        self.ears.update(now.boot, &one_way);
        let (coverage, _) = self.ears.sum(now.boot);
        if coverage != self.coverage {
            self.coverage = coverage;
            for claim in &self.claims {
                self.events.push_back(Event::State {
                    product: claim.license.product,
                    claim: claim.license.keys.id(),
                    old: claim.state,
                    new: claim.state,
                    coverage,
                    verdict_void: false,
                });
            }
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.station.transmits.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Keeps the queue of unfetched events bounded; the caller fetches every turn, so nothing is lost in practice.
    fn bound_events(&mut self) {
        while self.events.len() > EVENTS {
            self.events.pop_front();
            self.events_dropped += 1;
        }
    }

    fn place(&self, claim: &ClaimId) -> Result<usize, usize> {
        self.claims.binary_search_by(|c| c.license.keys.id().cmp(claim))
    }

    /// What the verdict on a claim held here depends on: cheap, for every turn.
    #[must_use]
    pub fn claim_brief(&self, claim: &ClaimId) -> Option<ClaimBrief<'_>> {
        let claim = &self.claims[self.place(claim).ok()?];
        Some(ClaimBrief { state: claim.state, standby: claim.license.standby, group: &claim.license.group })
    }

    /// What was heard of claims not held here, with `observe`: product, claim and who announced it.
    pub fn inventory(&self, now: Now) -> impl Iterator<Item = (Product, ClaimId, &HolderView)> {
        self.inventory.live(now.boot)
    }

    /// All claims held here, sorted by claim id.
    pub fn claims(&self, now: Now) -> impl Iterator<Item = ClaimView> {
        self.claims.iter().map(move |c| c.view(&self.station, now))
    }

    /// The claims whose holders may have changed since this was last asked; not each change is an event.
    pub fn take_changed(&mut self) -> impl Iterator<Item = ClaimId> {
        let changed = self.claims.iter_mut().filter(|c| c.changed);
        changed.map(|c| {
            c.changed = false;
            c.license.keys.id()
        })
    }

    /// This agent's own current run.
    #[must_use]
    pub fn instance(&self) -> Instance {
        self.station.me
    }

    /// This agent's installation.
    #[must_use]
    pub fn installation(&self) -> Installation {
        self.station.installation()
    }

    /// What this agent can hear in sum, as events tell it.
    #[must_use]
    pub fn coverage_state(&self) -> Coverage {
        self.coverage
    }

    /// What this agent can hear in sum, and why if that is bad.
    #[must_use]
    pub fn coverage(&self, now: Now) -> (Coverage, String) {
        self.ears.sum(now.boot)
    }

    /// What each interface can hear.
    #[must_use]
    pub fn interface_coverage(&self) -> Vec<InterfaceCoverage> {
        self.ears.views()
    }

    /// How many other installations are heard with a valid signature.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.ears.distinct_peers()
    }

    /// A kept evidence.
    #[must_use]
    pub fn evidence(&self, id: EvidenceId) -> Option<&Evidence> {
        self.evidence.find(id)
    }

    /// How many times time alone made this agent send: the scheduler's beats.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats
    }

    /// Datagrams made, each counted once whatever number of interfaces it leaves by.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.station.sent
    }

    /// Events that nobody fetched in time.
    #[must_use]
    pub fn events_dropped(&self) -> u64 {
        self.events_dropped
    }

    /// Datagrams of foreign claims seen.
    #[must_use]
    pub fn foreign_seen(&self) -> u64 {
        self.ears.foreign_seen()
    }

    /// How many holders, owed answers and peers are remembered in all: for tests of the bounds.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.claims.iter().map(Claim::remembered).sum::<usize>()
            + self.ears.distinct_peers()
            + self.inventory.len()
    }
}

fn interval_s(settings: &Settings) -> u16 {
    u16::try_from(settings.interval.as_secs())
        .unwrap_or(u16::MAX)
        .clamp(*INTERVAL_S.start(), *INTERVAL_S.end())
}

/// The wall clock as a `since`, or 0 if it cannot be right.
fn known_since(now: Now) -> u64 {
    if now.wall_ms >= SINCE_MIN_MS { now.wall_ms } else { 0 }
}
