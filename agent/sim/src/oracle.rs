//! The oracle: knows the truth, hears what every agent says, and says what is wrong with it.
//!
//! Three rules, derived from the number of live holders over time: nobody is accused unless there were more holders
//! than seats moments ago; whoever holds a license of which there are too many says so in time; nobody goes on
//! saying so when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use serialnumberd_core::{Mono, Stage, State};

use crate::plugin::Plugin;
use crate::scenario::span::written;
use crate::scenario::{Detect, HostId, Scenario, Temper};
use crate::truth::{Span, Truth};

/// How long an agent may go on accusing when it is over, unless a scenario says less: a holder's lifetime, the round
/// that waits for it, and a little.
const RESOLVE: Duration = Duration::from_secs(17 * 60);
/// Findings kept of one run: the first tell.
const FINDINGS: usize = 20;

/// A time during which an agent accused.
#[derive(Clone, Debug)]
struct Accusation {
    span: Span,
    /// When it was told as `duplicate`.
    confirmed: Option<Mono>,
    classes: Vec<&'static str>,
}

/// One agent about one license.
#[derive(Debug, Default)]
struct Watch {
    accusations: Vec<Accusation>,
    plugin: Plugin,
}

/// How long it took to know.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Until the conflict was declared.
    pub conflict: Vec<Duration>,
    /// Until it was confirmed.
    pub duplicate: Vec<Duration>,
}

