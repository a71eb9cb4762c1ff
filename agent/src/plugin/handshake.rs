//! The two handshakes of the loop and a plugin's thread in which a wake-up could get lost: the doorbell and the end.
//!
//! Both rest on one rule: swaps of one variable are ordered.  Of two sides that each say something and then swap, the
//! later one sees what the earlier one said, and so at least one of them knows of the other.  Two sides that store
//! and load *different* variables may each miss the other.
//!
//! Must use nothing but `super::sync` between threads: `agent/tests/handshake` puts a model checker in its place and
//! tries all interleavings, and what each ordering is good for.

use std::sync::Arc;

use super::mailbox::Mailbox;
use super::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use super::sync::thread::{self, Thread};

/// Makes the loop's poll return; called from any thread, must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Wakes the loop, once per batch of messages.
pub(super) struct Doorbell {
    rung: AtomicBool,
    wake: Wake,
}

impl Doorbell {
    pub(super) fn new(wake: Wake) -> Doorbell {
        Doorbell { rung: AtomicBool::new(false), wake }
    }

    /// After a message was queued.
    pub(super) fn ring(&self) {
        // If it was rung already, the loop has yet to answer: that swap will see this one and, by release and
        // acquire, the message.
        if !self.rung.swap(true, Ordering::Release) {
            (self.wake)();
        }
    }

    /// The loop, before it looks for messages a last time; true if that look is worth while.
    pub(super) fn answer(&self) -> bool {
        self.rung.swap(false, Ordering::Acquire)
    }
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Quarantined,
    Failed,
    Stopped,
}

/// The end of a worker: the loop asks for it, or the worker comes to it by itself, or both at once.
#[derive(Debug)]
pub(super) struct Ending {
    /// When it must be over; 0: not asked for.
    by_ns: AtomicU64,
    /// The thread that waits for it.
    stopper: Mailbox<Thread>,
    /// `RUNNING`, or a number of an [`End`].
    end: AtomicU8,
}

const RUNNING: u8 = 0;

impl Ending {
    pub(super) fn new() -> Ending {
        Ending { by_ns: AtomicU64::new(0), stopper: Mailbox::new(), end: AtomicU8::new(RUNNING) }
    }

    /// Loop: asks the worker to end, which unparks the calling thread when it has.  To be followed by an unpark of the
    /// worker, and then by a look whether it has [`ended`](Ending::ended) before every park.
    pub(super) fn ask(&self, by_ns: u64) {
        self.by_ns.store(by_ns.max(1), Ordering::Release);
        // The swaps in `put` and `take` are the ordered ones: either the worker finds whom to unpark, or the look
        // that follows finds that it has ended.
        self.stopper.put(thread::current());
    }

    /// Worker: when it must be over, if it was asked for.
    pub(super) fn asked_by_ns(&self) -> Option<u64> {
        Some(self.by_ns.load(Ordering::Acquire)).filter(|&by| by != 0)
    }

    /// Worker: it is over.
    pub(super) fn end(&self, end: End) {
        let number = match end {
            End::Quarantined => 1,
            End::Failed => 2,
            End::Stopped => 3,
        };
        self.end.store(number, Ordering::Release);
        if let Some(stopper) = self.stopper.take() {
            stopper.unpark();
        }
    }

    pub(super) fn ended(&self) -> Option<End> {
        match self.end.load(Ordering::Acquire) {
            RUNNING => None,
            1 => Some(End::Quarantined),
            2 => Some(End::Failed),
            _ => Some(End::Stopped),
        }
    }
}
