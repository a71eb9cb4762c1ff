//! The oracle: knows the truth, hears what every agent says, and says what is wrong with it.
//!
//! Three rules, derived from the number of live holders over time: nobody is accused unless there were more holders
//! than seats moments ago; whoever holds a license of which there are too many says so in time; nobody goes on
//! saying so when it is over.

mod conclude;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use serialnumberd_core::{Mono, Stage, State};

use crate::detector::Accused;
use crate::scenario::span::written;
use crate::scenario::{HostId, Scenario};
use crate::truth::{ClaimTruth, Truth};
pub(crate) use conclude::Ending;
pub(crate) use watch::Memory;
use watch::{News, Watch};

/// Findings kept of one run: the first tell.
const FINDINGS: usize = 20;

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

    /// An agent told its plugins of a duplicate; `own` is its own boot clock.
    pub(crate) fn duplicate(&mut self, at: Mono, own: Mono, host: HostId, accused: &Accused, truth: &Truth) {
        self.told += 1;
        let confirm_after = self.scenario.settings.confirm_after;
        let watch = self.watches.entry((host, accused.license)).or_default();
        let news = watch.accuses(at, own, accused, confirm_after);
        self.enforced += u64::from(news.stops);
        for wrong in self.judge(at, accused, news, &truth.claims[accused.license]) {
            let (name, stage) = (self.name(host), accused.stage);
            self.find(at, &format!("{name} is told \"{stage}\", but {wrong}"));
        }
    }

    /// What is wrong with what an agent says.
    fn judge(&self, at: Mono, accused: &Accused, news: News, truth: &ClaimTruth) -> Vec<String> {
        let from = at.before(truth.grace());
        let confirmed = accused.stage == Stage::Duplicate;
        let forbidden = self.scenario.must_not_accuse && confirmed;
        // Of those whose proofs are fresh: later somebody may have died, and still counts until the next round.
        let (counted, lived) = (accused.counted, truth.lived(from, at));
        let wrongs = [
            (!truth.was_over(from, at)).then(|| "there are not more holders than seats".to_owned()),
            news.too_early.then(|| "it was not confirmed yet".to_owned()),
            forbidden.then(|| "nobody must be accused here".to_owned()),
            (news.rises && counted > lived)
                .then(|| format!("it counts {counted} holders, and {lived} lived")),
            (accused.over == 0 || accused.over >= counted)
                .then(|| format!("{} of {counted} holders are over the seats", accused.over)),
            accused.flaw.as_ref().map(|flaw| format!("its evidence does not convince: {flaw}")),
        ];
        wrongs.into_iter().flatten().collect()
    }

    /// An agent says that it is over.
    pub(crate) fn resolved(&mut self, at: Mono, host: HostId, license: usize) {
        if !self.watches.entry((host, license)).or_default().resolves(at) {
            let name = self.name(host);
            self.find(
                at,
                &format!("{name} is told that it is over, and was not told that there was anything"),
            );
        }
    }

    /// After all that an agent had to say: what its plugins were told is what it shows.
    pub(crate) fn shows(&mut self, at: Mono, host: HostId, license: usize, state: State) {
        let told = self.watches.get(&(host, license)).is_some_and(|w| w.open().is_some());
        if told != matches!(state, State::Conflict | State::Duplicate) {
            let (name, word) = (self.name(host), if told { "conflict" } else { "none" });
            self.find(at, &format!("{name} shows {state}, and its plugins know of {word}"));
        }
    }

    /// Who counted when an agent told of its conflict last, and who of them was over the seats.
    pub(crate) fn counted(&self, host: HostId, license: usize) -> Option<(usize, usize)> {
        self.watches.get(&(host, license))?.open().map(|a| a.counted)
    }

    /// A process is gone.
    pub(crate) fn ended(&mut self, at: Mono, host: HostId) {
        self.of_host(host).for_each(|(_, watch)| watch.ends(at));
    }

    /// What a live snapshot of a host's process holds.
    pub(crate) fn memories(&self, host: HostId) -> Vec<(usize, Memory)> {
        let own = self.watches.iter().filter(|((h, _), _)| *h == host);
        own.map(|((_, license), watch)| (*license, watch.memory())).collect()
    }

    /// A host goes on from a live snapshot.
    pub(crate) fn goes_on(&mut self, at: Mono, host: HostId, memories: &[(usize, Memory)]) {
        for (license, memory) in memories {
            self.watches.entry((host, *license)).or_default().goes_on(at, memory.clone());
        }
    }

    fn of_host(&mut self, host: HostId) -> impl Iterator<Item = (usize, &mut Watch)> {
        self.watches.iter_mut().filter(move |((h, _), _)| *h == host).map(|((_, l), watch)| (*l, watch))
    }
}

#[cfg(test)]
mod tests;
