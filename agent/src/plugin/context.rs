//! What stands behind the host's table of one instance: seen by the plugin's threads, never by the loop.
//!
//! Lives for ever (a few KiB an instance): a plugin that breaks R9 and leaves a thread behind shall find
//! "closed", not freed memory.  The locks here are held by plugin threads for a few instructions of the
//! host's own code, never while plugin code runs; the loop takes none of them.

use std::cell::Cell;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use rtrb::{Producer, PushError};
use serialnumberd_core::{ClaimId, HolderView, Product};
use serialnumberd_plugin::abi::{
    SLND_E_CLOSED, SLND_E_DENIED, SLND_E_INVALID, SLND_E_NOMEM, SLND_OK, SLND_TIMER_BEAT, slnd_perms,
    slnd_status,
};

use super::handshake::Doorbell;
use super::kept::keep;
use super::limits::WAKES;
use super::log_line::{self, Rate};
use super::mailbox::Mailbox;
use super::permission::Permissions;
use super::shared::{Claims, Clocks, HolderTable, Message, Shared};
use super::text_room::Interfaces;
use super::timers::{Due, Timers};
use crate::logging::Scope;

thread_local! {
    /// The instance whose own thread this is.
    static WORKER_OF: Cell<*const Context> = const { Cell::new(ptr::null()) };
}

/// Locks that a panic of a thread leaves usable: what they guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Context {
    pub(super) id: String,
    pub(super) shared: Arc<Shared>,
    pub(super) clocks: Clocks,
    doorbell: Arc<Doorbell>,
    granted: Permissions,
    worker: Thread,
    messages: Mutex<Producer<Message>>,
    timers: Mutex<Timers>,
    wakes: Mutex<Vec<u64>>,
    log_rate: Mutex<Rate>,
    /// A thread that the plugin made writes to the agent's log, too.
    scope: Scope,
    holders: HolderSource,
    claims: Mutex<Option<Arc<Claims>>>,
    interfaces: Mutex<Option<Arc<Interfaces>>>,
}

/// Whose context it is.
pub(super) struct Seat {
    pub(super) id: String,
    pub(super) granted: Permissions,
    pub(super) shared: Arc<Shared>,
    pub(super) clocks: Clocks,
}

/// Asks whoever has the table for the holders of a product's claim; `None` if it is not held.
pub(super) type AskHolders = Box<dyn Fn(Product) -> Option<Arc<[HolderView]>> + Send + Sync>;

/// Where holders are looked up.
pub(super) enum HolderSource {
    /// In the table that the loop publishes.
    Published(Mutex<Option<Arc<HolderTable>>>),
    /// In another process.
    Asked(AskHolders),
}

impl HolderSource {
    pub(super) fn published() -> HolderSource {
        HolderSource::Published(Mutex::default())
    }
}

/// What the loop published last.
fn newest<T>(seen: &Mutex<Option<Arc<T>>>, mailbox: &Mailbox<Arc<T>>) -> Option<Arc<T>> {
    let mut seen = lock(seen);
    if let Some(newer) = mailbox.take() {
        *seen = Some(newer);
    }
    seen.clone()
}

