//! What `plugin info` and `config check` ask: a plugin's description, and whether a `[[plugin]]` fits it.
//!
//! Loads the file, so its initializers run; makes no instance.

use std::path::Path;

use serialnumberd_plugin::abi::{
    SLND_EV_ANNOUNCEMENT, SLND_EV_DUPLICATE, SLND_EV_LOST, SLND_EV_QUERY, SLND_EV_RESOLVED, SLND_EV_STATE,
    SLND_EV_TICK, slnd_ev_bit, slnd_kind,
};

use super::begin::{Code, Facts, settle};
use super::descriptor;
use super::error::PluginError;
use super::file;
use super::host::examine;
use super::manifest::{self, Manifest};
use super::options::OptionSpec;
use super::permission::Permissions;
use super::process;
use super::spec::{Isolation, PluginSpec};

const KINDS: [(slnd_kind, &str); 7] = [
    (SLND_EV_ANNOUNCEMENT, "announcement"),
    (SLND_EV_DUPLICATE, "duplicate"),
    (SLND_EV_RESOLVED, "resolved"),
    (SLND_EV_STATE, "state"),
    (SLND_EV_QUERY, "query"),
    (SLND_EV_TICK, "tick"),
    (SLND_EV_LOST, "lost"),
];

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What its file says without being loaded.
    pub manifest: Manifest,
    /// Its name for people.
    pub name: String,
    /// One sentence: what it does.
    pub description: String,
    /// Who makes it, or empty.
    pub vendor: String,
    /// Where to read more, or empty.
    pub url: String,
    /// Permissions that it uses if they are granted.
    pub wants_if_granted: Permissions,
    /// The kinds of events that it gets, in the words of `watch`; `lost` always comes.
    pub events: Vec<&'static str>,
    /// Its options.
    pub options: Vec<OptionSpec>,
}

/// Loads a plugin under the acceptance rules and tells what it says of itself.
///
/// # Errors
/// Which rule it breaks.
pub fn describe(path: &Path) -> Result<Description, PluginError> {
    let file = file::open(path)?;
    let manifest = manifest::read(path, &file)?;
    let descriptor = descriptor::load(file, &manifest)?;
    let wanted = descriptor.raw.events;
    let events = KINDS.iter().filter(|(kind, _)| *kind == SLND_EV_LOST || wanted & slnd_ev_bit(*kind) != 0);
    Ok(Description {
        name: descriptor.name,
        description: descriptor.description,
        vendor: descriptor.vendor,
        url: descriptor.url,
        wants_if_granted: descriptor.wants_if_granted,
        events: events.map(|(_, word)| *word).collect(),
        options: descriptor.options,
        manifest,
    })
}

/// Whether this `[[plugin]]` would be accepted: its file, grants and options, all but making an instance.
///
/// # Errors
/// Which rule is broken, and for an option which key.
pub fn check(spec: &PluginSpec) -> Result<(), PluginError> {
    let (code, granted) = examine(spec)?;
    let id = code.id().to_owned();
    let facts = match (code, spec.isolation) {
        (Code::File(file, manifest), Isolation::Process) => {
            process::describe(file, manifest, spec.process.clone(), &spec.state_dir)?
        }
        (code, _) => Facts::of(&code.load()?),
    };
    settle(&id, &facts, granted, (&spec.options, spec.texts)).map(drop)
}
