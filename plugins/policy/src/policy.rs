//! The plumbing: events in, verdicts out, timers and the file between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serialnumberd_plugin::abi::{SLND_E_INVALID, SLND_EV_DUPLICATE, SLND_EV_RESOLVED, SLND_EV_STATE};
use serialnumberd_plugin::{
    About, ClaimId, Delivery, Error, Event, Events, Head, Host, Kinds, Lost, Options, Permissions, Plugin,
    State,
};

use crate::facts::{Claim, Now};
use crate::grace::{Ledger, MAX_CLAIMS};
use crate::rules::{OPTIONS, Rules};
use crate::status;
use crate::store::Store;
use crate::verdict::{self, Stance};

/// The one timer: the next moment when time alone changes something.
const NEXT: u64 = 1;
/// The wake-up that writes the file: not while a verdict is awaited, because a disk may be slow.
const SAVE: u64 = 2;

/// When a verdict that the host could not take (its queue was full) is offered again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// When all verdicts are offered again after a reload: which licenses it took away is settled only once every plugin
/// has its options, for which the agent waits 5 s.
const REVIEW_AFTER: Duration = Duration::from_secs(10);

/// One instance.
#[derive(Debug)]
pub struct Policy {
    host: Host,
    rules: Rules,
    claims: BTreeMap<ClaimId, Claim>,
    ledger: Ledger,
    store: Store,
    /// What the wall clock said when the host's clock said what.
    clocks: Now,
    /// When a refused verdict is offered again.
    retry: Option<u64>,
    /// When all verdicts are offered again: a reload may have taken licenses away, and no event says so.
    review: Option<u64>,
    /// What the timer is set to.
    timer: Option<u64>,
    /// A wake-up for the file is under way.
    waking: bool,
    /// Too many claims: said once.
    crowded: bool,
}

impl Plugin for Policy {
    const ABOUT: About = About {
        name: c"Policy",
        wants: Permissions::VERDICT,
        events: Kinds::DUPLICATE.and(Kinds::RESOLVED).and(Kinds::STATE).and(Kinds::TICK),
        options: OPTIONS,
        ..About::new(
            c"policy",
            serialnumberd_plugin::version!(),
            c"Decides what a duplicate does: observe, strict or seniority, with grace.",
        )
    };

    fn create(host: Host, _instance: &str) -> Result<Self, Error> {
        let store = Store::new(host.state_dir());
        Ok(Policy {
            host,
            rules: Rules::DEFAULT,
            claims: BTreeMap::new(),
            ledger: Ledger::default(),
            store,
            clocks: Now::default(),
            retry: None,
            review: None,
            timer: None,
            waking: false,
            crowded: false,
        })
    }

    fn configure(&mut self, options: &Options<'_>, reload: bool) -> Result<(), Error> {
        self.rules = Rules::read(options)?;
        if reload {
            let now = self.now();
            self.review = Some(now.mono_ns.saturating_add(verdict::nanoseconds(REVIEW_AFTER)));
            self.settle(now, &BTreeSet::new());
            self.save_when_fit(now, true);
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), Error> {
        self.clocks.mono_ns = self.host.now_ns();
        let path = self.store.path();
        match self.store.read() {
            Ok(None) => {}
            Ok(Some(text)) => {
                let (ledger, damage) = Ledger::decode(&text, self.clocks);
                self.ledger = ledger;
                if !damage.is_empty() {
                    log::warn!(
                        "{} is damaged: {}. What is left of it is used",
                        path.display(),
                        damage.join("; ")
                    );
                }
            }
            Err(e) => log::warn!("cannot read {}: {e}. Every grace begins anew", path.display()),
        }
        Ok(())
    }

    fn on_events(&mut self, events: Events<'_>) -> Result<(), Error> {
        let mut asked = Vec::new();
        for delivery in events {
            self.clocks = clocks(delivery.head());
            let claim = self.hear(&delivery.event());
            if delivery.asks() {
                asked.extend(claim.map(|claim| (claim, delivery)));
            }
        }
        let now = self.now();
        self.settle(now, &asked.iter().map(|(claim, _)| *claim).collect());
        let awaited = !asked.is_empty();
        for (claim, delivery) in asked {
            self.answer(claim, delivery);
        }
        self.save_when_fit(now, awaited);
        Ok(())
    }

    fn status(&self) -> String {
        status::object(&self.rules, &self.claims, &self.ledger, &self.store, self.now())
    }

    fn stop(&mut self) {
        if self.ledger.is_used() {
            self.save(self.now(), false);
        }
    }
}

fn clocks(head: Head) -> Now {
    Now { mono_ns: head.mono_ns, wall_ms: head.real_ns / 1_000_000 }
}

impl Policy {
    /// The host's clock now, and what the wall clock says then.
    fn now(&self) -> Now {
        let mono_ns = self.host.now_ns();
        Now { mono_ns, wall_ms: self.clocks.wall_at(mono_ns) }
    }

