//! What the loop and a plugin's threads both see: atomics and mailboxes only, so that neither waits for the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use serialnumberd_core::{ClaimId, HolderView, Product};

use super::handshake::{Doorbell, End, Ending};
use super::limits::CALL_SLOW;
use super::mailbox::Mailbox;
use super::metrics::Metrics;
use super::options::Settings;
use super::process::{Figures, ProcessFacts};
use super::text_room::Interfaces;
use super::watchdog::{self, Health};
use crate::record::Decision;

/// Reads a clock, in nanoseconds; called from any thread.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The host's clocks.
#[derive(Clone)]
pub struct Clocks {
    /// `CLOCK_BOOTTIME`: all arithmetic is done with it.
    pub boot: Clock,
    /// `CLOCK_REALTIME` as Unix time: for people only.
    pub wall: Clock,
}

/// The holders of every product held here, as the loop last published them.
pub(super) type HolderTable = BTreeMap<Product, Arc<[HolderView]>>;

/// The claims that are held here, each with its product.
pub type Claims = BTreeMap<ClaimId, Product>;

/// Plugin to loop.
#[derive(Debug)]
pub(super) enum Message {
    Decided {
        claim: ClaimId,
        decision: Decision,
        answers: Option<u64>,
    },
    NoAnswer {
        claim: ClaimId,
        seq: u64,
    },
    Announce {
        product: Option<Product>,
        probe: bool,
    },
    /// What follows was said with other options: new ones, or, withdrawing those, the old ones.
    Configuring {
        is_withdrawn: bool,
    },
    Configured {
        generation: u64,
        result: Result<(), String>,
    },
    /// It has started anew, and remembers nothing.
    StartedAnew,
}

/// Loop to plugin, beside the events: the one command that there is.
#[derive(Debug)]
pub(super) struct Configure {
    pub(super) generation: u64,
    pub(super) settings: Arc<Settings>,
    /// The new options are withdrawn: these are the old ones.
    pub(super) is_withdrawn: bool,
}

/// The slots by name, so that a message can say which call hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Load,
    Create,
    Configure,
    Start,
    OnEvents,
    Status,
    Flush,
    Stop,
    Destroy,
}

const CALLS: [(Call, &str); 9] = [
    (Call::Load, "load"),
    (Call::Create, "create"),
    (Call::Configure, "configure"),
    (Call::Start, "start"),
    (Call::OnEvents, "on_events"),
    (Call::Status, "status"),
    (Call::Flush, "flush"),
    (Call::Stop, "stop"),
    (Call::Destroy, "destroy"),
];

impl Call {
    pub(super) fn as_str(self) -> &'static str {
        CALLS[self.place()].1
    }

    /// Its place in the order of a life.
    pub(super) fn place(self) -> usize {
        CALLS.iter().position(|(known, _)| *known == self).unwrap_or(0)
    }

    /// The one at a place.
    pub(super) fn at(place: usize) -> Option<Call> {
        CALLS.get(place).map(|(call, _)| *call)
    }

    pub(super) fn of_word(word: &str) -> Option<Call> {
        CALLS.iter().find(|(_, name)| *name == word).map(|(call, _)| *call)
    }
}

/// Written on the plugin's thread, read by the loop.
pub(super) struct Shared {
    /// Functions of the host answer "closed" from now on.
    closed: AtomicBool,
    ending: Ending,
    /// Start of the present call; 0: in none.
    call_since_ns: AtomicU64,
    call: AtomicU8,
    latest_ns: AtomicU64,
    slowest_ns: AtomicU64,
    calls: AtomicU64,
    slow_calls: AtomicU64,
    /// Rung whenever there is something to report, where the loop is in another process.
    watcher: Option<Arc<Doorbell>>,
    /// What came out of the queue and was given to the plugin.
    pub(super) taken: AtomicU64,
    /// The plugin's own process, if it has one.
    pub(super) process: ProcessFacts,
    /// Events given to the plugin, its own timers' among them.
    pub(super) delivered: AtomicU64,
    pub(super) panics: AtomicU64,
    pub(super) errors: AtomicU64,
    /// The loop has losses to tell, and waits for room.
    pub(super) has_untold: AtomicBool,
    pub(super) last_error: Mailbox<String>,
    pub(super) detail: Mailbox<String>,
    pub(super) holders: Mailbox<Arc<HolderTable>>,
    pub(super) claims: Mailbox<Arc<Claims>>,
    pub(super) interfaces: Mailbox<Arc<Interfaces>>,
    pub(super) metrics: Metrics,
}

