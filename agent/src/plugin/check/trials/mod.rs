//! The trials, one a file: each is run in a process of its own, on a plugin that was just loaded.
//!
//! A trial ends with what it tried, or with the first broken rule.  That it dies or hangs is seen by who started it.

mod acceptance;
mod answers;
mod denied;
mod descriptors;
mod files;
mod fuzz;
mod hosts;
mod leaks;
mod life;
mod memory;
mod process;
mod reload;
mod stop;
mod threads;
mod values;

use super::bench::Bench;
use super::forge::Shape;
use super::report::{Breach, Report};
use super::subject::{Answer, Subject};
use super::tale::{BEGIN_NS, S, story};
use crate::plugin::permission::Permissions;

/// One trial.
pub(super) struct Trial {
    /// Its name: in TAP, JSON, and between who starts it and the child.
    pub(super) name: &'static str,
    /// What passes if it passes.
    pub(super) title: &'static str,
    /// Memory that is misused does not matter here: another trial names that.
    is_lenient: bool,
    /// Trials without which this one would only find the same again.
    pub(super) needs: &'static [&'static str],
    run: fn(&mut Bench) -> Result<Report, Breach>,
}

const fn trial(
    name: &'static str,
    title: &'static str,
    needs: &'static [&'static str],
    run: fn(&mut Bench) -> Result<Report, Breach>,
) -> Trial {
    Trial { name, title, is_lenient: false, needs, run }
}

const fn lenient(trial: Trial) -> Trial {
    Trial { is_lenient: true, ..trial }
}

const LIVES: &[&str] = &["acceptance", "life"];
const LIVES_ON_GUARDED_MEMORY: &[&str] = &["acceptance", "life", "memory"];

const LIVES_ON_ANY_HOST: &[&str] = &["acceptance", "life", "memory", "newer-host"];

/// All trials, in the order in which they are run.
pub(super) const ALL: [Trial; 15] = [
    lenient(trial("acceptance", "its file, manifest and descriptor are accepted", &[], acceptance::run)),
    lenient(trial("life", "one whole life, every slot returns in time", &["acceptance"], life::run)),
    trial("memory", "what it is given is only read, and only during the call", LIVES, memory::run),
    trial("newer-host", "a host of a later minor changes nothing", LIVES_ON_GUARDED_MEMORY, hosts::newer),
    trial("older-host", "the first host of this major suffices", LIVES_ON_GUARDED_MEMORY, hosts::older),
    lenient(trial("denied", "it lives with no permission granted", LIVES, denied::run)),
    trial(
        "answers",
        "its verdicts, status and log lines are well formed",
        LIVES_ON_GUARDED_MEMORY,
        answers::run,
    ),
    lenient(trial("reload", "a refused reload leaves the old options in force", LIVES, reload::run)),
    lenient(trial(
        "stop",
        "its threads run from start to stop, and after it nothing calls",
        LIVES,
        stop::run,
    )),
    lenient(trial("threads", "calls from many threads at once do no harm", LIVES, threads::run)),
    lenient(trial("descriptors", "it closes no descriptor but its own", LIVES, descriptors::run)),
    lenient(trial("process", "it leaves the process as it found it", LIVES, process::run)),
    lenient(trial("files", "it writes nowhere but in its state directory", LIVES, files::run)),
    lenient(trial("leaks", "a thousand lives leave nothing behind", LIVES, leaks::run)),
    trial("fuzz", "chance events and options do no harm", LIVES_ON_ANY_HOST, fuzz::run),
];

/// Runs the trial that the bench's job names.
pub(super) fn run(job: super::bench::Job) -> Report {
    let Some(trial) = ALL.iter().find(|trial| trial.name == job.trial) else {
        return Report::Unfit(format!("there is no trial \"{}\"", job.trial));
    };
    match Bench::open(job, trial.is_lenient) {
        Ok(mut bench) => (trial.run)(&mut bench).unwrap_or_else(Report::Failed),
        Err(report) => report,
    }
}

/// After so long a trial that does the same again and again lets go: a plugin that takes its time is tried less, not
/// refused.
pub(super) const TIME_NS: u64 = 10_000_000_000;

fn passed(note: impl Into<String>) -> Result<Report, Breach> {
    Ok(Report::Passed(note.into()))
}

/// An instance with the bench's options and permissions, ready for events.
fn started(bench: &mut Bench, shape: Shape, granted: Permissions) -> Result<Subject, Breach> {
    let seat = bench.seat(shape, granted)?;
    let subject = bench.create(seat, shape)?;
    subject.begin(bench)?;
    Ok(subject)
}

/// The story, event by event, and once more in batches; all its answers.
fn told(bench: &mut Bench, subject: &mut Subject) -> Result<Vec<Answer>, Breach> {
    let mut answers = Vec::new();
    for tale in story(BEGIN_NS) {
        answers.extend(subject.tell(bench, &[tale])?);
    }
    answers.extend(subject.tell(bench, &story(BEGIN_NS + 60 * S))?);
    Ok(answers)
}

/// Asks for the status as the agent does, and has everything written out.
fn wound_up(bench: &mut Bench, subject: &Subject) -> Result<(), Breach> {
    if subject.has_status() {
        subject.status(bench, crate::plugin::limits::STATUS_MAX)?;
    }
    Ok(subject.flush(bench.now_ns() + S)?)
}

/// A whole life on a host of that shape.
fn whole_life(bench: &mut Bench, shape: Shape, granted: Permissions) -> Result<(), Breach> {
    let mut subject = started(bench, shape, granted)?;
    told(bench, &mut subject)?;
    wound_up(bench, &subject)?;
    subject.stop();
    subject.destroy();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_trial_needs_runs_before_it() {
        for (place, trial) in ALL.iter().enumerate() {
            let before = |name: &&str| ALL[..place].iter().any(|other| other.name == *name);
            assert!(trial.needs.iter().all(before), "{}", trial.name);
            assert!(trial.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", trial.name);
        }
    }
}
