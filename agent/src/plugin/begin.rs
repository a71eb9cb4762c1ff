//! A plugin's way from its file to a started instance, on its own thread.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use rtrb::{Consumer, Producer};
use serde::{Deserialize, Serialize};
use serialnumberd_plugin::abi::SLND_PERM_RAW;

use super::batch::Batch;
use super::calls::{CallError, Calls};
use super::context::{Context, HolderSource, Seat};
use super::descriptor::{self, Descriptor};
use super::error::{PluginError, Rule};
use super::handshake::Doorbell;
use super::host_table::{self, HostInfo};
use super::limits::{BATCH_DEFAULT, BATCH_MAX, QUEUE_DEFAULT, QUEUE_MAX, QUEUE_MIN};
use super::manifest::Manifest;
use super::options::{self, OptionSpec, Settings};
use super::outbox::{Item, Outbox};
use super::permission::Permissions;
use super::shared::{Call, Clocks, Configure, Message, Shared};
use super::state_dir;
use super::statically::StaticPlugin;
use super::worker::Worker;

/// Code that passed all that is checked before it runs.
pub(super) enum Code {
    File(File, Manifest),
    Static(StaticPlugin),
}

impl Code {
    pub(super) fn id(&self) -> &str {
        match self {
            Code::File(_, manifest) => &manifest.id,
            Code::Static(plugin) => plugin.id(),
        }
    }

    /// Its descriptor; runs the initializers of a file.
    pub(super) fn load(self) -> Result<Descriptor, PluginError> {
        match self {
            Code::File(file, manifest) => descriptor::load(file, &manifest),
            Code::Static(plugin) => Ok(plugin.descriptor()),
        }
    }
}

/// What a plugin is started with.
pub(super) struct Job {
    pub(super) grant: Permissions,
    pub(super) options: toml::Table,
    pub(super) texts: bool,
    pub(super) state_dir: PathBuf,
    pub(super) host: HostInfo,
    pub(super) clocks: Clocks,
    pub(super) doorbell: Arc<Doorbell>,
    pub(super) shared: Arc<Shared>,
    pub(super) messages: Producer<Message>,
    pub(super) commands: Consumer<Configure>,
    pub(super) ready: SyncSender<Result<Ready, PluginError>>,
}

/// What of a descriptor the agent needs, where the code itself is in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) version: String,
    wants: u64,
    wants_if_granted: u64,
    pub(super) events: u64,
    queue_hint: u32,
    batch_max: u32,
    has_configure: bool,
    pub(super) options: Vec<OptionSpec>,
}

impl Facts {
    pub(super) fn of(descriptor: &Descriptor) -> Facts {
        Facts {
            version: descriptor.version.clone(),
            wants: descriptor.wants.0,
            wants_if_granted: descriptor.wants_if_granted.0,
            events: descriptor.raw.events,
            queue_hint: descriptor.raw.queue_hint,
            batch_max: descriptor.raw.batch_max,
            has_configure: descriptor.raw.configure.is_some(),
            options: descriptor.options.clone(),
        }
    }

    /// Events that may wait for it.
    pub(super) fn queue(&self) -> usize {
        clamp(self.queue_hint, QUEUE_DEFAULT, QUEUE_MIN, QUEUE_MAX)
    }

    /// Events that it is handed at once.
    pub(super) fn batch(&self) -> usize {
        clamp(self.batch_max, BATCH_DEFAULT, 1, BATCH_MAX)
    }
}

/// What an instance is told: the grant and the options that are in force, and where it keeps its files.
pub(super) struct Terms {
    pub(super) granted: Permissions,
    pub(super) settings: Arc<Settings>,
    pub(super) state_dir: PathBuf,
}

