//! What is set before the start, key by key, in the words of the configuration file; and the reading of it by the
//! configuration's own reader, so that no second one can disagree.

use std::collections::BTreeMap;

use serialnumberd_core::Product;
use toml::{Table, Value};

use super::Mode;
use super::failure::Failure;
use crate::config::{Config, LicenseConfig};
use crate::event_loop::Terms;
use crate::paths::{Environment, Profile};
use crate::plugin::{PluginSpec, StaticPlugin};

/// A plugin that was added, and how its keys are called: `plugin.NAME.verdict`.
#[derive(Debug)]
struct Added {
    name: String,
    fixed: Option<StaticPlugin>,
    table: Table,
}

/// All that was set.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) mode: Mode,
    profile: Profile,
    agent: Table,
    licenses: BTreeMap<Product, Table>,
    plugins: Vec<Added>,
}

/// What the settings amount to.
pub(super) struct Plan {
    pub(super) config: Config,
    /// Plugins of the program itself.
    pub(super) plugins: Vec<PluginSpec>,
    /// Group and role of licenses that the program may claim.
    pub(super) terms: BTreeMap<Product, Terms>,
    /// A control socket is served, or connected to, where it was said.
    pub(super) control_set: bool,
}

/// A license of which only group and role were set has no serial yet, but the file's reader wants one.
const NO_SERIAL: &str = "0";

impl Settings {
    /// Sets one key.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        match key.split_once('.') {
            Some(("license", rest)) => self.set_license(rest, value),
            Some(("plugin", rest)) => self.set_plugin(rest, value),
            _ if key == "mode" => {
                self.mode = Mode::of_word(value)?;
                Ok(())
            }
            _ if key == "unprivileged" => {
                let unprivileged = value.parse().map_err(|_| {
                    Failure::invalid(format!("`unprivileged`: expected true or false, found \"{value}\""))
                })?;
                self.profile = if unprivileged { Profile::Unprivileged } else { Profile::System };
                Ok(())
            }
            _ => {
                let value = accepted(value, |value| {
                    trial("agent", Table::from_iter([(key.to_owned(), value)]), false)
                })?;
                self.agent.insert(key.to_owned(), value);
                Ok(())
            }
        }
    }

    fn set_license(&mut self, rest: &str, value: &str) -> Result<(), Failure> {
        let Some((product, key)) = rest.rsplit_once('.') else {
            return Err(Failure::invalid(format!("`license.{rest}`: write license.PRODUCT.KEY")));
        };
        let product = Product::new(product).map_err(|e| Failure::invalid(e.to_string()))?;
        let value = accepted(value, |value| {
            let mut table = Table::from_iter([("product".to_owned(), product.as_str().into())]);
            if key != "serial_file" {
                table.insert("serial".to_owned(), NO_SERIAL.into());
            }
            table.insert("group".to_owned(), "any".into());
            table.insert(key.to_owned(), value);
            trial("license", table, true)
        })?;
        self.licenses.entry(product).or_default().insert(key.to_owned(), value);
        Ok(())
    }

    fn set_plugin(&mut self, rest: &str, value: &str) -> Result<(), Failure> {
        let known = |added: &&mut Added| rest.strip_prefix(&added.name).is_some_and(|r| r.starts_with('.'));
        let Some(added) = self.plugins.iter_mut().filter(known).max_by_key(|added| added.name.len()) else {
            return Err(Failure::invalid(format!(
                "`plugin.{rest}` is a key of no plugin that was added; add the plugin first, and write \
                 plugin.FILE.KEY as it was added"
            )));
        };
        let key = &rest[added.name.len() + 1..];
        let (table, key) = match key.split_once('.') {
            Some((table, key)) => (Some(table), key),
            None => (None, key),
        };
        if table == Some("options") {
            insert_option(&mut added.table, key, value);
            return Ok(());
        }
        let value = accepted(value, |value| {
            let mut entry = Table::from_iter([
                ("path".to_owned(), "any.so".into()),
                ("grant".to_owned(), Value::Array(vec!["verdict".into()])),
            ]);
            put(&mut entry, table, key, value);
            trial("plugin", entry, true)
        })?;
        put(&mut added.table, table, key, value);
        Ok(())
    }

    /// Adds a plugin by its file.
    pub(super) fn add_plugin(&mut self, path: &str, options: &[(String, String)]) -> Result<(), Failure> {
        trial("plugin", Table::from_iter([("path".to_owned(), path.into())]), true)?;
        self.add(path, None, options)
    }

    /// Adds a plugin of the program itself; its keys are called by its id.
    pub(super) fn add_static(
        &mut self,
        plugin: StaticPlugin,
        options: &[(String, String)],
    ) -> Result<(), Failure> {
        let id = plugin.id().to_owned();
        self.add(&id, Some(plugin), options)
    }

    fn add(
        &mut self,
        name: &str,
        fixed: Option<StaticPlugin>,
        options: &[(String, String)],
    ) -> Result<(), Failure> {
        if self.plugins.iter().any(|added| added.name == name) {
            return Err(Failure::invalid(format!("plugin {name}: it was added before")));
        }
        let mut table = Table::from_iter([("path".to_owned(), name.into())]);
        options.iter().for_each(|(key, value)| insert_option(&mut table, key, value));
        self.plugins.push(Added { name: name.to_owned(), fixed, table });
        Ok(())
    }

    /// Reads everything that was set as if it stood in one file; `port` is that of adopted sockets.
    pub(super) fn plan(&self, port: Option<u16>) -> Result<Plan, Failure> {
        let mut agent = self.agent.clone();
        if let Some(port) = port {
            agent.insert("port".to_owned(), i64::from(port).into());
        }
        let mut document = Table::from_iter([("agent".to_owned(), Value::Table(agent))]);
        let licenses = self.licenses.iter().map(|(product, table)| {
            let mut table = table.clone();
            table.insert("product".to_owned(), product.as_str().into());
            if !is_whole(&table) {
                table.insert("serial".to_owned(), NO_SERIAL.into());
            }
            Value::Table(table)
        });
        document.insert("license".to_owned(), Value::Array(licenses.collect()));
        let plugins = self.plugins.iter().map(|added| Value::Table(added.table.clone()));
        document.insert("plugin".to_owned(), Value::Array(plugins.collect()));
        let mut config = read(&document, self.profile, &Environment::of_this_process())?;
        let whole = |license: &LicenseConfig| self.licenses.get(&license.product).is_some_and(is_whole);
        let (licenses, terms): (Vec<_>, Vec<_>) = config.licenses.into_iter().partition(whole);
        let terms = terms.into_iter().map(|license| (license.product, Terms::of_license(&license))).collect();
        config.licenses = licenses;
        // That there is no license yet is what a program that claims one is like.
        config.warnings.clear();
        let mut plugins = Vec::new();
        let mut files = Vec::new();
        for (entry, added) in config.plugins.into_iter().zip(&self.plugins) {
            match &added.fixed {
                Some(plugin) => plugins.push(entry.static_spec(plugin.clone(), &config.agent.state_dir)),
                None => files.push(entry),
            }
        }
        config.plugins = files;
        Ok(Plan { config, plugins, terms, control_set: self.agent.contains_key("control") })
    }
}

