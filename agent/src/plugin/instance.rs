//! The loop's side of one plugin: its queue, what is known of it, and how it does.
//!
//! Nothing here waits for the plugin's thread or takes a lock.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::Duration;

use rtrb::{Consumer, Producer};
use serialnumberd_plugin::abi::{SLND_PERM_VERDICT, slnd_ev_bit};

use super::begin::Ready;
use super::limits::{CALL_STALLED, CALL_WATCHED, MESSAGES_A_TURN};
use super::metrics::Metric;
use super::options::{OptionSpec, Settings};
use super::outbox::{self, Outbox};
use super::permission::Permissions;
use super::process::Process;
use super::shared::{Configure, Message, Shared};
use super::spec::{Isolation, VerdictUse};
use super::view;
use super::watchdog::Health;
use crate::record::Record;

/// One plugin as status and metrics show it.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginStatus {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Its file.
    pub path: PathBuf,
    /// How well it does.
    pub health: Health,
    /// How it is separated.
    pub isolation: Isolation,
    /// The process that it runs in now, if it has one of its own.
    pub pid: Option<u32>,
    /// How often its process ended without having been asked to.
    pub crashes: u64,
    /// What of its process's sandbox is in force, and what is not.
    pub sandbox: Vec<String>,
    /// What is done with its verdicts.
    pub verdict: VerdictUse,
    /// What it may do.
    pub granted: Permissions,
    /// Events given to it.
    pub delivered: u64,
    /// Events that it did not get because its queue was full, its process crashed, or it is not called any more.
    pub lost: u64,
    /// The same by kind, `SLND_EV_*`; `[0]` is any other.
    pub lost_by_kind: [u64; 8],
    /// Events that wait for it now.
    pub queued: usize,
    /// How many may wait.
    pub queue_capacity: usize,
    /// Finished calls into it.
    pub calls: u64,
    /// Those that took more than 100 ms.
    pub slow_calls: u64,
    /// The slowest finished call, nanoseconds.
    pub slowest_call_ns: u64,
    /// The call that it is in, and since when on the host's clock.
    pub present_call: Option<(&'static str, u64)>,
    /// Calls that failed.
    pub errors: u64,
    /// Those that panicked.
    pub panics: u64,
    /// What the latest failure said.
    pub last_error: Option<String>,
    /// Its figures.
    pub metrics: Vec<Metric>,
    /// Its own status: one JSON object.
    pub detail: Option<String>,
}

pub(super) struct Instance {
    pub(super) id: String,
    pub(super) path: PathBuf,
    /// How it is separated; a reload must say the same.
    pub(super) isolation: Isolation,
    pub(super) process: Process,
    /// As the configuration names them; a reload must name the same.
    pub(super) grant: Vec<String>,
    pub(super) verdict: VerdictUse,
    pub(super) granted: Permissions,
    has_configure: bool,
    pub(super) table: Vec<OptionSpec>,
    pub(super) settings: Arc<Settings>,
    pub(super) shared: Arc<Shared>,
    version: String,
    events: u64,
    outbox: Outbox,
    /// The newest record that asked for its verdict and did not reach it.
    pub(super) missed: Option<u64>,
    commands: Producer<Configure>,
    messages: Consumer<Message>,
    budget: usize,
    worker: Thread,
    reported: Health,
    last_error: Option<String>,
    detail: Option<String>,
    sandbox: Vec<String>,
}

/// What an instance needs beside what its plugin told.
pub(super) struct Parts {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) isolation: Isolation,
    pub(super) process: Process,
    pub(super) grant: Vec<String>,
    pub(super) verdict: VerdictUse,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Producer<Configure>,
    pub(super) messages: Consumer<Message>,
    pub(super) worker: Thread,
}

impl Instance {
    pub(super) fn new(parts: Parts, ready: Ready) -> Instance {
        Instance {
            id: parts.id,
            path: parts.path,
            isolation: parts.isolation,
            process: parts.process,
            grant: parts.grant,
            verdict: parts.verdict,
            granted: ready.granted,
            has_configure: ready.has_configure,
            table: ready.table,
            settings: ready.settings,
            shared: parts.shared,
            version: ready.version,
            events: ready.events,
            outbox: ready.outbox,
            missed: None,
            commands: parts.commands,
            messages: parts.messages,
            budget: MESSAGES_A_TURN,
            worker: parts.worker,
            reported: Health::Ok,
            last_error: None,
            detail: None,
            sandbox: Vec::new(),
        }
    }

    /// Its verdicts are asked for: the configuration says so, and the permission is there.
    pub(super) fn decides(&self) -> bool {
        self.verdict != VerdictUse::Ignore && self.granted.covers(Permissions(SLND_PERM_VERDICT))
    }

    /// Queues a record if the plugin wants its kind; true if its verdict is awaited.
    pub(super) fn publish(&mut self, record: &Arc<Record>) -> bool {
        if self.events & slnd_ev_bit(outbox::kind(&record.body)) == 0 {
            return false;
        }
        let decide =
            record.decide_until_ns.is_some() && self.decides() && view::claim_of(&record.body).is_some();
        let is_dead = self.shared.ended().is_some();
        let queued = if is_dead {
            self.outbox.drop_newest(record);
            false
        } else {
            self.outbox.offer(record, decide)
        };
        if decide && !queued {
            self.missed = Some(record.seq);
        }
        if is_dead {
            return false;
        }
        if self.outbox.has_untold() != self.shared.has_untold.load(Ordering::Relaxed) {
            self.shared.has_untold.store(self.outbox.has_untold(), Ordering::Release);
        }
        // After a loss too: the worker may have drained the queue and rested before it could see the flag.
        self.worker.unpark();
        decide && queued
    }

