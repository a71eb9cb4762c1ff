//! Taking in a valid datagram of this claim: note the holder, record a proof, answer.

use core::net::{IpAddr, SocketAddr};

use super::{Claim, Context};
use crate::crypto::Crypto;
use crate::entropy::chance;
use crate::evidence::{self, EvidencePair};
use crate::fate::Fate;
use crate::holders::{Heard, Holder, Proof};
use crate::limits::{ANSWERERS, EVIDENCE_PAIRS, EVIDENCE_PAIRS_PER_ROUND, LIVE_FOR, OWED};
use crate::sent::Question;
use crate::station::{Purse, Station};
use crate::wire::{Datagram, Kind};
use crate::{Defenses, Destination, Event, Instance, Mono, ResolvedCause, State, Tag};

/// A datagram whose MAC and signature are right, and that is not my own.
pub(crate) struct Incoming<'a> {
    pub datagram: &'a Datagram,
    pub raw: &'a [u8; 320],
    pub tag: Tag,
    pub source: SocketAddr,
    pub destination: IpAddr,
    pub interface: u32,
    /// The live question of mine that it answers.
    pub question: Option<Question>,
}

/// An answer that waits for the budget: a unicast question is always answered.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    answers: Tag,
    to: Destination,
    purse: Purse,
    /// When the question is live no more.
    until: Mono,
}

impl Claim {
    pub(crate) fn hear<C: Crypto, D: Defenses>(
        &mut self,
        ctx: &mut Context<'_, C>,
        incoming: &Incoming<'_>,
    ) -> Fate {
        self.changed = true;
        let d = incoming.datagram;
        let path = (incoming.source, incoming.interface);
        let ordinal = ctx.station.log.next_ordinal();
        if d.kind == Kind::Goodbye {
            if self.holders.goodbye(ctx.now.boot, ordinal, self.license.seats, d, path) {
                self.settle::<C, D>(ctx, ResolvedCause::Goodbye);
                self.close_if_answered::<C, D>(ctx);
            }
            return Fate::Goodbye;
        }
        if self.holders.is_buried(&d.instance, d.sequence) {
            return Fate::Replayed;
        }
        let serves = |h: &Holder| h.counted && !h.is_grouped_standby();
        let served = self.holders.find(&d.instance).is_some_and(serves);
        let heard = self.holders.hear(ctx.now.boot, ordinal, self.license.seats, d, path);
        if heard == Heard::Full {
            return Fate::TableFull;
        }
        if matches!(d.kind, Kind::Announce { .. }) {
            self.tell_announcement(ctx, incoming);
        }
        if let Some(question) = &incoming.question {
            self.record_proof(ctx, incoming, question);
        }
        if served && !self.holders.find(&d.instance).is_some_and(serves) {
            // It steps back to wait: that takes effect as a goodbye does.
            self.settle::<C, D>(ctx, ResolvedCause::Seats);
        }
        if heard != Heard::Again {
            self.ask_if_needed::<C, D>(ctx, &d.instance);
        }
        self.judge::<C, D>(ctx);
        self.answer::<C, D>(ctx, incoming);
        self.close_if_answered::<C, D>(ctx);
        self.absolve::<C, D>(ctx);
        match (d.kind, &incoming.question) {
            (Kind::Answer { .. }, Some(_)) => Fate::Proof,
            (Kind::Answer { .. }, None) => Fate::LateAnswer,
            _ => Fate::Heard,
        }
    }

    fn tell_announcement<C: Crypto>(&self, ctx: &mut Context<'_, C>, incoming: &Incoming<'_>) {
        let Some(holder) = self.holders.find(&incoming.datagram.instance) else { return };
        ctx.events.push_back(Event::Announcement {
            product: self.license.product,
            claim: self.license.keys.id(),
            holder: self.view_of(holder, ctx.now),
            raw: Some(alloc::boxed::Box::new(*incoming.raw)),
        });
    }

    fn record_proof<C: Crypto>(
        &mut self,
        ctx: &mut Context<'_, C>,
        incoming: &Incoming<'_>,
        question: &Question,
    ) {
        let Some(holder) = self.holders.find_mut(&incoming.datagram.instance) else { return };
        if (holder.standby, holder.group) != (incoming.datagram.standby, incoming.datagram.group) {
            // Overtaken by a datagram that says otherwise: it answers for a role that is over.
            return;
        }
        let newest = holder.proof.map_or(question.ordinal, |p| p.ordinal.max(question.ordinal));
        holder.proof = Some(Proof { ordinal: newest, at: ctx.now.boot });
        holder.silent = None;
        let heard_at = holder.first_heard;
        let Some(round) = self.round.as_mut().filter(|r| question.ordinal >= r.first) else { return };
        let pair = EvidencePair {
            instance: incoming.datagram.instance,
            question: question.bytes.clone(),
            answer: alloc::boxed::Box::new(*incoming.raw),
            heard_at,
            asked_at: question.at,
            answered_at: ctx.now.boot,
            answered_ms: ctx.now.wall_ms,
            from: incoming.source,
            interface: incoming.interface,
        };
        // Enough to show that the seats are exceeded, and never more than half of all that is kept.
        let counted = usize::from(self.license.seats) + usize::from(self.license.standbys);
        let bound = (counted + EVIDENCE_PAIRS_PER_ROUND).min(EVIDENCE_PAIRS / 2);
        if let Some(conflict) = self.conflict.as_ref().filter(|_| round.found.is_some()) {
            let second = conflict.base_round != round.first;
            if !second || round.shares {
                ctx.evidence.add(conflict.view.evidence, second, pair.clone(), bound);
            }
        }
        evidence::keep(&mut round.pairs, pair, bound);
    }

