//! The life of a plugin in processes of its own: one after the other, on the thread that the plugin has in the agent.
//!
//! The loop sees of it what it sees of a plugin on a thread: the same queues, the same atomics.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rtrb::Consumer;
use serialnumberd_core::ClaimId;

use super::desk::Desk;
use super::program::{Fault, Program};
use super::restarts::{Next, Restarts};
use super::sandbox::Process;
use super::spawn::{Child, Why};
use super::tending::Over;
use crate::plugin::begin::{Facts, Job, Ready, settle};
use crate::plugin::error::{PluginError, Rule};
use crate::plugin::handshake::End;
use crate::plugin::manifest::Manifest;
use crate::plugin::outbox::{Item, Lost, Outbox};
use crate::plugin::permission::Permissions;
use crate::plugin::shared::{Claims, Configure, HolderTable, Message};
use crate::plugin::text_room::InterfaceNames;

/// The thread's whole life.
pub(in crate::plugin) fn run(plugin: File, manifest: Manifest, process: Process, job: Job) {
    let (shared, doorbell) = (Arc::clone(&job.shared), Arc::clone(&job.doorbell));
    // What is caught here is a defect of the host; it ends this plugin, and its process by `Child`'s drop.
    let live = || live(plugin, manifest, process, job);
    let end = catch_unwind(AssertUnwindSafe(live)).unwrap_or(End::Failed);
    shared.end(end);
    // The loop is to see that nothing more comes from here.
    doorbell.ring();
}

fn live(plugin: File, manifest: Manifest, process: Process, job: Job) -> End {
    let ready = job.ready.clone();
    match begin(plugin, manifest, process, job) {
        Err(error) => {
            let _the_host_gave_up = ready.send(Err(error));
            End::Stopped
        }
        Ok((supervisor, child, facts)) => {
            if ready.send(Ok(facts)).is_err() {
                // The host gave it up for starting too slowly.
                return End::Stopped;
            }
            drop(ready);
            supervisor.live(child)
        }
    }
}

fn begin(
    plugin: File,
    manifest: Manifest,
    process: Process,
    job: Job,
) -> Result<(Supervisor, Child, Ready), PluginError> {
    let id = manifest.id.clone();
    let program = Program::new(plugin, manifest, process, &job.state_dir, job.host)?;
    let desk = Arc::new(Desk::new(id.clone(), job.shared, job.clocks, job.doorbell, job.messages));
    let told = |fault| match fault {
        Fault::Refused(error) => error,
        Fault::Leaving => PluginError::new(&id, Rule::LifeCycle, "it was stopped before it had started"),
    };
    let (child, facts) = program.introduce(&desk).map_err(told)?;
    let (granted, settings) = settle(&id, &facts, job.grant, (&job.options, job.texts))?;
    desk.flight().settle(granted, Arc::clone(&settings));
    let child = program.start(&desk, child).map_err(told)?;
    let (outbox, queue) = Outbox::new(facts.queue());
    let ready = Ready::new(facts.clone(), granted, settings, outbox);
    let supervisor = Supervisor {
        claims_told: desk.claims(),
        desk,
        program,
        facts,
        granted,
        queue,
        commands: job.commands,
        restarts: Restarts::new(),
        untold: Lost::default(),
        answered_to: 0,
        names: InterfaceNames::default(),
        holders: None,
    };
    Ok((supervisor, child, ready))
}

/// What the supervisor of one plugin has in hand.
pub(super) struct Supervisor {
    pub(super) desk: Arc<Desk>,
    program: Program,
    /// What the plugin says of itself; the next process must say the same.
    pub(super) facts: Facts,
    pub(super) granted: Permissions,
    pub(super) queue: Consumer<Item>,
    pub(super) commands: Consumer<Configure>,
    pub(super) restarts: Restarts,
    /// Losses that the next process is to be told of first.
    pub(super) untold: Lost,
    /// Questions in the queue up to this record were answered in the plugin's stead.
    answered_to: u64,
    pub(super) names: InterfaceNames,
    pub(super) holders: Option<Arc<HolderTable>>,
    pub(super) claims_told: Arc<Claims>,
}

