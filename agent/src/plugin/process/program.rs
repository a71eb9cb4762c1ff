//! What every process of one plugin is started with, and the two steps of its start: it is introduced, then started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rtrb::RingBuffer;

use super::desk::Desk;
use super::hearing::Word;
use super::sandbox::{Process, Sandbox};
use super::spawn::Child;
use super::words::{Begin, Start, ToChild, VERSION, room_for, write_claims, write_settings};
use crate::clock;
use crate::plugin::begin::Facts;
use crate::plugin::error::{PluginError, Rule};
use crate::plugin::handshake::Doorbell;
use crate::plugin::host_table::HostInfo;
use crate::plugin::limits::START_TIMEOUT;
use crate::plugin::log_line::clean;
use crate::plugin::manifest::Manifest;
use crate::plugin::options;
use crate::plugin::shared::{Clocks, Shared};
use crate::plugin::{file, state_dir};

/// Room for a word without settings, events or holders.
const SHORT: usize = 4096;

/// What every process of one plugin is started with.
pub(super) struct Program {
    helper: PathBuf,
    plugin: File,
    manifest: Manifest,
    sandbox: Sandbox,
    state_dir: PathBuf,
    host: HostInfo,
}

/// Why there is no process, or none that works.
pub(super) enum Fault {
    /// The loop wants nothing more from this plugin.
    Leaving,
    Refused(PluginError),
}

impl Program {
    pub(super) fn new(
        plugin: File,
        manifest: Manifest,
        process: Process,
        state_dir: &Path,
        host: HostInfo,
    ) -> Result<Program, PluginError> {
        let helper = helper(&manifest.path, process.helper)?;
        let user = process.sandbox.user.as_ref();
        let state_dir = state_dir::prepare(state_dir, &manifest.id, user)?;
        Ok(Program { helper, plugin, manifest, sandbox: process.sandbox, state_dir, host })
    }

    /// Starts a process, in which the file is loaded; what the plugin says of itself.
    pub(super) fn introduce(&self, desk: &Arc<Desk>) -> Result<(Child, Facts), Fault> {
        let mut child =
            Child::spawn(desk, &self.helper, &self.plugin).map_err(|why| self.failed(&why, ""))?;
        let begin = Begin {
            version: VERSION,
            id: desk.id.clone(),
            path: self.manifest.path.clone(),
            abi: self.manifest.abi,
            plugin_version: self.manifest.version.clone(),
            wants: self.manifest.wants.0,
            state_dir: self.state_dir.clone(),
            sandbox: self.sandbox.clone(),
            log: level(&desk.id).to_string(),
        };
        // If it does not listen, what it said and how it ended tell more.
        let _ = child.say(&ToChild::Begin(begin), SHORT);
        match self.await_word(desk, child, "while it was loaded")? {
            (child, Word::Described(facts)) => match self.believe(&facts) {
                Ok(()) => Ok((child, facts)),
                Err(error) => Err(Fault::Refused(error)),
            },
            (child, _) => Err(self.failed(&child.end("said something else than what it is".to_owned()), "")),
        }
    }

    /// Has the instance made.
    pub(super) fn start(&self, desk: &Arc<Desk>, mut child: Child) -> Result<Child, Fault> {
        let settings = Arc::clone(desk.flight().settings());
        let start = Start {
            granted: desk.flight().granted().0,
            settings: write_settings(&settings),
            host_name: self.host.name.clone(),
            host_version: self.host.version.clone(),
            claims: write_claims(&desk.claims()),
        };
        let _ = child.say(&ToChild::Start(start), room_for(&settings));
        match self.await_word(desk, child, "while it started")? {
            (child, Word::Started) => Ok(child),
            (child, _) => {
                Err(self.failed(&child.end("said something else than that it started".to_owned()), ""))
            }
        }
    }

    /// The child cannot be trusted to have checked it.
    fn believe(&self, facts: &Facts) -> Result<(), PluginError> {
        if facts.version != self.manifest.version {
            let what = format!(
                "its descriptor says version \"{}\", its manifest \"{}\": make them equal",
                clean(facts.version.as_bytes()),
                self.manifest.version
            );
            return Err(PluginError::file(&self.manifest.path, Rule::Identity, what));
        }
        options::check_table(&self.manifest.id, &facts.options)
    }

