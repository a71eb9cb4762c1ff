//! One trial as whoever starts it sees it: a child process, its time, and what its end says.
//!
//! Knows nothing of the trial: what a child wrote down is taken as it is; what one that died or hung could not write is
//! read from the page that it shared.
#![allow(unsafe_code, reason = "waits for a process without reaping it, and ends a group of processes")]

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::census;
use super::child::MEMORY_MAX;
use super::fault;
use super::progress::{Progress, Word};
use super::report::{Breach, Report};
use super::{PROGRESS, REPORT};
use crate::clock;
use crate::plugin::limits::CALL_STALLED;
use crate::plugin::shared::Call;

/// What one trial may take: the longest of them let go by themselves after [`super::trials::TIME_NS`].
const TRIAL_MAX: Duration = Duration::from_secs(60);
/// Orphans leave orphans; a plugin that makes them faster than they can be ended is not followed for ever.
const GENERATIONS: usize = 100;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Of what a child printed, so much of the end may be shown.
const SHOWN: usize = 200;

/// Its output, beside its report.
const OUTPUT: &str = "output";

/// Runs a child in a folder that holds its job and a `place` to live in.
pub(super) fn conduct(program: &Path, folder: &Path, interrupted: &AtomicUsize) -> Result<Report, String> {
    adopt().map_err(|e| format!("what a plugin starts cannot be watched: {e}"))?;
    let mut child =
        start(program, folder).map_err(|e| format!("{} cannot be started again: {e}", program.display()))?;
    let ending = wait(&child, folder, interrupted);
    // Whatever it started itself ends with it; its number is taken until it is reaped.
    let group = i32::try_from(child.id()).unwrap_or(i32::MAX);
    // SAFETY: one system call; the group was made for this child.
    unsafe { libc::killpg(group, libc::SIGKILL) };
    let status = child.wait().map_err(|e| format!("a child cannot be waited for: {e}"))?;
    end_orphans();
    if ending == Wait::Interrupted {
        return Err("interrupted".to_owned());
    }
    if let Some(report) = Report::read(&folder.join(REPORT)) {
        return Ok(report);
    }
    let progress = Progress::read(&folder.join(PROGRESS));
    if progress == Progress::default() && ending == Wait::Ended {
        return Err(format!("a trial could not begin: {}", last_words(folder)));
    }
    Ok(Report::Failed(match ending {
        Wait::Ended => dies(status, progress, &last_words(folder)),
        _ => hangs(&ending, progress),
    }))
}

/// From here on whatever a child leaves behind is this process's to end.
fn adopt() -> io::Result<()> {
    // SAFETY: one system call; no memory is involved.
    match unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends what a plugin started in a session of its own, and what that started.
fn end_orphans() {
    for _ in 0..GENERATIONS {
        let orphans = census::children();
        if orphans.is_empty() {
            return;
        }
        for orphan in orphans {
            // SAFETY: two system calls on a child that is not yet waited for, so its number is its own.
            unsafe {
                libc::kill(orphan, libc::SIGKILL);
                libc::waitpid(orphan, ptr::null_mut(), 0);
            }
        }
    }
}

/// How the time of a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// The child is over.
    Ended,
    /// One call lasts too long.
    Stalled,
    /// All of it does.
    TooLong,
    /// Somebody wants the whole to end.
    Interrupted,
}

fn start(program: &Path, folder: &Path) -> io::Result<Child> {
    let place = folder.join("place");
    let output = File::create(folder.join(OUTPUT))?;
    let mut command = Command::new(program);
    command.args(["plugin", "trial"]).arg(folder);
    for (name, below) in [
        ("HOME", "home"),
        ("TMPDIR", "tmp"),
        ("XDG_CACHE_HOME", "home"),
        ("XDG_CONFIG_HOME", "home"),
        ("XDG_DATA_HOME", "home"),
        ("XDG_STATE_HOME", "home"),
        ("XDG_RUNTIME_DIR", "tmp"),
    ] {
        command.env(name, place.join(below));
    }
    // A panic's place is wanted, not its way there.
    command.env("RUST_BACKTRACE", "0").current_dir(place.join("work")).process_group(0);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()
}

/// Waits for the end of a child, or of its time, without reaping it.
fn wait(child: &Child, folder: &Path, interrupted: &AtomicUsize) -> Wait {
    let begun_ns = clock::boottime_ns();
    let lasts = |since_ns: u64| Duration::from_nanos(clock::boottime_ns().saturating_sub(since_ns));
    let (mut calls, mut since_ns) = (0, begun_ns);
    while !has_ended(child) {
        let progress = Progress::read(&folder.join(PROGRESS));
        if progress.get(Word::Call) == 0 || progress.get(Word::Calls) != calls {
            (calls, since_ns) = (progress.get(Word::Calls), clock::boottime_ns());
        }
        match () {
            () if interrupted.load(Ordering::Acquire) != 0 => return Wait::Interrupted,
            () if lasts(since_ns) > CALL_STALLED => return Wait::Stalled,
            () if lasts(begun_ns) > TRIAL_MAX => return Wait::TooLong,
            () => thread::sleep(LOOK_EVERY),
        }
    }
    Wait::Ended
}

