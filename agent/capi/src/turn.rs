//! A turn of the loop: the agent's part under the lock, then the program's callbacks without it.
//!
//! Owns the two loops of the library's own, `run` and the thread of `spawn`.

use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use agent::embed::{Batch, Delivery, Dispatched, Looping};
use serialnumberd_plugin::abi::{SLND_E_CLOSED, SLND_E_FAIL};

use crate::barrier::{Refusal, caught};
use crate::core::Inside;
use crate::instance::{Call, Depth, Entry, Seat, slnd_agent};
use crate::signals::Blocked;

/// Events handed to the callback at once: amortizes the call, 32 KiB of decisions.  As plugins have it.
const BATCH: usize = 32;
/// Of what a turn takes if the program states no bound.  As the agent's own loop has it.
pub(crate) const A_TURN: usize = 256;

/// What a turn came to.
pub(crate) struct Turn {
    /// Events given to the program.
    pub(crate) delivered: usize,
    /// The loop was asked to stop, or the agent freed.
    pub(crate) is_over: bool,
}

impl slnd_agent {
    /// One turn, of at most `max` datagrams and `max` events.  The caller has the seat.
    pub(crate) fn turn(&self, max: usize) -> Result<Turn, Refusal> {
        let (dispatched, deliveries) = self.core.with(|inside| {
            let dispatched = inside.embedded.dispatch(max)?;
            Ok((dispatched, inside.collect(max)))
        })?;
        let delivered = if deliveries.is_empty() { 0 } else { self.deliver(deliveries, max)? };
        Ok(Turn { delivered, is_over: dispatched == Dispatched::Stopping || self.is_freed() })
    }

    /// Gives events to the program, without the lock, until none are left or it had `max`.
    fn deliver(&self, mut deliveries: Vec<Delivery>, max: usize) -> Result<usize, Refusal> {
        let mut batch = Batch::new(BATCH, true);
        let mut delivered = 0;
        while !deliveries.is_empty() {
            delivered += deliveries.len();
            deliveries.into_iter().for_each(|delivery| batch.add(delivery));
            let opinions = self.callbacks.deliver(&mut batch);
            // A callback may come back in a forked child, where the agent is not.
            self.check_origin()?;
            let left = if self.is_freed() { 0 } else { max - delivered };
            deliveries = self.core.with(|inside| {
                opinions.into_iter().for_each(|opinion| inside.embedded.answer(opinion));
                Ok(inside.collect(left))
            })?;
        }
        Ok(delivered)
    }

    /// Turns the loop until it is asked to stop.  The caller has the seat.
    fn drive(&self) -> Result<(), Refusal> {
        while !self.turn(A_TURN)?.is_over {
            wait(self.fd, self.core.with(|inside| Ok(inside.embedded.timeout()))?)?;
        }
        Ok(())
    }
}

impl Inside {
    /// The next events for the program, at most `most`; what stays behind makes the timeout zero.
    fn collect(&mut self, most: usize) -> Vec<Delivery> {
        std::iter::from_fn(|| self.embedded.poll_delivery()).take(most.min(BATCH)).collect()
    }
}

/// Runs the loop on the calling thread.
pub(crate) fn run(call: &Call) -> Result<(), Refusal> {
    let _seat = call.sit()?;
    let _looping = begin(call)?;
    call.drive()
}

/// Runs the loop on a thread of its own, which takes no signals.
pub(crate) fn spawn(call: &Call) -> Result<(), Refusal> {
    let seat = call.sit()?;
    // From here on, so that wait is legal as soon as this returns.
    let looping = begin(call)?;
    let entry = Entry::new(call);
    let _quiet = Blocked::new();
    let live = move || live(entry, seat, looping);
    let thread = thread::Builder::new().name("serialnumberd".to_owned()).spawn(live);
    let thread = thread.map_err(|e| Refusal::new(SLND_E_FAIL, format!("no thread can be made: {e}")))?;
    *call.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    Ok(())
}

/// The thread's whole life.
fn live(entry: Entry, seat: Seat, looping: Looping) {
    // Outlives the entry, whose end may tear the agent down.
    let _depth = Depth::new();
    let entry = entry;
    let agent = entry.agent();
    if let Err(refusal) = caught(|| agent.drive()) {
        let _first = agent.failure.set((refusal.status, refusal.sentence.into_owned()));
    }
    drop((looping, seat));
}

fn begin(agent: &slnd_agent) -> Result<Looping, Refusal> {
    agent.core.with(|inside| {
        if inside.is_started {
            return Ok(inside.embedded.looping());
        }
        Err(Refusal::invalid("the agent has not started: slnd_agent_start"))
    })
}

/// Waits for the descriptor, a signal or the timeout.
fn wait(fd: RawFd, timeout: Option<Duration>) -> Result<(), Refusal> {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let timeout = timeout.map(|left| libc::timespec {
        tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: one descriptor, and a timeout that lives until it returns.
    if unsafe { libc::ppoll(&raw mut poll, 1, timeout, ptr::null()) } >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted {
        return Ok(());
    }
    Err(Refusal::new(SLND_E_FAIL, format!("the kernel refuses to poll: {error}")))
}

/// What the loop of spawn ended by, if it did not end as asked.
pub(crate) fn check_alive(agent: &slnd_agent) -> Result<(), Refusal> {
    match agent.failure.get() {
        None => Ok(()),
        Some((status, sentence)) => Err(Refusal::new(*status, sentence.clone())),
    }
}

/// A turn for a program's own loop; how many events it gave to the program.
pub(crate) fn dispatch(call: &Call, max: usize, done: &mut u32) -> Result<(), Refusal> {
    let _seat = call.sit()?;
    let turn = call.turn(max)?;
    *done = u32::try_from(turn.delivered).unwrap_or(u32::MAX);
    if turn.is_over {
        return Err(Refusal::new(SLND_E_CLOSED, "a stop was asked for"));
    }
    Ok(())
}
