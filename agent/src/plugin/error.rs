//! Why a plugin is refused or failed: one sentence that names the plugin, the rule and the remedy.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The rule that a plugin, its file or its configuration breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// A bare name must be found in one of the plugin directories.
    Search,
    /// A regular file, no symbolic link, owned by root or the agent's user, writable by nobody else.
    File,
    /// A manifest stands in the ELF note `.note.serialnumberd`.
    Manifest,
    /// The ABI's major is the agent's.
    Abi,
    /// The dynamic linker takes the file.
    Load,
    /// The file exports `serialnumberd_plugin_v1`, which returns a descriptor.
    Entry,
    /// `struct_size` covers the 1.0 struct and is no nonsense.
    StructSize,
    /// The layout canary is that of the agent.
    Layout,
    /// The required slots are set.
    Slots,
    /// The descriptor says what the manifest says.
    Identity,
    /// What the plugin wants is granted.
    Permission,
    /// The options table is sound, and the configuration fits it.
    Options,
    /// How the plugin is separated from the agent.
    Isolation,
    /// Which plugins there are: each once, and the same ones after a reload.
    Set,
    /// The plugin's own directory below the state directory.
    StateDir,
    /// Create, configure and start succeed within their time.
    LifeCycle,
}

impl Rule {
    /// The rule's name, as messages state it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Search => "search",
            Rule::File => "file",
            Rule::Manifest => "manifest",
            Rule::Abi => "abi major",
            Rule::Load => "load",
            Rule::Entry => "entry symbol",
            Rule::StructSize => "struct_size",
            Rule::Layout => "layout canary",
            Rule::Slots => "required slots",
            Rule::Identity => "identity",
            Rule::Permission => "permission",
            Rule::Options => "options",
            Rule::Isolation => "isolation",
            Rule::Set => "set of plugins",
            Rule::StateDir => "state directory",
            Rule::LifeCycle => "life cycle",
        }
    }
}

/// A plugin was refused, or failed: what, where and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginError {
    plugin: String,
    rule: Rule,
    what: String,
    option: Option<String>,
}

impl PluginError {
    /// `plugin` is its path, or its id once known; `what` goes on with "what is wrong: what to do".
    pub(super) fn new(plugin: impl fmt::Display, rule: Rule, what: impl Into<String>) -> PluginError {
        PluginError { plugin: plugin.to_string(), rule, what: what.into(), option: None }
    }

    pub(super) fn file(path: &Path, rule: Rule, what: impl Into<String>) -> PluginError {
        PluginError::new(path.display(), rule, what)
    }

    pub(super) fn of_option(plugin: &str, option: &str, what: impl Into<String>) -> PluginError {
        PluginError { option: Some(option.to_owned()), ..PluginError::new(plugin, Rule::Options, what) }
    }

    /// What is wrong, without who and which rule.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Whether it names this file, and not a plugin's id.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.plugin == path.display().to_string()
    }

    /// Which rule was broken.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The key in `[plugin.options]` that is at fault, if one is: a caller that knows the file adds the line.
    #[must_use]
    pub fn option(&self) -> Option<&str> {
        self.option.as_deref()
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin {}: {} (rule: {})", self.plugin, self.what, self.rule.as_str())
    }
}

impl std::error::Error for PluginError {}
