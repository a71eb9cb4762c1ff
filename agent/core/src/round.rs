//! A round: all holders heard are asked, and only what they answer to it counts.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::evidence::EvidencePair;
use crate::holders::{Holder, Holders};
use crate::limits::{ROUND_OPEN, ROUND_SEATS_PER_S, ROUND_STEPS};
use crate::{Instance, Mono};

/// Who is asked in a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// It joined after the opening broadcast: too late to call it silent.
    pub joined_late: bool,
    /// A question to it waits for the budget.
    pub due: bool,
}

/// A round of one claim.
#[derive(Debug)]
pub(crate) struct Round {
    /// Ordinal of its opening broadcast: answers to earlier questions do not count.
    pub first: u64,
    /// All counted answers must answer questions from here on: the youngest asked was first heard then.
    floor: u64,
    closes: Mono,
    /// When it was opened.
    pub opened: Mono,
    step: usize,
    pub asked: BTreeMap<Instance, Asked>,
    /// It has proved over-subscription.
    pub found: bool,
    /// Sending failed, so silence means nothing.
    pub void: bool,
    pub pairs: Vec<EvidencePair>,
}

impl Round {
    pub(crate) fn open(now: Mono, first: u64, seats: u16, holders: &Holders) -> Round {
        let by_seats = Duration::from_secs(u64::from(u32::from(seats) / ROUND_SEATS_PER_S));
        let asked = holders.live().map(|h| (h.instance, Asked { joined_late: false, due: false })).collect();
        Round {
            first,
            floor: first,
            opened: now,
            closes: now.after(ROUND_OPEN.max(by_seats)),
            step: 0,
            asked,
            found: false,
            void: false,
            pairs: Vec::new(),
        }
    }

    /// A holder first heard meanwhile joins; who proved itself before that is asked again, so that all that
    /// counts together was alive together.
    pub(crate) fn join(&mut self, holder: &Holder) {
        self.asked.insert(holder.instance, Asked { joined_late: true, due: true });
        self.floor = self.floor.max(holder.first_ordinal);
    }

    /// Whether `holder` has answered all that it needs to.
    pub(crate) fn is_proved(&self, holder: &Holder) -> bool {
        holder.proof.is_some_and(|p| p.ordinal >= self.floor)
    }

    /// Whether `holder` has answered anything of this round.
    pub(crate) fn has_answered(&self, holder: &Holder) -> bool {
        holder.proof.is_some_and(|p| p.ordinal >= self.first)
    }

    pub(crate) fn all_answered(&self, holders: &Holders) -> bool {
        self.asked.keys().filter_map(|i| holders.find(i)).filter(|h| !h.gone).all(|h| self.is_proved(h))
    }

    /// When the next step is due, if there is one left.
    pub(crate) fn next_step(&self) -> Option<Mono> {
        ROUND_STEPS.get(self.step).map(|after| self.opened.after(*after))
    }

    /// Begins the next step if its time has come: all still missing are due a question.  Says which step it is.
    pub(crate) fn begin_step(&mut self, now: Mono, holders: &Holders) -> Option<usize> {
        if self.next_step().is_none_or(|at| now < at) {
            return None;
        }
        let floor = self.floor;
        for (instance, asked) in &mut self.asked {
            let missing = |h: &Holder| !h.gone && h.proof.is_none_or(|p| p.ordinal < floor);
            asked.due = holders.find(instance).is_some_and(missing);
        }
        self.step += 1;
        Some(self.step - 1)
    }

    pub(crate) fn closes(&self) -> Mono {
        self.closes
    }
}
