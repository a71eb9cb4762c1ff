//! The agent inside another program: one facade, whether it owns an agent or is a client of the one on this host.
//!
//! ```text
//!  program's thread ──▶ Embedded ── own ─────▶ event_loop::Agent      other threads ──▶ Handle
//!                          │      └ connect ─▶ control socket            │ claim, release, stop: queued, bell rung
//!                          └── writes, after a turn ──▶ board ◀──────────┘ check, wait, counts: read
//! ```
//!
//! [`Embedded::fd`] is readable, or [`Embedded::timeout`] over, when there is something to do;
//! [`Embedded::dispatch`] does it without ever waiting or calling back.  What the program is to be told is then
//! fetched with [`Embedded::poll_delivery`].  No signal handler, no panic hook, no umask, no process-wide setting.

mod board;
mod failure;
mod handle;
mod own;
mod settings;

use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rtrb::Consumer;

pub use crate::event_loop::Dispatched;
pub use crate::logging::Sink;
pub use crate::plugin::{Answer as Opinion, Batch, Item as Delivery, Lost, StaticPlugin};
pub use crate::record::{Decision, Verdict};
pub use board::{Answer, Counts};
pub use failure::{Failure, Kind};
pub use handle::Handle;

use crate::event_loop::{Audience, Program};
use crate::plugin::Outbox;
use handle::Shared;
use own::Own;
use settings::Settings;

/// Records that may wait for the program: four bursts of 250, as for a plugin.
const INBOX: usize = 1024;
/// Marks of the two descriptors that the outer one holds; both only say that there is something to do.
const BELL: u64 = 0;
const INNER: u64 = 1;

/// How an embedded agent works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As a client of the agent on this host if one answers at the start, else as an agent of its own.
    #[default]
    Auto,
    /// As a client of the agent on this host: needs no port and no privilege.
    Connect,
    /// As an agent of its own.
    Own,
}

impl Mode {
    /// The word of the key `mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::Connect => "connect",
            Mode::Own => "own",
        }
    }

    fn of_word(word: &str) -> Result<Mode, Failure> {
        let all = [Mode::Auto, Mode::Connect, Mode::Own];
        all.into_iter().find(|mode| mode.as_str() == word).ok_or_else(|| {
            Failure::invalid(format!(
                "`mode`: expected one of \"auto\", \"connect\", \"own\", found \"{word}\""
            ))
        })
    }
}

/// How far it is.
enum Phase {
    Before(Box<Before>),
    Own(Box<Own>),
}

#[derive(Default)]
struct Before {
    settings: Settings,
    sockets: Vec<OwnedFd>,
    wants: Option<u64>,
    no_plugins: bool,
}

/// An embedded agent: used by one thread at a time, which may change.
pub struct Embedded {
    // First, so that what it holds of the outer descriptor goes before that.
    phase: Phase,
    /// Level-triggered, over the bell and whatever descriptor the mode has: it stays the same for life.
    outer: Epoll,
    shared: Arc<Shared>,
    inbox: Option<Consumer<Delivery>>,
    log: Option<Arc<dyn Sink>>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("fd", &self.fd()).finish_non_exhaustive()
    }
}

const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_shared<T: Send + Sync + Clone>() {}
    is_send::<Embedded>();
    is_shared::<Handle>();
};

