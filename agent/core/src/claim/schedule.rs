//! When a claim announces itself: start-up probes, early announcements, the steady interval, later bursts.

use core::time::Duration;

use super::{Claim, Context};
use crate::crypto::Crypto;
use crate::entropy::{Entropy, below};
use crate::limits::{
    ASKED_SPACING, BURST, BURST_GAP, BURST_SPACING, EARLY_ANNOUNCEMENTS_S, GOODBYES, JITTER_PERCENT,
    PROBE_WAIT, START_DELAY,
};
use crate::wire::Kind;
use crate::{Defenses, Destination, Mono, Now, State};

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many probes were sent.
    Probe(u8),
    /// All probes were sent; then the claim is held.
    Settle,
    /// Held, and so many announcements were sent since.
    Announce(usize),
}

/// When a claim announces itself.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    step: Step,
    at: Mono,
    /// Announcements of a burst still to be sent, and when the next is due.
    burst: Option<(u8, Mono)>,
    /// When the newest burst began; the start-up counts.
    burst_began: Mono,
    /// Another burst was called for while one was under way.
    again: bool,
    /// When the claim was last announced; `None` if nobody was ever told of it.
    announced: Option<Mono>,
}

/// `d` ± 10 %.
fn jittered(d: Duration, entropy: &mut dyn Entropy) -> Duration {
    let tenth = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX) / 100 * JITTER_PERCENT;
    d + Duration::from_nanos(below(entropy, 2 * tenth + 1)) - Duration::from_nanos(tenth)
}

impl Schedule {
    pub(super) fn probing(now: Mono, entropy: &mut dyn Entropy) -> Schedule {
        let delay = below(entropy, u64::try_from(START_DELAY.as_nanos()).unwrap_or(u64::MAX));
        let at = now.after(Duration::from_nanos(delay));
        Schedule { step: Step::Probe(0), at, burst: None, burst_began: now, again: false, announced: None }
    }

    /// Probes anew; that the claim was announced before stays true, so that a stop is still worth a GOODBYE.
    pub(super) fn restart(&mut self, now: Mono, entropy: &mut dyn Entropy) {
        *self = Schedule { announced: self.announced, ..Schedule::probing(now, entropy) };
    }

    /// Sends a burst of announcements soon: at once, or 10 s after the one before began.  What one that is under way
    /// said already may have gone nowhere, so that another follows it.
    pub(super) fn burst(&mut self, now: Mono) {
        let starting = !matches!(self.step, Step::Announce(_));
        self.again |= starting || self.burst.is_some_and(|(left, _)| left < BURST);
        if !starting && self.burst.is_none() {
            let at = now.max(self.burst_began.after(BURST_SPACING));
            (self.burst, self.burst_began) = (Some((BURST, at)), at);
        }
    }

    /// A burst is over, or the start-up.
    fn burst_ended(&mut self, now: Mono) {
        if core::mem::take(&mut self.again) {
            self.burst(now);
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        Some(self.burst.map_or(self.at, |(_, at)| at.min(self.at)))
    }

    /// The announcement after `sent` of them: early ones at 2, 5, 30, 60, 120 s after the claim was held, then one
    /// an interval; never further apart than the interval.
    fn gap(sent: usize, interval: Duration) -> Duration {
        let at = |i: usize| EARLY_ANNOUNCEMENTS_S.get(i).copied();
        let before = sent.checked_sub(1).map_or(Some(0), at);
        match (before, at(sent)) {
            (Some(before), Some(next)) => Duration::from_secs(next - before).min(interval),
            _ => interval,
        }
    }
}

impl Claim {
    pub(super) fn run_schedule<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        if ctx.now.boot >= self.schedule.at {
            self.run_step::<C, D>(ctx);
        }
        if let Some((left, at)) = self.schedule.burst
            && ctx.now.boot >= at
        {
            self.announce(ctx, true);
            self.schedule.burst = (left > 1).then(|| (left - 1, ctx.now.boot.after(BURST_GAP)));
            if left == 1 {
                self.schedule.burst_ended(ctx.now.boot);
            }
        }
    }