impl Shared {
    pub(super) fn new(claims: Arc<Claims>) -> Shared {
        Shared {
            closed: AtomicBool::new(false),
            ending: Ending::new(),
            call_since_ns: AtomicU64::new(0),
            call: AtomicU8::new(0),
            latest_ns: AtomicU64::new(0),
            slowest_ns: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            slow_calls: AtomicU64::new(0),
            watcher: None,
            taken: AtomicU64::new(0),
            process: ProcessFacts::new(),
            delivered: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            has_untold: AtomicBool::new(false),
            last_error: Mailbox::new(),
            detail: Mailbox::new(),
            holders: Mailbox::new(),
            claims: Mailbox::holding(claims),
            interfaces: Mailbox::new(),
            metrics: Metrics::new(),
        }
    }

    /// As [`Shared::new`], with a bell to ring at whatever there is to report.
    pub(super) fn watched(watcher: Arc<Doorbell>) -> Shared {
        Shared { watcher: Some(watcher), ..Shared::new(Arc::default()) }
    }

    /// There is something new to report.
    pub(super) fn touch(&self) {
        if let Some(watcher) = &self.watcher {
            watcher.ring();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Loop: asks the worker to stop; it unparks the caller when it is done.
    pub(super) fn ask_to_stop(&self, by_ns: u64) {
        self.ending.ask(by_ns);
    }

    pub(super) fn stop_by_ns(&self) -> Option<u64> {
        self.ending.asked_by_ns()
    }

    /// Worker: it will not touch the plugin again.
    pub(super) fn end(&self, end: End) {
        self.close();
        self.ending.end(end);
    }

    pub(super) fn ended(&self) -> Option<End> {
        self.ending.ended()
    }

    pub(super) fn call_begins(&self, call: Call, now_ns: u64) {
        self.call.store(u8::try_from(call.place()).unwrap_or(0), Ordering::Relaxed);
        self.call_since_ns.store(now_ns.max(1), Ordering::Release);
        self.touch();
    }

    pub(super) fn call_ends(&self, now_ns: u64) {
        let since_ns = self.call_since_ns.load(Ordering::Relaxed);
        let took_ns = now_ns.saturating_sub(since_ns);
        self.latest_ns.store(took_ns, Ordering::Relaxed);
        self.slowest_ns.fetch_max(took_ns, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        if u128::from(took_ns) > CALL_SLOW.as_nanos() {
            self.slow_calls.fetch_add(1, Ordering::Relaxed);
        }
        self.call_since_ns.store(0, Ordering::Release);
        self.touch();
    }

    /// Supervisor: what a plugin's process reports of its calls since it last did; that one is over is part of it.
    pub(super) fn add_figures(&self, news: &Figures) {
        self.taken.fetch_add(news.taken, Ordering::Relaxed);
        self.delivered.fetch_add(news.delivered, Ordering::Relaxed);
        self.calls.fetch_add(news.calls, Ordering::Relaxed);
        self.slow_calls.fetch_add(news.slow_calls, Ordering::Relaxed);
        self.slowest_ns.fetch_max(news.slowest_ns, Ordering::Relaxed);
        self.latest_ns.store(news.latest_ns, Ordering::Relaxed);
        self.errors.fetch_add(news.errors, Ordering::Relaxed);
        self.panics.fetch_add(news.panics, Ordering::Relaxed);
        self.no_call();
    }

    /// Supervisor: the plugin's process is in no call, or gone.
    pub(super) fn no_call(&self) {
        self.call_since_ns.store(0, Ordering::Release);
    }

    /// All figures so far.
    pub(super) fn figures(&self) -> Figures {
        // This one first: a batch in which the plugin panicked counts as taken.
        let panics = self.panics.load(Ordering::Acquire);
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Figures {
            taken: read(&self.taken),
            delivered: read(&self.delivered),
            calls: read(&self.calls),
            slow_calls: read(&self.slow_calls),
            slowest_ns: read(&self.slowest_ns),
            latest_ns: read(&self.latest_ns),
            errors: read(&self.errors),
            panics,
        }
    }

    /// Start and name of the present call.
    pub(super) fn present_call(&self) -> Option<(u64, &'static str)> {
        let since_ns = self.call_since_ns.load(Ordering::Acquire);
        let place = usize::from(self.call.load(Ordering::Relaxed));
        (since_ns != 0).then(|| (since_ns, CALLS[place.min(CALLS.len() - 1)].1))
    }

    /// Finished calls, slow ones among them, and the slowest in nanoseconds.
    pub(super) fn call_figures(&self) -> (u64, u64, u64) {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        (read(&self.calls), read(&self.slow_calls), read(&self.slowest_ns))
    }

    pub(super) fn health(&self, now_ns: u64) -> Health {
        match self.ended() {
            Some(End::Quarantined) => Health::Quarantined,
            Some(End::Failed) => Health::Failed,
            None if self.process.is_down() => Health::Restarting,
            Some(End::Stopped) | None => watchdog::of_calls(
                self.present_call().map(|(since_ns, _)| since_ns),
                self.latest_ns.load(Ordering::Relaxed),
                now_ns,
            ),
        }
    }
}
