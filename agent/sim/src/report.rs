//! What runs showed, for people and for programs.

use std::time::Duration;

use serde::Serialize;

use crate::run::Played;
use crate::scenario::Scenario;

/// Findings shown of one run.
const SHOWN: usize = 3;

/// What the runs of one scenario showed.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub scenario: String,
    pub title: String,
    pub runs: usize,
    /// Runs in which something was wrong.
    pub failed: usize,
    /// Of those, the first: seed and findings.
    pub failures: Vec<Failure>,
    /// What no run shows by itself, but all of them do.
    pub in_sum: Option<String>,
    /// How long hosts ran, in sum, in hours.
    pub host_hours: f64,
    /// Datagrams that a host sent an hour, on average.
    pub datagrams_per_host_hour: f64,
    /// Bytes on the wire that a host sent an hour, on average, headers included.
    pub bytes_per_host_hour: f64,
    /// `duplicate` events that reached plugins.
    pub told: u64,
    /// Verdicts of the strictest policy that stop the licensed software.
    pub enforced: u64,
    /// Until the conflict was declared, if it was to be.
    pub conflict: Option<Quantiles>,
    /// Until it was confirmed.
    pub duplicate: Option<Quantiles>,
}

/// A run in which something was wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub seed: u64,
    pub findings: Vec<String>,
    /// The smallest composition of faults that still fails.
    pub composition: Option<String>,
}

/// In seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub n: usize,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Quantiles {
    /// Nearest rank.
    fn of(mut times: Vec<Duration>) -> Option<Quantiles> {
        times.sort_unstable();
        let rank = |percent: usize| (times.len() * percent).div_ceil(100).max(1) - 1;
        let at = |percent: usize| times.get(rank(percent)).map(Duration::as_secs_f64);
        Some(Quantiles { n: times.len(), p50: at(50)?, p95: at(95)?, p99: at(99)?, max: at(100)? })
    }
}

impl Summary {
    pub(crate) fn of(scenario: &Scenario, played: Vec<Played>) -> Summary {
        let runs = played.len();
        let sum = |f: fn(&Played) -> u64| played.iter().map(f).sum::<u64>();
        let host_time: Duration = played.iter().map(|p| p.outcome.host_time).sum();
        let hours = host_time.as_secs_f64() / 3600.0;
        let per_hour = |n: u64| if hours > 0.0 { n as f64 / hours } else { 0.0 };
        let (datagrams, bytes) = (sum(|p| p.outcome.datagrams), sum(|p| p.outcome.bytes));
        let conflict: Vec<_> =
            played.iter().flat_map(|p| p.outcome.latencies.conflict.iter().copied()).collect();
        let conflict = Quantiles::of(conflict);
        let duplicate = played.iter().flat_map(|p| p.outcome.latencies.duplicate.iter().copied()).collect();
        Summary {
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            runs,
            failed: played.iter().filter(|p| !p.outcome.findings.is_empty()).count(),
            host_hours: hours,
            datagrams_per_host_hour: per_hour(datagrams),
            bytes_per_host_hour: per_hour(bytes),
            told: sum(|p| p.outcome.told),
            enforced: sum(|p| p.outcome.enforced),
            conflict,
            in_sum: too_slow(scenario, conflict),
            duplicate: Quantiles::of(duplicate),
            failures: played
                .into_iter()
                .filter(|p| !p.outcome.findings.is_empty())
                .map(|p| Failure { seed: p.seed, findings: p.outcome.findings, composition: p.composition })
                .collect(),
        }
    }

    /// Whether all was as it must be.
    pub(crate) fn is_right(&self) -> bool {
        self.failed == 0 && self.in_sum.is_none()
    }

    /// One line, and what went wrong below it.
    pub(crate) fn text(&self) -> String {
        let word = if self.is_right() { "ok" } else { "FAILED" };
        let mut text = format!("{word:6} {:38} {:>4} runs", self.scenario, self.runs);
        if let Some(q) = self.conflict {
            text += &format!("   found p50 {} p99 {} max {}", seconds(q.p50), seconds(q.p99), seconds(q.max));
        }
        if self.failed > 0 {
            text += &format!("   {} failed", self.failed);
        }
        if let Some(finding) = &self.in_sum {
            text += &format!("\n    {finding}");
        }
        for failure in self.failures.iter().take(SHOWN) {
            text += &format!("\n    seed {}", failure.seed);
            for finding in failure.findings.iter().take(SHOWN) {
                text += &format!("\n      {finding}");
            }
            if let Some(composition) = &failure.composition {
                text += &format!("\n      faults: {composition}");
            }
        }
        text
    }
}

/// One host of twenty may be unlucky, of so many at least.
const MANY: usize = 20;

/// Whether more than one host of twenty found it later than the scenario allows to most.
fn too_slow(scenario: &Scenario, found: Option<Quantiles>) -> Option<String> {
    let allowed = scenario.must_detect.as_ref()?.most_within?;
    let found = found.filter(|q| q.n >= MANY && q.p95 > allowed.as_secs_f64())?;
    Some(format!(
        "of {} hosts one in twenty found it after {} or later, {allowed:?} were allowed",
        found.n,
        seconds(found.p95)
    ))
}

fn seconds(s: f64) -> String {
    if s < 10.0 { format!("{s:.2} s") } else { format!("{s:.0} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let times = (1..=200).map(Duration::from_secs).collect();
        let q = Quantiles::of(times).expect("there are times");
        assert_eq!((q.n, q.p50, q.p95, q.p99, q.max), (200, 100.0, 190.0, 198.0, 200.0));
        assert!(Quantiles::of(Vec::new()).is_none());
    }
}
