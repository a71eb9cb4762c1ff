//! `serialnumberd plugin check` as an author runs it: what is shipped passes, and of every bad plugin the fault is named.

#[path = "../plugins/builder.rs"]
mod builder;
#[path = "../plugins/suite.rs"]
mod suite;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use serde_json::Value;
use suite::{Bad, SUITE};

/// Which check finds it, and by which rule.
const FOUND: &[(&str, &str, &str)] = &[
    ("wrong-size", "acceptance", "R2"),
    ("four-gib-size", "acceptance", "R2"),
    ("at-a-pages-end", "acceptance", "R2"),
    ("null-slot", "acceptance", "R4"),
    ("wrong-major", "acceptance", "R1"),
    ("wrong-layout", "acceptance", "R2"),
    ("no-manifest", "acceptance", "R1"),
    ("no-entry", "acceptance", "R1"),
    ("unresolved", "acceptance", "load"),
    ("odd-option", "acceptance", "R3"),
    ("aborts", "life", "R8"),
    ("segfaults", "life", "R8"),
    ("exits", "life", "R8"),
    ("throws", "life", "R8"),
    ("panics", "life", "R8"),
    ("fails", "life", "life cycle"),
    ("create-fails", "life", "life cycle"),
    ("start-fails", "life", "R8"),
    ("hangs-in-create", "life", "watchdog"),
    ("hangs-in-configure", "life", "watchdog"),
    ("hangs-in-start", "life", "watchdog"),
    ("hangs-in-on_events", "life", "watchdog"),
    ("hangs-in-stop", "life", "watchdog"),
    ("spins", "life", "watchdog"),
    ("leaks-a-thread", "stop", "R9"),
    ("calls-after-stop", "stop", "R9"),
    ("keeps-an-event", "memory", "R5"),
    ("changes-events", "memory", "R5"),
    ("reads-past-the-end", "memory", "R2"),
    ("any-kind-a-duplicate", "newer-host", "R6"),
    ("ignores-the-stride", "newer-host", "R3"),
    ("needs-this-host", "newer-host", "R2"),
    ("hogs-memory", "life", "memory"),
    ("leaks-memory", "leaks", "R5"),
    ("leaks-a-descriptor", "leaks", "descriptors"),
    ("closes-descriptors", "descriptors", "descriptors"),
    ("writes-outside", "files", "state directory"),
    ("decides-unasked", "denied", "R4"),
    ("odd-answers", "answers", "R6"),
    ("odd-status", "answers", "status"),
    ("half-applies-a-reload", "reload", "configure"),
];

fn check(file: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_serialnumberd"));
    program.args(["plugin", "check"]).arg(file).args(arguments).env_remove("NO_COLOR");
    program.output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}{}", text(&output.stdout), text(&output.stderr)))
}

fn failed(document: &Value) -> Vec<&Value> {
    let checks = document["checks"].as_array().expect("checks");
    checks.iter().filter(|check| check["outcome"] == "failed").collect()
}

#[test]
fn the_fault_of_every_bad_plugin_is_named() {
    let names = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        names(FOUND.iter().map(|found| found.0).collect()),
        names(SUITE.iter().map(|bad| bad.name).collect()),
        "each bad plugin has its line"
    );
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Six of them hang for 5 s: side by side that is one wait.
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(place) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < SUITE.len())
                {
                    names_the_fault(&SUITE[place], FOUND[place], dir.path());
                }
            });
        }
    });
}

fn names_the_fault(bad: &Bad, (name, found_by, rule): (&str, &str, &str), dir: &Path) {
    let file = dir.join(format!("{name}.so"));
    builder::build(bad.source, bad.defines, &file);
    let output = check(&file, &["--json", "--seed", "7"]);
    assert_eq!(output.status.code(), Some(1), "{name}: {}{}", text(&output.stdout), text(&output.stderr));
    let document = document(&output);
    let failed = failed(&document);
    let first = failed.first().unwrap_or_else(|| panic!("{name}: nothing failed"));
    assert_eq!((&first["name"], &first["rule"]), (&found_by.into(), &rule.into()), "{name}: {document:#}");
}

