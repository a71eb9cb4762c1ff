//! The command line: what to play, and what to say of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::report::Summary;
use crate::run::{Job, Played, mutants, naive, ours, play_all};
use crate::scenario::{Guard, Scenario};

/// Plays simulated LANs on which serialnumberd's engine must find every duplicate and accuse nobody else.
#[derive(Debug, Parser)]
#[command(name = "slnd-sim", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios, one a line: name, what it must show, what it is about
    List,
    /// Play scenarios with the agent's engine; all but the long ones if none is named
    Run(Run),
    /// Play all scenarios with four naive detectors; each must fail
    Naive(Seeds),
    /// Take away each defense of the engine in turn; a scenario that guards it must fail
    Mutate(Seeds),
}

#[derive(Args, Debug)]
struct Run {
    /// Their names
    scenarios: Vec<String>,
    /// A scenario of your own
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    seeds: Seeds,
}

/// Seeds of one run: a scenario of a millisecond takes a quarter of an hour with so many.
const SEEDS: u64 = 1_000_000;

#[derive(Args, Clone, Debug)]
struct Seeds {
    /// Play with this seed only
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Play with the seeds 0 to N - 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SEEDS))]
    seeds: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Seeds {
    fn of(&self, scenario: &Scenario) -> Vec<u64> {
        match self.seed {
            Some(seed) => vec![seed],
            None => (0..self.seeds.min(scenario.seeds_at_most.unwrap_or(u64::MAX))).collect(),
        }
    }
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::List => list(),
        Command::Run(run) => play(&run),
        Command::Naive(seeds) => show_naive(&seeds),
        Command::Mutate(seeds) => show_mutants(&seeds),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("slnd-sim: {sentence}");
            ExitCode::from(2)
        }
    }
}

fn list() -> Result<bool, String> {
    for scenario in Scenario::shipped()? {
        let long = if scenario.long { " (long: only if named)" } else { "" };
        println!("{:38} {:44} {}{long}", scenario.name, scenario.musts(), scenario.title);
    }
    Ok(true)
}

fn chosen(run: &Run) -> Result<Vec<Scenario>, String> {
    let shipped = Scenario::shipped()?;
    let mut chosen = Vec::new();
    if let Some(file) = &run.file {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = file.file_stem().map_or_else(|| "file".into(), |n| n.to_string_lossy());
        chosen.push(Scenario::read(&name, &text).map_err(|e| format!("{}: {e}", file.display()))?);
    }
    for name in &run.scenarios {
        let found = shipped.iter().find(|s| s.name == *name).cloned();
        chosen.push(
            found.ok_or_else(|| format!("there is no scenario \"{name}\"; `slnd-sim list` names them"))?,
        );
    }
    if chosen.is_empty() {
        chosen = shipped.into_iter().filter(|s| !s.long).collect();
    }
    Ok(chosen)
}

fn play(run: &Run) -> Result<bool, String> {
    let scenarios = chosen(run)?;
    let mut jobs = Vec::new();
    for scenario in &scenarios {
        jobs.extend(run.seeds.of(scenario).into_iter().map(|seed| Job { scenario, seed, make: ours() }));
    }
    let mut played = play_all(&jobs)?.into_iter();
    let mut summaries = Vec::new();
    for scenario in &scenarios {
        let own: Vec<Played> = played.by_ref().take(run.seeds.of(scenario).len()).collect();
        summaries.push(Summary::of(scenario, own));
    }
    let failed = summaries.iter().filter(|s| !s.is_right()).count();
    if run.seeds.json {
        println!("{}", serde_json::to_string_pretty(&summaries).map_err(|e| e.to_string())?);
    } else {
        summaries.iter().for_each(|s| println!("{}", s.text()));
        let runs: usize = summaries.iter().map(|s| s.runs).sum();
        println!("{} scenarios, {runs} runs, {failed} scenarios failed", summaries.len());
    }
    Ok(failed == 0)
}

/// Hosts of a scenario that is played for its load.
const CROWD: usize = 50;

