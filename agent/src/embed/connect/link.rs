//! The connection to the agent on this host, from looking for it to losing it and finding it again.
//!
//! Nothing waits, and time is an argument.  An agent that answers nothing is as good as none.  Knows nothing of the
//! board nor of who wants events.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serialnumberd_core::Mono;

use super::back_off::BackOff;
use super::ledger::Ledger;
use super::session::{Heard, Parting, Session, product_of};
use super::stream::Stream;
use crate::control::client::miss;
use crate::record::line::ReadRecord;

/// Records that wait for an answer, at most: an agent where more happens than it can be asked about is not waited for.
const HELD_BACK: usize = 256;

/// The connection, and all that is to outlive it.
pub(in crate::embed) struct Link {
    /// Where agents are looked for, best first.
    places: Vec<PathBuf>,
    /// Level-triggered, over the connection, if there is one.
    epoll: Epoll,
    state: State,
    /// The session's, if there is one: to be read where a fork may have left `state` half changed.
    connection: Option<RawFd>,
    back_off: BackOff,
    pub(super) ledger: Ledger,
    heard: Heard,
    /// Why there is no agent, for people.
    trouble: Option<String>,
    /// There was one, and it did not let this program in.
    is_refused: bool,
    /// There was one, and too many waited for it.
    is_crowded: bool,
}

enum State {
    /// Nobody is there; looked for again then.
    Away(Mono),
    Here(Box<Session>),
}

impl Link {
    /// A link that looks for an agent in its first turn.  `seed` varies its pauses.
    ///
    /// # Errors
    /// If the kernel gives no descriptor.
    pub(super) fn new(places: Vec<PathBuf>, seed: u64, now: Mono) -> Result<Link, String> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|e| format!("no epoll descriptor can be made: {e}"))?;
        Ok(Link {
            places,
            epoll,
            state: State::Away(now),
            connection: None,
            back_off: BackOff::new(seed),
            ledger: Ledger::default(),
            heard: Heard::default(),
            trouble: None,
            is_refused: false,
            is_crowded: false,
        })
    }

    /// Does what is due.
    pub(super) fn turn(&mut self, now: Mono) {
        if let State::Away(retry) = self.state
            && retry <= now
        {
            self.look_for_an_agent(now);
        }
        if let State::Here(session) = &mut self.state {
            if session.is_proven(now) {
                self.back_off.reset();
                self.trouble = None;
            }
            if let Err(parting) = session.turn(now, &self.epoll, &mut self.ledger, &mut self.heard) {
                self.part(now, parting);
            }
        }
    }

    /// When [`Link::turn`] has something to do by time alone.
    pub(super) fn deadline(&self) -> Mono {
        match &self.state {
            State::Away(retry) => *retry,
            State::Here(session) => session.deadline(&self.ledger),
        }
    }

    /// The next record that the agent told, once it is known what follows from it: who is told of a change, and then
    /// asks how things stand, must not be told how they stood before.
    pub(super) fn poll_record(&mut self) -> Option<ReadRecord> {
        let product = product_of(&self.heard.records.front()?.record);
        let is_open = product.is_some_and(|product| self.ledger.is_asking(product));
        if is_open && self.heard.records.len() <= HELD_BACK {
            return None;
        }
        self.heard.records.pop_front()
    }

    /// Somebody is there, though it may not have taken the connection yet.
    pub(in crate::embed) fn is_there(&self) -> bool {
        self.is_crowded || matches!(self.state, State::Here(_))
    }

    /// Waits for [`Link::turn`] to have something to do.
    pub(super) fn wait(&self, timeout: EpollTimeout) -> nix::Result<usize> {
        self.epoll.wait(&mut [EpollEvent::empty()], timeout)
    }

    /// Why the agent did not let this program in when it tried last.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| self.is_refused)
    }

    /// An agent is there and has greeted.
    pub(super) fn is_connected(&self) -> bool {
        matches!(&self.state, State::Here(session) if session.is_greeted())
    }

    pub(super) fn lost(&self) -> u64 {
        self.heard.lost
    }

    /// Why there is no agent.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| !self.is_connected())
    }

    /// Every descriptor that lasts longer than a turn; reads numbers only.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        [self.epoll.0.as_raw_fd()].into_iter().chain(self.connection)
    }

    /// Ends: the agent releases what was claimed here, even if a forked child still has the socket.
    pub(super) fn end(self) {
        if let State::Here(session) = self.state {
            session.end(&self.epoll);
        }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Here(session) => Some(session.as_fd()),
            State::Away(_) => None,
        }
    }

    fn look_for_an_agent(&mut self, now: Mono) {
        let mut tried = Vec::new();
        (self.is_refused, self.is_crowded) = (false, false);
        for path in &self.places {
            let connected = Stream::connect(path).and_then(|stream| {
                self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
                Ok(stream)
            });
            match connected {
                Ok(stream) => {
                    self.connection = Some(stream.as_fd().as_raw_fd());
                    self.ledger.begin();
                    self.state = State::Here(Box::new(Session::new(stream, path.clone(), now)));
                    return;
                }
                Err(e) => {
                    self.is_refused |= e.kind() == ErrorKind::PermissionDenied;
                    self.is_crowded |= e.kind() == ErrorKind::WouldBlock;
                    tried.push(format!("{} ({})", path.display(), miss(&e)));
                }
            }
        }
        let trouble = format!("no agent answers at {}; it is looked for again and again", tried.join(" or "));
        self.tell(trouble);
        self.state = State::Away(self.back_off.after(now));
    }

    fn part(&mut self, now: Mono, parting: Parting) {
        let State::Here(session) = std::mem::replace(&mut self.state, State::Away(now)) else { return };
        // Before it is closed, since the number may be somebody else's then.
        self.connection = None;
        self.is_refused = parting.is_refusal;
        self.state = State::Away(self.back_off.after(now));
        session.end(&self.epoll);
        self.ledger.lose(parting.known);
        self.tell(parting.why);
    }

    /// Logs a trouble, once for as long as it lasts.
    fn tell(&mut self, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            log::warn!("{trouble}");
            self.trouble = Some(trouble);
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}
