//! The plugin host as the event loop sees it: start, publish, poll, watch, stop.
//!
//! The loop never calls a plugin and never takes a lock that a plugin thread can hold: each instance has
//! its own thread, a bounded lock-free queue in each direction, and atomics.  Only [`PluginHost::start`] and
//! [`PluginHost::stop`] wait, each with a bound, and neither is called from within the loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rtrb::RingBuffer;
use serialnumberd_core::{HolderView, Product};
use serialnumberd_plugin::abi::SLND_PERM_HOLDERS;

use super::begin::{Code, Job, Ready};
use super::error::{PluginError, Rule};
use super::file;
use super::handshake::{Doorbell, Wake};
use super::host_table::HostInfo;
use super::instance::{Instance, Parts, PluginStatus};
use super::limits::{COMMANDS, MESSAGES, START_TIMEOUT};
use super::manifest;
use super::permission::Permissions;
use super::process::{self, Process};
use super::reload::Reload;
use super::shared::{Claims, Clocks, HolderTable, Message, Shared};
use super::spec::{Action, Decider, Isolation, PluginSpec, Source, VerdictUse};
use super::worker;
use crate::logging::Scope;
use crate::record::Record;

/// How long plugins that did start may take to stop because another one did not.
const STOP_AFTER_FAILED_START: Duration = Duration::from_secs(1);

/// All plugins of an agent.
pub struct PluginHost {
    pub(super) instances: Vec<Instance>,
    pub(super) reload: Reload,
    clocks: Clocks,
    doorbell: Arc<Doorbell>,
    holders: HolderTable,
    claims: Arc<Claims>,
    /// Where [`PluginHost::poll_action`] goes on, so that each plugin gets its turn.
    next: usize,
    now_ns: u64,
}

/// A plugin on its way to start.
struct Starting {
    parts: Parts,
    ready: Receiver<Result<Ready, PluginError>>,
}

impl PluginHost {
    /// Starts the plugins, each on its own thread, and waits until all have started, at most 10 s.
    ///
    /// `wake` makes the loop's poll return and must not block.  It and the clocks are called from plugin threads.
    /// `claims` are those that will be held once the plugins have started.
    ///
    /// # Errors
    /// The first plugin that is refused or fails, by name, rule and remedy; those that had started are stopped.
    pub fn start(
        specs: Vec<PluginSpec>,
        wake: Wake,
        host: &HostInfo,
        clocks: Clocks,
        claims: Claims,
    ) -> Result<PluginHost, PluginError> {
        let now_ns = (clocks.boot)();
        let mut plugins = PluginHost {
            instances: Vec::new(),
            reload: Reload::default(),
            clocks,
            doorbell: Arc::new(Doorbell::new(wake)),
            holders: HolderTable::new(),
            claims: Arc::new(claims),
            next: 0,
            now_ns,
        };
        let mut starting = Vec::new();
        let mut outcome = Ok(());
        for spec in specs {
            outcome = plugins.launch(spec, host, &starting).map(|one| starting.push(one));
            if outcome.is_err() {
                break;
            }
        }
        // Those under way are awaited even if another was refused: they must be stopped, not forgotten.
        for one in starting {
            let joined = plugins.join(one);
            outcome = outcome.and(joined);
        }
        match outcome {
            Ok(()) => Ok(plugins),
            Err(error) => {
                plugins.stop(STOP_AFTER_FAILED_START);
                Err(error)
            }
        }
    }

