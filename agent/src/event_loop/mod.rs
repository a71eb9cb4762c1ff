//! The agent: the engine and the edges around it, behind one file descriptor.
//!
//! [`Agent::fd`] is readable, or [`Agent::timeout`] over, when there is something to do; [`Agent::dispatch`] does
//! it without ever waiting.  So a program with a loop of its own can own an agent; [`Agent::run`] is such a loop
//! for those that have none.  No globals, no signal handlers, no logger: those belong to the program.
//!
//! One turn: all input, then time, then consequences, then output.  The clock is read once a turn.

mod claims;
mod decide;
mod directory;
mod filing;
mod links;
mod program;
mod recording;
mod reload;
mod report;
mod requests;
mod start;
mod turn;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serialnumberd_core::{AllOn, Engine, Mono, Now, Standard};

use crate::config::Config;
use crate::control::server::Server;
use crate::counters::Counters;
use crate::directory::Directory;
use crate::evidence::Archivist;
use crate::generation::Generation;
use crate::identity::StateDir;
use crate::plugin::{HostInfo, PluginHost};
use crate::record::Record;
use crate::recording::Recorder;
use crate::socket::{self, Batch, Link, Monitor, Sockets};
use crate::{clock, status};

pub use claims::{ClaimRequest, Owner, Terms};
pub use program::Program;
pub(crate) use program::{Audience, Standing};
pub(crate) use start::derive;

impl AsFd for Agent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        socket::poll_descriptor(&self.poll)
    }
}

/// The loop is about to wait.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// The time.
    pub now: Mono,
    /// It waits no longer than this; `None` is for ever.
    pub at_most: Option<Duration>,
    /// The turn before took in no datagram: it was the scheduler's, a client's or a plugin's.
    pub own_work: bool,
}

/// What an agent is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its configuration.
    pub config: Config,
    /// Serve the control socket.
    pub control: bool,
    /// Keep the records for [`Agent::poll_record`].
    pub records: bool,
    /// Serve the directory, unless the configuration says.
    pub directory: bool,
}

/// The agent.
pub struct Agent {
    setup: Setup,
    poll: mio::Poll,
    ready: mio::Events,
    wake: Wake,
    wake_end: UnixStream,
    sockets: Sockets,
    batch: Batch,
    /// Which sockets may still hold datagrams: readiness is told once.
    waiting: [bool; 2],
    /// Datagrams taken in by the last turn.
    taken: usize,
    monitor: Monitor,
    /// The kernel may have more to tell of interfaces: readiness is told once.
    changes_wait: bool,
    /// `None` where the kernel does not let us listen.
    generation: Option<Generation>,
    generation_changed: bool,
    links: Vec<Link>,
    /// When to look at the interfaces again.
    look_at: Option<Mono>,
    /// Routes changed, too.
    routes_changed: bool,
    /// Interfaces by which nothing could be sent, and why.
    broken: BTreeMap<u32, String>,
    /// Interfaces on which the IPv6 group could not be joined, and why.
    unjoined: BTreeMap<u32, String>,
    engine: Engine<Standard, AllOn>,
    beats: u64,
    state: StateDir,
    archivist: Archivist<requests::Asker>,
    filing: filing::Filing,
    held: claims::Book,
    /// New claims of clients are bounded in time.
    pace: claims::Pace,
    /// Something happened that a verdict may depend on.
    unsettled: bool,
    /// Sending told the engine something new, after its events were taken: another turn is due at once.
    again: bool,
    plugins: PluginHost,
    program: Option<Audience>,
    control: Option<Server>,
    /// The directory, or why there is none.
    directory: Result<Directory, String>,
    checks: Vec<requests::PendingCheck>,
    reloading: Option<reload::Reloading>,
    /// Who asked for a stop.
    stop_wanted: Vec<requests::Asker>,
    counters: Counters,
    records: VecDeque<Arc<Record>>,
    recorder: Option<Recorder>,
    seq: u64,
    now: Now,
    started: Now,
}

/// Makes an agent's loop turn, from other threads and from signal handlers.
#[derive(Clone)]
pub struct Wake {
    end: Arc<UnixStream>,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Wake {
    /// Makes the loop turn.
    pub fn ring(&self) {
        ring(&self.end);
    }

    /// Makes the loop turn as long as there is one: for threads that may outlive it, and then must not keep its
    /// descriptor.
    fn bell(&self) -> Arc<dyn Fn() + Send + Sync> {
        let end = Arc::downgrade(&self.end);
        Arc::new(move || end.upgrade().iter().for_each(|end| ring(end)))
    }

    /// Asks for a clean stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    /// Asks for the configuration to be read again.
    pub fn reload(&self) {
        self.reload.store(true, Ordering::Release);
        self.ring();
    }

    /// What a signal handler needs: the flags to set before it writes a byte into the stream.
    #[must_use]
    pub fn parts(&self) -> (Arc<AtomicBool>, Arc<AtomicBool>, &UnixStream) {
        (Arc::clone(&self.stop), Arc::clone(&self.reload), &self.end)
    }
}

fn ring(mut end: &UnixStream) {
    // A full pipe means that it will turn anyway.
    let _ = end.write(&[1]);
}

/// What [`Agent::dispatch`] left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatched {
    /// Nothing: wait for the descriptor or the timeout.
    Idle,
    /// It stopped at its bound; there is more, and [`Agent::timeout`] is zero.
    More,
    /// A stop was asked for: call [`Agent::shut_down`].
    Stopping,
}

