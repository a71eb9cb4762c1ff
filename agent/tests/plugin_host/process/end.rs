//! The end: in order if the plugin lets it, and of nothing that it started anything is left.

use std::time::Duration;

use serialnumberd::plugin::{Health, Rule};

use super::{Puppet, runs};
use crate::STOP;
use crate::rig::{Rig, eventually, record, suite};

#[test]
fn a_stop_delivers_what_waits_flushes_and_leaves_nothing() {
    let mut puppet = Puppet::new();
    let pid = puppet.pid();
    for _ in 0..300 {
        puppet.publish(serialnumberd::record::Body::Tick);
    }
    let rig = puppet.rig;
    assert_eq!(puppet.host.stop(STOP), Vec::<String>::new());
    let trace = rig.trace("puppet");
    assert_eq!(trace.iter().filter(|line| line.starts_with("event ")).count(), 300);
    assert_eq!(trace[trace.len() - 2..], ["flush 1", "stop"]);
    assert!(!runs(pid));
}

#[test]
fn what_it_started_ends_with_it() {
    for (leave, how) in [("leave", "stop"), ("leave", "crash"), ("detach", "stop"), ("detach", "crash")] {
        let mut puppet = Puppet::with(|spec| spec.process.sandbox.exec = true);
        puppet.tell(leave);
        let line = puppet.rig.await_line("puppet", "left ");
        let left: u32 = line.trim_start_matches("left ").parse().expect("a pid");
        assert!(runs(left));
        if how == "stop" {
            puppet.host.stop(STOP);
        } else {
            puppet.tell("crash 9");
            puppet.until_health(Health::Restarting);
        }
        eventually(&format!("{leave} {how}"), || !runs(left));
    }
}

#[test]
fn a_plugin_that_hangs_in_start_is_given_up_and_gone() {
    let rig = Rig::of_processes();
    let path = rig.build_bad(suite::one("hangs-in-start"));
    let spec = rig.spec(path.clone());
    let ahead_ns = std::sync::Arc::clone(&rig.ahead_ns);
    let trace = rig.state("fault").join("trace");
    let jump = std::thread::spawn(move || {
        eventually("it is in its start", || trace.exists());
        ahead_ns.fetch_add(11_000_000_000, std::sync::atomic::Ordering::SeqCst);
    });
    let error = rig.start(vec![spec]).err().expect("it hangs");
    jump.join().expect("no panic");
    assert_eq!(error.rule(), Rule::LifeCycle);
    assert!(error.to_string().contains("its start did not return within 10 s"), "{error}");
    eventually("its process is gone", || !holds_open(&path));
}

/// Whether a process other than this one has the file open.
fn holds_open(path: &std::path::Path) -> bool {
    let fds = |pid: &std::path::Path| std::fs::read_dir(pid.join("fd")).into_iter().flatten().flatten();
    let others = std::fs::read_dir("/proc").expect("proc").flatten().filter(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok_and(|pid| pid != std::process::id()))
    });
    others
        .map(|entry| entry.path())
        .any(|pid| fds(&pid).any(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == path)))
}

#[test]
fn a_crash_before_it_has_started_is_told() {
    let rig = Rig::of_processes();
    for (options, told) in [
        ("at_once = \"exit 5\"", "its process ended with exit code 5 while it started"),
        ("at_once = \"crash 11\"", "its process was killed by SIGSEGV while it started"),
    ] {
        let mut spec = Puppet::spec(&rig);
        spec.options = options.parse().expect("toml");
        let error = rig.start(vec![spec]).err().expect("it is gone");
        assert_eq!(error.to_string(), format!("plugin puppet: {told} (rule: life cycle)"));
    }
}

#[test]
fn a_helper_that_is_none_is_told() {
    let rig = Rig::of_processes();
    for (helper, rule, told) in [
        (None, Rule::Isolation, "write plugin_helper = \"/usr/bin/serialnumberd\" under [agent]"),
        (
            Some("/nowhere/serialnumberd"),
            Rule::Isolation,
            "`plugin_helper` in [agent]: /nowhere/serialnumberd: it cannot be opened",
        ),
        (Some("/bin/true"), Rule::LifeCycle, "its process ended with exit code 0 while it was loaded"),
        (Some("/bin/cat"), Rule::LifeCycle, "its process "),
    ] {
        let mut spec = Puppet::spec(&rig);
        spec.process.helper = helper.map(Into::into);
        let error = rig.start(vec![spec]).err().expect("no helper");
        assert_eq!(error.rule(), rule, "{error}");
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn a_stop_while_it_is_down_waits_for_nothing() {
    let mut puppet = Puppet::new();
    puppet.tell("exit 1");
    puppet.until_health(Health::Restarting);
    puppet.host.publish(&record(9, serialnumberd::record::Body::Tick));
    // The clock stands still: neither the restart nor the end of the time comes.
    assert_eq!(puppet.host.stop(Duration::from_secs(5)), Vec::<String>::new());
}
