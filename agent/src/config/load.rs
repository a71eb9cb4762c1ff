//! From a file, or from the command line alone, to a [`Config`].

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serialnumberd_core::Product;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::document::{Document, Section};
use super::{
    AgentConfig, Config, ConfigError, DirectoryConfig, LicenseConfig, Problem, SerialText, agent, directory,
    license, plugin, regular,
};
use crate::paths::{Environment, Profile};

/// A longer file is no configuration: 64 licenses and 32 plugins take a tenth of it.
const MAX_FILE: u64 = 1 << 20;

impl Config {
    /// Reads and checks a configuration file and the serial files that it names.
    ///
    /// # Errors
    /// Every mistake, in the order of the file.
    pub fn load(path: &Path, profile: Profile, environment: &Environment) -> Result<Config, ConfigError> {
        let fail = |text| ConfigError::from(Problem::of_file(Some(path), text));
        let cannot =
            |e| fail(format!("cannot read the configuration: {e}; `serialnumberd config init` prints one"));
        let Some((file, meta)) = regular::open(path).map_err(cannot)? else {
            return Err(fail("the configuration is no regular file".to_owned()));
        };
        let room = usize::try_from(meta.len().min(MAX_FILE)).unwrap_or(0) + 1;
        // Wiped, and with room from the start: the serials may stand in it.
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(fail(format!("the configuration has more than {MAX_FILE} bytes")));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|e| fail(format!("the configuration is not UTF-8 at byte {}", e.valid_up_to())))?;
        let others_can_read = meta.permissions().mode() & 0o004 != 0;
        read(Document::new(Some(path), text, others_can_read), Some(path), profile, environment)
    }

    /// Reads this configuration's file again, with the same profile and `--plugin-dir`.
    ///
    /// # Errors
    /// Every mistake; or that there is no file; or which keys changed that need a restart.
    pub fn read_again(&self, environment: &Environment) -> Result<Config, ConfigError> {
        let fail = |text| ConfigError::from(Problem::of_file(self.path.as_deref(), text));
        let Some(path) = &self.path else {
            return Err(fail(
                "there is no file to read again: this agent was started with --product, or by a program that embeds it"
                    .to_owned(),
            ));
        };
        let new = Config::load(path, self.profile, environment)?;
        let new =
            Config { plugin_dirs: self.plugin_dirs.clone(), own_program: self.own_program.clone(), ..new };
        match self.restart_needed(&new).as_slice() {
            [] => Ok(new),
            keys => Err(fail(format!("a change of {} needs a restart of the agent", keys.join(" and of ")))),
        }
    }

    /// Checks a configuration's text; relative paths count from the working directory.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn parse(text: &str, profile: Profile, environment: &Environment) -> Result<Config, ConfigError> {
        read(Document::new(None, text, false), None, profile, environment)
    }

    /// One license and no file: `run --product P --serial-file F`.
    ///
    /// # Errors
    /// A sentence, if the serial file is refused or the environment names no places.
    pub fn of_one_license(
        product: Product,
        serial_file: &Path,
        profile: Profile,
        environment: &Environment,
    ) -> Result<Config, ConfigError> {
        let fail = |text| ConfigError::from(Problem::of_file(None, text));
        let serial = SerialText::from_file(serial_file).map_err(fail)?;
        Ok(Config {
            path: None,
            profile,
            agent: AgentConfig::defaults(profile, environment).map_err(fail)?,
            directory: DirectoryConfig::defaults(profile),
            licenses: vec![LicenseConfig {
                product,
                serial,
                seats: 1,
                group: String::new(),
                standby: false,
                standbys: 0,
            }],
            plugins: Vec::new(),
            plugin_dirs: Vec::new(),
            own_program: None,
            warnings: Vec::new(),
        })
    }
}

fn read(
    document: Document<'_>,
    path: Option<&Path>,
    profile: Profile,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let root = document.parse()?;
    let mut top = Section::new(&document, "the file", root.into_inner(), 0);
    let agent = agent::read(table(&mut top, "agent", "[agent]"), profile, environment);
    let directory = directory::read(table(&mut top, "directory", "[directory]"), profile);
    let licenses = license::read_all(&document, entries(&mut top, "license"));
    let plugins = plugin::read_all(&document, entries(&mut top, "plugin"));
    top.finish();
    if licenses.is_empty() {
        document.warning(0, "no [[license]]: this agent claims nothing and only listens");
    }
    let path = path.map(Path::to_owned);
    let config = Config {
        path,
        profile,
        agent,
        directory,
        licenses,
        plugins,
        plugin_dirs: Vec::new(),
        own_program: None,
        warnings: Vec::new(),
    };
    document.finish(config).map(|(config, warnings)| Config { warnings, ..config })
}

/// The table `[key]`; an empty one where the file has none.
fn table<'d, 'a>(top: &mut Section<'d, 'a>, key: &'static str, name: &'static str) -> Section<'d, 'a> {
    let document = top.document;
    let value = top.take_value(key);
    let start = value.as_ref().map_or(0, |value| value.span().start);
    let table = match value.map(toml::Spanned::into_inner) {
        None => DeTable::new(),
        Some(DeValue::Table(table)) => table,
        Some(_) => {
            document.error(start, format!("`{key}` is the table {name}"));
            DeTable::new()
        }
    };
    Section::new(document, name, table, start)
}

/// The tables of `[[key]]`, each with the offset of its header.
fn entries<'a>(top: &mut Section<'_, 'a>, key: &'static str) -> Vec<(DeTable<'a>, usize)> {
    let document = top.document;
    let Some(value) = top.take_value(key) else { return Vec::new() };
    let start = value.span().start;
    let wrong = |offset| document.error(offset, format!("`{key}` is a list of tables: write [[{key}]]"));
    let DeValue::Array(array) = value.into_inner() else {
        wrong(start);
        return Vec::new();
    };
    let mut tables = Vec::new();
    for entry in array {
        let start = entry.span().start;
        match entry.into_inner() {
            DeValue::Table(table) => tables.push((table, start)),
            _ => wrong(start),
        }
    }
    tables
}