    /// Hearing `instance` may join it to the open round, or begin one.
    fn ask_if_needed<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>, instance: &Instance) {
        let Some(holder) = self.holders.find(instance) else { return };
        if let Some(round) = &mut self.round {
            if !round.asked.contains_key(instance) {
                if chance(ctx.entropy, ANSWERERS, self.holders.live().count() as u64) {
                    round.join(holder);
                }
            } else if !round.is_proved(holder) {
                round.ask_again(instance);
            }
            return;
        }
        if !matches!(self.state, State::Probing | State::Clear | State::Suspected) {
            return;
        }
        let me = ctx.station.me;
        let another_run_of_mine = instance.installation == me.installation;
        let silent_again = holder.silent.is_some() && self.is_over_heard_with_silent::<D>(me);
        let revived = D::ONE_BOOT && self.holders.is_superseded(holder);
        if another_run_of_mine || silent_again || revived || self.is_over_heard::<D>(me) {
            self.begin_by_hearing::<C, D>(ctx, instance);
        }
        self.suspect::<C, D>(ctx);
    }

    /// Answers what asks to be answered; at once, or as soon as the budget allows it.
    fn answer<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>, incoming: &Incoming<'_>) {
        let instance = incoming.datagram.instance;
        let purse = match incoming.datagram.kind {
            Kind::Announce { want: true, .. } if self.may_answer::<C, D>(ctx, incoming) => Purse::Answer,
            Kind::Answer { want: true, .. } if incoming.question.is_some() => Purse::Reply,
            _ => return,
        };
        let to = ctx.station.route(incoming.source, incoming.interface, Some(incoming.destination));
        let owed = Owed { answers: incoming.tag, to, purse, until: ctx.now.boot.after(LIVE_FOR) };
        if self.pay(ctx, &instance, &owed) {
            self.owed.remove(&instance);
        } else if self.owed.len() < OWED || self.owed.contains_key(&instance) {
            self.owed.insert(instance, owed);
        }
    }

    /// Sends an answer if the budget allows it.  It is WANT if I lack a proof of the other side in my open round,
    /// unless it is itself the reply to an ANSWER.
    fn pay<C: Crypto>(&mut self, ctx: &mut Context<'_, C>, instance: &Instance, owed: &Owed) -> bool {
        let Some(holder) = self.holders.find_mut(instance) else { return false };
        if !ctx.station.spend(ctx.now.boot, &mut holder.budget, owed.purse) {
            return false;
        }
        let lacking = self.round.as_mut().filter(|r| owed.purse == Purse::Answer && !r.is_proved(holder));
        let want = lacking.is_some();
        if let Some(asked) = lacking.and_then(|r| r.asked.get_mut(instance)) {
            // This is a question, too.
            asked.due = asked.due.saturating_sub(1);
        }
        let kind = Kind::Answer { answers: owed.answers, want };
        ctx.station.send(ctx.now, ctx.entropy, &self.license, kind, owed.to.clone());
        true
    }

    /// Sends the answers that waited for the budget, unless nobody waits for them any more.
    pub(super) fn pay_owed<C: Crypto>(&mut self, ctx: &mut Context<'_, C>) {
        let mut owed = core::mem::take(&mut self.owed);
        owed.retain(|instance, owed| {
            let waits = self.holders.find(instance).is_some_and(|h| !h.gone) && ctx.now.boot < owed.until;
            waits && !self.pay(ctx, instance, owed)
        });
        self.owed = owed;
    }

    pub(super) fn owed_deadline<C: Crypto>(&self, station: &Station<C>) -> Option<Mono> {
        let payable = |(instance, owed): (&Instance, &Owed)| {
            let holder = self.holders.find(instance)?;
            Some(station.can_spend_at(&holder.budget, owed.purse).min(owed.until))
        };
        self.owed.iter().map(|o| payable(o).unwrap_or_default()).min()
    }

    /// By unicast always; by broadcast only if the claim is over-subscribed, and then not by everyone.
    fn may_answer<C: Crypto, D: Defenses>(&self, ctx: &mut Context<'_, C>, incoming: &Incoming<'_>) -> bool {
        if !D::ANSWER_LIMIT || ctx.station.is_own(incoming.destination) {
            return true;
        }
        self.answers_broadcasts::<D>(ctx.station.me)
            && chance(ctx.entropy, ANSWERERS, self.holders.live().count() as u64 + 1)
    }
}
