//! Agents to be driven step by step, each with a directory and an address of its own.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serialnumberd::clock;
use serialnumberd::config::Config;
use serialnumberd::event_loop::{Agent, Setup};
use serialnumberd::paths::{Environment, Profile};
use serialnumberd::status::{ClaimStatus, Status};
use serialnumberd_core::Mono;

/// Only a broken test waits so long.
pub const LONG: Duration = Duration::from_secs(20);

pub fn now() -> Mono {
    Mono(clock::boottime_ns())
}

/// The file of one agent, in a directory of its own.
pub struct Home {
    dir: tempfile::TempDir,
    address: &'static str,
    pub interval: &'static str,
}

impl Home {
    pub fn new(address: &'static str) -> Home {
        Home { dir: tempfile::tempdir().expect("a temporary directory"), address, interval: "1s" }
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Writes the file: further keys of [agent], then licenses and plugins.
    pub fn write(&self, keys: &str, tables: &str) {
        let text = format!(
            "[agent]\nstate_dir = \"{}\"\ncontrol = \"{}\"\naddress = \"{}\"\ninterval = \"{}\"\nconfirm_after = \"1s\"\n\
             stop_timeout = \"200ms\"\n{keys}\n{tables}",
            self.path("state"),
            self.path("control.sock"),
            self.address,
            self.interval,
        );
        std::fs::write(self.path("agent.toml"), text).expect("written");
    }

    pub fn start(&self) -> Agent {
        let path = self.path("agent.toml");
        let environment = Environment::of_this_process();
        let config = Config::load(Path::new(&path), Profile::System, &environment).expect("a good file");
        Agent::start(Setup { config, control: true, records: true, directory: true }).expect("it starts")
    }
}

pub fn license(product: &str, serial: &str) -> String {
    format!("[[license]]\nproduct = \"{product}\"\nserial = \"{serial}\"\n")
}

/// One step of a program's own loop: waits as the agents allow, and turns those that asked for it.
pub fn step(agents: &mut [Agent]) {
    let timeouts: Vec<_> = agents.iter_mut().map(Agent::timeout).collect();
    let wait = timeouts.iter().flatten().min().copied().unwrap_or(LONG);
    // In whole milliseconds, rounded up: else the last one is spent spinning.
    let wait = PollTimeout::try_from(wait.as_micros().div_ceil(1000)).expect("below a month");
    let began = now();
    let fds: Vec<i32> = agents.iter().map(Agent::fd).collect();
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::new(borrow(*fd), PollFlags::POLLIN)).collect();
    poll(&mut polled, wait).expect("poll");
    let ready: Vec<bool> = polled.iter().map(|p| p.any().unwrap_or(true)).collect();
    let waited = now().since(began);
    for ((agent, is_ready), timeout) in agents.iter_mut().zip(ready).zip(timeouts) {
        if is_ready || timeout.is_some_and(|t| t <= waited) {
            agent.dispatch(1).expect("dispatched");
        }
    }
}

#[allow(unsafe_code, reason = "an agent hands out a raw descriptor, as C programs want it")]
fn borrow(fd: i32) -> BorrowedFd<'static> {
    // SAFETY: the descriptor belongs to an agent that outlives the poll it is borrowed for.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

pub fn until(what: &str, agents: &mut [Agent], mut done: impl FnMut(&mut [Agent]) -> bool) {
    let began = now();
    while !done(agents) {
        assert!(now().since(began) < LONG, "not within {LONG:?}: {what}");
        step(agents);
    }
}

pub fn claim(status: &Status, product: &str) -> Option<ClaimStatus> {
    status.claims.iter().find(|c| c.product == product).cloned()
}

pub fn state(agent: &mut Agent, product: &str) -> String {
    claim(&agent.status(), product).map_or_else(|| "not held".to_owned(), |c| c.state)
}
