//! Taking in a valid datagram of this claim: note the holder, record a proof, answer.

use core::net::{IpAddr, SocketAddr};

use super::{Claim, Context};
use crate::crypto::Crypto;
use crate::entropy::chance;
use crate::evidence::EvidencePair;
use crate::fate::Fate;
use crate::holders::{Heard, Proof};
use crate::limits::{ANSWERERS, EVIDENCE_PAIRS, EVIDENCE_PAIRS_PER_ROUND};
use crate::sent::Question;
use crate::station::Purse;
use crate::wire::{Datagram, Kind};
use crate::{Defenses, Event, Instance, ResolvedCause, State, Tag};

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

impl Claim {
    pub(crate) fn hear<C: Crypto, D: Defenses>(
        &mut self,
        ctx: &mut Context<'_, C>,
        incoming: &Incoming<'_>,
    ) -> Fate {
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
        if heard != Heard::Again {
            self.ask_if_needed::<C, D>(ctx, &d.instance);
        }
        self.judge::<C, D>(ctx);
        self.answer::<C, D>(ctx, incoming);
        self.close_if_answered::<C, D>(ctx);
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
            raw: alloc::boxed::Box::new(*incoming.raw),
        });
    }

    fn record_proof<C: Crypto>(
        &mut self,
        ctx: &mut Context<'_, C>,
        incoming: &Incoming<'_>,
        question: &Question,
    ) {
        let Some(holder) = self.holders.find_mut(&incoming.datagram.instance) else { return };
        let newest = holder.proof.map_or(question.ordinal, |p| p.ordinal.max(question.ordinal));
        holder.proof = Some(Proof { ordinal: newest, at: ctx.now.boot });
        holder.silent = None;
        let Some(round) = self.round.as_mut().filter(|r| question.ordinal >= r.first) else { return };
        let pair = EvidencePair {
            instance: incoming.datagram.instance,
            question: question.bytes.clone(),
            answer: alloc::boxed::Box::new(*incoming.raw),
            asked_at: question.at,
            answered_at: ctx.now.boot,
            answered_ms: ctx.now.wall_ms,
            from: incoming.source,
            interface: incoming.interface,
        };
        // Enough to show that the seats are exceeded, and never more than half of all that is kept.
        let bound = (usize::from(self.license.seats) + EVIDENCE_PAIRS_PER_ROUND).min(EVIDENCE_PAIRS / 2);
        match &self.conflict {
            Some(conflict) if round.found => {
                let second = conflict.base < round.opened;
                let kept = ctx.evidence.find(conflict.evidence);
                let full = kept.is_none_or(|e| if second { e.second.len() } else { e.first.len() } >= bound);
                if !full {
                    ctx.evidence.add(conflict.evidence, second, pair);
                }
            }
            _ if round.pairs.len() < bound => round.pairs.push(pair),
            _ => {}
        }
    }

    /// Hearing `instance` may join it to the open round, or begin one.
    fn ask_if_needed<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>, instance: &Instance) {
        let live = self.holders.live().count() as u64;
        let Some(holder) = self.holders.find(instance) else { return };
        if let Some(round) = &mut self.round {
            if !round.asked.contains_key(instance) && chance(ctx.entropy, ANSWERERS, live) {
                round.join(holder);
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

    fn answer<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>, incoming: &Incoming<'_>) {
        let instance = incoming.datagram.instance;
        let (want, purse) = match incoming.datagram.kind {
            Kind::Announce { want: true, .. } if self.may_answer::<C, D>(ctx, incoming) => {
                let lacks_proof =
                    |r: &crate::round::Round| self.holders.find(&instance).is_some_and(|h| !r.is_proved(h));
                (self.round.as_ref().is_some_and(lacks_proof), Purse::Common)
            }
            Kind::Answer { want: true, .. } if incoming.question.is_some() => (false, Purse::Reserve),
            _ => return,
        };
        if !self.spend_on(ctx, &instance, purse) {
            return;
        }
        let to = ctx.station.route(incoming.source, incoming.interface, Some(incoming.destination));
        let kind = Kind::Answer { answers: incoming.tag, want };
        ctx.station.send(ctx.now, ctx.entropy, &self.license, kind, to);
    }

    /// By unicast always; by broadcast only if the claim is over-subscribed, and then not by everyone.
    fn may_answer<C: Crypto, D: Defenses>(&self, ctx: &mut Context<'_, C>, incoming: &Incoming<'_>) -> bool {
        if !D::ANSWER_LIMIT || ctx.station.is_own(incoming.destination) {
            return true;
        }
        let holders = self.holders.live().count() as u64 + 1;
        self.answers_broadcasts::<D>(ctx.station.me) && chance(ctx.entropy, ANSWERERS, holders)
    }
}