fn show_naive(seeds: &Seeds) -> Result<bool, String> {
    // Crowds are there for the load, and say no more of a detector than a few hosts do.
    let scenarios: Vec<Scenario> =
        Scenario::shipped()?.into_iter().filter(|s| !s.long && s.hosts.len() <= CROWD).collect();
    let mut verdicts = Vec::new();
    for (name, make) in naive() {
        let jobs: Vec<Job<'_>> = scenarios
            .iter()
            .flat_map(|scenario| seeds.of(scenario).into_iter().map(move |seed| Job { scenario, seed, make }))
            .collect();
        let played = play_all(&jobs)?;
        let failing = |accuses: bool| {
            let accused =
                |(job, p): &(&Job<'_>, &Played)| job.scenario.must_not_accuse && p.outcome.enforced > 0;
            let wrong = jobs
                .iter()
                .zip(&played)
                .filter(|run| accused(run) == accuses && !run.1.outcome.findings.is_empty());
            wrong.map(|(job, _)| job.scenario.name.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        verdicts.push((name, failing(true), failing(false)));
    }
    let all_fail = verdicts.iter().all(|(_, accused, _)| !accused.is_empty());
    if seeds.json {
        let value: Vec<_> = verdicts
            .iter()
            .map(|(name, accused, other)| serde_json::json!({"detector": name, "accuses_in": accused, "also_fails": other}))
            .collect();
        println!("{}", serde_json::to_string_pretty(&value).map_err(|e| e.to_string())?);
        return Ok(all_fail);
    }
    for (name, accused, other) in &verdicts {
        let word = if accused.is_empty() { "NOT CAUGHT" } else { "caught" };
        println!(
            "{word}: {name}: accuses the innocent in {} scenarios, fails {} others",
            accused.len(),
            other.len()
        );
        let named: Vec<&str> = accused.iter().map(String::as_str).collect();
        println!("    {}", named.join(", "));
    }
    Ok(all_fail)
}

fn show_mutants(seeds: &Seeds) -> Result<bool, String> {
    let scenarios = Scenario::shipped()?;
    let mut all_caught = true;
    let mut verdicts = Vec::new();
    for (guard, make) in mutants() {
        let guarding: Vec<&Scenario> = scenarios.iter().filter(|s| s.guards.contains(&guard)).collect();
        let mut caught = !guarding.is_empty();
        for scenario in guarding {
            let jobs: Vec<Job<'_>> =
                seeds.of(scenario).into_iter().map(|seed| Job { scenario, seed, make }).collect();
            let failed = play_all(&jobs)?.into_iter().find(|p| !p.outcome.findings.is_empty());
            caught &= failed.is_some();
            verdicts.push((guard, scenario.name.clone(), failed));
        }
        all_caught &= caught;
        if !caught && !verdicts.iter().any(|(g, ..)| *g == guard) {
            return Err(format!("no scenario guards {guard:?}"));
        }
    }
    if seeds.json {
        let value: Vec<_> =
            verdicts.iter().map(|(guard, name, failed)| told(*guard, name, failed.as_ref())).collect();
        println!("{}", serde_json::to_string_pretty(&value).map_err(|e| e.to_string())?);
        return Ok(all_caught);
    }
    for (guard, name, failed) in &verdicts {
        match failed {
            Some(p) => {
                let finding = p.outcome.findings.first().map_or("", String::as_str);
                println!("caught: without {guard:?}, {name} fails: {finding}");
            }
            None => println!("NOT CAUGHT: without {guard:?}, {name} is as it must be"),
        }
    }
    Ok(all_caught)
}

fn told(guard: Guard, scenario: &str, failed: Option<&Played>) -> serde_json::Value {
    serde_json::json!({
        "without": format!("{guard:?}"),
        "scenario": scenario,
        "caught": failed.is_some(),
        "seed": failed.map(|p| p.seed),
        "findings": failed.map(|p| p.outcome.findings.clone()),
    })
}
