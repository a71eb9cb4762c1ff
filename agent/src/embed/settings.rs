//! What is set before the start, key by key, in the words of the configuration file; read by the configuration's own
//! reader, so that no second one can disagree.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serialnumberd_core::Product;
use toml::{Table, Value};
use zeroize::{Zeroize as _, Zeroizing};

use super::Mode;
use super::failure::Failure;
use crate::config::{Config, LicenseConfig};
use crate::event_loop::Terms;
use crate::paths::{Environment, Profile};
use crate::plugin::{PluginSpec, StaticPlugin};

/// A license of which only group and role are set has no serial yet, but the file's reader wants one.
const NO_SERIAL: &str = "0";

/// A plugin that was added.
#[derive(Debug)]
struct Added {
    /// How its keys are called: `plugin.NAME.verdict`.
    name: String,
    /// `None` if it is in a file.
    fixed: Option<StaticPlugin>,
    table: Table,
}

/// All that was set.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) mode: Mode,
    profile: Profile,
    agent: Table,
    directory: Table,
    licenses: BTreeMap<Product, Table>,
    plugins: Vec<Added>,
}

/// What the settings amount to.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: Config,
    /// Plugins of the program itself.
    pub(super) plugins: Vec<PluginSpec>,
    /// Group and role of licenses that the program may claim.
    pub(super) terms: BTreeMap<Product, Terms>,
    /// It was said where the control socket is.
    pub(super) control_set: bool,
}

impl Settings {
    /// Sets one key.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        match key.split_once('.') {
            Some(("license", rest)) => return self.set_license(rest, value),
            Some(("plugin", rest)) => return self.set_plugin(rest, value),
            Some(("directory", key)) => {
                let read = accepted(value, |value| trial("directory", table_of([(key, value)])))?;
                self.directory.insert(key.to_owned(), read);
                return Ok(());
            }
            _ => {}
        }
        match key {
            "mode" => self.mode = Mode::of_word(value)?,
            "unprivileged" => self.profile = profile(value)?,
            _ => {
                let read = accepted(value, |value| trial("agent", table_of([(key, value)])))?;
                self.agent.insert(key.to_owned(), read);
            }
        }
        Ok(())
    }

    fn set_license(&mut self, rest: &str, value: &str) -> Result<(), Failure> {
        let (product, key) = rest.rsplit_once('.').ok_or_else(|| {
            Failure::invalid(format!(
                "`license.{rest}`: write license.PRODUCT.KEY, such as license.xsvr.group"
            ))
        })?;
        let product = Product::new(product).map_err(|e| Failure::invalid(e.to_string()))?;
        named_by_the_key("product", key)?;
        let read = accepted(value, |value| {
            // With what other keys ask of each other, so that their order does not matter.
            let mut table = table_of([("product", product.as_str().into()), ("group", "any".into())]);
            if key != "serial_file" {
                table.insert("serial".to_owned(), NO_SERIAL.into());
            }
            table.insert(key.to_owned(), value);
            trial("license", vec![table])
        })?;
        self.licenses.entry(product).or_default().insert(key.to_owned(), read);
        Ok(())
    }

    fn set_plugin(&mut self, rest: &str, value: &str) -> Result<(), Failure> {
        let after = |added: &Added| rest.strip_prefix(&added.name)?.strip_prefix('.').map(str::to_owned);
        let found = self.plugins.iter_mut().filter_map(|added| Some((after(added)?, added)));
        // Of two that fit, one of which is called as the other and a dot, the longer name is meant.
        let Some((key, added)) = found.min_by_key(|(key, _)| key.len()) else {
            return Err(Failure::invalid(format!(
                "`plugin.{rest}`: no plugin of that name was added; add it first, and write plugin.NAME.KEY with \
                 the name by which it was added"
            )));
        };
        let (table, key) = match key.split_once('.') {
            Some((table, key)) => (Some(table), key),
            None => (None, key.as_str()),
        };
        named_by_the_key("path", key)?;
        if table == Some("options") {
            put_option(&mut added.table, key, value);
            return Ok(());
        }
        let read = accepted(value, |value| {
            let grant = Value::Array(vec!["verdict".into()]);
            let mut entry = table_of([("path", "any.so".into()), ("grant", grant)]);
            if table == Some("sandbox") {
                entry.insert("isolation".to_owned(), "process".into());
            }
            put(&mut entry, table, key, value);
            trial("plugin", vec![entry])
        })?;
        put(&mut added.table, table, key, read);
        Ok(())
    }

    /// Adds a plugin by its file.
    pub(super) fn add_plugin(&mut self, path: &str, options: &[(String, String)]) -> Result<(), Failure> {
        trial("plugin", vec![table_of([("path", path.into())])])?;
        self.add(path.to_owned(), None, options)
    }

    /// Adds a plugin of the program itself; its keys are called by its id.
    pub(super) fn add_static(
        &mut self,
        plugin: StaticPlugin,
        options: &[(String, String)],
    ) -> Result<(), Failure> {
        self.add(plugin.id().to_owned(), Some(plugin), options)
    }

    fn add(
        &mut self,
        name: String,
        fixed: Option<StaticPlugin>,
        options: &[(String, String)],
    ) -> Result<(), Failure> {
        if self.plugins.iter().any(|added| added.name == name) {
            return Err(Failure::invalid(format!("plugin {name}: it was added already")));
        }
        let mut table = table_of([("path", name.as_str().into())]);
        options.iter().for_each(|(key, value)| put_option(&mut table, key, value));
        self.plugins.push(Added { name, fixed, table });
        Ok(())
    }

    /// Reads everything that was set as if it stood in one file; `port` is that of adopted sockets.
    pub(super) fn plan(&self, port: Option<u16>, environment: &Environment) -> Result<Plan, Failure> {
        let mut config = read(self.document(port), self.profile, environment)?;
        // That there is no license yet is what a program that claims one is like.
        config.warnings.clear();
        let whole = |license: &LicenseConfig| self.licenses.get(&license.product).is_some_and(is_whole);
        let (whole, terms): (Vec<_>, Vec<_>) =
            std::mem::take(&mut config.licenses).into_iter().partition(whole);
        config.licenses = whole;
        let terms = terms.iter().map(|license| (license.product, Terms::of_license(license))).collect();
        let mut plugins = Vec::new();
        for (mut entry, added) in std::mem::take(&mut config.plugins).into_iter().zip(&self.plugins) {
            entry.texts = true;
            match &added.fixed {
                Some(plugin) => plugins.push(entry.static_spec(plugin.clone(), &config.agent.state_dir)),
                None => config.plugins.push(entry),
            }
        }
        Ok(Plan { config, plugins, terms, control_set: self.agent.contains_key("control") })
    }

    fn document(&self, port: Option<u16>) -> Table {
        let mut agent = self.agent.clone();
        if let Some(port) = port {
            agent.insert("port".to_owned(), i64::from(port).into());
        }
        let licenses = self.licenses.iter().map(|(product, table)| {
            let mut table = table.clone();
            table.insert("product".to_owned(), product.as_str().into());
            if !is_whole(&table) {
                table.insert("serial".to_owned(), NO_SERIAL.into());
            }
            Value::Table(table)
        });
        let plugins = self.plugins.iter().map(|added| Value::Table(added.table.clone()));
        table_of([
            ("agent", Value::Table(agent)),
            ("directory", Value::Table(self.directory.clone())),
            ("license", Value::Array(licenses.collect())),
            ("plugin", Value::Array(plugins.collect())),
        ])
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        self.licenses.values_mut().for_each(wipe);
    }
}

