//! What may be called from any thread, at any time: claims and releases are queued and the loop's bell is rung, the
//! rest reads the board.
//!
//! Nothing here waits for the loop, but [`Handle::wait`], which says so.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use serialnumberd_core::limits::CLAIMS;
use serialnumberd_core::{ClaimKeys, Product, Serial, Standard};

use super::board::{Answer, Board, Counts};
use super::failure::Failure;

/// What is wanted of a product.
#[derive(Debug)]
pub(super) enum Wish {
    Claim { keys: ClaimKeys, seats: u16 },
    Release,
}

/// What the loop and all other threads see.
pub(super) struct Shared {
    pub(super) board: Board,
    /// The newest wish for each product: a later one makes an earlier one pointless.
    wishes: Mutex<BTreeMap<Product, Wish>>,
    pub(super) bell: EventFd,
    stop: AtomicBool,
}

impl Shared {
    pub(super) fn new() -> Result<Shared, Failure> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e| Failure::fail(format!("no event descriptor can be made: {e}")))?;
        Ok(Shared { board: Board::default(), wishes: Mutex::default(), bell, stop: AtomicBool::new(false) })
    }

    fn wishes(&self) -> MutexGuard<'_, BTreeMap<Product, Wish>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the wishes, and the bell down: what is wished from here on rings it anew.
    pub(super) fn take_wishes(&self) -> BTreeMap<Product, Wish> {
        // First, so that no wish is left without a ring.  If it did not ring there is nothing to read.
        let _ = self.bell.read();
        std::mem::take(&mut *self.wishes())
    }

    pub(super) fn ring(&self) {
        // It fails only if the counter is full, and then it rings already.
        let _ = self.bell.write(1);
    }

    pub(super) fn wants_stop(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// The end of an embedded agent that any thread may use.  It may outlive the agent; what is asked then is answered
/// by [`Kind::Closed`](super::Kind::Closed).
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// From a stop on nothing is written on the board, or read from it as if it were still true.
    fn open(&self) -> Result<&Board, Failure> {
        match self.shared.wants_stop() {
            true => Err(Failure::closed()),
            false => Ok(&self.shared.board),
        }
    }

    /// Claims a license: it is announced and watched from the next turn of the loop on.  The keys are derived here,
    /// which takes some 30 ms and 19 MiB.  Claiming a product anew replaces its claim.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) for what is no product, serial or number of seats (0 is unlimited, 65535 the most);
    /// [`Kind::NoMemory`](super::Kind::NoMemory) beyond 64 claims; [`Kind::Closed`](super::Kind::Closed).
    pub fn claim(&self, product: &str, serial: &str, seats: u32) -> Result<(), Failure> {
        let product = read_product(product)?;
        let serial = Serial::new(serial).map_err(|e| Failure::invalid(format!("license {product}: {e}")))?;
        let seats = u16::try_from(seats).map_err(|_| {
            Failure::invalid(format!("license {product}: {seats} seats are more than 65535; 0 is unlimited"))
        })?;
        self.open()?;
        let keys = ClaimKeys::derive::<Standard>(&product, &serial);
        // Both under one lock, so that board and wishes tell the same story.
        let mut wishes = self.shared.wishes();
        self.shared.board.wish(product, keys.id(), CLAIMS)?;
        wishes.insert(product, Wish::Claim { keys, seats });
        drop(wishes);
        self.shared.ring();
        Ok(())
    }

    /// Gives a license back, with a goodbye, at the next turn of the loop.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) if it is not claimed here; [`Kind::Closed`](super::Kind::Closed).
    pub fn release(&self, product: &str) -> Result<(), Failure> {
        let product = read_product(product)?;
        let board = self.open()?;
        let mut wishes = self.shared.wishes();
        // A claim that was refused can be taken back, too.
        board.withdraw(product)?;
        wishes.insert(product, Wish::Release);
        drop(wishes);
        self.shared.ring();
        Ok(())
    }

    /// May the software run?  Reads what the loop last wrote, and never waits for the loop.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) for a product that is not claimed here; [`Kind::Denied`](super::Kind::Denied) with the agent's sentence if the
    /// claim was refused; [`Kind::Closed`](super::Kind::Closed).
    pub fn check(&self, product: &str) -> Result<Answer, Failure> {
        let product = read_product(product)?;
        self.open()?.check(product)
    }

    /// As [`Handle::check`], once the probe is over and the verdict given.
    ///
    /// # Errors
    /// As [`Handle::check`]; [`Kind::Timeout`](super::Kind::Timeout); [`Kind::Again`](super::Kind::Again) if no [`Looping`](super::Looping) is alive, since
    /// then nobody may ever turn the agent.
    pub fn wait(&self, product: &str, timeout: Duration) -> Result<Answer, Failure> {
        let product = read_product(product)?;
        let answer = self.open()?.wait(product, timeout);
        // The stop that ends the loop ends the wait, too.
        self.open()?;
        answer
    }

    /// What was counted up to the last turn.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.board.counts()
    }

    /// Makes the next [`Embedded::dispatch`](super::Embedded::dispatch) answer
    /// [`Dispatched::Stopping`](super::Dispatched::Stopping), and the loop turn.  Async-signal-safe: an atomic and one
    /// write(2); it may set `errno`.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.ring();
    }

    /// In a forked child, where no other end of this agent is used any more: closes its copy of the descriptor that
    /// they share, also where threads that the fork did not copy would have kept it open.
    pub fn forsake(self) {
        let bell = self.shared.bell.as_raw_fd();
        // Never dropped: it would be closed once more.
        std::mem::forget(self.shared);
        // It was open; there is nothing to do about what else a close may say.
        let _ = nix::unistd::close(bell);
    }
}

fn read_product(text: &str) -> Result<Product, Failure> {
    Product::new(text).map_err(|e| Failure::invalid(e.to_string()))
}