    /// Checks what can be checked without running the plugin's code, then starts its thread.
    fn launch(
        &self,
        spec: PluginSpec,
        host: &HostInfo,
        others: &[Starting],
    ) -> Result<Starting, PluginError> {
        let (code, grant) = examine(&spec)?;
        let (id, path) = (code.id().to_owned(), spec.source.path());
        if let Some(other) = others.iter().find(|other| other.parts.id == id) {
            let what =
                format!("the configuration names it twice, {} too: leave one", other.parts.path.display());
            return Err(PluginError::file(&path, Rule::Set, what));
        }
        let shared = Arc::new(Shared::new(Arc::clone(&self.claims)));
        let (commands, commands_end) = RingBuffer::new(COMMANDS);
        let (messages_end, messages) = RingBuffer::new(MESSAGES);
        let (ready_end, ready) = sync_channel(1);
        let job = Job {
            grant,
            options: spec.options,
            texts: spec.texts,
            state_dir: spec.state_dir,
            host: host.clone(),
            clocks: self.clocks.clone(),
            doorbell: Arc::clone(&self.doorbell),
            shared: Arc::clone(&shared),
            messages: messages_end,
            commands: commands_end,
            ready: ready_end,
        };
        let process = (spec.isolation == Isolation::Process).then_some(spec.process.clone());
        let scope = Scope::present();
        // The kernel shows 15 bytes of a thread's name.
        let thread = thread::Builder::new()
            .name(format!("slnd-{id}").chars().take(15).collect())
            .spawn(move || scope.within(|| run(code, process, job)))
            .map_err(|error| {
                PluginError::new(&id, Rule::LifeCycle, format!("no thread can be made for it: {error}"))
            })?;
        let worker = thread.thread().clone();
        let parts = Parts {
            id,
            path,
            isolation: spec.isolation,
            process: spec.process,
            grant: spec.grant,
            verdict: spec.verdict,
            shared,
            commands,
            messages,
            worker,
        };
        Ok(Starting { parts, ready })
    }