    fn run_step<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        let now = ctx.now.boot;
        let (step, at) = match self.schedule.step {
            Step::Probe(sent) => {
                self.announce(ctx, true);
                let last = sent + 1 == BURST;
                let step = if last { Step::Settle } else { Step::Probe(sent + 1) };
                (step, now.after(if last { PROBE_WAIT } else { BURST_GAP }))
            }
            Step::Settle => {
                self.end_probing::<C, D>(ctx);
                (Step::Announce(0), now.after(jittered(Schedule::gap(0, ctx.interval), ctx.entropy)))
            }
            Step::Announce(sent) => {
                self.announce(ctx, false);
                (
                    Step::Announce(sent + 1),
                    now.after(jittered(Schedule::gap(sent + 1, ctx.interval), ctx.entropy)),
                )
            }
        };
        let settled = matches!(self.schedule.step, Step::Settle);
        (self.schedule.step, self.schedule.at) = (step, at);
        if settled {
            self.schedule.burst_ended(now);
        }
    }

    /// Sends one ANNOUNCE everywhere; PROBE while starting up.  Returns its ordinal.
    pub(super) fn announce<C: Crypto>(&mut self, ctx: &mut Context<'_, C>, want: bool) -> u64 {
        self.schedule.announced = Some(ctx.now.boot);
        let kind = Kind::Announce { probe: self.is_starting(), want };
        ctx.station.send(ctx.now, ctx.entropy, &self.license, kind, Destination::Everywhere)
    }

    /// Whether the start-up burst is under way, whatever was found meanwhile.
    pub(super) fn is_starting(&self) -> bool {
        !matches!(self.schedule.step, Step::Announce(_))
    }

    fn end_probing<C: Crypto, D: Defenses>(&mut self, ctx: &mut Context<'_, C>) {
        if self.state == State::Probing {
            let over = self.is_over_heard_with_silent::<D>(ctx.station.me);
            self.enter(ctx, if over { State::Suspected } else { State::Clear }, false);
        }
    }

    /// Announces outside the schedule, since a plugin or the operator asked for it: at most once a second, a burst at
    /// most every 10 s.
    pub(crate) fn announce_now<C: Crypto>(&mut self, ctx: &mut Context<'_, C>, burst: bool) {
        if burst {
            self.schedule.burst(ctx.now.boot);
        } else if !self.is_starting()
            && self.schedule.announced.is_none_or(|at| ctx.now.boot.since(at) >= ASKED_SPACING)
        {
            self.announce(ctx, false);
        }
    }

    /// A shorter interval holds at once.
    pub(crate) fn announce_within(&mut self, now: Now, interval: Duration) {
        self.schedule.at = self.schedule.at.min(now.boot.after(interval));
    }

    /// Says GOODBYE, if anybody was ever told of the claim.
    pub(crate) fn say_goodbye<C: Crypto>(&mut self, ctx: &mut Context<'_, C>) {
        if self.schedule.announced.is_some() {
            for _ in 0..GOODBYES {
                ctx.station.send(ctx.now, ctx.entropy, &self.license, Kind::Goodbye, Destination::Everywhere);
            }
        }
    }

    /// When the next announcement is due.
    pub(crate) fn next_announcement(&self) -> Mono {
        self.schedule.deadline().unwrap_or(Mono::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_come_early_and_then_every_interval() {
        let times = |interval| {
            (0..8).fold(alloc::vec![0], |mut t, sent| {
                t.push(t[t.len() - 1] + Schedule::gap(sent, Duration::from_secs(interval)).as_secs());
                t
            })
        };
        assert_eq!(times(300)[1..], [2, 5, 30, 60, 120, 420, 720, 1020]);
        assert_eq!(times(2)[1..], [2, 4, 6, 8, 10, 12, 14, 16]);
    }

    #[test]
    fn every_step_varies_by_a_tenth_either_way() {
        let d = Duration::from_secs(300);
        let at = |byte: u8| jittered(d, &mut move |b: &mut [u8]| b.fill(byte));
        assert_eq!(at(0), Duration::from_secs(270));
        let mut seed = 1u64;
        let mut entropy = move |b: &mut [u8]| {
            for byte in b {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = seed.to_be_bytes()[0];
            }
        };
        for _ in 0..1000 {
            let j = jittered(d, &mut entropy);
            assert!(j >= Duration::from_secs(270) && j <= Duration::from_secs(330), "{j:?}");
        }
    }
}
