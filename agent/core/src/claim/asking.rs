//! Rounds: opening one, asking those still missing within the budget, closing it.

use super::{Claim, Context};
use crate::crypto::Crypto;
use crate::holders::Holder;
use crate::limits::{DUPLICATE_ROUND_EVERY, HEARTBEAT, ROUND_BROADCAST_STEP};
use crate::round::Round;
use crate::station::{Purse, Station};
use crate::wire::Kind;
use crate::{Defenses, Instance, Mono, ResolvedCause, Stage};

impl Claim {
    pub(super) fn asking_deadline<C: Crypto>(&self, station: &Station<C>) -> Option<Mono> {
        let Some(round) = &self.round else { return self.next_round_at() };
        let due = round.asked.iter().filter(|(_, a)| a.due > 0).filter_map(|(i, _)| self.holders.find(i));
        let payable = due.map(|h| station.can_spend_at(&h.budget, Purse::Question)).min();
        // A beat at least every second, so that a stall is noticed before its consequences.
        let beat = Some(station.beat.after(HEARTBEAT));
        [Some(round.closes()), round.next_step(), payable, beat].into_iter().flatten().min()
    }

    /// Opens a round: asks all holders heard by broadcast; those who do not answer follow step by step.
    pub(super) fn open_round<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        let first = ctx.station.log.next_ordinal();
        self.next_round = None;
        self.round = Some(Round::open(ctx.now.boot, first, self.license.seats, &self.holders));
        self.announce(ctx, true);
        self.suspect::<C, D>(ctx);
    }

    pub(super) fn ask_on_time<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        let now = ctx.now.boot;
        if self.round.is_none()
            && let Some((_, because)) = self.next_round.take_if(|(at, _)| now >= *at)
        {
            if let Some(holder) = because.and_then(|i| self.holders.find_mut(&i)) {
                (holder.began_round, self.last_heard_round) = (Some(now), Some(now));
            }
            self.open_round::<C, D>(ctx);
        }
        let Some(round) = &mut self.round else { return };
        let step = round.begin_step(now, &self.holders);
        let finished = now >= round.closes() || round.all_answered(&self.holders);
        if step == Some(ROUND_BROADCAST_STEP) && !finished {
            self.announce(ctx, true);
        }
        if finished { self.close_round::<C, D>(ctx) } else { self.ask_missing(ctx) }
    }

    /// Unicast questions to all that are due one, as far as the budget goes.
    fn ask_missing<C: Crypto>(&mut self, ctx: &mut Context<'_, C>) {
        let Some(round) = &mut self.round else { return };
        let floor = round.floor();
        for (instance, asked) in round.asked.iter_mut().filter(|(_, a)| a.due > 0) {
            let missing = |h: &&mut Holder| !h.gone && !h.proved_from(floor);
            let Some(holder) = self.holders.find_mut(instance).filter(missing) else {
                asked.due = 0;
                continue;
            };
            if !ctx.station.spend(ctx.now.boot, &mut holder.budget, Purse::Question) {
                continue;
            }
            asked.due -= 1;
            let to = ctx.station.route(holder.from, holder.interface, None);
            let kind = Kind::Announce { probe: false, want: true };
            ctx.station.send(ctx.now, ctx.entropy, &self.license, kind, to);
        }
    }

    /// Closes the round if nobody is missing any more.
    pub(super) fn close_if_answered<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        if self.round.as_ref().is_some_and(|r| r.all_answered(&self.holders)) {
            self.close_round::<C, D>(ctx);
        }
    }

    fn close_round<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        let Some(round) = self.round.take() else { return };
        if round.void && round.found.is_none() {
            // Sending failed meanwhile: silence proves nothing, so it is asked again.
            self.open_round::<C, D>(ctx);
            return;
        }
        if D::SILENT_NOT_COUNTED {
            for (instance, _) in round.asked.iter().filter(|(_, a)| !a.joined_late) {
                if let Some(h) = self.holders.find_mut(instance)
                    && !round.has_answered(h)
                    && !round.void
                    && !ctx.ears.is_broken(h.interface)
                {
                    h.silent = h.silent.or(Some(round.first));
                    self.may_be_one_way = true;
                }
            }
        }
        let found = round.found.is_some_and(|at| self.still_finds::<C, D>(ctx, at, &round));
        if found {
            self.update_told::<C>(ctx);
        }
        self.conclude::<C, D>(ctx, found);
        self.ask_undecided::<C, D>(ctx, &round);
    }

    /// Who joined too late to be called silent, or answered before the youngest was heard only, is neither proved
    /// nor silent: if the seats hang on that, another round shall tell.
    fn ask_undecided<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>, round: &Round) {
        let me = ctx.station.me;
        if self.conflict.is_none() && self.is_over_heard::<D>(me) {
            let undecided = |h: &&Holder| h.silent.is_none() && !round.is_proved(h);
            let who = self.holders.counting::<D>(me.installation).find(undecided).map(|h| h.instance);
            if let Some(who) = who {
                self.begin_by_hearing::<C, D>(ctx, &who);
            }
        }
    }

    /// What a finished round means for the state, and when the next one is.
    fn conclude<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>, found: bool) {
        let now = ctx.now.boot;
        match &self.conflict {
            Some(conflict) if found => {
                let at = match conflict.view.stage {
                    Stage::Conflict => now.max(conflict.base.after(ctx.confirm_after)),
                    Stage::Duplicate => now.after(DUPLICATE_ROUND_EVERY),
                };
                self.next_round = Some((at, None));
            }
            Some(_) if self.holders.live().any(|h| h.counted && ctx.ears.is_broken(h.interface)) => {
                // It could not be asked, so nothing was found out.
                self.next_round = Some((now.after(DUPLICATE_ROUND_EVERY), None));
            }
            _ => {
                self.holders.live_mut().for_each(|h| h.counted = false);
                self.settle::<C, D>(ctx, ResolvedCause::Silent);
            }
        }
    }

    /// Hearing `instance` shall begin a round; later, if it did so within a minute, or conflicts are too many:
    /// whoever is heard too early may next be heard an interval later only.
    pub(super) fn begin_by_hearing<C: Crypto, D: Defenses>(
        &mut self,
        ctx: &mut Context<'_, C>,
        instance: &Instance,
    ) {
        use crate::limits::{MAX_CONFLICTS, ROUND_PER_INSTANCE, ROUND_RATE_LIMIT};
        let now = ctx.now.boot;
        let limit = self.last_heard_round.filter(|_| self.conflicts >= MAX_CONFLICTS);
        let Some(holder) = self.holders.find_mut(instance) else { return };
        let earliest = [
            limit.map(|at| at.after(ROUND_RATE_LIMIT)),
            holder.began_round.map(|at| at.after(ROUND_PER_INSTANCE)),
        ];
        let at = earliest.into_iter().flatten().max().unwrap_or(now).max(now);
        if at == now {
            (holder.began_round, self.last_heard_round) = (Some(now), Some(now));
            self.open_round::<C, D>(ctx);
        } else if self.next_round.is_none_or(|(next, _)| at < next) {
            self.next_round = Some((at, Some(*instance)));
        }
    }

    /// Sending failed: what is asked now may never have left.
    pub(crate) fn doubt_round(&mut self) {
        if let Some(round) = &mut self.round {
            round.void = true;
        }
    }

    pub(crate) fn has_round(&self) -> bool {
        self.round.is_some()
    }

    pub(crate) fn next_round_at(&self) -> Option<Mono> {
        self.next_round.map(|(at, _)| at)
    }
}
