//! C programs that do with the library what C programs do, and some of what they should not: built against the shared
//! library, run, and run once more under valgrind.
//!
//! All traffic is on loopback: each program has two addresses of its own.

mod rig;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use rig::{compile, header, library_dir, package, scratch, succeed};

/// The arguments of one run: a directory, and two addresses that no other test of this machine uses.
fn arguments() -> (tempfile::TempDir, [String; 2]) {
    static RUNS: AtomicU8 = AtomicU8::new(1);
    let (run, process) = (RUNS.fetch_add(1, Ordering::Relaxed), std::process::id());
    let net = format!("127.{}.{}", process / 250 % 250 + 1, process % 250 + 1);
    (tempfile::tempdir().unwrap(), [format!("{net}.{run}"), format!("{net}.{}", 255 - run)])
}

/// Builds `tests/c/NAME.c` against the shared library.
fn build(name: &str) -> PathBuf {
    let program = scratch(name);
    let lib = library_dir();
    let (search, rpath) = (format!("-L{}", lib.display()), format!("-Wl,-rpath,{}", lib.display()));
    let source = package().join("tests/c").join(format!("{name}.c"));
    let args = ["-std=gnu11", "-g", "-pthread", &search, &rpath, "-Wl,--no-as-needed", "-lserialnumberd"];
    compile("gcc", &args, &source, &program);
    program
}

/// How a program is run.
const VALGRIND: [&str; 7] = [
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect,possible",
    "--errors-for-leak-kinds=definite,indirect",
    "--error-exitcode=99",
    "--child-silent-after-fork=no",
];

fn run(program: &Path, arguments_more: &[&str]) -> String {
    once(&[], program, arguments_more);
    once(&VALGRIND, program, arguments_more)
}

fn once(wrapper: &[&str], program: &Path, more: &[&str]) -> String {
    let (dir, addresses) = arguments();
    // Nothing may hang: a test that waits for ever tells nothing.
    let mut command = Command::new("timeout");
    command.arg("120").args(wrapper).arg(program).arg(dir.path()).args(&addresses).args(more);
    succeed(&mut command)
}

#[test]
fn every_abuse_is_answered_by_a_status() {
    let printed = run(&build("abuse"), &[]);
    let abused: BTreeSet<&str> = printed.split_whitespace().collect();
    let text = std::fs::read_to_string(header()).unwrap();
    let declared =
        text.split("SLND_API").skip(1).filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next());
    let declared: BTreeSet<&str> = declared.filter(|name| name.starts_with("slnd_")).collect();
    assert_eq!(abused, declared, "every function is abused");
}

#[test]
fn two_agents_in_one_process_find_each_other() {
    run(&build("two_agents"), &[]);
}

#[test]
fn every_loop_ends_by_a_signal_by_a_thread_and_by_a_callback() {
    let program = build("loops");
    for by in ["signal", "callback"] {
        for turning in ["run", "spawn", "dispatch"] {
            run(&program, &[turning, by]);
        }
    }
    run(&program, &["spawn", "thread"]);
}

#[test]
fn free_in_a_callback_waits_for_its_end() {
    let program = build("free_in_callback");
    for turning in ["run", "spawn", "dispatch"] {
        run(&program, &[turning]);
    }
}

#[test]
fn a_fork_leaves_the_agent_with_the_parent() {
    let program = build("forks");
    once(&[], &program, &[]);
    // Without a look at leaks: a forked child leaks what is its parent's, as the header says.
    once(&["valgrind", "--quiet", "--error-exitcode=99"], &program, &[]);
}

#[test]
fn adopted_sockets_change_hands() {
    run(&build("sockets"), &[]);
}

#[test]
fn plugins_of_the_program_and_of_files_decide() {
    let minimal = scratch("libembedded_minimal.so");
    compile("gcc", &["-shared", "-fPIC"], &package().join("../../examples/plugin_minimal.c"), &minimal);
    run(&build("plugins"), &[minimal.to_str().unwrap()]);
}

#[test]
fn each_agent_has_a_log_of_its_own() {
    run(&build("logs"), &[]);
}

#[test]
fn a_library_that_is_closed_stays() {
    run(&build("loaded"), &[library_dir().join("libserialnumberd.so.1").to_str().unwrap()]);
}
