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
    /// So many questions to it wait for the budget.
    pub due: u8,
}

/// A round of one claim.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// Ordinal of its opening broadcast: answers to earlier questions do not count.
    pub first: u64,
    /// All counted answers must answer questions from here on: the youngest asked was first heard then.
    floor: u64,
    closes: Mono,
    /// When it was opened.
    opened: Mono,
    step: usize,
    pub asked: BTreeMap<Instance, Asked>,
    /// When it proved over-subscription.
    pub found: Option<Mono>,
    /// What it proved shares an installation with what the conflict's first round proved.
    pub shares: bool,
    /// Sending failed, so silence means nothing.
    pub void: bool,
    pub pairs: Vec<EvidencePair>,
}

impl Round {
    pub(crate) fn open(now: Mono, first: u64, seats: u16, holders: &Holders) -> Round {
        let by_seats = Duration::from_secs(u64::from(u32::from(seats) / ROUND_SEATS_PER_S));
        let asked = holders.live().map(|h| (h.instance, Asked { joined_late: false, due: 0 })).collect();
        Round {
            first,
            floor: first,
            opened: now,
            closes: now.after(ROUND_OPEN.max(by_seats)),
            step: 0,
            asked,
            found: None,
            shares: false,
            void: false,
            pairs: Vec::new(),
        }
    }

    /// A holder first heard meanwhile joins; who proved itself before that is asked again, so that all that
    /// counts together was alive together.
    pub(crate) fn join(&mut self, holder: &Holder) {
        self.asked.insert(holder.instance, Asked { joined_late: true, due: 1 });
        self.floor = self.floor.max(holder.first_ordinal);
    }

    /// A holder that is heard while it is missing can be reached by now: it is asked without waiting for the step.
    pub(crate) fn ask_again(&mut self, instance: &Instance) {
        if let Some(asked) = self.asked.get_mut(instance) {
            asked.due = asked.due.max(1);
        }
    }

    /// Whether `holder` has answered all that it needs to.
    pub(crate) fn is_proved(&self, holder: &Holder) -> bool {
        holder.proved_from(self.floor)
    }

    /// Whether `holder` has answered anything of this round.
    pub(crate) fn has_answered(&self, holder: &Holder) -> bool {
        holder.proved_from(self.first)
    }

    /// From which question on an answer shows who was alive together with all others.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
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
            let missing = |h: &Holder| !h.gone && !h.proved_from(floor);
            let missing = holders.find(instance).is_some_and(missing);
            asked.due = if missing { asked.due.saturating_add(1) } else { 0 };
        }
        self.step += 1;
        Some(self.step - 1)
    }

    pub(crate) fn closes(&self) -> Mono {
        self.closes
    }
}