/// What an agent in another process cannot be shown, so not in the suite: the fault, the slot, which check finds it, by
/// which rule, and of what it speaks.
const PROCESS_WIDE: &[(&str, &str, &str, &str, &str)] = &[
    ("takes_a_signal", "start", "process", "process", "changed the action for SIGTERM"),
    ("blocks_signals", "create", "process", "process", "changed the signals that its thread blocks"),
    ("changes_umask", "on_events", "process", "process", "changed the umask"),
    ("changes_directory", "start", "process", "process", "changed the working directory"),
    ("changes_locale", "create", "process", "process", "changed the locale"),
    ("changes_environment", "stop", "process", "process", "changed the environment variable TZ"),
    ("changes_a_limit", "start", "process", "process", "changed the limit \"Max open files\""),
    ("sets_an_alarm", "flush", "process", "process", "changed the alarm"),
    ("leaves_a_process", "start", "process", "process", "that it started"),
    ("keeps_its_name", "on_events", "memory", "R5", "used the instance's name of an earlier call"),
    ("starts_a_thread", "create", "stop", "life cycle", "started a thread before start"),
];

#[test]
fn what_belongs_to_the_process_is_left_alone_or_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (fault, slot, found_by, rule, part) in PROCESS_WIDE {
        let file = dir.path().join(format!("{fault}.so"));
        builder::build("fault", &[&format!("FAULT={fault}"), &format!("SLOT=\"{slot}\"")], &file);
        let output = check(&file, &["--json", "--seed", "7"]);
        let document = document(&output);
        assert_eq!(output.status.code(), Some(1), "{fault}: {document:#}");
        let first = failed(&document)[0];
        assert_eq!((&first["name"], &first["rule"]), (&(*found_by).into(), &(*rule).into()), "{first:#}");
        assert!(first["what"].as_str().is_some_and(|what| what.contains(part)), "{fault}: {first:#}");
    }
}

#[test]
fn a_plugin_that_takes_its_time_is_not_accused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for slot in ["create", "on_events"] {
        let file = dir.path().join("slow.so");
        builder::build("fault", &["FAULT=is_slow", &format!("SLOT=\"{slot}\"")], &file);
        let output = check(&file, &["--json"]);
        let document = document(&output);
        assert_eq!(output.status.code(), Some(0), "{slot}: {document:#}");
        // Each lets go after 10 s, at the end of the life that it is in.
        let took =
            document["checks"].as_array().expect("checks").iter().filter_map(|c| c["took_ms"].as_u64());
        assert!(took.max().is_some_and(|ms| ms < 20_000), "{slot}: {document:#}");
    }
}

#[test]
fn whoever_interrupts_it_leaves_no_process_and_no_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("hangs.so");
    // Starts a process in a session of its own, and then hangs in stop.
    builder::build("fault", &["FAULT=leaves_a_process", "SLOT=\"start\"", "HANGS_IN_STOP"], &file);
    let scratch = dir.path().join("tmp");
    fs::create_dir(&scratch).expect("made");
    let mut program = Command::new(env!("CARGO_BIN_EXE_serialnumberd"));
    let program = program.args(["plugin", "check"]).arg(&file).env("TMPDIR", &scratch);
    let mut program = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    let written = until(|| trace_below(&scratch));
    let orphan = written.lines().find_map(|line| line.parse::<i32>().ok()).expect("its number");
    nix::sys::signal::kill(Pid::from_raw(program.id().try_into().expect("a pid")), Signal::SIGINT)
        .expect("interrupted");
    let status = program.wait().expect("it ended");
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32), "{status}");
    assert_eq!(fs::read_dir(&scratch).expect("listed").count(), 0, "the trials' folder is removed");
    assert!(!Path::new(&format!("/proc/{orphan}")).exists(), "process {orphan} is left");
}

