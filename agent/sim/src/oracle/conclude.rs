//! What is to be said of a run when it is over: who had to know and did not, or too late, or for too long.

use std::time::Duration;

use serialnumberd_core::Mono;

use super::Oracle;
use super::watch::Accusation;
use crate::scenario::span::written;
use crate::scenario::{Detect, HostId};
use crate::truth::{ClaimTruth, Truth};

/// How long an agent may go on accusing when it is over, unless a scenario says less: a holder's lifetime, the round
/// that waits for it, and a little.
const RESOLVE: Duration = Duration::from_secs(17 * 60);

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// When.
    pub at: Mono,
    /// Nothing was lost any more by then.
    pub whole: bool,
}

/// A host had to say that there were more holders than seats.
struct Duty {
    host: HostId,
    license: usize,
    from: Mono,
    until: Mono,
}

impl Oracle<'_> {
    /// What is to be said when the run is over.
    pub(crate) fn conclude(&mut self, ending: Ending, truth: &Truth) {
        let (end, enforced) = (ending.at, self.enforced);
        if self.scenario.must_not_accuse && enforced > 0 {
            self.find(
                end,
                &format!("{enforced} enforcing verdicts reached a plugin, and nobody must be accused here"),
            );
        }
        // What faults laid over one another leave must be known in the end: a steady announcement and its round later.
        let in_the_end = Detect {
            within: self.scenario.settings.interval * 2,
            most_within: None,
            confirm: None,
            after: Mono(0),
            class: None,
            hosts: None,
        };
        let detect = self.scenario.must_detect.clone().or(self.scenario.is_composed().then_some(in_the_end));
        let claims = || truth.claims.iter().enumerate();
        if let Some(detect) = detect {
            let duties: Vec<Duty> =
                claims().flat_map(|(license, claim)| self.duties(end, license, &detect, claim)).collect();
            if duties.is_empty() && !self.scenario.is_composed() {
                let within = detect.within;
                self.find(end, &format!("nobody had anything to detect: for more than {within:?} no honest host held a license with more holders than seats"));
            }
            for duty in &duties {
                self.conclude_detection(ending, duty, &detect);
            }
        }
        for (license, claim) in claims() {
            self.conclude_resolution(end, license, claim);
        }
    }

    /// Whoever held a license of which there were too many, for longer than it may take to find that.
    fn duties(&self, end: Mono, license: usize, detect: &Detect, truth: &ClaimTruth) -> Vec<Duty> {
        let all = truth.over.iter().flat_map(|over| truth.lives.iter().map(move |life| (over, life)));
        let duty = |(over, life): (&crate::truth::Span, &crate::truth::Life)| {
            let host = life.host;
            let honest = self.scenario.hosts[host].temper.is_honest();
            let concerned = detect.hosts.as_ref().is_none_or(|h| h.contains(&host));
            let from = over.from.max(life.span.from).max(detect.after);
            let until = over.end().min(life.span.end()).min(end);
            (honest && concerned && until.since(from) > detect.within).then_some(Duty {
                host,
                license,
                from,
                until,
            })
        };
        all.filter_map(duty).collect()
    }

    /// It must have said so in time, and gone on saying so.
    fn conclude_detection(&mut self, ending: Ending, duty: &Duty, detect: &Detect) {
        let all = self.watches.get(&(duty.host, duty.license)).into_iter().flat_map(|w| w.accusations());
        let accusations: Vec<Accusation> =
            all.filter(|a| a.span.end() > duty.from && a.span.from < duty.until).cloned().collect();
        if ending.whole {
            self.must_stand(ending.at, duty, &accusations);
        }
        if self.scenario.is_composed() {
            return;
        }
        let name = self.name(duty.host);
        let Some(first) = accusations.first() else {
            let since = written(duty.from);
            self.find(
                duty.until,
                &format!("{name} never found that there were more holders than seats since {since}"),
            );
            return;
        };
        self.must_be_in_time(duty, detect, first);
        self.must_be_confirmed(duty, detect, &accusations);
    }

    /// What was found is not forgotten while it is so.  Of faults laid over one another, only what still is at the
    /// end counts, when all has healed.
    fn must_stand(&mut self, end: Mono, duty: &Duty, accusations: &[Accusation]) {
        let last_moment = duty.until.before(Duration::from_millis(1));
        let stands = accusations.iter().any(|a| a.span.covers(last_moment));
        if !stands && (duty.until == end || !self.scenario.is_composed()) {
            let name = self.name(duty.host);
            self.find(
                duty.until,
                &format!("{name} does not say that there are more holders than seats, but there are"),
            );
        }
    }

    fn must_be_in_time(&mut self, duty: &Duty, detect: &Detect, first: &Accusation) {
        let (name, allowed) = (self.name(duty.host), detect.within);
        let took = first.span.from.since(duty.from);
        self.latencies.conflict.push(took);
        if took > allowed {
            self.find(first.span.from, &format!("{name} found it after {took:?}, {allowed:?} were allowed"));
        }
        if let Some(class) = &detect.class
            && !first.classes.contains(class)
        {
            self.find(first.span.from, &format!("{name} calls it {:?}, it is \"{class}\"", first.classes));
        }
    }

    fn must_be_confirmed(&mut self, duty: &Duty, detect: &Detect, accusations: &[Accusation]) {
        let confirmed = accusations.iter().find_map(|a| a.confirmed).map(|at| at.since(duty.from));
        self.latencies.duplicate.extend(confirmed);
        if let Some(allowed) = detect.confirm.filter(|c| duty.until.since(duty.from) > *c)
            && confirmed.is_none_or(|took| took > allowed)
        {
            let name = self.name(duty.host);
            self.find(
                duty.until,
                &format!("{name} confirmed it after {confirmed:?}, {allowed:?} were allowed"),
            );
        }
    }

    /// Nobody goes on accusing when it is over.
    fn conclude_resolution(&mut self, end: Mono, license: usize, claim: &ClaimTruth) {
        let allowed = self.scenario.must_resolve.unwrap_or(RESOLVE);
        let mut late = Vec::new();
        for ((host, _), watch) in self.watches.iter().filter(|((_, l), _)| *l == license) {
            for accusation in watch.accusations() {
                let until = accusation.span.end().min(end);
                // Who sleeps says nothing, and has its time when it wakes up.
                let life = claim.lives.iter().rfind(|l| l.host == *host && l.span.from <= until);
                let from = life.map_or(accusation.span.from, |l| l.span.from.max(accusation.span.from));
                if until.since(from) > allowed && !claim.was_over(until.before(allowed), until) {
                    late.push((until, *host));
                }
            }
        }
        for (until, host) in late {
            let name = self.name(host);
            self.find(
                until,
                &format!(
                    "{name} still says that there are more holders than seats, {allowed:?} after it was over"
                ),
            );
        }
    }
}
