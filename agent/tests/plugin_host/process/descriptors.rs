//! What of the agent a plugin finds in its process: nothing.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::fcntl::{FcntlArg, fcntl};

use super::Puppet;
use crate::rig::HELPER;

/// A descriptor that a careless program lets every child inherit.
fn leaky() -> (File, File) {
    let file = File::open("/etc/hostname").expect("a file");
    let number = fcntl(&file, FcntlArg::F_DUPFD(40)).expect("a copy");
    let copy = File::open(format!("/proc/self/fd/{number}")).expect("open");
    assert!(copy.as_raw_fd() != number);
    (file, copy)
}

#[test]
fn it_inherits_no_descriptor_no_environment_and_no_place() {
    let _kept = leaky();
    let mut puppet = Puppet::new();
    puppet.does("fds", "fds done");
    let lines: Vec<String> =
        puppet.rig.trace("puppet").into_iter().filter(|line| line.starts_with("fd ")).collect();
    let target = |line: &String| line.splitn(3, ' ').nth(2).expect("a target").to_owned();
    let of = |number: usize| lines.iter().find(|line| line.starts_with(&format!("fd {number} "))).map(target);
    let null = Some("/dev/null".to_owned());
    assert_eq!((of(0), of(1)), (null.clone(), null));
    assert!(of(2).is_some_and(|target| target.starts_with("pipe:")), "{lines:#?}");
    let plugin = puppet.rig.dir.path().join("puppet.so");
    for line in lines.iter().skip(3) {
        let target = target(line);
        // The pipe, the two ends of a bell, the file, and the folder that is just read.
        let is_own = target.starts_with("socket:") || target == plugin.display().to_string();
        assert!(is_own || target.starts_with("/proc/"), "{line}");
    }
    assert_eq!(lines.iter().filter(|line| line.contains("socket:")).count(), 3, "{lines:#?}");

    puppet.does("look", "surroundings done");
    let look = puppet.rig.await_line("puppet", "env ");
    assert!(look.starts_with("env - cwd / uid "), "{look}");
}

#[test]
fn the_sandbox_is_closed_before_the_first_initializer_runs() {
    let rig = crate::rig::Rig::of_processes();
    let outside = rig.dir.path().join("outside");
    let initially = format!("INITIALLY=\"{}\"", outside.display());
    let spec = rig.spec(rig.build("puppet", "early.so", &[&initially]));
    let mut host = rig.start(vec![spec.clone()]).expect("it starts");
    host.publish(&crate::rig::record(1, super::query("look")));
    let look = rig.await_line("puppet", "env ");
    assert!(look.ends_with("initially 13"), "{look}");
    assert!(!outside.exists());
    // So it is where a configuration is only checked.
    assert_eq!(serialnumberd::plugin::check(&spec), Ok(()));
    assert!(!outside.exists());
}

#[test]
fn the_helper_is_no_command_for_people() {
    let output = std::process::Command::new(HELPER).arg("plugin-child").output().expect("it runs");
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("plugin-child is started by an agent"), "{told}");
    let help = std::process::Command::new(HELPER).arg("--help").output().expect("it runs");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("plugin-child"));
}
