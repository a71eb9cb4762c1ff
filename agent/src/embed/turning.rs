//! The loop of an embedded agent: waiting, dispatching, and what the program is told then.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollTimeout};

use super::embedded::Phase;
use super::failure::Failure;
use super::handle::Shared;
use super::{Decision, Delivery, Dispatched, Embedded, Opinion};

impl Embedded {
    /// The descriptor to wait on for reading.  It is the same from `new` to the end.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.outer.0.as_raw_fd()
    }

    /// How long to wait for it at most; `None` is until it is ready, zero if the last dispatch left something: work,
    /// deliveries, or a stop that was not obeyed.
    pub fn timeout(&mut self) -> Option<Duration> {
        if self.has_deliveries() || self.shared.wants_stop() {
            return Some(Duration::ZERO);
        }
        match &mut self.phase {
            Phase::Before(_) | Phase::Over => None,
            Phase::Own(own) => own.timeout(),
            Phase::Connected(connected) => connected.timeout(),
        }
    }

    /// Takes in datagrams, a batch of each family at least and no further one after `max`, and does all that is due.
    /// Never waits, never calls back.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) before the start; [`Kind::Fail`](super::Kind::Fail) if the kernel
    /// refuses.
    pub fn dispatch(&mut self, max: usize) -> Result<Dispatched, Failure> {
        self.abstain();
        let shared = &self.shared;
        let outcome = match &mut self.phase {
            Phase::Before(_) => return Err(not_started()),
            Phase::Over => return Err(Failure::closed()),
            Phase::Own(own) => {
                let wishes = shared.take_wishes();
                self.scope.within(|| own.dispatch(max, wishes, &shared.board))?
            }
            Phase::Connected(connected) => {
                let wishes = shared.take_wishes();
                self.scope.within(|| connected.dispatch(wishes, &shared.board))
            }
        };
        Ok(match outcome {
            _ if self.shared.wants_stop() => Dispatched::Stopping,
            Dispatched::Idle if self.has_deliveries() => Dispatched::More,
            outcome => outcome,
        })
    }

    /// Waits for as long as descriptor and timeout say, then dispatches: the step of a loop for those who have none.
    ///
    /// # Errors
    /// As [`Embedded::dispatch`].
    pub fn turn(&mut self, max: usize) -> Result<Dispatched, Failure> {
        if matches!(self.phase, Phase::Before(_) | Phase::Over) {
            return self.dispatch(max);
        }
        let timeout = self.timeout().map_or(EpollTimeout::NONE, |timeout| {
            // In whole milliseconds, rounded up: else the last one is spent spinning.
            EpollTimeout::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(EpollTimeout::MAX)
        });
        match self.outer.wait(&mut [EpollEvent::empty(); 2], timeout) {
            Ok(_) | Err(Errno::EINTR) => self.dispatch(max),
            Err(e) => Err(Failure::fail(format!("the kernel refuses to poll: {e}"))),
        }
    }

    /// A loop turns this agent as long as the answer lives: [`Handle::wait`](super::Handle::wait) may wait.
    pub fn looping(&self) -> Looping {
        self.shared.board.loop_begins();
        Looping { shared: Arc::clone(&self.shared) }
    }

    fn has_deliveries(&self) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| !inbox.is_empty())
    }

    /// The next thing that the program is to be told.  If it asks for the program's verdict, and there is no
    /// [`Embedded::answer`] before the next dispatch, that is ABSTAIN.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        let inbox = self.inbox.as_mut()?;
        let delivery = inbox.pop().ok().or_else(|| {
            // Now there is room to tell what was lost.
            match &mut self.phase {
                Phase::Before(_) | Phase::Over => {}
                Phase::Own(own) => own.settle(),
                Phase::Connected(connected) => connected.settle(),
            }
            inbox.pop().ok()
        })?;
        self.unanswered.extend(delivery.answer(Decision::default()));
        Some(delivery)
    }

    /// Who fetches what happens need not have an opinion on it, and is no policy that fails for that.
    fn abstain(&mut self) {
        for opinion in std::mem::take(&mut self.unanswered) {
            self.give(opinion);
        }
    }

    /// The program's opinion on a claim, after it was asked ([`Delivery::answer`]).  In own mode it counts as that of a
    /// plugin with `verdict = "require"`; in connect mode nobody asks.
    pub fn answer(&mut self, opinion: Opinion) {
        self.unanswered.retain(|question| question.seq != opinion.seq);
        self.give(opinion);
    }

    fn give(&mut self, opinion: Opinion) {
        match &mut self.phase {
            Phase::Before(_) | Phase::Connected(_) | Phase::Over => {}
            Phase::Own(own) => own.answer(opinion),
        }
    }

    /// The status document; in connect mode that of the agent, asked over a connection of its own.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) before the start; [`Kind::Fail`](super::Kind::Fail).
    pub fn status_json(&mut self) -> Result<String, Failure> {
        match &mut self.phase {
            Phase::Before(_) => Err(not_started()),
            Phase::Over => Err(Failure::closed()),
            Phase::Own(own) => self.scope.within(|| own.status_json()),
            Phase::Connected(connected) => self.scope.within(|| connected.status_json()),
        }
    }
}

impl AsFd for Embedded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.outer.0.as_fd()
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