    /// Tells a loss for which there was no room before.
    pub(super) fn settle(&mut self) {
        if self.outbox.has_untold() && self.shared.ended().is_none() && self.outbox.settle_between() {
            self.shared.has_untold.store(false, Ordering::Release);
            self.worker.unpark();
        }
    }

    /// Whether it is told of new options: it has the slot, and is still called.
    pub(super) fn takes_options(&self) -> bool {
        self.has_configure && self.shared.ended().is_none()
    }

    /// Whether a reload can be told, and be undone: the plugin must not be left with options that were withdrawn.
    pub(super) fn has_room_for_reload(&self) -> bool {
        self.commands.slots() >= 2
    }

    /// Sends a command; false if there is no room.
    pub(super) fn command(&mut self, command: Configure) -> bool {
        let queued = self.commands.push(command).is_ok();
        self.worker.unpark();
        queued
    }

    pub(super) fn unpark(&self) {
        self.worker.unpark();
    }

    /// The next message, as long as this turn's budget lasts.
    pub(super) fn message(&mut self) -> Option<Message> {
        if self.budget == 0 {
            return None;
        }
        let message = self.messages.pop().ok()?;
        self.budget -= 1;
        Some(message)
    }

    pub(super) fn new_turn(&mut self) {
        self.budget = MESSAGES_A_TURN;
    }

    pub(super) fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// When to look whether it has stalled; `None` while it is not in a call that takes its time, or already known
    /// to be stalled.
    pub(super) fn watch_ns(&self, now_ns: u64) -> Option<u64> {
        let (since_ns, _) = self.shared.present_call().filter(|_| self.reported != Health::Stalled)?;
        let lasted = Duration::from_nanos(now_ns.saturating_sub(since_ns));
        let limit_ns = u64::try_from(CALL_STALLED.as_nanos()).unwrap_or(u64::MAX);
        (lasted >= CALL_WATCHED).then(|| since_ns.saturating_add(limit_ns).saturating_add(1))
    }

    /// Logs a change of health, once; true if there was one.
    pub(super) fn watch(&mut self, now_ns: u64) -> bool {
        let health = self.shared.health(now_ns);
        if health == self.reported {
            return false;
        }
        let id = &self.id;
        let call = self.shared.present_call().map_or("a call", |(_, call)| call);
        match health {
            Health::Ok if self.reported == Health::Stalled => log::info!("plugin {id}: it answers again"),
            // Its supervisor said why, and until when.
            Health::Ok | Health::Slow | Health::Restarting => log::debug!("plugin {id}: {}", health.as_str()),
            Health::Stalled => log::warn!(
                "plugin {id}: stalled, {call} has not returned for {} s; its events wait, the agent goes on",
                CALL_STALLED.as_secs()
            ),
            Health::Quarantined => {
                log::error!(
                    "plugin {id}: quarantined after three crashes or panics in ten minutes; restart the agent to use it again"
                );
            }
            Health::Failed => log::error!("plugin {id}: its thread ended unexpectedly"),
        }
        self.reported = health;
        true
    }

    /// Whether it was stalled when it was last watched.
    pub(super) fn is_stalled(&self) -> bool {
        self.reported == Health::Stalled
    }

    pub(super) fn status(&mut self, now_ns: u64) -> PluginStatus {
        self.last_error = self.shared.last_error.take().or(self.last_error.take());
        self.detail = self.shared.detail.take().or(self.detail.take());
        let (calls, slow_calls, slowest_call_ns) = self.shared.call_figures();
        let (queued, queue_capacity) = self.outbox.fill();
        let process = &self.shared.process;
        self.sandbox = process.sandbox.take().unwrap_or(std::mem::take(&mut self.sandbox));
        let mut lost_by_kind = self.outbox.lost_by_kind();
        lost_by_kind.iter_mut().zip(process.lost_by_kind()).for_each(|(sum, more)| *sum += more);
        PluginStatus {
            id: self.id.clone(),
            version: self.version.clone(),
            path: self.path.clone(),
            health: self.shared.health(now_ns),
            isolation: self.isolation,
            pid: process.pid(),
            crashes: process.crashes(),
            sandbox: self.sandbox.clone(),
            verdict: self.verdict,
            granted: self.granted,
            delivered: self.shared.delivered.load(Ordering::Relaxed),
            lost: lost_by_kind.iter().sum(),
            lost_by_kind,
            queued: queued + process.in_flight(),
            queue_capacity,
            calls,
            slow_calls,
            slowest_call_ns,
            present_call: self.shared.present_call().map(|(since_ns, call)| (call, since_ns)),
            errors: self.shared.errors.load(Ordering::Relaxed),
            panics: self.shared.panics.load(Ordering::Relaxed),
            last_error: self.last_error.clone(),
            metrics: self.shared.metrics.all(),
            detail: self.detail.clone(),
        }
    }
}
