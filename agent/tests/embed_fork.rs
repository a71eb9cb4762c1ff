//! A forked child forsakes the agent that it inherited: it keeps no descriptor of it, and the parent's goes on as if
//! nothing had been.  In a binary of its own, with one test: a fork copies one thread, and descriptors are counted.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use serialnumberd::clock;
use serialnumberd::embed::{Embedded, Kind, StaticPlugin, Verdict};
use serialnumberd::identity::StateDir;
use serialnumberd_core::State;
use serialnumberd_plugin::abi::{SLND_EV_STATE, slnd_ev_bit};
use serialnumberd_plugin::{About, Error, Events, Host, Kinds, Plugin};

struct Idle;

impl Plugin for Idle {
    const ABOUT: About = About { events: Kinds::STATE, ..About::new(c"idle", c"1.0", c"Does nothing") };

    fn create(_host: Host, _instance: &str) -> Result<Self, Error> {
        Ok(Idle)
    }

    fn on_events(&mut self, _events: Events<'_>) -> Result<(), Error> {
        Ok(())
    }
}

fn descriptors() -> BTreeSet<String> {
    let listed = std::fs::read_dir("/proc/self/fd").expect("listed");
    let links = listed.filter_map(|entry| {
        let entry = entry.expect("an entry");
        let to = std::fs::read_link(entry.path()).ok()?;
        Some(format!("{} -> {}", entry.file_name().display(), to.display()))
    });
    // Without the one that lists.
    links.filter(|link| !link.contains("/proc/")).collect()
}

/// Does `work` in a forked child; whether it said true, and did not hang.
fn in_a_child(work: impl FnOnce() -> bool) -> bool {
    #[allow(unsafe_code, reason = "a fork of a process with threads is what is tested")]
    // SAFETY: the child only does what is tested, and leaves by _exit.
    match unsafe { fork() }.expect("forked") {
        ForkResult::Child => {
            // A child that waits for a thread that it does not have is killed for it.
            nix::unistd::alarm::set(10);
            let is_well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
            #[allow(
                unsafe_code,
                reason = "what the parent's threads left half done is not to be run at an exit"
            )]
            // SAFETY: it does not return.
            unsafe {
                libc::_exit(i32::from(!is_well))
            }
        }
        ForkResult::Parent { child } => waitpid(child, None) == Ok(WaitStatus::Exited(child, 0)),
    }
}

fn turn_until(embedded: &mut Embedded, what: &str, mut done: impl FnMut() -> bool) {
    let began = clock::boottime_ns();
    while !done() {
        assert!(clock::boottime_ns() - began < 20_000_000_000, "not within 20 s: {what}");
        embedded.turn(usize::MAX).expect("turned");
        while embedded.poll_delivery().is_some() {}
    }
}

#[test]
fn a_forked_child_leaves_the_parents_agent_whole() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let before = descriptors();
    let mut embedded = Embedded::new(None).expect("made");
    for (key, value) in [
        ("mode", "own"),
        ("state_dir", &path("state")),
        ("control", &path("control.sock")),
        ("port", "62723"),
        ("address", "127.0.8.70"),
    ] {
        embedded.set(key, value).expect(key);
    }
    embedded.want_events(slnd_ev_bit(SLND_EV_STATE));
    embedded.add_plugin_static(StaticPlugin::of::<Idle>().expect("good"), &[]).expect("added");
    embedded.start().expect("it starts");
    let mut handle = embedded.handle();
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    // With a client, and the thread that reads evidence.
    let mut client = UnixStream::connect(path("control.sock")).expect("it answers");
    client.write_all(b"{\"proto\":1}\n{\"id\":1,\"request\":\"evidence\"}\n").expect("written");
    client.set_nonblocking(true).expect("set");
    let mut text = String::new();
    turn_until(&mut embedded, "the evidence is answered", || {
        let mut bytes = [0; 1024];
        let n = client.read(&mut bytes).unwrap_or(0);
        text += &String::from_utf8_lossy(&bytes[..n]);
        text.contains("\"id\":1")
    });
    assert!(descriptors().len() >= before.len() + 10, "else it is proved of nothing");
    for how in [Embedded::forsake as fn(Embedded), drop] {
        let mut all = Some((embedded, handle, client));
        let is_well = in_a_child(|| {
            let (embedded, handle, client) = all.take().expect("the parent's");
            how(embedded);
            drop((handle, client));
            let left: Vec<String> = descriptors().difference(&before).cloned().collect();
            // Past the harness, which prints nothing of a child.
            left.is_empty() || writeln!(std::io::stderr(), "left to the child: {left:?}").is_err()
        });
        assert!(is_well, "the child hung, panicked, or kept a descriptor");
        (embedded, handle, client) = all.take().expect("the parent still has them");
        assert!(dir.path().join("control.sock").exists(), "the child removed the control socket");
        let locked = StateDir::open(&dir.path().join("state")).expect_err("the child unlocked the directory");
        assert!(locked.contains("another serialnumberd uses it"), "{locked}");
    }
    turn_until(&mut embedded, "it goes on", || {
        handle.check("xsvr").is_ok_and(|a| a.state == State::Clear && a.verdict == Verdict::ALLOW)
    });
    client.write_all(b"{\"id\":2,\"request\":\"status\"}\n").expect("written");
    turn_until(&mut embedded, "its client is still served", || {
        let mut bytes = [0; 65536];
        let n = client.read(&mut bytes).unwrap_or(0);
        text += &String::from_utf8_lossy(&bytes[..n]);
        text.contains("\"id\":2")
    });
    embedded.shut_down();
    assert_eq!(handle.check("xsvr").expect_err("it ended").kind, Kind::Closed);
    drop((handle, client));
    assert_eq!(descriptors().difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
}
