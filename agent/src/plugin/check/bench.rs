//! What a child tries a plugin on: the plugin, loaded, with its options and permissions, and a host for its instances.
//!
//! The host is the agent's own: its functions, its timers, its rules for options.  Only time is the trial's, and what it
//! gives lies in an arena.
#![allow(unsafe_code, reason = "refers to a table in the arena, which is never unmapped")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rtrb::{Consumer, RingBuffer};
use serde::{Deserialize, Serialize};
use serialnumberd_core::{BootId, ClaimId, HolderView, Installation, Instance, Mono, PeerRole, Product};
use serialnumberd_plugin::abi::slnd_host;

use super::arena::Arena;
use super::forge::{self, Shape};
use super::report::{Breach, Report};
use super::spy;
use super::subject::Subject;
use super::surroundings::Surroundings;
use super::tale::{BEGIN_NS, CLAIM, PRODUCT, S};
use crate::plugin::begin::Facts;
use crate::plugin::calls::CallError;
use crate::plugin::context::{self, Context, HolderSource};
use crate::plugin::descriptor::{self, Descriptor};
use crate::plugin::error::{PluginError, Rule};
use crate::plugin::handshake::Doorbell;
use crate::plugin::host_table::{self, HostInfo};
use crate::plugin::limits::MESSAGES;
use crate::plugin::options;
use crate::plugin::permission::Permissions;
use crate::plugin::shared::{Claims, Clocks, HolderTable, Message, Shared};
use crate::plugin::{file, manifest, state_dir};

/// What a child is to do; `job.json` in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The plugin's file.
    pub(super) file: PathBuf,
    /// Which trial, by name.
    pub(super) trial: String,
    /// For all that is drawn by chance.
    pub(super) seed: u64,
    /// The permissions to grant; `None` is all that it asks for.
    pub(super) grant: Option<Vec<String>>,
    /// Options as given on the command line.
    pub(super) options: Vec<(String, String)>,
    /// The agent's state directory, as far as the plugin is to know.
    pub(super) state_dir: PathBuf,
}

/// An instance's place in the host: what stands behind its table.
pub(super) struct Seat {
    pub(super) context: &'static Context,
    pub(super) table: &'static slnd_host,
    pub(super) shared: Arc<Shared>,
    pub(super) messages: Consumer<Message>,
}

/// See above.
pub(super) struct Bench {
    pub(super) job: Job,
    pub(super) id: String,
    pub(super) abi: (u16, u16),
    pub(super) descriptor: Descriptor,
    /// The options that the trials begin with, as `configure` gets them.
    pub(super) settings: Vec<(String, String)>,
    /// All that it asks for.
    pub(super) asked: Permissions,
    pub(super) granted: Permissions,
    pub(super) arena: Arena,
    /// As they were before it was loaded.
    pub(super) surroundings: Surroundings,
    clock: Arc<AtomicU64>,
}

/// A plugin that breaks an acceptance rule, as a breach of the ABI's.
fn refused(error: &PluginError) -> Report {
    let rule = match error.rule() {
        Rule::Manifest | Rule::Abi | Rule::Identity | Rule::Entry => "R1",
        Rule::StructSize | Rule::Layout => "R2",
        Rule::Options => "R3",
        Rule::Slots => "R4",
        other => other.as_str(),
    };
    Report::Failed(Breach::new(rule, format!("{} ({})", error.what(), error.rule().as_str()), ""))
}

