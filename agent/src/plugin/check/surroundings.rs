//! What belongs to the whole process, and what this one has of it: signals, mask, directory, locale, environment, limits.
//!
//! Looks only.  Each thing has a name and a value as text, so that two looks are compared thing by thing.
#![allow(unsafe_code, reason = "asks the C library for what the process shares")]

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs;
use std::mem;
use std::ptr;

use super::report::Breach;

/// Signals of Linux, the real-time ones among them.
const SIGNALS: std::ops::RangeInclusive<i32> = 1..=64;

/// The kinds of things: what is changed, and how to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Signal,
    Blocked,
    Umask,
    Directory,
    Locale,
    Variable,
    Limit,
    Alarm,
    Children,
}

impl Kind {
    fn mend(self) -> &'static str {
        match self {
            Kind::Signal => "leave signals to the program, and sigaction(2) to its main function",
            Kind::Blocked => "block signals only in threads of its own",
            Kind::Umask => "set the mode of a file with fchmod(2)",
            Kind::Directory => "use absolute paths, or openat(2)",
            Kind::Locale => "use newlocale(3) and the functions that end with _l",
            Kind::Variable => "leave the environment alone: other threads read it",
            Kind::Limit => "leave setrlimit(2) to whoever runs the program",
            Kind::Alarm => "use the timer of the host",
            Kind::Children => "end its processes in stop, and wait for them",
        }
    }
}

/// What there is, by kind and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Surroundings(BTreeMap<(Kind, String), String>);

impl Surroundings {
    /// As they are now, on this thread.
    pub(super) fn look() -> Surroundings {
        let mut all: BTreeMap<(Kind, String), String> =
            SIGNALS.filter_map(action).chain(variables()).chain(limits()).collect();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let figure = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.unwrap_or_default().trim().to_owned()
        };
        let directory = std::env::current_dir().map_or_else(|e| e.to_string(), |d| d.display().to_string());
        for (kind, name, value) in [
            (Kind::Blocked, "the signals that its thread blocks", figure("SigBlk")),
            (Kind::Umask, "the umask", figure("Umask")),
            (Kind::Directory, "the working directory", directory),
            (Kind::Locale, "the locale", locale()),
            (Kind::Alarm, "the alarm of the process", is_alarm_set().to_string()),
        ] {
            all.insert((kind, name.to_owned()), value);
        }
        Surroundings(all)
    }

    /// What is other than it was before, if anything is.
    pub(super) fn changed(&self, before: &Surroundings, when: &str) -> Result<(), Breach> {
        let is_other = |key: &&(Kind, String)| before.0.get(*key) != self.0.get(*key);
        match before.0.keys().chain(self.0.keys()).find(is_other) {
            Some((kind, name)) => Err(breach(*kind, &format!("it changed {name} by the time {when}"))),
            None => Ok(()),
        }
    }
}

fn breach(kind: Kind, what: &str) -> Breach {
    Breach::new("process", format!("{what}; that is the whole process's"), kind.mend())
}

/// Whether processes are left that were started here, or by those.
pub(super) fn no_children() -> Result<(), Breach> {
    let children = super::census::children().len();
    if children == 0 {
        return Ok(());
    }
    let what = match children {
        1 => "a process that it started is there after destroy had returned".to_owned(),
        n => format!("{n} processes that it started are there after destroy had returned"),
    };
    Err(Breach::new("process", what, Kind::Children.mend()))
}

/// What a signal does; `None` for those that are none, or the C library's own.
fn action(signal: i32) -> Option<((Kind, String), String)> {
    // SAFETY: all zeros are a value of this struct.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: writes one struct, and changes nothing.
    if unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) } != 0 {
        return None;
    }
    let name = signal_hook::low_level::signal_name(signal);
    let name = name.map_or_else(|| format!("signal {signal}"), str::to_owned);
    let value = format!("{:#x} {:#x}", action.sa_sigaction, action.sa_flags);
    Some(((Kind::Signal, format!("the action for {name}")), value))
}

fn variables() -> impl Iterator<Item = ((Kind, String), String)> {
    let named = |name: &std::ffi::OsStr| format!("the environment variable {}", name.display());
    std::env::vars_os()
        .map(move |(name, value)| ((Kind::Variable, named(&name)), value.display().to_string()))
}

fn limits() -> Vec<((Kind, String), String)> {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    // "Max open files            1024                 524288               files"
    let one = |line: &str| {
        let (name, values) = line.split_once("  ")?;
        Some(((Kind::Limit, format!("the limit \"{name}\"")), values.trim().to_owned()))
    };
    text.lines().skip(1).filter_map(one).collect()
}

fn locale() -> String {
    // SAFETY: asks only; nothing else of this process sets it meanwhile.
    let name = unsafe { libc::setlocale(libc::LC_ALL, ptr::null()) };
    if name.is_null() {
        return String::new();
    }
    // SAFETY: the C library's own text, valid until the locale is set.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

fn is_alarm_set() -> bool {
    // SAFETY: all zeros are a value of this struct.
    let mut timer: libc::itimerval = unsafe { mem::zeroed() };
    // SAFETY: writes one struct.
    unsafe { libc::getitimer(libc::ITIMER_REAL, &raw mut timer) };
    timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_other_is_named() {
        let before = Surroundings::look();
        assert!(before.0.len() > 80, "{before:?}");
        let other = |kind: Kind, name: &str| {
            let mut after = before.clone();
            after.0.insert((kind, name.to_owned()), "other".to_owned());
            after.changed(&before, "start had returned").expect_err("a change").what
        };
        assert_eq!(
            other(Kind::Signal, "the action for SIGTERM"),
            "it changed the action for SIGTERM by the time start had returned; that is the whole process's"
        );
        assert!(other(Kind::Umask, "the umask").contains("the umask"));
        assert!(other(Kind::Limit, "the limit \"Max open files\"").contains("Max open files"));
        assert_eq!(before.changed(&before, "start had returned"), Ok(()));
    }
}
