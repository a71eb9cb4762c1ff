//! The thread of one plugin instance: every call into the plugin is made here, one at a time.
//!
//! create, configure, start; then events, timers, reloads and flushes as they come; then flush, stop,
//! destroy.  A plugin that panics too often is left alone: not called again, not even to stop.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use rtrb::{Consumer, Producer};
use serialnumberd_plugin::abi::{SLND_E_PANIC, SLND_PERM_RAW};

use super::batch::Batch;
use super::calls::{CallError, Calls};
use super::context::Context;
use super::descriptor::{self, Descriptor};
use super::error::{PluginError, Rule};
use super::host_table::{self, HostInfo};
use super::limits::{
    BATCH_DEFAULT, BATCH_MAX, QUEUE_DEFAULT, QUEUE_MAX, QUEUE_MIN, STATUS_EVERY, STATUS_MAX,
};
use super::manifest::Manifest;
use super::options::{self, OptionSpec, Settings};
use super::outbox::{Item, Outbox};
use super::permission::Permissions;
use super::shared::{Call, Clock, Command, Doorbell, End, Message, Shared};
use super::state_dir;
use super::timers::Due;
use super::watchdog::Panics;

/// What a worker is started with.
pub(super) struct Job {
    pub(super) file: File,
    pub(super) manifest: Manifest,
    pub(super) grant: Permissions,
    pub(super) options: toml::Table,
    pub(super) state_dir: PathBuf,
    pub(super) host: HostInfo,
    pub(super) clock: Clock,
    pub(super) doorbell: Arc<Doorbell>,
    pub(super) shared: Arc<Shared>,
    pub(super) messages: Producer<Message>,
    pub(super) commands: Consumer<Command>,
    pub(super) ready: SyncSender<Result<Ready, PluginError>>,
}

/// What the loop learns of a plugin that has started.
pub(super) struct Ready {
    pub(super) version: String,
    pub(super) granted: Permissions,
    pub(super) events: u64,
    pub(super) has_configure: bool,
    pub(super) table: Vec<OptionSpec>,
    pub(super) settings: Arc<Settings>,
    pub(super) outbox: Outbox,
}

/// The thread's whole life.
pub(super) fn run(job: Job) {
    let shared = Arc::clone(&job.shared);
    // A plugin cannot unwind into this (R8); what is caught here is a defect of the host.
    let end = catch_unwind(AssertUnwindSafe(|| live(job))).unwrap_or(End::Failed);
    shared.end(end);
}

fn live(job: Job) -> End {
    let ready = job.ready.clone();
    match begin(job) {
        Err(error) => {
            let _the_host_gave_up = ready.send(Err(error));
            End::Stopped
        }
        Ok((mut worker, facts)) => {
            if ready.send(Ok(facts)).is_err() {
                worker.calls.stop_and_destroy();
                return End::Stopped;
            }
            drop(ready);
            worker.work();
            worker.wind_up()
        }
    }
}

fn begin(mut job: Job) -> Result<(Worker, Ready), PluginError> {
    job.shared.call_begins(Call::Load, (job.clock)());
    let descriptor = descriptor::load(job.file, &job.manifest);
    job.shared.call_ends((job.clock)());
    let descriptor = descriptor?;
    let id = job.manifest.id.as_str();
    let granted = grant(id, job.grant, &descriptor)?;
    let settings = Arc::new(options::resolve(id, &descriptor.options, &job.options)?);
    let state_dir = state_dir::prepare(&job.state_dir, id)?;
    job.options.clear();
    let context = Context::new(
        id.to_owned(),
        granted,
        Arc::clone(&job.shared),
        Arc::clone(&job.clock),
        job.doorbell,
        job.messages,
    );
    let table = host_table::table(context, &job.host, granted, &state_dir);
    let failed =
        |error: CallError| PluginError::new(id, Rule::LifeCycle, settings.redact(&error.to_string()));
    let calls = Calls::create(descriptor.raw, table, id, job.shared, job.clock).map_err(failed)?;
    if let Err(error) = calls.configure(&settings, false).and_then(|()| calls.start()) {
        calls.stop_and_destroy();
        return Err(failed(error));
    }
    let (outbox, queue) = Outbox::new(clamp(descriptor.raw.queue_hint, QUEUE_DEFAULT, QUEUE_MIN, QUEUE_MAX));
    let ready = Ready {
        version: descriptor.version,
        granted,
        events: descriptor.raw.events,
        has_configure: descriptor.raw.configure.is_some(),
        table: descriptor.options,
        settings: Arc::clone(&settings),
        outbox,
    };
    let batch_max = clamp(descriptor.raw.batch_max, BATCH_DEFAULT, 1, BATCH_MAX);
    let batch = Batch::new(batch_max, granted.covers(Permissions(SLND_PERM_RAW)));
    Ok((Worker::new(context, calls, queue, job.commands, batch, settings), ready))
}

