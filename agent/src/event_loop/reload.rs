//! Reading the configuration again, as a transaction: all of it holds, or the old one stays.

use serde_json::{Value, json};
use serialnumberd_core::ClaimKeys;

use super::requests::Asker;
use super::start::{derive, settings, with_place};
use super::{Agent, os_entropy};
use crate::clock;
use crate::config::{Config, LicenseConfig};
use crate::control::Access;
use crate::directory::fixed_tree;
use crate::paths::Environment;

/// A reload that waits for plugins to take their new options.
pub(super) struct Reloading {
    config: Config,
    /// The keys of every license of `config`, derived.
    keys: Vec<ClaimKeys>,
    /// The tree that `[directory]` names.
    tree: Option<netinfo::tree::Directory>,
    asker: Option<Asker>,
}

impl Agent {
    /// Begins a reload.
    pub(super) fn reload(&mut self, asker: Option<Asker>) {
        match self.prepare_reload(asker) {
            Ok(reloading) => self.reloading = Some(reloading),
            Err(error) => self.reload_failed(asker, error),
        }
        self.poll_reload();
    }

    fn reload_failed(&mut self, asker: Option<Asker>, error: String) {
        log::error!("the configuration was not reloaded, the old one stays: {error}");
        if let Some(asker) = asker {
            self.reply(asker, &Err(format!("the old configuration stays: {error}")));
        }
    }

    /// Everything that can fail, before anything changes.
    fn prepare_reload(&mut self, asker: Option<Asker>) -> Result<Reloading, String> {
        if self.reloading.is_some() {
            return Err("a reload is under way already; try again in a few seconds".to_owned());
        }
        let config =
            self.setup.config.read_again(&Environment::of_this_process()).map_err(|e| e.to_string())?;
        let tree = fixed_tree(&config.directory)?;
        let keys = config.licenses.iter().map(|l| self.keys_of(l)).collect::<Result<_, _>>()?;
        // Deriving keys takes its time; what is asked from here on must not be late before it is asked.
        self.now = clock::now();
        let specs = config.plugin_specs().map_err(|e| e.to_string())?;
        self.plugins.prepare_reload(&specs, self.now.boot.0).map_err(|e| with_place(&config, &e))?;
        Ok(Reloading { config, keys, tree, asker })
    }

    /// The keys of a license: those held if the serial is the same, else newly derived.
    fn keys_of(&self, license: &LicenseConfig) -> Result<ClaimKeys, String> {
        let same = self
            .setup
            .config
            .licenses
            .iter()
            .any(|l| l.product == license.product && l.serial == license.serial);
        let held = self.held.values().find(|h| same && h.product == license.product);
        held.map_or_else(|| derive(license), |h| Ok(h.keys.clone()))
    }

    /// Finishes a reload once all plugins took their options, or gives it up.
    pub(super) fn poll_reload(&mut self) {
        if self.reloading.is_none() {
            return;
        }
        let Some(result) = self.plugins.poll_reload(self.now.boot.0) else { return };
        let Some(reloading) = self.reloading.take() else { return };
        match result {
            Ok(()) => {
                self.plugins.commit_reload();
                // What was decided with the new options counts from here on, not a turn later.
                self.take_actions();
                self.commit(reloading);
            }
            Err(error) => self.reload_failed(reloading.asker, with_place(&reloading.config, &error)),
        }
    }

    fn commit(&mut self, reloading: Reloading) {
        let Reloading { config, keys, tree, asker } = reloading;
        // on_policy_failure, the worth of verdicts, a role: all may change what is in force.
        self.unsettled = true;
        let old = std::mem::replace(&mut self.setup.config, config);
        if let Ok(directory) = &mut self.directory {
            directory.configure(&self.setup.config.directory, tree.as_ref());
        }
        let agent = &self.setup.config.agent;
        self.engine.configure(self.now, settings(agent));
        let access = Access::new(&agent.control_uids, &agent.control_gids);
        let unreachable = self.control.as_mut().and_then(|control| control.set_access(access).err());
        if old.agent.peers != agent.peers {
            // Who is new among them would else hear nothing for an interval.
            self.engine.burst(self.now, &mut os_entropy, None);
        }
        if old.agent.interfaces != agent.interfaces {
            self.look_at_links();
        }
        let expelled = self.configure_claims(self.licenses(keys));
        if self.setup.config.plugins != old.plugins {
            self.ask_anew();
        }
        let unwise = self.setup.config.warnings.iter().map(ToString::to_string);
        let warnings: Vec<String> = unwise.chain(unreachable).chain(expelled).collect();
        warnings.iter().for_each(|w| log::warn!("{w}"));
        log::info!("the configuration was reloaded");
        if let Some(asker) = asker {
            let answer: Value = json!({ "warnings": warnings });
            self.reply(asker, &Ok(answer));
        }
    }
}