/// Serials may stand in it.
fn wipe(table: &mut Table) {
    for (_, value) in table.iter_mut() {
        match value {
            Value::String(text) => text.zeroize(),
            Value::Table(table) => wipe(table),
            Value::Array(values) => values.iter_mut().filter_map(Value::as_table_mut).for_each(wipe),
            _ => {}
        }
    }
}

fn profile(value: &str) -> Result<Profile, Failure> {
    match value {
        "true" => Ok(Profile::Unprivileged),
        "false" => Ok(Profile::System),
        _ => Err(Failure::invalid(format!("`unprivileged`: expected true or false, found \"{value}\""))),
    }
}

fn named_by_the_key(fixed: &str, key: &str) -> Result<(), Failure> {
    if key != fixed {
        return Ok(());
    }
    Err(Failure::invalid(format!("`{fixed}` is a part of the key here, and cannot be set to something else")))
}

/// Whether a license is claimed from the start, as one in a file is.
fn is_whole(table: &Table) -> bool {
    table.contains_key("serial") || table.contains_key("serial_file")
}

fn table_of<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn put(entry: &mut Table, table: Option<&str>, key: &str, value: Value) {
    let target = match table {
        None => entry,
        Some(table) => {
            let inner = entry.entry(table).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = inner else { return };
            inner
        }
    };
    target.insert(key.to_owned(), value);
}

/// An option is a text: what it means is known once the plugin's own table is.
fn put_option(entry: &mut Table, key: &str, value: &str) {
    let text = match as_toml(value) {
        Some(Value::String(text)) => text,
        _ => value.to_owned(),
    };
    put(entry, Some("options"), key, Value::String(text));
}

/// The reading of `value` that `check` takes: as TOML, else as text.
fn accepted(value: &str, check: impl Fn(Value) -> Result<(), Failure>) -> Result<Value, Failure> {
    let text = Value::String(value.to_owned());
    let Some(read) = as_toml(value) else { return check(text.clone()).map(|()| text) };
    let Err(why) = check(read.clone()) else { return Ok(read) };
    if read.is_str() {
        return Err(why);
    }
    check(text.clone()).map(|()| text).map_err(|_| why)
}

/// One value as TOML writes it.
fn as_toml(value: &str) -> Option<Value> {
    let mut table: Table = toml::from_str(&format!("value = {value}")).ok()?;
    let read = table.remove("value")?;
    // More than one line of it is no value.
    table.is_empty().then_some(read)
}

/// Whether the file's reader takes a file with only this in it.  With the system's places no key depends on the
/// environment.
fn trial(section: &str, content: impl Into<Value>) -> Result<(), Failure> {
    read(table_of([(section, content.into())]), Profile::System, &Environment::default()).map(drop)
}

fn read(mut document: Table, profile: Profile, environment: &Environment) -> Result<Config, Failure> {
    let text = toml::to_string(&document).map(Zeroizing::new);
    wipe(&mut document);
    let text = text.map_err(|e| Failure::invalid(format!("the settings cannot be written as TOML: {e}")))?;
    Config::parse(&text, profile, environment).map_err(|e| Failure::invalid(e.to_string()))
}