fn clamp(hint: u32, default: u32, min: u32, max: u32) -> usize {
    let wish = if hint == 0 { default } else { hint.clamp(min, max) };
    usize::try_from(wish).unwrap_or(usize::MAX)
}

/// What of the grant the plugin uses; an error if it wants more.
pub(super) fn grant(
    id: &str,
    grant: Permissions,
    descriptor: &Descriptor,
) -> Result<Permissions, PluginError> {
    let missing = descriptor.wants.without(grant);
    if missing != Permissions::NONE {
        let all = Permissions(grant.0 | missing.0);
        let what = format!("it cannot work without the permission {missing}: write grant = [{all}]");
        return Err(PluginError::new(id, Rule::Permission, what));
    }
    let used = Permissions(descriptor.wants.0 | descriptor.wants_if_granted.0);
    let idle = grant.without(used);
    if idle != Permissions::NONE {
        log::warn!("plugin {id}: it is granted {idle}, which it does not ask for");
    }
    Ok(Permissions(grant.0 & used.0))
}

struct Worker {
    context: &'static Context,
    calls: Calls,
    queue: Consumer<Item>,
    commands: Consumer<Command>,
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
    fn new(
        context: &'static Context,
        calls: Calls,
        queue: Consumer<Item>,
        commands: Consumer<Command>,
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
        (self.context.clock)()
    }

    fn work(&mut self) {
        while self.context.shared.stop_by_ns().is_none() && !self.is_quarantined {
            let worked = [self.obey(), self.tick(), self.handle_events()];
            if !worked.contains(&true) {
                self.rest();
            }
        }
    }

    /// Commands of the loop.
    fn obey(&mut self) -> bool {
        let Ok(command) = self.commands.pop() else { return false };
        match command {
            Command::Configure { generation, settings } => {
                let result = self.calls.configure(&settings, true);
                let result = self.judge(result).map_err(|error| settings.redact(&error.to_string()));
                if result.is_ok() {
                    self.settings = settings;
                }
                self.tell(Message::Configured { generation, result });
            }
            Command::Flush { deadline_ns } => {
                let result = self.calls.flush(deadline_ns);
                let _noted = self.judge(result);
            }
        }
        self.context.shared.done.fetch_add(1, Ordering::Release);
        true
    }

    /// Timers and wakes, in batches of their own, so that neither they nor the events starve.
    fn tick(&mut self) -> bool {
        let now_ns = self.now_ns();
        if self.due.is_empty() {
            self.context.take_due(now_ns, &mut self.due);
        }
        let fit = self.batch.room().min(self.due.len());
        for due in self.due.drain(..fit) {
            self.batch.add_due(&due, now_ns);
        }
        self.deliver() > 0
    }

    fn handle_events(&mut self) -> bool {
        while self.batch.room() > 0 {
            let Ok(item) = self.queue.pop() else { break };
            self.batch.add(item);
        }
        let n = self.deliver();
        self.context.shared.done.fetch_add(n, Ordering::Release);
        n > 0
    }

    /// Gives the batch to the plugin and its answers to the loop; how many events it had.
    fn deliver(&mut self) -> u64 {
        let n = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        if n == 0 || self.is_quarantined {
            return n;
        }
        let (answers, result) = self.batch.deliver(&self.calls);
        let is_ok = self.judge(result).is_ok();
        self.context.shared.delivered.fetch_add(n, Ordering::Relaxed);
        self.is_status_old = self.calls.has_status();
        for answer in answers {
            let (claim, seq) = (answer.claim, answer.seq);
            self.tell(if is_ok {
                Message::Decided { claim, decision: answer.decision, answers: Some(seq) }
            } else {
                Message::NoAnswer { claim, seq }
            });
        }
        n
    }

    /// Notes a failed call; the third panic in ten minutes is the last call.
    fn judge(&mut self, result: Result<(), CallError>) -> Result<(), CallError> {
        let Err(error) = &result else { return result };
        let shared = &self.context.shared;
        shared.errors.fetch_add(1, Ordering::Relaxed);
        shared.last_error.put(self.settings.redact(&error.to_string()));
        if error.status == SLND_E_PANIC {
            shared.panics.fetch_add(1, Ordering::Relaxed);
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
        match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text) {
            Ok(_) => self.context.shared.detail.put(String::from_utf8_lossy(&text).into_owned()),
            Err(_) => self
                .context
                .shared
                .last_error
                .put(format!("its status is no JSON object of at most {STATUS_MAX} bytes")),
        }
    }

    fn wind_up(mut self) -> End {
        if self.is_quarantined {
            return End::Quarantined;
        }
        let by_ns = self.context.shared.stop_by_ns().unwrap_or(0);
        while self.now_ns() < by_ns && !self.is_quarantined && self.handle_events() {}
        if self.is_quarantined {
            return End::Quarantined;
        }
        if self.now_ns() < by_ns {
            let result = self.calls.flush(by_ns);
            let _noted = self.judge(result);
        }
        self.calls.stop_and_destroy();
        End::Stopped
    }
}