impl Context {
    /// To be made on the instance's own thread.
    pub(super) fn new(
        seat: Seat,
        doorbell: Arc<Doorbell>,
        messages: Producer<Message>,
        holders: HolderSource,
    ) -> &'static Context {
        let Seat { id, granted, shared, clocks } = seat;
        let log_rate = Mutex::new(Rate::new((clocks.boot)()));
        let context = keep(Context {
            id,
            shared,
            clocks,
            doorbell,
            granted,
            worker: std::thread::current(),
            messages: Mutex::new(messages),
            timers: Mutex::default(),
            wakes: Mutex::default(),
            log_rate,
            scope: Scope::present(),
            holders,
            claims: Mutex::default(),
            interfaces: Mutex::default(),
        });
        WORKER_OF.set(context);
        context
    }

    pub(super) fn now_ns(&self) -> u64 {
        (self.clocks.boot)()
    }

    /// Whether the caller is the instance's own thread.
    pub(super) fn is_worker(&self) -> bool {
        // A thread that is ending has no such variable any more, and is no worker either.
        WORKER_OF.try_with(|of| ptr::eq(of.get(), self)).unwrap_or(false)
    }

    /// `SLND_OK` while open and, if a permission is needed, granted.
    pub(super) fn admit(&self, needed: slnd_perms) -> slnd_status {
        if self.shared.is_closed() {
            SLND_E_CLOSED
        } else if self.granted.covers(Permissions(needed)) {
            SLND_OK
        } else {
            SLND_E_DENIED
        }
    }

    pub(super) fn log(&self, level: log::Level, bytes: &[u8]) {
        self.scope.within(|| self.log_line(level, bytes));
    }

    fn log_line(&self, level: log::Level, bytes: &[u8]) {
        if !log::log_enabled!(target: &self.id, level) {
            return;
        }
        let now_ns = self.now_ns();
        let Some(suppressed) = lock(&self.log_rate).pass(now_ns) else { return };
        if suppressed > 0 {
            log::log!(target: &self.id, log::Level::Warn, "{suppressed} lines of this plugin were too many and were dropped");
        }
        log::log!(target: &self.id, level, "{}", log_line::clean(bytes));
    }

    pub(super) fn set_timer(&self, id: u64, after_ns: u64, every_ns: u64) -> slnd_status {
        let now_ns = self.now_ns();
        lock(&self.timers).set(now_ns, id, after_ns, every_ns)
    }

    pub(super) fn next_timer_ns(&self) -> Option<u64> {
        lock(&self.timers).next_ns()
    }

    pub(super) fn wake(&self, id: u64) -> slnd_status {
        if id == SLND_TIMER_BEAT {
            return SLND_E_INVALID;
        }
        let mut wakes = lock(&self.wakes);
        if !wakes.contains(&id) {
            if wakes.len() >= WAKES {
                return SLND_E_NOMEM;
            }
            wakes.push(id);
        }
        drop(wakes);
        self.worker.unpark();
        SLND_OK
    }

    /// Timers and wakes that are due now.
    pub(super) fn take_due(&self, now_ns: u64, due: &mut Vec<Due>) {
        lock(&self.timers).take_due(now_ns, due);
        due.extend(lock(&self.wakes).drain(..).map(|id| Due { id, overruns: 0 }));
    }

    /// Queues a message, or gives it back if there is no room now.
    pub(super) fn tell(&self, message: Message) -> Result<(), Message> {
        let pushed = lock(&self.messages).push(message);
        self.doorbell.ring();
        pushed.map_err(|PushError::Full(message)| message)
    }

    pub(super) fn ring(&self) {
        self.doorbell.ring();
    }

    /// The holders of a product's claim; `None` if it is not held.
    pub(super) fn holders(&self, product: Product) -> Option<Arc<[HolderView]>> {
        match &self.holders {
            HolderSource::Published(seen) => newest(seen, &self.shared.holders)?.get(&product).cloned(),
            HolderSource::Asked(ask) => ask(product),
        }
    }

    /// Names of interfaces that were told; `None`: the kernel is to be asked.
    pub(super) fn interfaces(&self) -> Option<Arc<Interfaces>> {
        newest(&self.interfaces, &self.shared.interfaces)
    }

    /// Whether a claim is held here.
    pub(super) fn holds(&self, claim: ClaimId) -> bool {
        newest(&self.claims, &self.shared.claims).is_some_and(|held| held.contains_key(&claim))
    }

    /// Whether a claim on a product is held here.
    pub(super) fn holds_product(&self, product: Product) -> bool {
        newest(&self.claims, &self.shared.claims).is_some_and(|held| held.values().any(|p| *p == product))
    }
}