impl Bench {
    /// Loads the plugin under the acceptance rules.
    pub(super) fn open(job: Job, is_lenient: bool) -> Result<Bench, Report> {
        let surroundings = Surroundings::look();
        let accepted = || {
            let file = file::open(&job.file)?;
            let manifest = manifest::read(&job.file, &file)?;
            let descriptor = descriptor::load(file, &manifest)?;
            Ok((manifest, descriptor))
        };
        let (manifest, descriptor) = accepted().map_err(|error: PluginError| refused(&error))?;
        let asked = Permissions(descriptor.wants.0 | descriptor.wants_if_granted.0);
        let granted = match &job.grant {
            None => asked,
            Some(names) => {
                let named =
                    Permissions::from_names(names.iter().map(String::as_str)).map_err(Report::Unfit)?;
                Permissions(named.0 & asked.0)
            }
        };
        let given = job.options.iter().map(|(name, text)| (name.clone(), toml::Value::from(text.as_str())));
        let settings = options::resolve(&manifest.id, &descriptor.options, &given.collect(), true)
            .map_err(|error| Report::Unfit(format!("{error}; the validator takes --option KEY=VALUE")))?;
        let settings = settings.0.iter().map(|one| (one.name.clone(), one.value.to_string())).collect();
        let arena = Arena::new(is_lenient).map_err(|e| Report::Unfit(format!("no memory: {e}")))?;
        let clock = Arc::new(AtomicU64::new(BEGIN_NS));
        let (id, abi) = (manifest.id, manifest.abi);
        Ok(Bench { job, id, abi, descriptor, settings, asked, granted, arena, surroundings, clock })
    }

    /// Sets the host's clock.
    pub(super) fn set_clock(&self, now_ns: u64) {
        self.clock.store(now_ns, Ordering::Release);
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.clock.load(Ordering::Acquire)
    }

    /// A place for an instance in a host of that shape, with these permissions.
    pub(super) fn seat(&mut self, shape: Shape, granted: Permissions) -> Result<Seat, Breach> {
        let state_dir = state_dir::prepare(&self.job.state_dir, &self.id, None)
            .map_err(|error| Breach::new("state directory", error.to_string(), ""))?;
        let claims = Claims::from([(ClaimId(CLAIM), product())]);
        let shared = Arc::new(Shared::new(Arc::new(claims)));
        shared.holders.put(Arc::new(holder_table()));
        let (boot, wall) = (Arc::clone(&self.clock), Arc::clone(&self.clock));
        let clocks = Clocks {
            boot: Arc::new(move || boot.load(Ordering::Acquire)),
            wall: Arc::new(move || wall.load(Ordering::Acquire).saturating_mul(S)),
        };
        let (producer, messages) = RingBuffer::new(MESSAGES);
        let doorbell = Arc::new(Doorbell::new(Arc::new(|| {})));
        let seat = context::Seat { id: self.id.clone(), granted, shared: Arc::clone(&shared), clocks };
        let context = Context::new(seat, doorbell, producer, HolderSource::published());
        let info = HostInfo { name: String::new(), version: String::new() };
        let table = spy::watch(host_table::table(context, &info, granted, &state_dir));
        let state_dir = state_dir.to_string_lossy();
        let table = self.arena.lasting(|arena| forge::host(arena, shape, &table, &state_dir));
        spy::set_stopped(false);
        // SAFETY: in the arena, as large as the struct at least, and kept for ever.
        let table: &'static slnd_host = unsafe { &*table };
        Ok(Seat { context, table, shared, messages })
    }

    /// Makes an instance in that place.
    pub(super) fn create(&mut self, seat: Seat, shape: Shape) -> Result<Subject, CallError> {
        let clock = Arc::clone(&self.clock);
        let clock = Arc::new(move || clock.load(Ordering::Acquire));
        Subject::create(self, seat, shape, clock)
    }

    /// How many events it gets at once, as the agent would.
    pub(super) fn batch_max(&self) -> usize {
        Facts::of(&self.descriptor).batch()
    }
}

fn product() -> Product {
    Product::new(PRODUCT).expect("a valid literal")
}

/// What `holders` tells of: this host and one other.
fn holder_table() -> HolderTable {
    let holder = |key: u8, host: &str, is_self: bool| HolderView {
        instance: Instance { installation: Installation([key; 32]), boot: BootId([key; 8]) },
        from: (!is_self).then(|| ([192, 0, 2, key], 626).into()),
        interface: u32::from(!is_self),
        host: host.to_owned(),
        group: String::new(),
        role: PeerRole::Active,
        interval_s: 300,
        seats: 1,
        runs: 1,
        since_ms: u64::from(key),
        first_heard: Mono(BEGIN_NS),
        last_heard: Mono(BEGIN_NS),
        last_proved: None,
        is_self,
        verified: true,
        proved: false,
        silent: false,
        over: !is_self,
    };
    HolderTable::from([(product(), Arc::from([holder(1, "venus", true), holder(2, "mars", false)]))])
}
