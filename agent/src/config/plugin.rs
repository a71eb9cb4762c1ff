//! `[[plugin]]`: what is loaded, what it may do, and its options as written.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::document::{Document, Section};
use super::sandbox;
use super::value::{list, text, word};
use super::{Config, Isolation, PluginConfig, PluginOption, Problem, VerdictUse};
use crate::paths;
use crate::plugin::{self, OWN_PROGRAM, Permissions, PluginError, PluginSpec, Process, Source, StaticPlugin};

/// Each has a thread and a ring of its own.
const MOST: usize = 32;

/// Reads all `[[plugin]]` entries.
pub(super) fn read_all(document: &Document<'_>, entries: Vec<(DeTable<'_>, usize)>) -> Vec<PluginConfig> {
    if let Some((_, start)) = entries.get(MOST) {
        document.error(*start, format!("at most {MOST} [[plugin]] entries"));
    }
    entries
        .into_iter()
        .filter_map(|(table, start)| read(Section::new(document, "[[plugin]]", table, start)))
        .collect()
}

fn read(mut section: Section<'_, '_>) -> Option<PluginConfig> {
    let (line, _) = section.document.position(section.start());
    let s = &mut section;
    let path = s.require("path", "path = \"libslnd_policy.so\"", |v| plugin_path(&text(v)?));
    let mut isolation = Isolation::default();
    s.set(
        "isolation",
        &mut isolation,
        word(&[("thread", Isolation::Thread), ("process", Isolation::Process)]),
    );
    let modes =
        [("ignore", VerdictUse::Ignore), ("advise", VerdictUse::Advise), ("require", VerdictUse::Require)];
    let verdict = s.take_at("verdict", word(&modes));
    let mut grant = Vec::new();
    s.set("grant", &mut grant, |v| {
        let mut grant = list(permission)(v)?;
        grant.sort();
        grant.dedup();
        Ok(grant)
    });
    if let Some((VerdictUse::Advise | VerdictUse::Require, offset)) = verdict
        && !grant.iter().any(|name| name == "verdict")
    {
        s.document.error(
            offset,
            "`verdict` in [[plugin]]: to be asked, the plugin needs the grant: add grant = [\"verdict\"]",
        );
    }
    let is_process = isolation == Isolation::Process;
    let sandbox =
        s.take_value("sandbox").map(|v| sandbox::read(s.document, v, is_process)).unwrap_or_default();
    let options = s.take_value("options").map(|v| read_options(s.document, v)).unwrap_or_default();
    section.finish();
    let verdict = verdict.map_or(VerdictUse::Ignore, |(mode, _)| mode);
    Some(PluginConfig { path: path?, isolation, sandbox, verdict, grant, options, texts: false, line })
}

/// Absolute, or one bare name: anything else would depend on where the agent was started.
fn plugin_path(written: &str) -> Result<PathBuf, String> {
    let path = Path::new(written);
    let mut components = path.components();
    let bare = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    if path.is_absolute() || (bare && !written.contains('/')) {
        return Ok(path.to_owned());
    }
    Err(format!(
        "\"{written}\" is neither absolute nor the bare name of a file in the plugin directory; write one of the two"
    ))
}

fn read_options(document: &Document<'_>, options: Spanned<DeValue<'_>>) -> Vec<PluginOption> {
    let start = options.span().start;
    let DeValue::Table(table) = options.into_inner() else {
        document.error(start, "`options` in [[plugin]]: expected the table [plugin.options]");
        return Vec::new();
    };
    let mut options: Vec<PluginOption> =
        table.into_iter().filter_map(|(key, value)| read_option(document, &key, value)).collect();
    options.sort_by_key(|option| (option.line, option.column));
    options
}

fn read_option(
    document: &Document<'_>,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: Spanned<DeValue<'_>>,
) -> Option<PluginOption> {
    let offset = key.span().start;
    let (line, column) = document.position(offset);
    match toml::Value::deserialize(ValueDeserializer::from(value)) {
        Ok(value) => Some(PluginOption { key: key.get_ref().to_string(), value, line, column }),
        Err(e) => {
            document.error(offset, format!("`{}` in [plugin.options]: {}", key.get_ref(), e.message()));
            None
        }
    }
}

fn permission(value: &DeValue<'_>) -> Result<String, String> {
    let name = text(value)?;
    Permissions::from_names([name.as_str()])?;
    Ok(name)
}

impl Config {
    /// Where plugins that are named without a folder are searched, first to last.
    #[must_use]
    pub fn plugin_search(&self) -> Vec<PathBuf> {
        paths::plugin_directories(&self.plugin_dirs, self.agent.plugin_dir.as_deref())
    }

    /// Of this program, which can run plugins in processes: it is `serialnumberd`.
    #[must_use]
    pub fn of_own_program(self) -> Config {
        Config { own_program: Some(PathBuf::from(OWN_PROGRAM)), ..self }
    }

    /// What the plugin host is to load, each file found.
    ///
    /// # Errors
    /// The first that is found nowhere, at its line of the file.
    pub fn plugin_specs(&self) -> Result<Vec<PluginSpec>, Problem> {
        let dirs = self.plugin_search();
        self.plugins
            .iter()
            .map(|entry| {
                let path = plugin::find(&entry.path, &dirs).map_err(|e| self.plugin_problem(entry, &e))?;
                Ok(entry.spec(path, self))
            })
            .collect()
    }

    /// Asks of every plugin what only its file knows: whether it is acceptable and its options fit.  Loads the
    /// files, so their initializers run, each where the plugin would.
    ///
    /// # Errors
    /// The first problem, at its line of the file.
    pub fn check_plugins(&self) -> Result<(), Problem> {
        let specs = self.plugin_specs()?;
        self.plugins
            .iter()
            .zip(&specs)
            .try_for_each(|(entry, spec)| plugin::check(spec).map_err(|e| self.plugin_problem(entry, &e)))
    }

    /// The place in the file of what the plugin host refused.
    #[must_use]
    pub fn plugin_problem(&self, entry: &PluginConfig, error: &PluginError) -> Problem {
        let option = entry.options.iter().find(|option| error.option() == Some(option.key.as_str()));
        let (line, column) = option.map_or((entry.line, 1), |option| (option.line, option.column));
        Problem { line, column, text: error.to_string(), file: self.path.clone() }
    }
}

impl PluginConfig {
    fn spec(&self, path: PathBuf, config: &Config) -> PluginSpec {
        let spec = self.spec_of(Source::File(path), &config.agent.state_dir);
        if self.isolation == Isolation::Thread {
            return spec;
        }
        let helper = config.agent.plugin_helper.as_ref().or(config.own_program.as_ref());
        PluginSpec { process: Process { helper: helper.cloned(), sandbox: self.sandbox.clone() }, ..spec }
    }

    /// This entry for a plugin of the program itself.
    pub(crate) fn static_spec(&self, plugin: StaticPlugin, state_dir: &Path) -> PluginSpec {
        self.spec_of(Source::Static(plugin), state_dir)
    }

    fn spec_of(&self, source: Source, state_dir: &Path) -> PluginSpec {
        PluginSpec {
            source,
            isolation: self.isolation,
            process: Process::default(),
            verdict: self.verdict,
            grant: self.grant.clone(),
            options: self.options.iter().map(|o| (o.key.clone(), o.value.clone())).collect(),
            texts: self.texts,
            state_dir: state_dir.to_owned(),
        }
    }
}

impl fmt::Debug for PluginOption {
    /// Without the value: only the plugin's own table says which options are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.key, self.line)
    }
}
