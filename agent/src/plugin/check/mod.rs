//! `plugin check`: runs any author's plugin through the ABI's rules, and names the one that it breaks.
//!
//! ```text
//!   check ─▶ conduct ═ a process each ═▶ child ─▶ trials ─▶ bench ─▶ subject ─▶ the plugin's slots
//!     ▲         │                          │                  │         │ forge: tales as events, in the arena
//!     │         └─ waits, with a limit     │ traps, progress  │         ▼
//!     └──────────── report ◀───────────────┘                  └─ spy ─▶ the agent's own functions ◀─ the plugin
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `conduct` | a child and its end, as whoever started it sees it |
//! | `child`, `traps`, `progress`, `said`, `report` | the process of one trial, its bounds and its last words |
//! | `arena`, `fault`, `forge`, `tale` | what a plugin is told, in memory on which every misuse is a fault with a name |
//! | `bench`, `subject`, `spy`, `rng` | the host of a trial, an instance, who called what, chance |
//! | `census`, `surroundings` | what there is: threads, memory, files; what the whole process shares |
//! | `trials` | the trials, one a file |
//!
//! The plugin is loaded in the children only.  Unsafe code here stands on the host's side of the C interface, as in the
//! modules above.

mod arena;
mod bench;
mod census;
mod child;
mod conduct;
mod fault;
mod forge;
mod progress;
mod report;
mod rng;
mod said;
mod spy;
mod subject;
mod surroundings;
mod tale;
mod traps;
mod trials;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bench::Job;
pub use child::child;
use report::{Breach, Report};

use crate::clock;
use crate::plugin::scratch::Scratch;

/// The files in a child's folder.
const JOB: &str = "job.json";
const PROGRESS: &str = "progress";
const REPORT: &str = "report.json";

/// What is to be checked, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The plugin's file.
    pub file: PathBuf,
    /// The program whose hidden command `plugin trial` runs one trial: this one.
    pub program: PathBuf,
    /// For all that is drawn by chance.
    pub seed: u64,
    /// Names of the permissions to grant; `None` is all that the plugin asks for.
    pub grant: Option<Vec<String>>,
    /// Its options, each as text.
    pub options: Vec<(String, String)>,
}

/// How one check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it must be.
    Passed {
        /// What was tried.
        note: String,
    },
    /// It says nothing about this plugin.
    Skipped {
        /// Why.
        why: String,
    },
    /// A rule is broken.
    Failed {
        /// R1 to R9 of plugin.h, or a word for what else was expected.
        rule: String,
        /// What the plugin did.
        what: String,
        /// How to mend it; empty where `what` says that.
        mend: String,
    },
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name: lower-case words.
    pub name: &'static str,
    /// What passes if it passes.
    pub title: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// How many checks there are.
#[must_use]
pub fn checks() -> usize {
    trials::ALL.len()
}

/// Runs all checks, each in a process of its own, and tells of each as it ends.
///
/// Takes every child of this process for one of its own: only for a program that has no others.  What `interrupted` is
/// set to ends it soon, and leaves neither a process nor a file.
///
/// # Errors
/// A sentence, if the plugin could not be tried: the file is missing, an option does not fit, no process can be started.
pub fn check(
    request: &Request,
    interrupted: &AtomicUsize,
    mut told: impl FnMut(&Finding),
) -> Result<Vec<Finding>, String> {
    let meta = fs::metadata(&request.file);
    let meta = meta.map_err(|e| format!("{} cannot be checked: {e}", request.file.display()))?;
    if !meta.is_file() {
        return Err(format!("{} is no file: name the plugin's shared library", request.file.display()));
    }
    let scratch = Scratch::new("check")?;
    let mut findings: Vec<Finding> = Vec::new();
    for trial in &trials::ALL {
        let begun_ns = clock::boottime_ns();
        let failed = |name: &&&str| {
            findings.iter().any(|f| f.name == **name && !matches!(f.outcome, Outcome::Passed { .. }))
        };
        let outcome = match trial.needs.iter().find(failed) {
            Some(name) => Outcome::Skipped { why: format!("needs {name}") },
            None => one(request, &scratch, trial.name, interrupted)?,
        };
        let took = Duration::from_nanos(clock::boottime_ns().saturating_sub(begun_ns));
        let finding = Finding { name: trial.name, title: trial.title, outcome, took };
        told(&finding);
        findings.push(finding);
    }
    Ok(findings)
}

fn one(
    request: &Request,
    scratch: &Scratch,
    trial: &str,
    interrupted: &AtomicUsize,
) -> Result<Outcome, String> {
    let folder = scratch.path().join(trial);
    let job = Job {
        file: std::path::absolute(&request.file).map_err(|e| e.to_string())?,
        trial: trial.to_owned(),
        seed: request.seed,
        grant: request.grant.clone(),
        options: request.options.clone(),
        state_dir: folder.join("place/state"),
    };
    furnish(&folder, &job).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
    match conduct::conduct(&request.program, &folder, interrupted)? {
        Report::Passed(note) => Ok(Outcome::Passed { note }),
        Report::Skipped(why) => Ok(Outcome::Skipped { why }),
        Report::Failed(Breach { rule, what, mend }) => Ok(Outcome::Failed { rule, what, mend }),
        Report::Unfit(sentence) => Err(sentence),
    }
}

/// A place to live in, with something to spoil.
fn furnish(folder: &Path, job: &Job) -> io::Result<()> {
    let place = folder.join("place");
    for below in ["state", "home", "tmp", "work"] {
        DirBuilder::new().recursive(true).mode(0o700).create(place.join(below))?;
    }
    fs::write(place.join("home/.profile"), "# nobody's\n")?;
    fs::write(place.join("work/notes"), "nobody's\n")?;
    fs::write(folder.join(JOB), serde_json::to_vec(job)?)
}
