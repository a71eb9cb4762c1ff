//! The thread of one plugin instance: every call into the plugin is made here, one at a time.
//!
//! create, configure, start; then events, timers and reloads as they come; then flush, stop,
//! destroy.  A plugin that panics too often is left alone: not called again, not even to stop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rtrb::Consumer;
use serialnumberd_plugin::abi::SLND_E_PANIC;

use super::batch::Batch;
use super::begin::{Code, Job, begin};
use super::calls::{CallError, Calls};
use super::context::Context;
use super::handshake::End;
use super::limits::{LINGER, STATUS_EVERY, STATUS_MAX};
use super::options::{self, Settings};
use super::outbox::Item;
use super::shared::{Configure, Message};
use super::timers::Due;
use super::watchdog::Panics;

/// The thread's whole life.
pub(super) fn run(code: Code, job: Job) {
    let (shared, doorbell) = (Arc::clone(&job.shared), Arc::clone(&job.doorbell));
    // A plugin cannot unwind into this (R8); what is caught here is a defect of the host.
    let end = catch_unwind(AssertUnwindSafe(|| live(code, job))).unwrap_or(End::Failed);
    shared.end(end);
    // The loop is to see that nothing more comes from here.
    doorbell.ring();
}

fn live(code: Code, job: Job) -> End {
    let ready = job.ready.clone();
    match begin(code, job) {
        Err(error) => {
            let _the_host_gave_up = ready.send(Err(error));
            End::Stopped
        }
        Ok((worker, facts)) => {
            if ready.send(Ok(facts)).is_err() {
                // The host gave it up for starting too slowly.
                worker.leave();
                return End::Stopped;
            }
            drop(ready);
            worker.serve()
        }
    }
}

pub(super) struct Worker {
    context: &'static Context,
    calls: Calls,
    queue: Consumer<Item>,
    commands: Consumer<Configure>,
    batch: Batch,
    settings: Arc<Settings>,
    due: Vec<Due>,
    panics: Panics,
    is_quarantined: bool,
    /// Something happened since the status text was last asked for.
    is_status_old: bool,
    status_asked_ns: Option<u64>,
}

impl Worker {
    pub(super) fn new(
        context: &'static Context,
        calls: Calls,
        queue: Consumer<Item>,
        commands: Consumer<Configure>,
        batch: Batch,
        settings: Arc<Settings>,
    ) -> Worker {
        let is_status_old = calls.has_status();
        Worker {
            context,
            calls,
            queue,
            commands,
            batch,
            settings,
            due: Vec::new(),
            panics: Panics::default(),
            is_quarantined: false,
            is_status_old,
            status_asked_ns: None,
        }
    }

    fn now_ns(&self) -> u64 {
        self.context.now_ns()
    }

    /// From its start to its end.
    pub(super) fn serve(mut self) -> End {
        self.work();
        self.wind_up()
    }

    /// Ends it at once, since nobody waits for it any more.
    pub(super) fn leave(self) {
        self.calls.stop_and_destroy();
    }

    fn work(&mut self) {
        let mut is_rested = true;
        while self.context.shared.stop_by_ns().is_none() && !self.is_quarantined {
            let worked = [self.obey(), self.tick(), self.handle_events()];
            if worked.contains(&true) {
                is_rested = false;
            } else if is_rested {
                self.rest();
            } else {
                thread::sleep(LINGER);
                is_rested = true;
            }
        }
    }

    /// Commands of the loop.
    fn obey(&mut self) -> bool {
        let Ok(Configure { generation, settings, is_withdrawn }) = self.commands.pop() else { return false };
        self.tell(Message::Configuring { is_withdrawn });
        let mut result = self.calls.configure(&settings, true);
        if let Err(error) = &mut result {
            error.message = options::redact(&error.message, &[&settings, &self.settings]);
        }
        let result = self.judge(result).map_err(|error| error.to_string());
        if result.is_ok() {
            self.settings = settings;
        }
        self.tell(Message::Configured { generation, result });
        true
    }

    /// Timers and wakes, in batches of their own, so that neither they nor the events starve.
    fn tick(&mut self) -> bool {
        let now_ns = self.now_ns();
        if self.due.is_empty() {
            self.context.take_due(now_ns, &mut self.due);
        }
        if self.due.is_empty() {
            return false;
        }
        let real_ns = (self.context.clocks.wall)();
        let fit = self.batch.room().min(self.due.len());
        for due in self.due.drain(..fit) {
            self.batch.add_due(&due, now_ns, real_ns);
        }
        self.deliver(false) > 0
    }