impl Embedded {
    /// Makes one that has not started: nothing is opened yet but its descriptor.  `log` gets the agent's log lines.
    ///
    /// # Errors
    /// [`Kind::Fail`] if the kernel gives no descriptors.
    pub fn new(log: Option<Arc<dyn Sink>>) -> Result<Embedded, Failure> {
        let fail = |e| Failure::fail(format!("no epoll descriptor can be made: {e}"));
        let outer = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(fail)?;
        let shared = Arc::new(Shared::new()?);
        outer.add(&shared.bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL)).map_err(fail)?;
        Ok(Embedded { phase: Phase::Before(Box::default()), outer, shared, inbox: None, log })
    }

    /// What other threads use.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Chooses the mode; the same as the key `mode`.
    ///
    /// # Errors
    /// [`Kind::Invalid`] after the start.
    pub fn set_mode(&mut self, mode: Mode) -> Result<(), Failure> {
        self.before()?.settings.mode = mode;
        Ok(())
    }

    /// Sets a key of the configuration: those of `[agent]` by their names, `license.PRODUCT.KEY`,
    /// `plugin.FILE.KEY` of a plugin that was added (by its id if it is static); and `mode`, and `unprivileged` as
    /// `run` has it.  The value is read as TOML, and what is no TOML, or of the wrong type, as text.
    ///
    /// # Errors
    /// [`Kind::Invalid`] with the sentence that `config check` has, or after the start.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        self.before()?.settings.set(key, value)
    }

    /// Gives a bound UDP socket to be used instead of one of its own; one IPv4 and one IPv6 at most.  Then none is
    /// opened, whatever `port` and `address` say.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it is no such socket, or after the start; the socket is closed then.
    pub fn adopt_socket(&mut self, socket: OwnedFd) -> Result<(), Failure> {
        self.before()?.sockets.push(socket);
        Ok(())
    }

    /// Adds a plugin by its file, an absolute path or a bare name; options are texts.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it is no such path, was added before, or after the start; [`Kind::Denied`] after
    /// [`Embedded::no_plugins`].
    pub fn add_plugin(&mut self, path: &str, options: &[(String, String)]) -> Result<(), Failure> {
        let before = self.before()?;
        if before.no_plugins {
            return Err(Failure::new(Kind::Denied, "this program said that no plugin is to be loaded"));
        }
        before.settings.add_plugin(path, options)
    }

    /// Adds a plugin of the program itself, by its id; options are texts.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if its id was added before, or after the start.
    pub fn add_plugin_static(
        &mut self,
        plugin: StaticPlugin,
        options: &[(String, String)],
    ) -> Result<(), Failure> {
        self.before()?.settings.add_static(plugin, options)
    }

    /// Which events are delivered, `SLND_EV_BIT` of each kind; without this, none, and no verdict is asked for.
    /// Changes nothing after the start.
    pub fn want_events(&mut self, mask: u64) {
        if let Phase::Before(before) = &mut self.phase {
            before.wants = Some(mask);
        }
    }

    /// Never loads a plugin's file.  Changes nothing after the start.
    pub fn no_plugins(&mut self) {
        if let Phase::Before(before) = &mut self.phase {
            before.no_plugins = true;
        }
    }

    /// Starts: opens sockets, state directory and plugins, or connects.
    ///
    /// # Errors
    /// One sentence that says what, where and what to do; then it can be set otherwise and started again, but adopted
    /// sockets are gone.
    pub fn start(&mut self) -> Result<(), Failure> {
        let before = self.before()?;
        let mode = before.settings.mode;
        let plan = before.settings.plan()?;
        if mode == Mode::Connect {
            return Err(Failure::new(
                Kind::Unsupported,
                "mode = \"connect\" is not possible with this library",
            ));
        }
        let sockets = std::mem::take(&mut before.sockets);
        let (outbox, inbox) = Outbox::new(INBOX);
        let audience = before.wants.map(|wants| Audience::new(wants, outbox));
        let program = Program { sockets, audience, ..Program::default() };
        let own = Own::start(plan, program, &self.shared.board)?;
        self.outer
            .add(&own, EpollEvent::new(EpollFlags::EPOLLIN, INNER))
            .map_err(|e| Failure::fail(format!("the agent cannot be polled: {e}")))?;
        self.inbox = Some(inbox);
        self.phase = Phase::Own(Box::new(own));
        // What was wished before has rung the bell already.
        Ok(())
    }

    /// The descriptor to wait on for reading.  It is the same from `new` to the end.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.outer.0.as_raw_fd()
    }

    /// How long to wait for it at most; `None` is until it is ready, zero if the last dispatch left something.
    pub fn timeout(&mut self) -> Option<Duration> {
        if self.inbox.as_ref().is_some_and(|inbox| !inbox.is_empty()) {
            return Some(Duration::ZERO);
        }
        match &mut self.phase {
            Phase::Before(_) => None,
            Phase::Own(own) => own.timeout(),
        }
    }

    /// Does what is due, and no more than a batch beyond `max` datagrams of it.  Never waits, never calls back.
    ///
    /// # Errors
    /// [`Kind::Invalid`] before the start; [`Kind::Fail`] if the kernel refuses.
    pub fn dispatch(&mut self, max: usize) -> Result<Dispatched, Failure> {
        // In this order: what is wished from here on rings again.
        self.shared.hush();
        let outcome = match &mut self.phase {
            Phase::Before(_) => return Err(not_started()),
            Phase::Own(own) => {
                let wishes = self.shared.take_wishes();
                own.dispatch(max, wishes, &self.shared.board)?
            }
        };
        if self.shared.wants_stop() {
            return Ok(Dispatched::Stopping);
        }
        let left = self.inbox.as_ref().is_some_and(|inbox| !inbox.is_empty());
        Ok(if outcome == Dispatched::Idle && left { Dispatched::More } else { outcome })
    }

    /// Waits for as long as descriptor and timeout say, then dispatches: the step of a loop for those who have none.
    ///
    /// # Errors
    /// As [`Embedded::dispatch`].
    pub fn turn(&mut self, max: usize) -> Result<Dispatched, Failure> {
        let timeout = self.timeout();
        let timeout = timeout.map_or(EpollTimeout::NONE, |t| {
            // In whole milliseconds, rounded up: else the last one is spent spinning.
            EpollTimeout::try_from(t.as_micros().div_ceil(1000)).unwrap_or(EpollTimeout::MAX)
        });
        match self.outer.wait(&mut [EpollEvent::empty(); 2], timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(Failure::fail(format!("the kernel refuses to poll: {e}"))),
        }
        self.dispatch(max)
    }

    /// A loop turns this agent as long as the answer lives: [`Handle::wait`] may wait.
    #[must_use]
    pub fn looping(&self) -> Looping {
        self.shared.board.loop_begins();
        Looping { shared: Arc::clone(&self.shared) }
    }

    /// The next thing that the program is to be told.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        self.inbox.as_mut()?.pop().ok()
    }

    /// The program's opinion on a claim, after it was asked ([`Delivery::answer`]).  In own mode it counts as that of a
    /// plugin with `verdict = "require"`; in connect mode nobody asks.
    pub fn answer(&mut self, opinion: Opinion) {
        match &mut self.phase {
            Phase::Before(_) => {}
            Phase::Own(own) => own.answer(opinion),
        }
    }

    /// The status document; in connect mode that of the agent, asked over a connection of its own.
    ///
    /// # Errors
    /// [`Kind::Invalid`] before the start; [`Kind::Fail`].
    pub fn status_json(&mut self) -> Result<String, Failure> {
        match &mut self.phase {
            Phase::Before(_) => Err(not_started()),
            Phase::Own(own) => own.status_json(),
        }
    }

    /// Ends in order: says goodbye, stops the plugins within `stop_timeout`, closes what is open.
    pub fn shut_down(self) {
        let Embedded { phase, shared, .. } = self;
        shared.board.close();
        match phase {
            Phase::Before(_) => {}
            Phase::Own(own) => own.shut_down(),
        }
    }

    /// Ends in a forked child, where the agent is the parent's: closes this process's copies of the descriptors, and
    /// neither says goodbye nor removes, joins or unlocks anything.
    pub fn forsake(self) {
        match self.phase {
            Phase::Before(_) => {}
            Phase::Own(own) => own.forsake(),
        }
    }

    fn before(&mut self) -> Result<&mut Before, Failure> {
        match &mut self.phase {
            Phase::Before(before) => Ok(before),
            Phase::Own(_) => {
                Err(Failure::invalid("the embedded agent has started: this comes before the start"))
            }
        }
    }
}

fn not_started() -> Failure {
    Failure::invalid("the embedded agent has not started: start it first")
}

/// As long as one is alive, some loop turns the agent.
#[must_use]
pub struct Looping {
    shared: Arc<Shared>,
}

impl fmt::Debug for Looping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looping").finish_non_exhaustive()
    }
}

impl Drop for Looping {
    fn drop(&mut self) {
        self.shared.board.loop_ends();
    }
}