    /// Waits for a plugin to have started; `START_TIMEOUT` counts from when `start` was called.
    fn join(&mut self, starting: Starting) -> Result<(), PluginError> {
        let Starting { parts, ready } = starting;
        let waited = Duration::from_nanos((self.clocks.boot)().saturating_sub(self.now_ns));
        match ready.recv_timeout(START_TIMEOUT.saturating_sub(waited)) {
            Ok(Ok(facts)) => {
                let instance = Instance::new(parts, facts);
                log::info!("plugin {}: started from {}", instance.id, instance.path.display());
                if instance.verdict != VerdictUse::Ignore && !instance.decides() {
                    log::warn!(
                        "plugin {}: verdict = \"{}\" has no effect without the permission \"verdict\", wanted by it and granted",
                        instance.id,
                        instance.verdict.as_str()
                    );
                }
                self.instances.push(instance);
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(RecvTimeoutError::Timeout) => {
                parts.shared.close();
                parts.worker.unpark();
                let call = parts.shared.present_call().map_or("start", |(_, call)| call);
                let what = format!("its {call} did not return within {} s", START_TIMEOUT.as_secs());
                Err(PluginError::new(&parts.id, Rule::LifeCycle, what))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(PluginError::new(&parts.id, Rule::LifeCycle, "its thread ended before it had started"))
            }
        }
    }

    /// Hands a record to the plugins that want its kind.  Never blocks; a full queue counts as loss.
    ///
    /// Returns the indexes of those whose verdict is awaited (the record has `decide_until_ns`, and the
    /// configuration and the permission are there): each will answer by one [`Action::Decided`], [`Action::PutOff`] or
    /// [`Action::NoAnswer`] with this record's `seq`, unless it stalls or is quarantined first.
    pub fn publish(&mut self, record: &Arc<Record>) -> Vec<usize> {
        let asked = self.instances.iter_mut().enumerate();
        asked.filter_map(|(index, instance)| instance.publish(record).then_some(index)).collect()
    }

    /// The indexes of those whose verdict on record `seq`, the newest published, could not even be asked for: the
    /// queue was full, or the plugin is dead.
    pub fn missed(&self, seq: u64) -> impl Iterator<Item = usize> {
        self.instances.iter().enumerate().filter(move |(_, i)| i.missed == Some(seq)).map(|(index, _)| index)
    }

    /// The next thing that a plugin wants.  To be called until `None`, once a turn and after every wake; how
    /// much is taken from one plugin in one turn is bounded, and [`PluginHost::next_deadline_ns`] is at once if
    /// something is left.
    pub fn poll_action(&mut self) -> Option<Action> {
        if let Some(action) = self.reload.trials.next().or_else(|| self.scan()) {
            return Some(action);
        }
        // What was queued before the bell is answered is seen by the second look; what comes after rings anew.
        if self.doorbell.answer() { self.scan() } else { None }
    }

    fn scan(&mut self) -> Option<Action> {
        for _ in 0..self.instances.len() {
            let plugin = self.next % self.instances.len();
            self.instances[plugin].settle();
            while let Some(message) = self.instances[plugin].message() {
                if let Some(action) = self.action(plugin, message) {
                    return Some(action);
                }
            }
            self.next = plugin + 1;
        }
        None
    }

    fn action(&mut self, plugin: usize, message: Message) -> Option<Action> {
        let action = match message {
            Message::Decided { claim, decision, answers } => {
                Action::Decided { plugin, claim, decision, answers }
            }
            Message::NoAnswer { claim, seq } => Action::NoAnswer { plugin, claim, seq },
            Message::Announce { product, probe } => Action::Announce { plugin, product, probe },
            Message::StartedAnew => Action::TellAnew { plugin },
            Message::Configuring { is_withdrawn } => {
                return self.reload.trials.configuring(plugin, is_withdrawn);
            }
            Message::Configured { generation, result } => {
                let id = &self.instances[plugin].id;
                self.reload.answered(plugin, id, generation, result);
                return None;
            }
        };
        self.reload.trials.pass(action)
    }

    /// Once a turn, with the turn's time: watches the calls, and gives each plugin its budget of messages.  Answers
    /// whether the health of any has changed.
    pub fn tick(&mut self, now_ns: u64) -> bool {
        self.now_ns = now_ns;
        let mut changed = false;
        for instance in &mut self.instances {
            instance.new_turn();
            instance.settle();
            changed |= instance.watch(now_ns);
        }
        changed
    }

    /// When [`PluginHost::tick`] has something to see; `None` while no plugin has anything to do.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        if self.reload.trials.has_next() || self.instances.iter().any(Instance::has_messages) {
            return Some(self.now_ns);
        }
        let watches = self.instances.iter().filter_map(|instance| instance.watch_ns(self.now_ns));
        watches.chain(self.reload.deadline_ns()).min()
    }

    /// The plugins whose verdicts are asked for.
    pub fn deciders(&self) -> impl Iterator<Item = Decider<'_>> {
        let all = self.instances.iter().enumerate().filter(|(_, instance)| instance.decides());
        all.map(|(plugin, instance)| Decider {
            plugin,
            id: &instance.id,
            counts: instance.verdict == VerdictUse::Require,
            is_dead: instance.shared.ended().is_some(),
        })
    }

    /// The claims that are held from now on: of others no verdict and no wish for an announcement is taken.
    pub fn set_claims(&mut self, claims: Claims) {
        self.claims = Arc::new(claims);
        for instance in &self.instances {
            instance.shared.claims.put(Arc::clone(&self.claims));
            // A process of its own must be told; a thread looks when it has to know.
            instance.unpark();
        }
    }

    /// Whether any plugin may read the holder table: if not, the loop need not publish it.
    #[must_use]
    pub fn wants_holders(&self) -> bool {
        self.instances.iter().any(may_read_holders)
    }

    /// Publishes the holders of a product's claim, in their order; `None` if it is not held any more.
    pub fn set_holders(&mut self, product: Product, holders: Option<Arc<[HolderView]>>) {
        match holders {
            Some(holders) => self.holders.insert(product, holders),
            None => self.holders.remove(&product),
        };
        if self.wants_holders() {
            let table = Arc::new(self.holders.clone());
            for instance in self.instances.iter().filter(|instance| may_read_holders(instance)) {
                instance.shared.holders.put(Arc::clone(&table));
            }
        }
    }

    /// Names the interfaces of the records published from here on, where they come from elsewhere: of those that are
    /// not named here, plugins get no name.  Else the kernel is asked.
    pub fn set_interfaces(&mut self, names: &BTreeMap<u32, String>) {
        let names = Arc::new(names.clone());
        for instance in &self.instances {
            instance.shared.interfaces.put(Arc::clone(&names));
        }
    }

    /// How many plugins there are, and how many of them were stalled at the last [`PluginHost::tick`].
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (self.instances.len(), self.instances.iter().filter(|instance| instance.is_stalled()).count())
    }

    /// How each plugin does, in the order of the specs.  Never waits for one.
    pub fn status(&mut self, now_ns: u64) -> Vec<PluginStatus> {
        self.instances.iter_mut().map(|instance| instance.status(now_ns)).collect()
    }

    /// Stops all plugins at once: events that wait are delivered, then flush, stop and destroy.  Waits at
    /// most `timeout` in all; returns the ids of those that did not make it and are abandoned.
    pub fn stop(mut self, timeout: Duration) -> Vec<String> {
        let by_ns = self.ask_to_stop(timeout);
        let running = |host: &PluginHost| host.instances.iter().any(|one| one.shared.ended().is_none());
        while running(&self) {
            let left_ns = by_ns.saturating_sub((self.clocks.boot)());
            if left_ns == 0 {
                break;
            }
            thread::park_timeout(Duration::from_nanos(left_ns));
        }
        let late = self.instances.drain(..).filter(|instance| instance.shared.ended().is_none());
        let abandoned = late.map(|instance| {
            instance.shared.close();
            let call = instance.shared.present_call().map_or("stop", |(_, call)| call);
            log::warn!(
                "plugin {}: abandoned, its {call} did not return within the stop timeout",
                instance.id
            );
            instance.id
        });
        abandoned.collect()
        // Threads are not joined: what is left of a finished one is the destructors of the plugin's
        // thread-locals, for which nobody should wait either.
    }

    fn ask_to_stop(&self, timeout: Duration) -> u64 {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let by_ns = (self.clocks.boot)().saturating_add(timeout_ns);
        for instance in &self.instances {
            instance.shared.ask_to_stop(by_ns);
            instance.unpark();
        }
        by_ns
    }
}

