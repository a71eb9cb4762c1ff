//! From proofs to states.  A duplicate is an answer that I did not give: only answers to the questions of one
//! round count, and only if all that count were alive together.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Claim, Conflict, ConflictView, Context};
use crate::crypto::Crypto;
use crate::evidence::{EvidencePair, Proof};
use crate::holders::Holder;
use crate::limits::{FLAP_WINDOW, FLAPS};
use crate::round::Round;
use crate::{
    Class, Defenses, Event, GroupDigest, HolderView, Installation, Instance, Mono, ResolvedCause, Stage,
    State,
};

impl Claim {
    /// How many seats so many active and grouped STANDBY holders take.
    fn seats_taken(&self, active: usize, standby: usize) -> usize {
        active + standby.saturating_sub(usize::from(self.license.standbys))
    }

    fn is_over(&self, taken: usize) -> bool {
        self.license.seats != 0 && taken > usize::from(self.license.seats)
    }

    /// This agent as an active and as a grouped STANDBY holder: one of them is 1.
    fn own_seat(&self) -> (usize, usize) {
        let standby = self.license.standby && !self.license.group.is_empty();
        (usize::from(!standby), usize::from(standby))
    }

    /// Seats taken by this agent and `others`.
    fn taken_with<'a>(&self, others: impl Iterator<Item = &'a Holder>) -> usize {
        let (mut active, mut standby) = self.own_seat();
        for h in others {
            if h.is_grouped_standby() { standby += 1 } else { active += 1 }
        }
        self.seats_taken(active, standby)
    }

    /// Whether so many holders remembered could exceed the seats at all: cheap, asked for every datagram.
    fn can_be_over(&self) -> bool {
        self.is_over(self.holders.len() + 1)
    }

    /// Whether the holders heard, without silent ones, exceed the seats.
    pub(super) fn is_over_heard<D: Defenses>(&self, me: Instance) -> bool {
        self.can_be_over()
            && self.is_over(
                self.taken_with(self.holders.counting::<D>(me.installation).filter(|h| h.silent.is_none())),
            )
    }

    /// Whether the holders heard, silent ones included, exceed the seats.
    pub(super) fn is_over_heard_with_silent<D: Defenses>(&self, me: Instance) -> bool {
        self.can_be_over() && self.is_over(self.taken_with(self.holders.counting::<D>(me.installation)))
    }

    /// Whether the claim has more holders than seats, other runs of my own installation counted too: then
    /// broadcast questions are answered.
    pub(super) fn answers_broadcasts<D: Defenses>(&self, me: Instance) -> bool {
        let own = self.holders.live().filter(|h| h.instance.installation == me.installation);
        self.can_be_over()
            && self.is_over(self.taken_with(self.holders.counting::<D>(me.installation).chain(own)))
    }

    /// While a round is open and more are heard than there are seats, a clear claim is suspected.
    pub(super) fn suspect<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        if self.state == State::Clear && self.is_over_heard_with_silent::<D>(ctx.station.me) {
            self.enter(ctx, State::Suspected, false);
        }
    }

    /// Hearing shows that there are seats enough, since a suspect only waits by now.  An open round tells by itself.
    pub(super) fn absolve<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        let suspected = self.state == State::Suspected && self.round.is_none();
        if suspected && !self.is_over_heard_with_silent::<D>(ctx.station.me) {
            self.settle::<C, D>(ctx, ResolvedCause::Silent);
        }
    }

    /// The largest set of holders whose answers in `round` prove that they were alive together: there is a
    /// question of mine that each of them answered, or a later one, after each of them had been heard.
    ///
    /// Each holder is an interval, from the first question it could answer to the newest it did answer;
    /// the set sought is the deepest overlap.
    pub(super) fn alive_together<D: Defenses>(&self, round: &Round) -> Vec<Instance> {
        let answered = |h: &&Holder| round.has_answered(h);
        let mut edges: Vec<(u64, bool, bool)> = Vec::new();
        for h in self.holders.live().filter(answered) {
            let proof = h.proof.map_or(0, |p| p.ordinal);
            let from = if D::NEWER_THAN_YOUNGEST { h.first_ordinal.max(round.first) } else { round.first };
            if from <= proof {
                edges.push((from, false, h.is_grouped_standby()));
                edges.push((proof, true, h.is_grouped_standby()));
            }
        }
        edges.sort_unstable();
        // This agent counts at every question: as a STANDBY it leaves one less free of seats to others.
        let (mut active, mut standby) = self.own_seat();
        let (mut best, mut at) = (0, None);
        for (ordinal, ends, is_standby) in edges {
            let count = if is_standby { &mut standby } else { &mut active };
            if ends {
                *count -= 1
            } else {
                *count += 1
            }
            let taken = self.seats_taken(active, standby);
            // The latest of several: they are more likely to be alive still.
            if !ends && taken >= best {
                (best, at) = (taken, Some(ordinal));
            }
        }
        let Some(at) = at else { return Vec::new() };
        let spans = |h: &&Holder| {
            let from = if D::NEWER_THAN_YOUNGEST { h.first_ordinal } else { 0 };
            from <= at && h.proof.is_some_and(|p| p.ordinal >= at)
        };
        self.holders.live().filter(answered).filter(spans).map(|h| h.instance).collect()
    }

    /// A proof came in: does the open round now prove over-subscription?
    pub(super) fn judge<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        let Some(round) = &self.round else { return };
        let together = self.alive_together::<D>(round);
        if round.found.is_some() {
            self.count_further::<D>(&together);
            self.promote(ctx, &together);
            return;
        }
        let proved = together.iter().filter_map(|i| self.holders.find(i));
        if !self.is_over(self.taken_with(proved)) {
            return;
        }
        if let Some(round) = &mut self.round {
            round.found = Some(ctx.now.boot);
        }
        for h in self.holders.live_mut() {
            h.counted = together.contains(&h.instance);
        }
        let class = self.class(ctx.station.me);
        if let Some(conflict) = &mut self.conflict {
            conflict.view.class = class;
            self.promote(ctx, &together);
        } else {
            // The round keeps them, too: if this conflict ends, what it proved may count in its next one.
            let pairs = self.round.as_ref().map(|r| r.pairs.clone()).unwrap_or_default();
            self.declare(ctx, installations(&together), self.proof(pairs));
        }
    }

    /// Whoever proves itself later in the round counts from then on: when another leaves, the seats hang on it.  In place
    /// of an earlier boot of its installation that has proved nothing since: that is over.
    fn count_further<D: Defenses>(&mut self, together: &[Instance]) {
        let further = || together.iter().filter_map(|i| self.holders.find(i));
        let newest: BTreeMap<Installation, u64> =
            further().map(|h| (h.instance.installation, h.first_ordinal)).collect();
        let superseded = |h: &Holder| {
            let since = newest.get(&h.instance.installation).filter(|_| D::ONE_BOOT);
            since.is_some_and(|ordinal| !h.proved_from(*ordinal))
        };
        for h in self.holders.live_mut() {
            h.counted = together.contains(&h.instance) || (h.counted && !superseded(h));
        }
    }

    /// Counts whom a finished round that found something proved together, as they are by now: one of them may serve no
    /// more.  Says whether they still exceed the seats.
    pub(super) fn still_finds<C: Crypto, D: Defenses>(
        &mut self,
        ctx: &mut Context<'_, C>,
        found: Mono,
        round: &Round,
    ) -> bool {
        let together = self.alive_together::<D>(round);
        for h in self.holders.live_mut() {
            h.counted = together.contains(&h.instance);
        }
        let over = self.is_over(self.taken_with(self.holders.live().filter(|h| h.counted)));
        if over {
            self.rebase(ctx, found, round, &together);
        }
        over
    }

    /// The first proof: conflict, or duplicate at once for who enters it again and again.
    fn declare<C: Crypto>(
        &mut self,
        ctx: &mut Context<'_, C>,
        sharers: BTreeSet<Installation>,
        proof: Proof<EvidencePair>,
    ) {
        let now = ctx.now.boot;
        *ctx.next_conflict += 1;
        self.conflicts += 1;
        self.entries.retain(|(at, _)| now.since(*at) <= FLAP_WINDOW);
        self.entries.push_back((now, sharers.clone()));
        if self.entries.len() > FLAPS {
            self.entries.pop_front();
        }
        let flaps = self.entries.iter().filter(|(_, s)| !s.is_disjoint(&sharers)).count() >= FLAPS;
        let id = *ctx.next_conflict;
        let class = self.class(ctx.station.me);
        let evidence = ctx.evidence.open::<C>(self.license.product, self.license.keys.id(), id, class, proof);
        self.conflict = Some(Conflict {
            view: ConflictView {
                id,
                stage: if flaps { Stage::Duplicate } else { Stage::Conflict },
                class,
                since: now,
                since_ms: ctx.now.wall_ms,
                evidence,
            },
            base: now,
            base_round: self.round.as_ref().map_or(0, |r| r.first),
            sharers,
            told: Vec::new(),
        });
        self.tell_duplicate(ctx);
        self.enter(ctx, if flaps { State::Duplicate } else { State::Conflict }, false);
    }

    /// What so many questions and answers prove, by the terms of the license as it is now.
    fn proof(&self, pairs: Vec<EvidencePair>) -> Proof<EvidencePair> {
        Proof { seats: self.license.seats, standbys: self.license.standbys, pairs }
    }

    /// A further proof: duplicate, if a later round than the first brings it, late enough, and it shares an
    /// installation with the first.
    fn promote<C: Crypto>(&mut self, ctx: &mut Context<'_, C>, together: &[Instance]) {
        let (Some(conflict), Some(round)) = (&self.conflict, &self.round) else { return };
        let later = conflict.base_round != round.first;
        let shares = together.iter().any(|i| conflict.sharers.contains(&i.installation));
        let proof = (later && shares && !round.shares).then(|| self.proof(round.pairs.clone()));
        let (Some(conflict), Some(round)) = (&mut self.conflict, &mut self.round) else { return };
        if let Some(proof) = proof {
            round.shares = true;
            ctx.evidence.confirm(conflict.view.evidence, conflict.view.class, proof);
        }
        let late_enough = ctx.now.boot.since(conflict.base) >= ctx.confirm_after;
        if conflict.view.stage == Stage::Conflict && late_enough && round.shares {
            conflict.view.stage = Stage::Duplicate;
            self.tell_duplicate(ctx);
            self.enter(ctx, State::Duplicate, false);
        }
    }

    /// A round that proved over-subscription is over: whom it proved, of many, may be others than the next one does.
    /// If nobody of the first round's is among them, somebody else holds it now: the confirmation starts anew with
    /// these, and evidence of its own.
    fn rebase<C: Crypto>(
        &mut self,
        ctx: &mut Context<'_, C>,
        found: Mono,
        round: &Round,
        together: &[Instance],
    ) {
        let proof = self.proof(round.pairs.clone());
        let Some(conflict) = self.conflict.as_mut() else { return };
        if conflict.base_round == round.first {
            conflict.sharers.extend(installations(together));
        } else if !round.shares {
            (conflict.base, conflict.base_round) = (found, round.first);
            conflict.sharers = installations(together);
            let (product, claim) = (self.license.product, self.license.keys.id());
            let ConflictView { id, class, .. } = conflict.view;
            conflict.view.evidence = ctx.evidence.open::<C>(product, claim, id, class, proof);
        }
    }

    /// What kind of over-subscription the counted holders make.
    fn class(&self, me: Instance) -> Class {
        let mut seen = BTreeSet::from([me.installation]);
        if self.holders.live().filter(|h| h.counted).any(|h| !seen.insert(h.instance.installation)) {
            return Class::Clone;
        }
        // Grouped STANDBY holders wait, whatever their number.
        let others = self.holders.live().filter(|h| h.counted && !h.is_grouped_standby()).map(|h| h.group);
        let mine = (self.own_seat().0 == 1).then_some(self.group_digest);
        let serving: Vec<GroupDigest> = others.chain(mine).collect();
        let one = serving.iter().all(|g| *g != GroupDigest::NONE && *g == serving[0]);
        if one && serving.len() > 1 { Class::SplitBrain } else { Class::Copy }
    }

    /// What a finished round, a goodbye, an expiry or a new license means: states only fall here.
    pub(super) fn settle<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>, cause: ResolvedCause) {
        let me = ctx.station.me;
        if let Some(conflict) = self.conflict.take() {
            let still = self.taken_with(self.holders.live().filter(|h| h.counted));
            if self.is_over(still) {
                self.conflict = Some(conflict);
                self.update_told(ctx);
                return;
            }
            self.next_round = None;
            if let Some(round) = &mut self.round {
                // It may yet prove another one, with what those who stayed have answered already.
                (round.found, round.shares) = (None, false);
                let stayed = |who: &Instance| self.holders.find(who).is_some_and(|h| !h.gone);
                round.pairs.retain(|pair| stayed(&pair.instance));
            }
            self.holders.live_mut().for_each(|h| h.counted = false);
            self.tell_resolved(ctx, conflict.view.id, cause);
        } else if self.state == State::Probing {
            return;
        }
        let over = self.is_over_heard_with_silent::<D>(me);
        let state = match (self.is_starting(), over) {
            (true, _) => State::Probing,
            (false, true) => State::Suspected,
            (false, false) => State::Clear,
        };
        if state == State::Clear {
            let lives = |who: Instance| self.holders.find(&who).is_some_and(|h| !h.gone);
            self.next_round = self.next_round.filter(|(_, because)| because.is_some_and(lives));
        }
        self.enter(ctx, state, false);
    }

    pub(super) fn enter<C: Crypto>(&mut self, ctx: &mut Context<'_, C>, state: State, verdict_void: bool) {
        if state == self.state && !verdict_void {
            return;
        }
        let old = core::mem::replace(&mut self.state, state);
        self.state_since = ctx.now.boot;
        ctx.events.push_back(Event::State {
            product: self.license.product,
            claim: self.license.keys.id(),
            old,
            new: state,
            coverage: ctx.coverage,
            verdict_void,
        });
    }

    pub(super) fn tell_resolved<C: Crypto>(
        &self,
        ctx: &mut Context<'_, C>,
        conflict_id: u64,
        cause: ResolvedCause,
    ) {
        let (product, claim) = (self.license.product, self.license.keys.id());
        ctx.events.push_back(Event::Resolved { product, claim, conflict_id, cause });
    }

    fn tell_duplicate<C: Crypto>(&mut self, ctx: &mut Context<'_, C>) {
        let holders = self.holder_views(ctx.station, ctx.now);
        let told = Self::counted_and_over(&holders);
        let Some(conflict) = &mut self.conflict else { return };
        conflict.told = told;
        ctx.events.push_back(Event::Duplicate {
            product: self.license.product,
            claim: self.license.keys.id(),
            conflict_id: conflict.view.id,
            evidence: conflict.view.evidence,
            stage: conflict.view.stage,
            class: conflict.view.class,
            seats: self.license.seats,
            coverage: ctx.coverage,
            holders,
        });
    }

    fn counted_and_over(views: &[HolderView]) -> Vec<(Instance, bool)> {
        views.iter().filter(|v| v.is_self || v.proved).map(|v| (v.instance, v.over)).collect()
    }

    /// Tells of the conflict again if other holders count in it now: who is over the seats may have changed.
    pub(super) fn update_told<C: Crypto>(&mut self, ctx: &mut Context<'_, C>) {
        let class = self.class(ctx.station.me);
        let now_counted = Self::counted_and_over(&self.holder_views(ctx.station, ctx.now));
        if let Some(conflict) = &mut self.conflict
            && (conflict.told != now_counted || conflict.view.class != class)
        {
            conflict.view.class = class;
            self.tell_duplicate(ctx);
        }
    }
}

fn installations(instances: &[Instance]) -> BTreeSet<Installation> {
    instances.iter().map(|i| i.installation).collect()
}

#[cfg(test)]
mod tests;
