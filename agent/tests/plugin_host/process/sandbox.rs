//! The sandbox: what is refused by default, and what is allowed by saying so.
//!
//! On a kernel without Landlock or seccomp these tests say so and fail: `make test` is for one that has both.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serialnumberd::plugin::{Account, Reach, Rule};

use super::{Puppet, runs};
use crate::rig::Rig;

const EPERM: u32 = 1;
const EACCES: u32 = 13;

/// A file outside the plugin's own directory.
fn file(rig: &Rig, name: &str) -> String {
    let path = rig.dir.path().join(name);
    fs::write(&path, "secret").expect("written");
    path.display().to_string()
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn nothing_is_allowed_that_was_not_said() {
    let mut puppet = Puppet::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let outside = file(&puppet.rig, "outside");
    let own = puppet.rig.state("puppet").join("own").display().to_string();
    let agent = std::process::id();
    for (attempt, result) in [
        (format!("write {own}"), 0),
        (format!("read {own}"), 0),
        ("read /usr/bin/env".to_owned(), 0),
        ("write /dev/null".to_owned(), 0),
        (format!("read {outside}"), EACCES),
        (format!("write {outside}"), EACCES),
        (format!("write {outside}.new"), EACCES),
        ("write /tmp/slnd-puppet".to_owned(), EACCES),
        ("read /etc/shadow".to_owned(), EACCES),
        (format!("read /proc/{agent}/environ"), EACCES),
        (format!("connect {port}"), EPERM),
        ("listen 0".to_owned(), EPERM),
        ("socket unix".to_owned(), EPERM),
        ("socket udp".to_owned(), EPERM),
        ("exec /bin/true".to_owned(), EPERM),
        ("run /bin/true".to_owned(), 1000 + EPERM),
        (format!("kill {agent}"), EPERM),
        ("kill 1".to_owned(), EPERM),
    ] {
        puppet.tell(&attempt);
        let line = puppet.rig.await_line("puppet", &format!("{attempt}: "));
        assert_eq!(line, format!("{attempt}: {result}"));
    }
    let sandbox = puppet.until("its sandbox is told", |status| !status.sandbox.is_empty()).sandbox;
    assert_eq!(
        sandbox,
        [
            "memory: 256 MiB",
            "capabilities: none",
            "landlock: files, tcp, signals",
            "seccomp: no programs, no sockets"
        ]
    );
}

/// Landlock sees files that are opened; of the agent's own, keys among them, the owner needs not open any.
#[test]
fn what_belongs_to_its_user_is_left_as_it_is() {
    let mut puppet = Puppet::new();
    let outside = file(&puppet.rig, "outside");
    let mode = || fs::metadata(&outside).expect("there").permissions().mode();
    let before = mode();
    puppet.tell(&format!("chmod {outside}"));
    puppet.tell("share 7131");
    for attempt in ["chmod", "fchmod", "chown", "setxattr"] {
        let line = puppet.rig.await_line("puppet", &format!("{attempt} "));
        assert_eq!(line, format!("{attempt} {outside}: {EPERM}"));
    }
    assert_eq!(mode(), before);
    assert_eq!(puppet.rig.await_line("puppet", "share "), format!("share 7131: {EPERM}"));
}

#[test]
fn a_pair_of_sockets_reaches_nobody_else() {
    let mut puppet = Puppet::new();
    let path = puppet.rig.dir.path().join("log");
    let _log = std::os::unix::net::UnixDatagram::bind(&path).expect("bound");
    puppet.tell(&format!("send {}", path.display()));
    let line = puppet.rig.await_line("puppet", "send ");
    assert_eq!(line, format!("send {}: {EPERM}", path.display()));
}

#[test]
fn it_stays_where_it_can_be_ended() {
    let mut puppet = Puppet::new();
    let pid = puppet.pid();
    for attempt in ["regroup 1", "outlive 1"] {
        puppet.tell(attempt);
        let line = puppet.rig.await_line("puppet", attempt);
        assert_eq!(line, format!("{attempt}: {EPERM}"));
    }
    puppet.rig.run_clock();
    puppet.does("hang", "hangs");
    assert_eq!(puppet.host.stop(Duration::from_millis(400)), Vec::<String>::new());
    assert!(!runs(pid));
}

#[test]
fn it_has_no_capability_and_can_gain_none() {
    let mut puppet = Puppet::new();
    puppet.does("look", "surroundings done");
    let trace = puppet.rig.trace("puppet");
    let value = |name: &str| {
        let line = trace.iter().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
        line.split_once(':').expect("a value").1.trim().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        if set != "CapBnd" || is_root() {
            assert_eq!(value(set), "0".repeat(16), "{set}");
        }
    }
    assert_eq!((value("NoNewPrivs"), value("Seccomp")), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn what_is_said_is_allowed_and_no_more() {
    let rig = Rig::of_processes();
    let (readable, writable) = (rig.dir.path().join("r"), rig.dir.path().join("w"));
    for folder in [&readable, &writable] {
        fs::create_dir(folder).expect("made");
        fs::write(folder.join("f"), "x").expect("written");
    }
    let bound = || TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let (allowed, other, free) = (bound(), bound(), port(&bound()));
    let mut spec = Puppet::spec(&rig);
    let sandbox = &mut spec.process.sandbox;
    (sandbox.read, sandbox.write) = (vec![readable.clone()], vec![writable.clone()]);
    (sandbox.connect, sandbox.listen) =
        (vec![Reach::Tcp(port(&allowed)), Reach::Udp], vec![Reach::Tcp(free)]);
    let host = rig.start(vec![spec]).expect("it starts");
    let mut puppet = Puppet { rig, host, seq: 0 };
    let (r, w) = (readable.display(), writable.display());
    for (attempt, result) in [
        (format!("read {r}/f"), 0),
        (format!("write {r}/f"), EACCES),
        (format!("read {w}/f"), 0),
        (format!("write {w}/f"), 0),
        (format!("write {w}/new"), 0),
        (format!("connect {}", port(&allowed)), 0),
        (format!("connect {}", port(&other)), EACCES),
        (format!("listen {free}"), 0),
        (format!("listen {}", port(&other)), EACCES),
        ("socket udp".to_owned(), 0),
        ("socket unix".to_owned(), EPERM),
    ] {
        puppet.tell(&attempt);
        let line = puppet.rig.await_line("puppet", &format!("{attempt}: "));
        assert_eq!(line, format!("{attempt}: {result}"));
    }
    let sandbox = puppet.until("its sandbox is told", |status| !status.sandbox.is_empty()).sandbox;
    assert_eq!(sandbox.last().map(String::as_str), Some("seccomp: no programs, sockets only tcp, udp"));
}

#[test]
fn programs_run_if_that_is_said_and_in_the_same_sandbox() {
    let mut puppet = Puppet::with(|spec| spec.process.sandbox.exec = true);
    let own = puppet.rig.state("puppet").join("own.sh");
    fs::write(&own, "#!/bin/sh\nexit 0\n").expect("written");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).expect("mode set");
    let own = own.display().to_string();
    for (attempt, result) in [
        ("run /bin/true".to_owned(), 0),
        ("run /bin/false".to_owned(), 1),
        // Never what it can write itself.
        (format!("run {own}"), EACCES),
        (format!("kill {}", std::process::id()), EPERM),
    ] {
        puppet.tell(&attempt);
        let line = puppet.rig.await_line("puppet", &format!("{attempt}: "));
        assert_eq!(line, format!("{attempt}: {result}"));
    }
}

#[test]
fn a_path_that_is_not_there_is_a_mistake() {
    let rig = Rig::of_processes();
    let mut spec = Puppet::spec(&rig);
    spec.process.sandbox.read = vec!["/nowhere/at/all".into()];
    let error = rig.start(vec![spec]).err().expect("refused");
    assert_eq!(error.rule(), Rule::Isolation);
    assert!(error.to_string().contains("`read` in [plugin.sandbox]: /nowhere/at/all"), "{error}");
}

#[test]
fn it_runs_as_another_user_if_the_agent_may_become_one() {
    let rig = Rig::of_processes();
    let mut spec = Puppet::spec(&rig);
    let nobody = Account { name: "nobody".to_owned(), uid: 65534, gid: 65534 };
    spec.process.sandbox.user = Some(nobody);
    if !is_root() {
        let error = rig.start(vec![spec]).err().expect("it cannot").to_string();
        assert!(error.contains("chown") || error.contains("does not run as root"), "{error}");
        return;
    }
    // The way there is closed: the test's directory is root's own.
    let error = rig.start(vec![spec.clone()]).err().expect("it cannot get there").to_string();
    assert!(error.contains("the user nobody cannot reach its directory"), "{error}");
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o711)).expect("mode set");
    open(rig.dir.path());
    open(&rig.dir.path().join("state"));
    let host = rig.start(vec![spec]).expect("it starts");
    let mut puppet = Puppet { rig, host, seq: 0 };
    puppet.does("look", "surroundings done");
    let look = puppet.rig.await_line("puppet", "env ");
    assert!(look.contains("uid 65534 gid 65534"), "{look}");
    assert_eq!(puppet.rig.await_line("puppet", "Groups"), "Groups:\t65534 ");
    assert!(puppet.status().sandbox.contains(&"user: nobody".to_owned()));
}
