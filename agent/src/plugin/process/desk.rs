//! What the agent's two threads of one plugin's process share: the supervisor, which sends, and the one that hears.
//!
//! The loop takes none of these locks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use rtrb::{Producer, PushError};

use super::flight::Flight;
use crate::logging::Scope;
use crate::plugin::handshake::Doorbell;
use crate::plugin::permission::Permissions;
use crate::plugin::shared::{Claims, Clocks, Message, Shared};

pub(super) struct Desk {
    pub(super) id: String,
    pub(super) shared: Arc<Shared>,
    pub(super) clocks: Clocks,
    pub(super) scope: Scope,
    pub(super) supervisor: Thread,
    doorbell: Arc<Doorbell>,
    messages: Mutex<Producer<Message>>,
    claims: Mutex<Arc<Claims>>,
    flight: Mutex<Flight>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// To be made on the supervisor's thread.
    pub(super) fn new(
        id: String,
        shared: Arc<Shared>,
        clocks: Clocks,
        doorbell: Arc<Doorbell>,
        messages: Producer<Message>,
    ) -> Desk {
        Desk {
            id,
            shared,
            clocks,
            scope: Scope::present(),
            supervisor: thread::current(),
            doorbell,
            messages: Mutex::new(messages),
            claims: Mutex::default(),
            flight: Mutex::new(Flight::new(Permissions::NONE, Arc::default())),
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        (self.clocks.boot)()
    }

    pub(super) fn flight(&self) -> MutexGuard<'_, Flight> {
        lock(&self.flight)
    }

    /// The claims that are held now.
    pub(super) fn claims(&self) -> Arc<Claims> {
        let mut claims = lock(&self.claims);
        if let Some(newer) = self.shared.claims.take() {
            *claims = newer;
        }
        Arc::clone(&claims)
    }

    pub(super) fn ring(&self) {
        self.doorbell.ring();
    }

    /// Whether the loop wants nothing more from this plugin.
    pub(super) fn is_leaving(&self) -> bool {
        self.shared.is_closed() || self.shared.stop_by_ns().is_some()
    }

    /// Queues a message for the loop, waiting for room as a plugin's own thread does.
    pub(super) fn post(&self, mut message: Message) {
        loop {
            let pushed = lock(&self.messages).push(message);
            self.doorbell.ring();
            let Err(PushError::Full(back)) = pushed else { return };
            if self.is_leaving() {
                return;
            }
            message = back;
            // The loop does not say when it has made room; it takes a turn about this long.
            thread::sleep(Duration::from_millis(1));
        }
    }
}