impl Supervisor {
    /// From the first start to the last end.
    fn live(mut self, mut child: Child) -> End {
        loop {
            self.restarts.started(self.desk.now_ns());
            let why = match self.tend(child) {
                Over::Stopped => return End::Stopped,
                Over::Quarantined => {
                    self.bury();
                    self.answer_questions();
                    return End::Quarantined;
                }
                Over::Crashed(why) => why,
            };
            child = match self.raise(why) {
                Ok(child) => child,
                Err(end) => return end,
            };
            self.desk.post(Message::StartedAnew);
        }
    }

    /// After a crash: the next process, or the end.
    fn raise(&mut self, mut why: Why) -> Result<Child, End> {
        loop {
            self.bury();
            let now_ns = self.desk.now_ns();
            let next = self.restarts.crashed(now_ns);
            self.desk.shared.process.crashed();
            let told = format!("its process {why}");
            let id = &self.desk.id;
            let Next::At(at_ns) = next else {
                log::error!("plugin {id}: {told}");
                self.desk.shared.last_error.put(told);
                self.answer_questions();
                return Err(End::Quarantined);
            };
            let pause = Duration::from_nanos(at_ns.saturating_sub(now_ns));
            log::error!("plugin {id}: {told}; it is started again in {} s", pause.as_secs());
            self.desk.shared.last_error.put(told);
            self.desk.ring();
            self.wait_until(at_ns)?;
            match self.again() {
                Ok(child) => {
                    self.desk.shared.process.started_again();
                    log::info!("plugin {}: it runs again", self.desk.id);
                    return Ok(child);
                }
                Err(Fault::Leaving) => return Err(End::Stopped),
                Err(Fault::Refused(error)) => why = format!("could not be started again: {error}"),
            }
        }
    }

    fn again(&mut self) -> Result<Child, Fault> {
        let (child, facts) = self.program.introduce(&self.desk)?;
        if facts != self.facts {
            let what = "the plugin says something else of itself than when it first started";
            return Err(Fault::Refused(PluginError::new(&self.desk.id, Rule::Identity, what)));
        }
        self.claims_told = self.desk.claims();
        self.program.start(&self.desk, child)
    }

    /// Settles what a process left behind that is gone.
    fn bury(&mut self) {
        let remains = self.desk.flight().end();
        let shared = &self.desk.shared;
        shared.process.set_in_flight(0);
        shared.process.lose(&remains.newly_lost);
        self.untold.merge(&remains.lost);
        for (seq, claim) in remains.unanswered {
            self.desk.post(Message::NoAnswer { claim, seq });
        }
        if let Some(generation) = remains.unconfigured {
            let result = Err("its process ended before it had answered".to_owned());
            self.desk.post(Message::Configured { generation, result });
        }
    }

    /// While there is no process.
    fn wait_until(&mut self, at_ns: u64) -> Result<(), End> {
        loop {
            if self.desk.is_leaving() {
                return Err(End::Stopped);
            }
            self.answer_questions();
            self.take_options();
            let left_ns = at_ns.saturating_sub(self.desk.now_ns());
            if left_ns == 0 {
                return Ok(());
            }
            thread::park_timeout(Duration::from_nanos(left_ns));
        }
    }

    /// Who asks now does not wait: the questions stay in the queue, but their answers will come late.
    fn answer_questions(&mut self) {
        let waiting = self.queue.slots();
        let mut questions: Vec<(u64, ClaimId)> = Vec::new();
        if let Ok(chunk) = self.queue.read_chunk(waiting) {
            let (first, second) = chunk.as_slices();
            questions.extend(first.iter().chain(second).filter_map(Item::question));
        }
        let answered_to = self.answered_to;
        for (seq, claim) in questions.into_iter().filter(|(seq, _)| *seq > answered_to) {
            self.answered_to = seq;
            self.desk.post(Message::NoAnswer { claim, seq });
        }
    }

    /// Old options that are to hold again do; new ones cannot be tried now.
    fn take_options(&mut self) {
        while let Ok(Configure { generation, settings, is_withdrawn }) = self.commands.pop() {
            self.desk.post(Message::Configuring { is_withdrawn });
            let result = if is_withdrawn {
                self.desk.flight().set_settings(settings);
                Ok(())
            } else {
                Err("its process crashed and is about to be started again: try again in a minute".to_owned())
            };
            self.desk.post(Message::Configured { generation, result });
        }
    }
}
