//! Plays runs, several at once: each is a world of its own with a seed of its own, so the order does not matter.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use fastrand::Rng;

use crate::detector::{MUTANTS, Make, NAIVE, agent};
use crate::scenario::{Composition, Guard, Scenario, Step};
use crate::world::{Outcome, World};

/// One run to play.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub scenario: &'a Scenario,
    pub seed: u64,
    pub make: Make,
}

/// What became of it.
pub(crate) struct Played {
    pub seed: u64,
    pub outcome: Outcome,
    /// The smallest composition of faults that still fails, if faults were composed and it failed.
    pub composition: Option<String>,
}

/// Plays a scenario with the agent's engine.
///
/// # Errors
/// A sentence, if a composed fault cannot be read.
pub fn play(scenario: &Scenario, seed: u64) -> Result<Outcome, String> {
    Ok(perform(Job { scenario, seed, make: agent })?.outcome)
}

/// The detectors of `naive`.
pub(crate) fn naive() -> impl Iterator<Item = (&'static str, Make)> {
    NAIVE.iter().copied()
}

/// The detectors of `mutate`.
pub(crate) fn mutants() -> impl Iterator<Item = (Guard, Make)> {
    MUTANTS.iter().copied()
}

/// The agent's own.
pub(crate) fn ours() -> Make {
    agent
}

/// Plays all jobs, as many at once as there are processors; the results are in the order of the jobs.
///
/// # Errors
/// The first sentence of a job that could not be played.
pub(crate) fn play_all(jobs: &[Job<'_>]) -> Result<Vec<Played>, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Played, String>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((place, job)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(place).map(|job| (place, *job))
                } {
                    let played = perform(job);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((place, played));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, played)| played).collect()
}

fn perform(job: Job<'_>) -> Result<Played, String> {
    let Job { scenario, seed, make } = job;
    let Some(compose) = &scenario.compose else {
        let outcome = World::play(scenario, &scenario.story, seed, make);
        return Ok(Played { seed, outcome, composition: None });
    };
    let attempt = |composition: &Composition| {
        let mut steps: Vec<Step> = scenario.story.clone();
        steps.extend(composition.steps(scenario, compose)?);
        Ok::<Outcome, String>(World::play(scenario, &steps, seed, make))
    };
    let mut composition = Composition::draw(scenario, compose, &mut Rng::with_seed(seed));
    let mut outcome = attempt(&composition)?;
    if outcome.findings.is_empty() {
        return Ok(Played { seed, outcome, composition: None });
    }
    // As long as it fails with one fault less, it is the others that tell.
    while let Some((smaller, found)) = first_failing(composition.smaller(), attempt)? {
        (composition, outcome) = (smaller, found);
    }
    let told = composition.told(compose);
    Ok(Played { seed, outcome, composition: Some(told) })
}

fn first_failing(
    compositions: Vec<Composition>,
    attempt: impl Fn(&Composition) -> Result<Outcome, String>,
) -> Result<Option<(Composition, Outcome)>, String> {
    for composition in compositions {
        let outcome = attempt(&composition)?;
        if !outcome.findings.is_empty() {
            return Ok(Some((composition, outcome)));
        }
    }
    Ok(None)
}