    /// The next word that matters; `doing` says when it failed to come.
    fn await_word(&self, desk: &Desk, child: Child, doing: &str) -> Result<(Child, Word), Fault> {
        let until_ns =
            desk.now_ns().saturating_add(u64::try_from(START_TIMEOUT.as_nanos()).unwrap_or(u64::MAX));
        loop {
            match child.word() {
                Ok(Some(Word::Panicked(_))) => continue,
                Ok(Some(Word::Refused(error))) => return Err(Fault::Refused(self.own(&error))),
                Ok(Some(word)) => return Ok((child, word)),
                Ok(None) => {}
                Err(why) => return Err(self.failed(&child.end(why), doing)),
            }
            if desk.is_leaving() {
                return Err(Fault::Leaving);
            }
            let left_ns = until_ns.saturating_sub(desk.now_ns());
            if left_ns == 0 {
                let call = desk.shared.present_call().map_or("start", |(_, call)| call);
                let what = format!("its {call} did not return within {} s", START_TIMEOUT.as_secs());
                return Err(Fault::Refused(PluginError::new(&self.manifest.id, Rule::LifeCycle, what)));
            }
            thread::park_timeout(Duration::from_nanos(left_ns));
        }
    }

    /// A refusal in the child's words, of this plugin.
    fn own(&self, error: &PluginError) -> PluginError {
        let what = clean(error.what().as_bytes());
        match error.is_of(&self.manifest.path) {
            true => PluginError::file(&self.manifest.path, error.rule(), what),
            false => PluginError::new(&self.manifest.id, error.rule(), what),
        }
    }

    fn failed(&self, why: &str, doing: &str) -> Fault {
        let what = format!("its process {why} {doing}");
        Fault::Refused(PluginError::new(&self.manifest.id, Rule::LifeCycle, what.trim_end()))
    }
}

/// The program to run plugins in, if there is one that nobody can have changed.
fn helper(plugin: &Path, helper: Option<PathBuf>) -> Result<PathBuf, PluginError> {
    let refuse = |what: String| Err(PluginError::file(plugin, Rule::Isolation, what));
    let Some(helper) = helper else {
        return refuse(
            "isolation = \"process\" takes the installed program, to run the plugin in: write \
             plugin_helper = \"/usr/bin/serialnumberd\" under [agent], or isolation = \"thread\""
                .to_owned(),
        );
    };
    if helper.as_os_str() == OWN_PROGRAM {
        return Ok(helper);
    }
    match file::open(&helper) {
        Ok(_) => Ok(helper),
        Err(error) => refuse(format!("`plugin_helper` in [agent]: {}: {}", helper.display(), error.what())),
    }
}

/// The program that is running, whatever has become of its file since.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// What is logged of a plugin.
fn level(id: &str) -> log::LevelFilter {
    let levels = log::Level::iter().filter(|level| log::log_enabled!(target: id, *level));
    levels.last().map_or(log::LevelFilter::Off, |level| level.to_level_filter())
}

/// What a plugin says of itself, asked of a process that does nothing else.
pub(in crate::plugin) fn describe(
    plugin: File,
    manifest: Manifest,
    process: Process,
    state_dir: &Path,
) -> Result<Facts, PluginError> {
    let id = manifest.id.clone();
    let host = HostInfo { name: String::new(), version: String::new() };
    let program = Program::new(plugin, manifest, process, state_dir, host)?;
    let clocks = Clocks { boot: Arc::new(clock::boottime_ns), wall: Arc::new(clock::wall_ns) };
    let (shared, bell) = (Arc::new(Shared::new(Arc::default())), Arc::new(Doorbell::new(Arc::new(|| {}))));
    let desk = Arc::new(Desk::new(id.clone(), shared, clocks, bell, RingBuffer::new(1).0));
    match program.introduce(&desk) {
        Ok((_child, facts)) => Ok(facts),
        Err(Fault::Refused(error)) => Err(error),
        Err(Fault::Leaving) => Err(PluginError::new(id, Rule::LifeCycle, "it was stopped")),
    }
}