fn has_ended(child: &Child) -> bool {
    // SAFETY: all zeros are a value of this struct, and mean that nothing has happened.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: writes one struct; the child stays to be reaped.
    let answer = unsafe { libc::waitid(libc::P_PID, child.id(), &raw mut info, flags) };
    // SAFETY: the struct was zeroed or written.
    answer != 0 || unsafe { info.si_pid() } != 0
}

/// "its on_events", or what else runs when it is in no call.
fn in_call(progress: Progress) -> String {
    let place = usize::try_from(progress.get(Word::Call)).unwrap_or(0).checked_sub(1);
    let call = place.and_then(Call::at).map(Call::as_str);
    call.map_or_else(|| "something of it between two calls".to_owned(), |name| format!("its {name}"))
}

fn at_step(progress: Progress) -> String {
    match progress.get(Word::Step) {
        0 => String::new(),
        step => format!(" (step {step})"),
    }
}

fn hangs(ending: &Wait, progress: Progress) -> Breach {
    let (who, at) = (in_call(progress), at_step(progress));
    let what = match ending {
        Wait::Stalled => format!("{who} did not return within {} s{at}", CALL_STALLED.as_secs()),
        _ => format!("its calls took more than {} s together{at}", TRIAL_MAX.as_secs()),
    };
    Breach::new("watchdog", what, "do what may take long on a thread of its own, and wake the instance")
}

fn dies(status: ExitStatus, progress: Progress, output: &str) -> Breach {
    let (who, at) = (in_call(progress), at_step(progress));
    let said = if output.is_empty() { String::new() } else { format!(": {output}") };
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or(0);
        let what = format!("{who} ended the process with exit code {code}{at}{said}");
        return Breach::new("R8", what, "never call exit: the process is the agent's");
    };
    let code = u8::try_from(progress.get(Word::Fault)).unwrap_or(0);
    if let Some(breach) = fault::breach(code) {
        return Breach { what: format!("in {who} {}{at}", breach.what), ..breach };
    }
    let name = signal_name(signal);
    if progress.get(Word::NoMemory) == 1 {
        let what = format!(
            "{who} took all memory that it may have, {} MiB, and ended by {name}{at}",
            MEMORY_MAX >> 20
        );
        return Breach::new("memory", what, "bound what is kept, and live with an allocation that fails");
    }
    let what = format!("{who} ended the process by {name}{at}{said}");
    Breach::new(
        "R8",
        what,
        "nothing may leave a slot but by return: catch exceptions and panics inside of it",
    )
}

fn signal_name(signal: i32) -> String {
    let known = [
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGSYS, "SIGSYS"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGALRM, "SIGALRM"),
    ];
    let name = known.iter().find(|(number, _)| *number == signal).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("signal {signal}"))
}

/// The end of what it printed, on one line.
fn last_words(folder: &Path) -> String {
    let bytes = fs::read(folder.join(OUTPUT)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4 * SHOWN)..]).into_owned();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.last().copied().unwrap_or_default();
    let shown: String = line.chars().take(SHOWN).collect();
    crate::text::clean(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(words: &[(Word, u64)]) -> Progress {
        let mut all = [0_u64; 6];
        for (word, value) in words {
            all[*word as usize] = *value;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let bytes: Vec<u8> = all.iter().flat_map(|word| word.to_ne_bytes()).collect();
        fs::write(dir.path().join("p"), bytes).expect("written");
        Progress::read(&dir.path().join("p"))
    }

    #[test]
    fn an_end_without_a_report_is_told_from_what_was_shared() {
        let on_events = u64::try_from(Call::OnEvents.place()).expect("small") + 1;
        let killed = |signal: i32, words: &[(Word, u64)]| {
            dies(ExitStatus::from_raw(signal), progress(words), "terminate called").what
        };
        assert_eq!(
            killed(libc::SIGABRT, &[(Word::Call, on_events), (Word::Step, 7)]),
            "its on_events ended the process by SIGABRT (step 7): terminate called"
        );
        let guarded = u64::from(fault::use_code(fault::Thing::Text, fault::State::Past));
        assert_eq!(
            killed(libc::SIGSEGV, &[(Word::Call, on_events), (Word::Fault, guarded)]),
            "in its on_events it used a text of an earlier call"
        );
        assert!(
            killed(libc::SIGKILL, &[]).starts_with("something of it between two calls ended the process")
        );
        let hog = killed(libc::SIGABRT, &[(Word::Call, on_events), (Word::NoMemory, 1)]);
        assert!(hog.contains("took all memory that it may have, 1024 MiB"), "{hog}");
        let exit = dies(ExitStatus::from_raw(0), progress(&[(Word::Call, on_events)]), "");
        assert_eq!(exit.what, "its on_events ended the process with exit code 0");
        assert_eq!(
            hangs(&Wait::Stalled, progress(&[(Word::Call, on_events)])).what,
            "its on_events did not return within 5 s"
        );
    }
}