impl Drop for PluginHost {
    /// A host that was not stopped does not leave its threads behind for ever: they stop by themselves.
    fn drop(&mut self) {
        self.ask_to_stop(STOP_AFTER_FAILED_START);
    }
}

/// The whole life of a plugin's thread in the agent.
fn run(code: Code, process: Option<Process>, job: Job) {
    match (code, process) {
        (Code::File(file, manifest), Some(process)) => process::run(file, manifest, process, job),
        (code, _) => worker::run(code, job),
    }
}

fn may_read_holders(instance: &Instance) -> bool {
    instance.granted.covers(Permissions(SLND_PERM_HOLDERS))
}

/// All that is checked without running the plugin's code.
pub(super) fn examine(spec: &PluginSpec) -> Result<(Code, Permissions), PluginError> {
    let refuse = |rule, what: &str| Err(PluginError::file(&spec.source.path(), rule, what));
    let grant = match Permissions::from_names(spec.grant.iter().map(String::as_str)) {
        Ok(grant) => grant,
        Err(what) => return refuse(Rule::Permission, &what),
    };
    let code = match &spec.source {
        Source::File(path) => {
            let file = file::open(path)?;
            let manifest = manifest::read(path, &file)?;
            Code::File(file, manifest)
        }
        Source::Static(_) if spec.isolation == Isolation::Process => {
            return refuse(
                Rule::Isolation,
                "a plugin of the program itself is in no other process: write isolation = \"thread\"",
            );
        }
        Source::Static(plugin) => Code::Static(plugin.clone()),
    };
    Ok((code, grant))
}
