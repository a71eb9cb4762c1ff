//! What the loop says of a plugin, and what a plugin asks of the loop.

use std::path::PathBuf;

use serialnumberd_core::{ClaimId, Product};

use super::process::Process;
use super::statically::StaticPlugin;
use crate::record::Decision;

/// How a plugin is separated from the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// On a thread of the agent's process.
    #[default]
    Thread,
    /// In a process of its own.
    Process,
}

impl Isolation {
    /// The configuration's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Isolation::Thread => "thread",
            Isolation::Process => "process",
        }
    }
}

/// What is done with a plugin's verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerdictUse {
    /// It is never asked.
    #[default]
    Ignore,
    /// It is asked, and its verdict is shown.
    Advise,
    /// Its verdict counts.
    Require,
}

impl VerdictUse {
    /// The configuration's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            VerdictUse::Ignore => "ignore",
            VerdictUse::Advise => "advise",
            VerdictUse::Require => "require",
        }
    }
}

/// Where a plugin's code is.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// In this file, see [`super::find`].
    File(PathBuf),
    /// In the program itself.
    Static(StaticPlugin),
}

impl Source {
    /// Its file, or what stands for one where people are told of it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Source::File(path) => path.clone(),
            Source::Static(plugin) => PathBuf::from(format!("(static) {}", plugin.id())),
        }
    }
}

/// One `[[plugin]]` of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginSpec {
    /// Its code.
    pub source: Source,
    /// How it is separated.
    pub isolation: Isolation,
    /// Its process, if it has one of its own.
    pub process: Process,
    /// What is done with its verdicts.
    pub verdict: VerdictUse,
    /// Names of the permissions it is granted.
    pub grant: Vec<String>,
    /// `[plugin.options]`.
    pub options: toml::Table,
    /// The options are texts, each to be read as what the plugin's own table says it is.
    pub texts: bool,
    /// The agent's state directory; the plugin's own is made below it.
    pub state_dir: PathBuf,
}

/// What a plugin asks the loop to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its verdict on a claim: replaces its standing one.
    Decided {
        /// Index among the specs that the host was started with.
        plugin: usize,
        /// Of which claim; it was held when the plugin spoke.
        claim: ClaimId,
        /// The verdict; ABSTAIN is one too.
        decision: Decision,
        /// The record that asked; `None` if the plugin spoke up by itself.
        answers: Option<u64>,
    },
    /// It was asked for a verdict and failed: the last one stays in force.
    NoAnswer {
        /// Index among the specs that the host was started with.
        plugin: usize,
        /// Of which claim.
        claim: ClaimId,
        /// The record that asked.
        seq: u64,
    },
    /// It answered with new options that may yet be withdrawn: until then the last verdict stays in force.  Once the
    /// reload is committed its answer follows as [`Action::Decided`].
    PutOff {
        /// Index among the specs that the host was started with.
        plugin: usize,
        /// Of which claim.
        claim: ClaimId,
        /// The record that asked.
        seq: u64,
    },
    /// The new options were withdrawn, and what it had decided with them is void: its verdicts are to be asked for anew.
    AskAnew {
        /// Index among the specs that the host was started with.
        plugin: usize,
    },
    /// It has started anew and remembers nothing: it is to be told how it stands with each claim, and to be asked.
    TellAnew {
        /// Index among the specs that the host was started with.
        plugin: usize,
    },
    /// It asks for an announcement, subject to the protocol's rate limits.
    Announce {
        /// Index among the specs that the host was started with.
        plugin: usize,
        /// Of which product; `None` is all.
        product: Option<Product>,
        /// The whole burst and a round, not one datagram.
        probe: bool,
    },
}

/// A plugin whose verdict is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decider<'a> {
    /// Index among the specs that the host was started with.
    pub plugin: usize,
    /// Its id.
    pub id: &'a str,
    /// Its verdict counts; else it is only shown.
    pub counts: bool,
    /// It is not called any more, and never will be.
    pub is_dead: bool,
}