impl Agent {
    /// The one descriptor to wait on, for reading.  It stays the same for the agent's life.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// Makes the loop turn, from anywhere.
    #[must_use]
    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// How long to wait at most; `None` is until the descriptor is ready.
    pub fn timeout(&mut self) -> Option<Duration> {
        if self.has_backlog() {
            return Some(Duration::ZERO);
        }
        let deadline = self.deadline();
        if deadline == Mono::NEVER {
            return None;
        }
        Some(deadline.since(Mono(clock::boottime_ns())))
    }

    /// Takes in datagrams, a batch of each family at least and no further one after `max`, and does all that is due.
    /// Never waits.
    ///
    /// # Errors
    /// If the kernel refuses to poll.
    pub fn dispatch(&mut self, max: usize) -> io::Result<Dispatched> {
        self.wait(Some(Duration::ZERO))?;
        self.turn(max);
        Ok(self.outcome())
    }

    /// A loop of its own, until a stop is asked for.
    ///
    /// # Errors
    /// If the kernel refuses to poll.
    pub fn run(&mut self, mut before_sleep: impl FnMut(Pause)) -> io::Result<()> {
        loop {
            let at_most = self.timeout();
            before_sleep(Pause { now: self.now.boot, at_most, own_work: self.taken == 0 });
            self.wait(at_most)?;
            self.turn(turn::DATAGRAMS_PER_TURN);
            if self.outcome() == Dispatched::Stopping {
                return Ok(());
            }
        }
    }

    fn outcome(&self) -> Dispatched {
        match () {
            () if self.wants_stop() => Dispatched::Stopping,
            () if self.has_backlog() => Dispatched::More,
            () => Dispatched::Idle,
        }
    }

    fn wants_stop(&self) -> bool {
        !self.stop_wanted.is_empty() || self.wake.stop.load(Ordering::Acquire)
    }

    /// The next record, if [`Setup::records`] are kept.
    pub fn poll_record(&mut self) -> Option<Arc<Record>> {
        self.records.pop_front()
    }

    /// A clean stop: says goodbye, stops the plugins within `stop_timeout`, gives port and state directory back, and
    /// only then tells whoever asked for it, so that they may start another agent at once.
    pub fn shut_down(mut self) {
        self.now = clock::now();
        self.engine.shut_down(self.now, &mut os_entropy);
        self.flush_transmits();
        self.close_evidence();
        let Agent {
            plugins,
            setup,
            control,
            directory,
            stop_wanted,
            sockets,
            archivist,
            state,
            recorder,
            ..
        } = self;
        directory.into_iter().for_each(Directory::stop);
        // Whoever is abandoned was named in the log.
        let _abandoned = plugins.stop(setup.config.agent.stop_timeout);
        // In this order: the next agent may have the directory once nobody writes to it.
        drop((archivist, recorder));
        drop((sockets, state));
        if let Some(mut control) = control {
            control.hide();
            for asker in stop_wanted {
                control.reply(asker.client, asker.id, &Ok(serde_json::json!({})));
            }
            control.close("the agent has stopped");
        }
    }

    /// The document of `status`.
    pub fn status(&mut self) -> status::Status {
        self.now = clock::now();
        self.report()
    }

    /// Where unicast copies go.
    fn peers(&self) -> &[SocketAddr] {
        &self.setup.config.agent.peers
    }

    fn interface_name(links: &[Link], index: u32) -> Option<String> {
        links.iter().find(|l| l.interface.index == index).map(|l| l.interface.name.clone())
    }

    /// An interface for people, also one that has gone; empty for index 0, which is none.
    fn interface_text(&self, index: u32) -> String {
        status::interface(index, &|index| Agent::interface_name(&self.links, index)).unwrap_or_default()
    }
}

/// The operating system's randomness.  Without it no nonce is new, so nothing may be sent: better to end.
fn os_entropy(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives randomness");
}

/// This host's name; empty if it has none that is text.
fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok()).unwrap_or_default()
}

fn host_info() -> HostInfo {
    HostInfo { name: "serialnumberd".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}
