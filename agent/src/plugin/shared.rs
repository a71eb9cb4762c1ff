//! What the loop and a plugin's threads both see: atomics and mailboxes only, so that neither waits for the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use serialnumberd_core::{ClaimId, HolderView, Product};

use super::limits::CALL_SLOW;
use super::mailbox::Mailbox;
use super::metrics::Metrics;
use super::options::Settings;
use super::text_room::Interfaces;
use super::watchdog::{self, Health};
use crate::record::Decision;

/// Makes the loop's poll return; called from any thread, must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;
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
}

/// Loop to plugin, beside the events: the one command that there is.
#[derive(Debug)]
pub(super) struct Configure {
    pub(super) generation: u64,
    pub(super) settings: Arc<Settings>,
    /// The new options are withdrawn: these are the old ones.
    pub(super) is_withdrawn: bool,
}

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
        // Two swaps of one variable are ordered: either this one sees the loop's and wakes it, or the
        // loop's sees this one and, by acquire and release, the message queued before it.
        if !self.rung.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// The loop, before it looks for messages a last time.
    pub(super) fn answer(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Quarantined,
    Failed,
    Stopped,
}

const RUNNING: u8 = 0;

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
        CALLS.iter().find(|(call, _)| *call == self).map_or("", |(_, name)| name)
    }
}

/// Written on the plugin's thread, read by the loop.
#[derive(Debug)]
pub(super) struct Shared {
    /// Functions of the host answer "closed" from now on.
    closed: AtomicBool,
    /// When stop must be over; 0: not asked to stop.
    stop_by_ns: AtomicU64,
    stopper: OnceLock<Thread>,
    end: AtomicU8,
    /// Start of the present call; 0: in none.
    call_since_ns: AtomicU64,
    call: AtomicU8,
    latest_ns: AtomicU64,
    slowest_ns: AtomicU64,
    calls: AtomicU64,
    slow_calls: AtomicU64,
    /// Events given to the plugin.
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
            stop_by_ns: AtomicU64::new(0),
            stopper: OnceLock::new(),
            end: AtomicU8::new(RUNNING),
            call_since_ns: AtomicU64::new(0),
            call: AtomicU8::new(0),
            latest_ns: AtomicU64::new(0),
            slowest_ns: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            slow_calls: AtomicU64::new(0),
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

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Loop: asks the worker to stop; it unparks the caller when it is done.
    pub(super) fn ask_to_stop(&self, by_ns: u64) {
        let _first_one_waits = self.stopper.set(std::thread::current());
        self.stop_by_ns.store(by_ns.max(1), Ordering::Release);
    }

    pub(super) fn stop_by_ns(&self) -> Option<u64> {
        Some(self.stop_by_ns.load(Ordering::Acquire)).filter(|&by| by != 0)
    }

    /// Worker: it will not touch the plugin again.
    pub(super) fn end(&self, end: End) {
        self.close();
        let number = match end {
            End::Quarantined => 1,
            End::Failed => 2,
            End::Stopped => 3,
        };
        self.end.store(number, Ordering::Release);
        if let Some(stopper) = self.stopper.get() {
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

    pub(super) fn call_begins(&self, call: Call, now_ns: u64) {
        let place = CALLS.iter().position(|(known, _)| *known == call).unwrap_or(0);
        self.call.store(u8::try_from(place).unwrap_or(0), Ordering::Relaxed);
        self.call_since_ns.store(now_ns.max(1), Ordering::Release);
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
            Some(End::Stopped) | None => watchdog::of_calls(
                self.present_call().map(|(since_ns, _)| since_ns),
                self.latest_ns.load(Ordering::Relaxed),
                now_ns,
            ),
        }
    }
}
