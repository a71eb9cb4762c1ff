//! The life of an embedded agent: set up, started, ended in order or forsaken in a forked child.

use std::fmt;
use std::os::fd::OwnedFd;
use std::process;
use std::sync::Arc;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use rtrb::Consumer;

use super::connect::{self, Connected};
use super::failure::{Failure, Kind};
use super::handle::{Handle, Shared};
use super::own::Own;
use super::settings::Settings;
use super::{Delivery, Mode, Opinion, StaticPlugin};
use crate::event_loop::{Audience, Program};
use crate::logging::{Scope, Sink};
use crate::paths::Environment;
use crate::plugin::Outbox;
use crate::socket::Adopted;

/// Records that may wait for the program: four bursts of 250, as for a plugin.
const INBOX: usize = 1024;

/// How far it is.
pub(super) enum Phase {
    Before(Box<Before>),
    Own(Box<Own>),
    Connected(Box<Connected>),
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
    /// ABSTAIN to each question that was fetched since the last dispatch: the inbox, which only that fills, is their
    /// bound.
    pub(super) unanswered: Vec<Opinion>,
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
        let (scope, home) = (Scope::new(log), process::id());
        Ok(Embedded { phase, outer, shared, inbox: None, unanswered: Vec::new(), scope, home })
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
            return Err(no_file(&path));
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
    /// verdict is asked for.  Who decides on DUPLICATE wants STATE, too: its opinion stands until it is asked again.
    /// Changes nothing after the start.
    pub fn want_events(&mut self, mask: u64) {
        if let Phase::Before(before) = &mut self.phase {
            before.wants = Some(mask);
        }
    }

    /// No plugin's file is ever loaded: [`Embedded::add_plugin`] is refused, or, if it came before, the start.  Changes
    /// nothing after the start.
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
        self.scope.clone().within(|| self.begin(INBOX))
    }

    fn begin(&mut self, room: usize) -> Result<(), Failure> {
        let before = self.before()?;
        let plan = before.settings.plan(before.sockets.port(), &Environment::of_this_process())?;
        if let Some(plugin) = plan.config.plugins.first().filter(|_| before.no_plugins) {
            return Err(no_file(&plugin.path.display()));
        }
        let link = match before.settings.mode {
            Mode::Own => None,
            Mode::Connect => Some(connect::look(&plan)?),
            Mode::Auto => Some(connect::look(&plan)?).filter(connect::Link::is_there),
        };
        let (outbox, inbox) = Outbox::new(room);
        let audience = before.wants.map(|wants| Audience::new(wants, outbox));
        let unpolled = |e| Failure::fail(format!("the agent cannot be polled: {e}"));
        if let Some(link) = link {
            let connected = Connected::start(link, plan, audience, &self.shared.board)?;
            self.outer.add(&connected, readable()).map_err(unpolled)?;
            self.phase = Phase::Connected(Box::new(connected));
        } else {
            let sockets = std::mem::take(&mut before.sockets);
            let program = Program { sockets, audience, ..Program::default() };
            let own = Own::start(plan, program, &self.shared.board)?;
            self.outer.add(&own, readable()).map_err(unpolled)?;
            self.phase = Phase::Own(Box::new(own));
        }
        self.inbox = Some(inbox);
        Ok(())
    }

    fn before(&mut self) -> Result<&mut Before, Failure> {
        match &mut self.phase {
            Phase::Before(before) => Ok(before),
            Phase::Own(_) | Phase::Connected(_) => {
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
            Phase::Connected(connected) => self.scope.within(|| connected.shut_down()),
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
            Phase::Connected(connected) => connected.forsake(),
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

fn no_file(plugin: &dyn fmt::Display) -> Failure {
    let what = format!("plugin {plugin}: this program said that no plugin's file is to be loaded");
    Failure::new(Kind::Denied, what)
}

/// Both descriptors only say that there is something to do.
fn readable() -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, 0)
}

#[cfg(test)]
mod tests {
    use serialnumberd_plugin::abi::{SLND_EV_STATE, slnd_ev_bit};

    use super::*;

    #[test]
    fn what_the_program_does_not_fetch_in_time_is_lost_and_told() {
        // As many as are reserved for urgent events, and one: of 80 some are lost.
        const ROOM: usize = 65;
        const CLAIMS: u64 = 40;
        let dir = tempfile::tempdir().unwrap();
        let mut embedded = Embedded::new(None).unwrap();
        let state = dir.path().join("state").display().to_string();
        for (key, value) in
            [("mode", "own"), ("state_dir", state.as_str()), ("port", "62722"), ("address", "127.0.8.60")]
        {
            embedded.set(key, value).unwrap();
        }
        embedded.want_events(slnd_ev_bit(SLND_EV_STATE));
        embedded.begin(ROOM).unwrap();
        let handle = embedded.handle();
        (0..CLAIMS).for_each(|n| handle.claim(&format!("p{n}"), "S", 1).unwrap());
        let began = crate::clock::boottime_ns();
        // Without a fetch a question is answered by nobody, after 50 ms.
        while handle.counts().lost_events + (ROOM as u64) < 2 * CLAIMS {
            assert!(crate::clock::boottime_ns() - began < 20_000_000_000, "{:?}", handle.counts());
            embedded.dispatch(1).unwrap();
        }
        assert_eq!(embedded.timeout(), Some(std::time::Duration::ZERO), "there is something to fetch");
        let told: Vec<Delivery> = std::iter::from_fn(|| embedded.poll_delivery()).collect();
        let (mut next, mut lost) = (1, 0);
        for delivery in &told {
            let (first, last) = match delivery {
                Delivery::Event { record, .. } => (record.seq, record.seq),
                Delivery::Lost(gap) => {
                    lost += gap.count;
                    (gap.first_seq, gap.last_seq)
                }
            };
            assert!(first >= next, "in order, and none twice: {told:?}");
            next = last + 1;
        }
        assert!(matches!(told.last(), Some(Delivery::Lost(_))), "a loss is told as soon as there is room");
        assert_eq!((told.len(), lost), (ROOM + 1, handle.counts().lost_events));
    }
}