    fn handle_events(&mut self) -> bool {
        while self.batch.room() > 0 {
            let Ok(item) = self.queue.pop() else { break };
            // Only now: what was told before this event was published is seen.
            self.batch.learn(self.context.interfaces());
            self.batch.add(item);
        }
        self.deliver(true) > 0
    }

    /// Gives the batch to the plugin and its answers to the loop; how many events it had.
    fn deliver(&mut self, is_from_queue: bool) -> u64 {
        let n = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        if n == 0 || self.is_quarantined {
            return n;
        }
        let (answers, result) = self.batch.deliver(&self.calls);
        let shared = &self.context.shared;
        shared.delivered.fetch_add(n, Ordering::Relaxed);
        if is_from_queue {
            shared.taken.fetch_add(n, Ordering::Relaxed);
        }
        let is_ok = self.judge(result).is_ok();
        self.is_status_old = self.calls.has_status();
        for answer in answers {
            let (claim, seq) = (answer.claim, answer.seq);
            self.tell(if is_ok {
                Message::Decided { claim, decision: answer.decision, answers: Some(seq) }
            } else {
                Message::NoAnswer { claim, seq }
            });
        }
        self.context.shared.touch();
        n
    }

    /// Notes a failed call; the third panic in ten minutes is the last call.
    fn judge(&mut self, result: Result<(), CallError>) -> Result<(), CallError> {
        let Err(error) = &result else { return result };
        let shared = &self.context.shared;
        shared.errors.fetch_add(1, Ordering::Relaxed);
        shared.last_error.put(self.settings.redact(&error.to_string()));
        if error.status == SLND_E_PANIC {
            shared.panics.fetch_add(1, Ordering::Release);
            self.is_quarantined |= self.panics.note(self.now_ns());
        }
        result
    }

    /// Queues a message, waiting for room: only this thread waits, and not once the host has given it up.
    fn tell(&self, mut message: Message) {
        while let Err(back) = self.context.tell(message) {
            if self.context.shared.is_closed() || self.context.shared.stop_by_ns().is_some() {
                return;
            }
            message = back;
            // The loop does not say when it has made room; it takes a turn about this long.
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Sleeps until the loop or a plugin thread has something, or a timer is due.
    fn rest(&mut self) {
        if self.context.shared.has_untold.load(Ordering::Acquire) {
            self.context.ring();
        }
        let now_ns = self.now_ns();
        let status_ns = self.status_due_ns();
        if status_ns.is_some_and(|at| at <= now_ns) {
            return self.ask_status(now_ns);
        }
        match self.context.next_timer_ns().into_iter().chain(status_ns).min() {
            None => thread::park(),
            Some(at) => thread::park_timeout(Duration::from_nanos(at.saturating_sub(now_ns))),
        }
    }

    /// When the status text should be asked for again: soon after something happened, never when idle.
    fn status_due_ns(&self) -> Option<u64> {
        let every_ns = u64::try_from(STATUS_EVERY.as_nanos()).unwrap_or(u64::MAX);
        let due_ns = self.status_asked_ns.map_or(0, |asked| asked.saturating_add(every_ns));
        self.is_status_old.then_some(due_ns)
    }

    fn ask_status(&mut self, now_ns: u64) {
        (self.is_status_old, self.status_asked_ns) = (false, Some(now_ns));
        let told = self.calls.status();
        let text = match told {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => return drop(self.judge(Err(error))),
        };
        let shared = &self.context.shared;
        match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text) {
            Ok(_) => shared.detail.put(String::from_utf8_lossy(&text).into_owned()),
            Err(_) => {
                shared.last_error.put(format!("its status is no JSON object of at most {STATUS_MAX} bytes"));
            }
        }
        shared.touch();
    }

    fn wind_up(mut self) -> End {
        if self.is_quarantined {
            return End::Quarantined;
        }
        let now_ns = self.now_ns();
        let by_ns = self.context.shared.stop_by_ns().unwrap_or(now_ns);
        // Half of the time for events that wait, a quarter to write out, a quarter to stop: a slow plugin
        // loses its last events rather than the chance to end in order.
        let quarter_ns = by_ns.saturating_sub(now_ns) / 4;
        while self.now_ns() < by_ns - 2 * quarter_ns && !self.is_quarantined && self.handle_events() {}
        if self.is_quarantined {
            return End::Quarantined;
        }
        let left = self.queue.slots();
        if left > 0 {
            log::warn!("plugin {}: stopped before it had taken {left} events that waited", self.context.id);
        }
        let flush_by_ns = by_ns - quarter_ns;
        if self.now_ns() < flush_by_ns {
            let result = self.calls.flush(flush_by_ns);
            let _noted = self.judge(result);
        }
        self.calls.stop_and_destroy();
        End::Stopped
    }
}
