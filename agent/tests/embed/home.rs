//! Embedded agents to be driven step by step, each with a directory and an address of its own.

use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use serialnumberd::clock;
use serialnumberd::embed::{Answer, Embedded, Handle, Mode, Sink};
use serialnumberd_core::{Mono, State};

/// Only a broken test waits so long.
pub const LONG: Duration = Duration::from_secs(20);
pub const PORT: u16 = 62_720;

pub fn now() -> Mono {
    Mono(clock::boottime_ns())
}

/// What one agent logged.
#[derive(Default)]
pub struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub fn contain(&self, part: &str) -> bool {
        self.0.lock().expect("no panic").iter().any(|line| line.contains(part))
    }
}

impl Sink for Lines {
    fn log(&self, level: log::Level, line: &str) {
        self.0.lock().expect("no panic").push(format!("{level} {line}"));
    }
}

/// The place of one agent.
pub struct Home {
    pub dir: tempfile::TempDir,
    pub address: &'static str,
    pub lines: Arc<Lines>,
}

impl Home {
    pub fn new(address: &'static str) -> Home {
        deadly_sigpipe();
        Home { dir: tempfile::tempdir().expect("a temporary directory"), address, lines: Arc::default() }
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// One in own mode that can be set further, and then be started.
    pub fn embedded(&self, peers: &[&str]) -> Embedded {
        let mut embedded = Embedded::new(Some(Arc::clone(&self.lines) as Arc<dyn Sink>)).expect("made");
        embedded.set_mode(Mode::Own).expect("before the start");
        let peers: Vec<String> = peers.iter().map(|peer| format!("\"{peer}\"")).collect();
        for (key, value) in [
            ("state_dir", self.path("state").as_str()),
            ("port", &PORT.to_string()),
            ("address", self.address),
            ("interval", "1s"),
            ("confirm_after", "1s"),
            ("stop_timeout", "200ms"),
            ("peers", &format!("[{}]", peers.join(", "))),
        ] {
            embedded.set(key, value).expect(key);
        }
        embedded
    }

    pub fn started(&self, peers: &[&str]) -> Embedded {
        let mut embedded = self.embedded(peers);
        embedded.start().expect("it starts");
        embedded
    }
}

fn deadly_sigpipe() {
    #[allow(unsafe_code, reason = "there is no safe way to set a signal's action")]
    // SAFETY: the default action is no function.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.expect("set");
}

/// One step of a program's own loop: waits as the agents allow, and turns those that asked for it.
pub fn step(agents: &mut [Embedded]) {
    let timeouts: Vec<_> = agents.iter_mut().map(Embedded::timeout).collect();
    let wait = timeouts.iter().flatten().min().copied().unwrap_or(LONG);
    let wait = PollTimeout::try_from(wait.as_micros().div_ceil(1000)).expect("below a month");
    let began = now();
    let mut polled: Vec<PollFd<'_>> =
        agents.iter().map(|agent| PollFd::new(agent.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut polled, wait).expect("poll");
    let ready: Vec<bool> = polled.iter().map(|p| p.any().unwrap_or(true)).collect();
    let waited = now().since(began);
    for ((agent, is_ready), timeout) in agents.iter_mut().zip(ready).zip(timeouts) {
        if is_ready || timeout.is_some_and(|t| t <= waited) {
            agent.dispatch(1).expect("dispatched");
        }
    }
}

pub fn until(what: &str, agents: &mut [Embedded], mut done: impl FnMut(&mut [Embedded]) -> bool) {
    let began = now();
    while !done(agents) {
        assert!(now().since(began) < LONG, "not within {LONG:?}: {what}");
        step(agents);
    }
}

pub fn check(handle: &Handle) -> Answer {
    handle.check("xsvr").expect("it is claimed")
}

pub fn is(handle: &Handle, state: State) -> bool {
    check(handle).state == state
}
