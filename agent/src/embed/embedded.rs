//! The life of an embedded agent: set up, started, ended in order or forsaken in a forked child.

use std::fmt;
use std::os::fd::OwnedFd;
use std::process;
use std::sync::Arc;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use rtrb::Consumer;

use super::failure::{Failure, Kind};
use super::handle::{Handle, Shared};
use super::own::Own;
use super::settings::Settings;
use super::{Delivery, Mode, StaticPlugin};
use crate::event_loop::{Audience, Program};
use crate::logging::{Scope, Sink};
use crate::plugin::Outbox;
use crate::socket::Adopted;

/// Records that may wait for the program: four bursts of 250, as for a plugin.
const INBOX: usize = 1024;

/// How far it is.
pub(super) enum Phase {
    Before(Box<Before>),
    Own(Box<Own>),
    Over,
}

/// What was set.
#[derive(Default)]
pub(super) struct Before {
    settings: Settings,
    sockets: Adopted,
    wants: Option<u64>,
    no_plugins: bool,
}

/// An embedded agent: used by one thread at a time, which may change.
///
/// Dropped, it is [shut down](Embedded::shut_down); dropped by a forked child, it is [forsaken](Embedded::forsake).
pub struct Embedded {
    // Before the outer descriptor, in which it has its place.
    pub(super) phase: Phase,
    /// Level-triggered, over the bell and whatever descriptor the mode has: it stays the same for life.
    pub(super) outer: Epoll,
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Option<Consumer<Delivery>>,
    pub(super) scope: Scope,
    /// The process that made it.
    home: u32,
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
    /// Makes one that has not started: nothing is opened yet but its descriptor.
    ///
    /// `log` gets the agent's log lines.  In a process whose `log` has a logger already, that gets them instead.
    ///
    /// # Errors
    /// [`Kind::Fail`] if the kernel gives no descriptors.
    pub fn new(log: Option<Arc<dyn Sink>>) -> Result<Embedded, Failure> {
        let fail = |e| Failure::fail(format!("no epoll descriptor can be made: {e}"));
        let outer = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(fail)?;
        let shared = Arc::new(Shared::new()?);
        outer.add(&shared.bell, readable()).map_err(fail)?;
        let phase = Phase::Before(Box::default());
        Ok(Embedded { phase, outer, shared, inbox: None, scope: Scope::new(log), home: process::id() })
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
    /// A license that gets a serial is claimed from the start; else what is set holds once the program claims it.
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
        self.before()?.sockets.add(socket).map_err(Failure::invalid)
    }

    /// Adds a plugin by its file, an absolute path or a bare name; options are texts.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it is no such path, was added before, or after the start; [`Kind::Denied`] after
    /// [`Embedded::no_plugins`].
    pub fn add_plugin(&mut self, path: &str, options: &[(String, String)]) -> Result<(), Failure> {
        let before = self.before()?;
        if before.no_plugins {
            let what = format!("plugin {path}: this program said that no plugin file is to be loaded");
            return Err(Failure::new(Kind::Denied, what));
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

    /// Which events are delivered, `SLND_EV_BIT` of each kind, and then must be fetched; without this, none, and no
    /// verdict is asked for.  Changes nothing after the start.
    pub fn want_events(&mut self, mask: u64) {
        if let Phase::Before(before) = &mut self.phase {
            before.wants = Some(mask);
        }
    }

    /// No plugin's file is ever loaded: [`Embedded::add_plugin`] is refused.  Changes nothing after the start.
    pub fn no_plugins(&mut self) {
        if let Phase::Before(before) = &mut self.phase {
            before.no_plugins = true;
        }
    }

    /// Starts: opens sockets, state directory and plugins, or connects.  What was claimed before is claimed by the
    /// first [`Embedded::dispatch`].
    ///
    /// # Errors
    /// One sentence that says what, where and what to do; then it can be set otherwise and started again, but adopted
    /// sockets are gone.
    pub fn start(&mut self) -> Result<(), Failure> {
        self.scope.clone().within(|| self.begin())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let before = self.before()?;
        if before.settings.mode == Mode::Connect {
            return Err(Failure::new(
                Kind::Unsupported,
                "mode = \"connect\" is not possible with this library",
            ));
        }
        let plan = before.settings.plan(before.sockets.port())?;
        let sockets = std::mem::take(&mut before.sockets);
        let (outbox, inbox) = Outbox::new(INBOX);
        let audience = before.wants.map(|wants| Audience::new(wants, outbox));
        let program = Program { sockets, audience, ..Program::default() };
        let own = Own::start(plan, program, &self.shared.board)?;
        self.outer
            .add(&own, readable())
            .map_err(|e| Failure::fail(format!("the agent cannot be polled: {e}")))?;
        self.inbox = Some(inbox);
        self.phase = Phase::Own(Box::new(own));
        Ok(())
    }

    fn before(&mut self) -> Result<&mut Before, Failure> {
        match &mut self.phase {
            Phase::Before(before) => Ok(before),
            Phase::Own(_) => {
                Err(Failure::invalid("the embedded agent has started: this must come before the start"))
            }
            Phase::Over => Err(Failure::closed()),
        }
    }

    /// Ends in order: says goodbye, stops the plugins within `stop_timeout`, closes what is open.
    pub fn shut_down(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        self.shared.board.close();
        match phase {
            Phase::Before(_) | Phase::Over => {}
            Phase::Own(own) => self.scope.within(|| own.shut_down()),
        }
    }

    /// Ends in a forked child, where the agent is the parent's: closes this process's copies of the descriptors, and
    /// neither says goodbye nor removes, unlocks or joins anything.
    pub fn forsake(mut self) {
        self.leave();
    }

    /// Takes no lock: a thread that the fork did not copy may have held it.
    fn leave(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Before(_) | Phase::Over => {}
            Phase::Own(own) => own.forsake(),
        }
        // Not to be shut down when it is dropped now.
        self.home = 0;
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if self.home == process::id() { self.end() } else { self.leave() }
    }
}

/// Both descriptors only say that there is something to do.
fn readable() -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, 0)
}