/// Looks until there is something.
fn until<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("nothing came within 10 s");
}

/// What the plugin has traced once it is in its stop.
fn trace_below(folder: &Path) -> Option<String> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let found = match path.is_dir() {
            true => trace_below(&path),
            false if path.ends_with("trace") => fs::read_to_string(&path).ok(),
            false => None,
        };
        if let Some(text) = found.filter(|text| text.contains("hangs")) {
            return Some(text);
        }
    }
    None
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every plugin that is shipped, and every example of one.
fn shipped() -> Vec<PathBuf> {
    let below = |folder: &str, begins: &str| -> Vec<PathBuf> {
        let entries =
            fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries
            .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(begins)))
            .collect()
    };
    let all = [below("plugins", ""), below("examples", "plugin_")].concat();
    assert!(all.len() >= 3, "the policy and the examples: {all:?}");
    all
}

#[test]
fn what_is_shipped_passes_without_options() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for source in shipped() {
        let name = source.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let file = dir.path().join(format!("{name}.so"));
        builder::build_from(&source, &[], &file);
        let output = check(&file, &["--json"]);
        let document = document(&output);
        assert_eq!((output.status.code(), failed(&document)), (Some(0), vec![]), "{name}: {document:#}");
        let took: u64 =
            document["checks"].as_array().expect("checks").iter().filter_map(|c| c["took_ms"].as_u64()).sum();
        assert!(took < 40_000, "{name}: {took} ms");
    }
}

#[test]
fn the_same_seed_draws_the_same_and_nothing_is_left_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("minimal.so");
    builder::build_from(&root().join("examples/plugin_minimal.c"), &[], &file);
    let scratch = dir.path().join("tmp");
    fs::create_dir(&scratch).expect("made");
    let run = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_serialnumberd"));
        let program = program.args(["plugin", "check"]).arg(&file).args(arguments).env("TMPDIR", &scratch);
        let output = program.output().expect("the program runs");
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    };
    let note = |text: &str| {
        let document: Value = serde_json::from_str(text).expect("JSON");
        let checks = document["checks"].as_array().expect("checks").clone();
        let fuzz = checks.into_iter().find(|check| check["name"] == "fuzz").expect("the fuzz check");
        fuzz["note"].as_str().expect("it passed").to_owned()
    };
    assert_eq!(note(&run(&["--json", "--seed", "3"])), note(&run(&["--json", "--seed", "3"])));
    assert_ne!(note(&run(&["--json", "--seed", "3"])), note(&run(&["--json", "--seed", "4"])));
    let people = run(&["--seed", "5"]);
    assert!(people.contains("seed 5\n") && people.contains("it passed: "), "{people}");
    let tap = run(&["--tap", "--seed", "5"]);
    assert!(tap.starts_with("TAP version 14\n1..15\n# ") && tap.contains("\nok 15 - fuzz: "), "{tap}");
    assert_eq!(fs::read_dir(&scratch).expect("listed").count(), 0, "the trials' folder is removed");
}

#[test]
fn what_cannot_be_tried_is_neither_passed_nor_failed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("good.so");
    builder::build("good", &[], &file);
    let missing = dir.path().join("missing.so");
    for (file, arguments, part) in [
        (&missing, vec![], "cannot be checked: No such file"),
        (&dir.path().to_owned(), vec![], "is no file"),
        (&file, vec!["--option", "mdoe=strict"], "did you mean \"mode\"?"),
        (&file, vec!["--option", "grace=soon"], "must be a duration"),
        (&file, vec!["--grant", "verdikt"], "did you mean \"verdict\"?"),
    ] {
        let output = check(file, &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains(part), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn what_is_no_plugin_fails_with_the_rule() {
    let output = check(Path::new("/etc/hostname"), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(failed(&document(&output))[0]["name"], "acceptance");
}
