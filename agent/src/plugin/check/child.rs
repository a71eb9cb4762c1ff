//! The child: a process that runs one trial, writes down how it ended, and is gone.
//!
//! It bounds itself before any of the plugin's code runs: no core file, so much memory and so large files, and it dies
//! with whoever started it.
#![allow(
    unsafe_code,
    reason = "sets limits of its own process, and ends it without the plugin's destructors"
)]

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;

use super::bench::Job;
use super::report::Report;
use super::{JOB, PROGRESS, REPORT, progress, said, traps, trials};

/// What a plugin may take: far more than any needs for a few thousand events, and no harm to whoever runs the validator.
pub(super) const MEMORY_MAX: u64 = 1 << 30;
/// The largest file that it may write.
const FILE_MAX: u64 = 64 << 20;

/// Runs the trial that stands in a folder; returns only if it could not begin, with why.
///
/// # Errors
/// One sentence.
pub fn child(folder: &Path) -> Result<(), String> {
    let job = std::fs::read(folder.join(JOB)).map_err(|e| e.to_string())?;
    let job: Job = serde_json::from_slice(&job).map_err(|e| e.to_string())?;
    bound().map_err(|e| format!("this process cannot be bounded: {e}"))?;
    progress::share(&folder.join(PROGRESS)).map_err(|e| e.to_string())?;
    traps::set().map_err(|e| format!("signals cannot be caught: {e}"))?;
    said::listen();
    // As in the agent: not the main thread, whose stack is larger.
    let trial = move || catch_unwind(AssertUnwindSafe(|| trials::run(job)));
    let worker = thread::Builder::new().name("trial".to_owned()).spawn(trial).map_err(|e| e.to_string())?;
    let report = worker.join().and_then(|outcome| outcome);
    let report = report.unwrap_or_else(|_| {
        Report::Unfit("a defect of the validator: its own code panicked, see its output".to_owned())
    });
    report.write(&folder.join(REPORT)).map_err(|e| format!("the report cannot be written: {e}"))?;
    // SAFETY: ends the process.  Not by `exit`: threads that the plugin left would run into its destructors.
    unsafe { libc::_exit(0) }
}

fn bound() -> io::Result<()> {
    // SAFETY: asks to be killed with the parent; no memory is involved.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // What the plugin starts and lets go of stays in sight.
    // SAFETY: as above.
    if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // RLIMIT_DATA counts what may be written and is its own: address space that is only reserved costs nothing.
    for (what, most) in
        [(libc::RLIMIT_CORE, 0), (libc::RLIMIT_DATA, MEMORY_MAX), (libc::RLIMIT_FSIZE, FILE_MAX)]
    {
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: reads one struct.
        if unsafe { libc::setrlimit(what, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: a write beyond the limit is to fail, not to kill.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    Ok(())
}
