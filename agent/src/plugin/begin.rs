//! A plugin's way from its file to a started instance, on its own thread.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use rtrb::{Consumer, Producer};
use serialnumberd_plugin::abi::SLND_PERM_RAW;

use super::batch::Batch;
use super::calls::{CallError, Calls};
use super::context::Context;
use super::descriptor::{self, Descriptor};
use super::error::{PluginError, Rule};
use super::host_table::{self, HostInfo};
use super::limits::{BATCH_DEFAULT, BATCH_MAX, QUEUE_DEFAULT, QUEUE_MAX, QUEUE_MIN};
use super::manifest::Manifest;
use super::options::{self, OptionSpec, Settings};
use super::outbox::Outbox;
use super::permission::Permissions;
use super::shared::{Call, Clocks, Configure, Doorbell, Message, Shared};
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

/// What a worker is started with.
pub(super) struct Job {
    pub(super) code: Code,
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

/// Loads, creates, configures and starts; on an error nothing of the instance is left.
pub(super) fn begin(mut job: Job) -> Result<(Worker, Ready), PluginError> {
    job.shared.call_begins(Call::Load, (job.clocks.boot)());
    let descriptor = job.code.load();
    job.shared.call_ends((job.clocks.boot)());
    let descriptor = descriptor?;
    let id = descriptor.id.as_str();
    let granted = grant(id, job.grant, &descriptor)?;
    let settings = Arc::new(options::resolve(id, &descriptor.options, &job.options, job.texts)?);
    let state_dir = state_dir::prepare(&job.state_dir, id)?;
    job.options.clear();
    let context = Context::new(
        id.to_owned(),
        granted,
        Arc::clone(&job.shared),
        job.clocks.clone(),
        job.doorbell,
        job.messages,
    );
    let table = host_table::table(context, &job.host, granted, &state_dir);
    let failed =
        |error: CallError| PluginError::new(id, Rule::LifeCycle, settings.redact(&error.to_string()));
    let calls = Calls::create(descriptor.raw, table, id, job.shared, job.clocks.boot).map_err(failed)?;
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