/// Holds what the configuration says against what the plugin says: the grant and the options that are in force.
pub(super) fn settle(
    id: &str,
    facts: &Facts,
    granted: Permissions,
    (options, texts): (&toml::Table, bool),
) -> Result<(Permissions, Arc<Settings>), PluginError> {
    let granted = grant(id, granted, facts)?;
    let settings = options::resolve(id, &facts.options, options, texts)?;
    Ok((granted, Arc::new(settings)))
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

impl Ready {
    pub(super) fn new(facts: Facts, granted: Permissions, settings: Arc<Settings>, outbox: Outbox) -> Ready {
        Ready {
            version: facts.version,
            granted,
            events: facts.events,
            has_configure: facts.has_configure,
            table: facts.options,
            settings,
            outbox,
        }
    }
}

/// What an instance is made with, in whichever process it is to live.
pub(super) struct Making {
    pub(super) terms: Terms,
    pub(super) host: HostInfo,
    pub(super) clocks: Clocks,
    pub(super) doorbell: Arc<Doorbell>,
    pub(super) shared: Arc<Shared>,
    pub(super) messages: Producer<Message>,
    pub(super) commands: Consumer<Configure>,
    pub(super) queue: Consumer<Item>,
    pub(super) holders: HolderSource,
}

/// Loads, creates, configures and starts; on an error nothing of the instance is left.
pub(super) fn begin(code: Code, job: Job) -> Result<(Worker, Ready), PluginError> {
    let descriptor = load(code, &job.shared, &job.clocks)?;
    let facts = Facts::of(&descriptor);
    let (granted, settings) = settle(&descriptor.id, &facts, job.grant, (&job.options, job.texts))?;
    let state_dir = state_dir::prepare(&job.state_dir, &descriptor.id, None)?;
    let (outbox, queue) = Outbox::new(facts.queue());
    let ready = Ready::new(facts, granted, Arc::clone(&settings), outbox);
    let terms = Terms { granted, settings, state_dir };
    let making = Making {
        terms,
        host: job.host,
        clocks: job.clocks,
        doorbell: job.doorbell,
        shared: job.shared,
        messages: job.messages,
        commands: job.commands,
        queue,
        holders: HolderSource::published(),
    };
    make(&descriptor, making).map(|worker| (worker, ready))
}

/// Loads, as a call that is watched: initializers run.
pub(super) fn load(code: Code, shared: &Shared, clocks: &Clocks) -> Result<Descriptor, PluginError> {
    shared.call_begins(Call::Load, (clocks.boot)());
    let descriptor = code.load();
    shared.call_ends((clocks.boot)());
    descriptor
}

/// Creates, configures and starts.  To be called on the thread that is to be the instance's own.
pub(super) fn make(descriptor: &Descriptor, making: Making) -> Result<Worker, PluginError> {
    let Making { terms, host, clocks, doorbell, shared, messages, commands, queue, holders } = making;
    let Terms { granted, settings, state_dir } = terms;
    let id = descriptor.id.as_str();
    let seat = Seat { id: id.to_owned(), granted, shared: Arc::clone(&shared), clocks: clocks.clone() };
    let context = Context::new(seat, doorbell, messages, holders);
    let table = host_table::table(context, &host, granted, &state_dir);
    let failed =
        |error: CallError| PluginError::new(id, Rule::LifeCycle, settings.redact(&error.to_string()));
    let calls = Calls::create(descriptor.raw, table, id, shared, clocks.boot).map_err(failed)?;
    if let Err(error) = calls.configure(&settings, false).and_then(|()| calls.start()) {
        calls.stop_and_destroy();
        return Err(failed(error));
    }
    let batch = Batch::new(Facts::of(descriptor).batch(), granted.covers(Permissions(SLND_PERM_RAW)));
    Ok(Worker::new(context, calls, queue, commands, batch, settings))
}

fn clamp(hint: u32, default: u32, min: u32, max: u32) -> usize {
    let wish = if hint == 0 { default } else { hint.clamp(min, max) };
    usize::try_from(wish).unwrap_or(usize::MAX)
}

/// What of the grant the plugin uses; an error if it wants more.
pub(super) fn grant(id: &str, grant: Permissions, facts: &Facts) -> Result<Permissions, PluginError> {
    let missing = Permissions(facts.wants).without(grant);
    if missing != Permissions::NONE {
        let all = Permissions(grant.0 | missing.0);
        let what = format!("it cannot work without the permission {missing}: write grant = [{all}]");
        return Err(PluginError::new(id, Rule::Permission, what));
    }
    let used = Permissions(facts.wants | facts.wants_if_granted);
    let idle = grant.without(used);
    if idle != Permissions::NONE {
        log::warn!("plugin {id}: it is granted {idle}, which it does not ask for");
    }
    Ok(Permissions(grant.0 & used.0))
}