/// Whether a license is claimed from the start, as one in a file is.
fn is_whole(table: &Table) -> bool {
    table.contains_key("serial") || table.contains_key("serial_file")
}

fn put(entry: &mut Table, table: Option<&str>, key: &str, value: Value) {
    match table {
        None => drop(entry.insert(key.to_owned(), value)),
        Some(table) => {
            let inner = entry.entry(table).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                inner.insert(key.to_owned(), value);
            }
        }
    }
}

/// An option is a text; what it means is known once the plugin's table is.
fn insert_option(entry: &mut Table, key: &str, value: &str) {
    let value = match as_toml(value) {
        Some(Value::String(text)) => text,
        _ => value.to_owned(),
    };
    put(entry, Some("options"), key, Value::String(value));
}

/// The reading of `value` that `check` takes: as TOML, else as text.
fn accepted(value: &str, check: impl Fn(Value) -> Result<(), Failure>) -> Result<Value, Failure> {
    let text = Value::String(value.to_owned());
    let Some(read) = as_toml(value) else { return check(text.clone()).map(|()| text) };
    check(read.clone()).map(|()| read).or_else(|why| check(text.clone()).map(|()| text).map_err(|_| why))
}

/// One value as TOML writes it.
fn as_toml(value: &str) -> Option<Value> {
    let table: Table = toml::from_str(&format!("v = {value}")).ok()?;
    let [("v", value)] = table.iter().map(|(k, v)| (k.as_str(), v)).collect::<Vec<_>>()[..] else {
        return None;
    };
    Some(value.clone())
}

/// Whether the file's reader takes a table with this in it.
fn trial(section: &str, table: Table, listed: bool) -> Result<(), Failure> {
    let table = Value::Table(table);
    let table = if listed { Value::Array(vec![table]) } else { table };
    // With the system's places no key depends on this process's environment.
    read(&Table::from_iter([(section.to_owned(), table)]), Profile::System, &Environment::default()).map(drop)
}

fn read(document: &Table, profile: Profile, environment: &Environment) -> Result<Config, Failure> {
    let text = toml::to_string(document)
        .map_err(|e| Failure::invalid(format!("the settings cannot be written as TOML: {e}")))?;
    Config::parse(&text, profile, environment).map_err(|e| Failure::invalid(e.to_string()))
}
