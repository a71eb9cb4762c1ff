//! A claim held on this host: its state, its holders, and what it is about to do.
//!
//! `schedule` sends announcements in time, `hearing` takes in datagrams and answers them, `asking` runs
//! rounds, `judge` turns proofs into states.  The judge never sends and never enforces.

mod asking;
mod hearing;
mod judge;
mod schedule;
mod view;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::coverage::Ears;
use crate::crypto::Crypto;
use crate::entropy::Entropy;
use crate::evidence::EvidenceStore;
use crate::holders::Holders;
use crate::round::Round;
use crate::station::{License, Station};
use crate::{Coverage, Event, GroupDigest, Installation, Instance, Mono, Now, State};

pub(crate) use hearing::Incoming;
use schedule::Schedule;
pub use view::{ClaimView, ConflictView};

/// What a claim needs of the engine while it works.
pub(crate) struct Context<'a, C: Crypto> {
    pub now: Now,
    pub entropy: &'a mut dyn Entropy,
    pub station: &'a mut Station<C>,
    pub events: &'a mut VecDeque<Event>,
    pub evidence: &'a mut EvidenceStore,
    pub next_conflict: &'a mut u64,
    pub coverage: Coverage,
    pub ears: &'a Ears,
    pub confirm_after: Duration,
    pub interval: Duration,
}

/// An over-subscription that was proved.
#[derive(Clone, Debug)]
pub(crate) struct Conflict {
    pub view: ConflictView,
    /// Since when the confirmation counts: the round that first proved who is proved again.
    base: Mono,
    /// The opening ordinal of that round.
    base_round: u64,
    /// Installations other than this instance that the base round proved.
    sharers: BTreeSet<Installation>,
    /// Who counted in the newest `Duplicate` event, and who of them was over the seats.
    told: Vec<(Instance, bool)>,
}

/// A claim held on this host.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub license: License,
    /// The digest of the license's group, as datagrams carry it.
    group_digest: GroupDigest,
    pub state: State,
    pub state_since: Mono,
    pub claimed_at: Mono,
    schedule: Schedule,
    pub holders: Holders,
    round: Option<Round>,
    /// When the next scheduled round begins: the confirming one, the next while duplicate, or one that hearing this
    /// instance was too early to begin.
    next_round: Option<(Mono, Option<Instance>)>,
    last_heard_round: Option<Mono>,
    pub conflict: Option<Conflict>,
    conflicts: u32,
    /// The newest entries into conflict, with the installations they proved.
    entries: VecDeque<(Mono, BTreeSet<Installation>)>,
    /// Answers that wait for the budget: to each asker only the newest.
    owed: BTreeMap<Instance, hearing::Owed>,
    /// Its holders may look otherwise than when this was last taken: who looks at them need not look again before.
    pub changed: bool,
    /// Some holder left a whole round unanswered, or did once.
    pub may_be_one_way: bool,
}

impl Claim {
    /// A new claim, about to probe.
    pub(crate) fn new<C: Crypto>(now: Now, entropy: &mut dyn Entropy, license: License) -> Claim {
        Claim {
            group_digest: license.keys.group::<C>(&license.group),
            license,
            state: State::Probing,
            state_since: now.boot,
            claimed_at: now.boot,
            schedule: Schedule::probing(now.boot, entropy),
            holders: Holders::default(),
            round: None,
            next_round: None,
            last_heard_round: None,
            conflict: None,
            conflicts: 0,
            entries: VecDeque::new(),
            owed: BTreeMap::new(),
            changed: true,
            may_be_one_way: false,
        }
    }

    /// Holders and owed answers, in number.
    pub fn remembered(&self) -> usize {
        self.holders.len() + self.owed.len()
    }

    /// When [`Claim::on_time`] has something to do.
    pub(crate) fn deadline<C: Crypto>(&self, station: &Station<C>) -> Mono {
        let owed = self.owed_deadline(station);
        [self.schedule.deadline(), self.asking_deadline(station), owed, self.holders.next_expiry()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Mono::NEVER)
    }

    /// Does all that is due.
    pub(crate) fn on_time<C: Crypto, D: crate::Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        self.changed = true;
        let expired = self.holders.expire(ctx.now.boot);
        if !expired.is_empty() {
            self.settle::<C, D>(ctx, crate::ResolvedCause::Expired);
        }
        self.run_schedule::<C, D>(ctx);
        self.pay_owed(ctx);
        self.ask_on_time::<C, D>(ctx);
    }

    /// The license changed; role, seats and group are announced at once.
    pub(crate) fn relicense<C: Crypto, D: crate::Defenses>(
        &mut self,
        ctx: &mut Context<'_, C>,
        license: License,
    ) {
        self.changed = true;
        // A STANDBY without a group takes a seat like an active holder.
        let role = |l: &License| (l.standby, l.standby && !l.group.is_empty());
        let role_changed = role(&license) != role(&self.license);
        self.group_digest = license.keys.group::<C>(&license.group);
        self.license = license;
        if role_changed {
            self.restart::<C>(ctx);
            // A new role asks everybody anew: who left the old one's questions unanswered may be back.
            if self.is_over_heard_with_silent::<D>(ctx.station.me) {
                self.open_round::<C, D>(ctx);
            }
            return;
        }
        self.announce(ctx, false);
        self.settle::<C, D>(ctx, crate::ResolvedCause::Seats);
        let is_settled = matches!(self.state, State::Clear | State::Suspected);
        if is_settled && self.is_over_heard::<D>(ctx.station.me) {
            self.open_round::<C, D>(ctx);
        }
    }

    /// The license changed, or is given up: what was found of it is over.
    pub(crate) fn end_conflict<C: Crypto>(&mut self, ctx: &mut Context<'_, C>) {
        if let Some(conflict) = self.conflict.take() {
            self.tell_resolved(ctx, conflict.view.id, crate::ResolvedCause::Seats);
        }
    }

    /// A change of role: nothing concluded so far holds for the new role, so it is probed for from the start.
    fn restart<C: Crypto>(&mut self, ctx: &mut Context<'_, C>) {
        self.end_conflict(ctx);
        (self.round, self.next_round) = (None, None);
        self.holders.live_mut().for_each(|h| (h.counted, h.silent) = (false, None));
        self.schedule.restart(ctx.now.boot, ctx.entropy);
        self.enter(ctx, State::Probing, true);
    }

    /// The loop was late, asleep, or could not send: what it asked before means nothing.
    pub(crate) fn doubt<C: Crypto, D: crate::Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        self.changed = true;
        if self.round.take().is_some() {
            self.open_round::<C, D>(ctx);
        }
        self.schedule.burst(ctx.now.boot);
    }
}