    /// Takes an event in; of which claim it is.
    fn hear(&mut self, event: &Event<'_>) -> Option<ClaimId> {
        let now = self.now();
        match event {
            Event::Duplicate(dup) => self.claim(dup.claim, dup.product)?.hear_duplicate(dup, now),
            Event::State(change) => self.claim(change.claim, change.product)?.hear_state(change, now),
            Event::Resolved(end) => self.claims.get_mut(&end.claim)?.hear_resolved(end.conflict_id),
            Event::Tick(tick) => self.hear_tick(tick.timer),
            Event::Lost(lost) => warn_of_loss(lost),
            _ => {}
        }
        match event {
            Event::Duplicate(e) => Some(e.claim),
            Event::State(e) => Some(e.claim),
            _ => None,
        }
    }

    fn hear_tick(&mut self, timer: Option<u64>) {
        match timer {
            Some(NEXT) => self.timer = None,
            Some(SAVE) => self.waking = false,
            _ => {}
        }
    }

    fn claim(&mut self, id: ClaimId, product: &str) -> Option<&mut Claim> {
        if self.claims.len() >= MAX_CLAIMS && !self.claims.contains_key(&id) {
            if !std::mem::replace(&mut self.crowded, true) {
                log::warn!(
                    "more than {MAX_CLAIMS} claims: this plugin has no opinion on {product} and later ones"
                );
            }
            return None;
        }
        Some(self.claims.entry(id).or_insert_with(|| Claim::new(product)))
    }

    /// Judges every claim anew, and replaces the verdicts that have changed; those of `asked` are about to be answered.
    /// Claims that are not held any more are found by that, and dropped.
    fn settle(&mut self, now: Now, asked: &BTreeSet<ClaimId>) {
        let (mut gone, mut refused) = (Vec::new(), false);
        let review = self.review.take_if(|at| *at <= now.mono_ns).is_some();
        for (id, claim) in &mut self.claims {
            let stance = verdict::stance(&self.rules, claim);
            if stance == Stance::Restricted {
                self.ledger.run(*id, self.rules.grace, now);
            } else {
                self.ledger.pause(*id, claim.state == State::Clear, now);
            }
            let grace = self.ledger.grace(*id, self.rules.grace, now);
            let decision = verdict::judge(&self.rules, claim, grace, now);
            if decision == claim.given && !review {
                continue;
            }
            if asked.contains(id) {
                claim.given = decision;
                continue;
            }
            match self.host.decide(*id, &decision) {
                Ok(()) => claim.given = decision,
                // The license was taken out of the configuration.
                Err(e) if e.status() == SLND_E_INVALID => gone.push(*id),
                Err(e) => {
                    log::warn!("{}: the verdict could not be replaced: {e}", claim.product);
                    refused = true;
                }
            }
        }
        for id in gone {
            self.claims.remove(&id);
            self.ledger.pause(id, true, now);
        }
        self.ledger.forget(now);
        self.retry = refused.then(|| now.mono_ns.saturating_add(verdict::nanoseconds(RETRY_AFTER)));
        self.set_timer(now);
    }

    /// Answers; too late for an answer, the standing verdict is replaced instead.
    fn answer(&self, id: ClaimId, mut delivery: Delivery<'_>) {
        let Some(claim) = self.claims.get(&id) else { return };
        delivery.answer(&claim.given);
        let deadline = match delivery.event() {
            Event::Duplicate(e) => e.deadline_ns,
            Event::State(e) => e.deadline_ns,
            _ => 0,
        };
        if deadline != 0
            && self.host.now_ns() > deadline
            && let Err(e) = self.host.decide(id, &claim.given)
        {
            log::warn!("{}: the late verdict was not taken: {e}", claim.product);
        }
    }

    fn set_timer(&mut self, now: Now) {
        let blind = self
            .claims
            .values()
            .filter_map(|c| c.blind_since)
            .map(|since| verdict::blind_at(&self.rules, since));
        let blind = blind.filter(|at| *at > now.mono_ns);
        let own = self.retry.into_iter().chain(self.review);
        let next = self.ledger.deadline(self.rules.grace).into_iter().chain(blind).chain(own).min();
        if next == self.timer {
            return;
        }
        let set = match next {
            Some(at) => self.host.timer(NEXT, Duration::from_nanos(at.saturating_sub(now.mono_ns)), None),
            None => self.host.cancel_timer(NEXT),
        };
        match set {
            Ok(()) => self.timer = next,
            Err(e) => log::error!("verdicts that depend on time will be late: {e}"),
        }
    }

    /// Writes the file if there is something to write: now, or, while a verdict is awaited, soon.
    fn save_when_fit(&mut self, now: Now, awaited: bool) {
        if !self.ledger.wants_save(self.rules.grace, now) {
            return;
        }
        if !awaited {
            self.save(now, true);
            self.set_timer(now);
        } else if !self.waking {
            self.waking = self.host.wake(SAVE).is_ok();
        }
    }

    fn save(&mut self, now: Now, ahead: bool) {
        let text = self.ledger.encode(self.rules.grace, now, ahead);
        self.store.write(&text);
    }
}

/// Such events have room reserved: if they are lost all the same, the verdicts may be out of date.
fn warn_of_loss(lost: &Lost) {
    let kinds = [SLND_EV_DUPLICATE, SLND_EV_RESOLVED, SLND_EV_STATE];
    let n: u64 = kinds.iter().map(|k| lost.by_kind[usize::from(*k)]).sum();
    if n > 0 {
        log::warn!(
            "events of states and conflicts were lost ({n}): verdicts may be out of date until the next one"
        );
    }
}