/// The oracle of one run.
#[derive(Debug)]
pub(crate) struct Oracle<'a> {
    scenario: &'a Scenario,
    watches: BTreeMap<(HostId, usize), Watch>,
    pub findings: Vec<String>,
    pub latencies: Latencies,
    /// Verdicts that stop or restrict the licensed software, as plugins got them.
    pub enforced: u64,
    /// `duplicate` events of any stage.
    pub told: u64,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(scenario: &'a Scenario) -> Oracle<'a> {
        Oracle {
            scenario,
            watches: BTreeMap::new(),
            findings: Vec::new(),
            latencies: Latencies::default(),
            enforced: 0,
            told: 0,
        }
    }

    pub(crate) fn find(&mut self, at: Mono, what: &str) {
        if self.findings.len() < FINDINGS {
            self.findings.push(format!("at {}: {what}", written(at)));
        }
    }

    fn name(&self, host: HostId) -> &'a str {
        &self.scenario.hosts[host].name
    }

    /// An agent told its plugins of a duplicate.
    pub(crate) fn duplicate(
        &mut self,
        at: Mono,
        (host, license): (HostId, usize),
        stage: Stage,
        class: &'static str,
        truth: &Truth,
    ) {
        self.told += 1;
        let confirm = self.scenario.settings.confirm_after;
        let claim = &truth.claims[license];
        let now = claim.was_over(at.before(claim.grace()), at);
        // Confirmed is what was so before, too; or what happened five times within three minutes.
        let before = claim.was_over(Mono(0), at.before(confirm).after(claim.grace()))
            || claim.began_since(at.before(Duration::from_secs(180))) >= 5;
        let name = self.name(host);
        if !now {
            self.find(at, &format!("{name} is told \"{stage}\", but there are not more holders than seats"));
        } else if stage == Stage::Duplicate && !before {
            self.find(at, &format!("{name} is told \"duplicate\" too early: it was never so before"));
        } else if self.scenario.must_not_accuse && stage == Stage::Duplicate {
            self.find(at, &format!("{name} is told \"duplicate\", and nobody must be accused here"));
        }
        let watch = self.watches.entry((host, license)).or_default();
        self.enforced += u64::from(watch.plugin.duplicate(stage));
        if watch.accusations.last().is_none_or(|a| a.span.until.is_some()) {
            let span = Span { from: at, until: None };
            watch.accusations.push(Accusation { span, confirmed: None, classes: Vec::new() });
        }
        if let Some(accusation) = watch.accusations.last_mut() {
            if !accusation.classes.contains(&class) {
                accusation.classes.push(class);
            }
            if stage == Stage::Duplicate && accusation.confirmed.is_none() {
                accusation.confirmed = Some(at);
            }
        }
    }

    /// An agent says that it is over, or has ended.
    pub(crate) fn resolved(&mut self, at: Mono, host: HostId, license: usize) {
        if let Some(watch) = self.watches.get_mut(&(host, license)) {
            watch.plugin.resolved();
            if let Some(last) = watch.accusations.last_mut().filter(|a| a.span.until.is_none()) {
                last.span.until = Some(at);
            }
        }
    }

    pub(crate) fn state(&mut self, at: Mono, host: HostId, license: usize, state: State) {
        if !matches!(state, State::Conflict | State::Duplicate) {
            self.resolved(at, host, license);
        }
    }

    /// What is to be said when the run is over.
    pub(crate) fn conclude(&mut self, end: Mono, truth: &Truth, whole: bool) {
        if self.scenario.must_not_accuse && self.enforced > 0 {
            let enforced = self.enforced;
            self.find(
                end,
                &format!("{enforced} enforcing verdicts reached a plugin, and nobody must be accused here"),
            );
        }
        let composed = self.scenario.compose.is_some() || self.scenario.long;
        // What faults laid over one another leave must be known in the end: a steady round and its questions later.
        let in_the_end = Detect {
            within: self.scenario.settings.interval * 2,
            confirm: None,
            after: Mono(0),
            class: None,
            hosts: None,
        };
        let detect = self.scenario.must_detect.clone().or(composed.then_some(in_the_end));
        for license in 0..truth.claims.len() {
            if let Some(detect) = &detect {
                self.conclude_detection(end, license, detect, truth, composed, whole);
            }
            self.conclude_resolution(end, license, truth);
        }
    }

    /// Whoever held a license of which there were too many must have said so in time, and gone on saying so.
    fn conclude_detection(
        &mut self,
        end: Mono,
        license: usize,
        detect: &Detect,
        truth: &Truth,
        only_in_the_end: bool,
        whole: bool,
    ) {
        let claim = &truth.claims[license];
        for over in &claim.over {
            for life in &claim.lives {
                let honest = self.scenario.hosts[life.host].temper == Temper::Honest;
                if !honest || detect.hosts.as_ref().is_some_and(|h| !h.contains(&life.host)) {
                    continue;
                }
                let from = over.from.max(life.span.from).max(detect.after);
                let until = over.end().min(life.span.end()).min(end);
                // In a composition only what still stands at the end, when all has healed, must be known.
                let counts = !only_in_the_end || (until == end && whole);
                if from < until && until.since(from) > detect.within && counts {
                    self.measure(from, until, (life.host, license), detect, only_in_the_end);
                }
            }
        }
    }

    fn measure(
        &mut self,
        from: Mono,
        until: Mono,
        who: (HostId, usize),
        detect: &Detect,
        only_in_the_end: bool,
    ) {
        let name = self.name(who.0);
        let accusations = self.watches.get(&who).map_or(&[][..], |w| &w.accusations);
        let first = accusations.iter().find(|a| a.span.end() > from && a.span.from < until).cloned();
        let last_moment = until.before(Duration::from_millis(1));
        let stands = accusations.iter().any(|a| a.span.covers(last_moment));
        let confirmed = accusations
            .iter()
            .filter(|a| a.span.end() > from && a.span.from < until)
            .find_map(|a| a.confirmed)
            .map(|at| at.since(from));
        if !stands {
            self.find(
                until,
                &format!("{name} no longer says that there are more holders than seats, but there are"),
            );
        }
        if only_in_the_end {
            return;
        }
        let Some(first) = first else {
            self.find(
                until,
                &format!(
                    "{name} never found that there were more holders than seats since {}",
                    written(from)
                ),
            );
            return;
        };
        let took = first.span.from.since(from);
        self.latencies.conflict.push(took);
        self.latencies.duplicate.extend(confirmed);
        if took > detect.within {
            self.find(
                first.span.from,
                &format!("{name} found it after {took:?} only, {:?} were allowed", detect.within),
            );
        }
        if let Some(class) = &detect.class
            && !first.classes.iter().any(|c| c == class)
        {
            self.find(first.span.from, &format!("{name} calls it {:?}, it is \"{class}\"", first.classes));
        }
        if let Some(confirm) = detect.confirm.filter(|c| until.since(from) > *c)
            && confirmed.is_none_or(|took| took > confirm)
        {
            self.find(until, &format!("{name} confirmed it after {confirmed:?}, {confirm:?} were allowed"));
        }
    }

    /// Nobody goes on accusing when it is over.
    fn conclude_resolution(&mut self, end: Mono, license: usize, truth: &Truth) {
        let allowed = self.scenario.must_resolve.unwrap_or(RESOLVE);
        let mut late = Vec::new();
        for ((host, _), watch) in self.watches.iter().filter(|((_, l), _)| *l == license) {
            for accusation in &watch.accusations {
                let until = accusation.span.end().min(end);
                let claim = &truth.claims[license];
                if until.since(accusation.span.from) > allowed
                    && !claim.was_over(until.before(allowed), until)
                {
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
