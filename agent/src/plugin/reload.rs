//! New options for running plugins, as a transaction: all take them, or all keep the old ones.
//!
//! The loop must not wait for a plugin, so a reload is begun, polled and then committed or aborted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{PluginError, Rule};
use super::host::PluginHost;
use super::instance::Instance;
use super::limits::RELOAD_TIMEOUT;
use super::options::{self, Settings};
use super::shared::Configure;
use super::spec::{PluginSpec, VerdictUse};
use super::trial::Trials;
use super::watchdog::Health;

/// What one plugin is to get.
#[derive(Debug)]
struct Change {
    verdict: VerdictUse,
    settings: Arc<Settings>,
}

/// A reload under way, if any.
#[derive(Debug, Default)]
pub(super) struct Reload {
    changes: Option<Vec<Change>>,
    /// Who was asked, and what it answered.
    answers: BTreeMap<usize, Option<Result<(), PluginError>>>,
    /// Told apart from late answers to an earlier one.
    generation: u64,
    deadline_ns: u64,
    pub(super) trials: Trials,
}

impl Reload {
    pub(super) fn deadline_ns(&self) -> Option<u64> {
        let waits = self.answers.values().any(Option::is_none);
        (self.changes.is_some() && waits).then_some(self.deadline_ns)
    }

    pub(super) fn answered(&mut self, plugin: usize, id: &str, generation: u64, result: Result<(), String>) {
        if generation != self.generation {
            // To options that were withdrawn meanwhile: the command to return to the old ones is under way.
            return;
        }
        let result = result.map_err(|what| PluginError::new(id, Rule::LifeCycle, what));
        match (self.answers.get_mut(&plugin), result) {
            (Some(answer), result) => *answer = Some(result),
            (None, Err(error)) => log::error!("{error}; it was to return to its old options"),
            (None, Ok(())) => {}
        }
    }
}

impl PluginHost {
    /// Begins a reload: checks the new options against the plugins' tables, then hands them to the
    /// plugins, which take them on their own threads.  `specs` must name the same plugins with the same grants.
    ///
    /// # Errors
    /// What does not fit, or that a reload is under way; then nothing has changed.
    pub fn prepare_reload(&mut self, specs: &[PluginSpec], now_ns: u64) -> Result<(), PluginError> {
        if self.reload.changes.is_some() {
            let what = "a reload is under way already: try again in a few seconds";
            return Err(PluginError::new("reload", Rule::LifeCycle, what));
        }
        self.check_set(specs)?;
        let changes = self
            .instances
            .iter()
            .map(|instance| change(instance, specs, now_ns))
            .collect::<Result<Vec<_>, _>>()?;
        self.reload.generation += 1;
        self.reload.deadline_ns =
            now_ns.saturating_add(u64::try_from(RELOAD_TIMEOUT.as_nanos()).unwrap_or(u64::MAX));
        self.reload.answers.clear();
        for (plugin, change) in changes.iter().enumerate() {
            if self.instances[plugin].takes_options() {
                self.send(plugin, Arc::clone(&change.settings), false);
                self.reload.answers.insert(plugin, None);
            }
        }
        self.reload.changes = Some(changes);
        Ok(())
    }

    /// How the reload that was begun does: `None` while plugins are still at it; an error if one refused
    /// or did not answer within 5 s, and then all return to their old options and the reload is over.
    pub fn poll_reload(&mut self, now_ns: u64) -> Option<Result<(), PluginError>> {
        self.reload.changes.as_ref()?;
        let refused = self.reload.answers.values_mut().find(|answer| matches!(answer, Some(Err(_))));
        if let Some(Some(Err(error))) = refused.map(Option::take) {
            self.abort_reload();
            return Some(Err(error));
        }
        let late = self.reload.answers.iter().find(|(_, answer)| answer.is_none());
        let Some(late) = late.map(|(plugin, _)| *plugin) else { return Some(Ok(())) };
        if now_ns < self.reload.deadline_ns {
            return None;
        }
        let what = format!("its configure did not return within {} s", RELOAD_TIMEOUT.as_secs());
        let error = PluginError::new(&self.instances[late].id, Rule::LifeCycle, what);
        self.abort_reload();
        Some(Err(error))
    }

    /// Makes the new options the ones in force, once [`PluginHost::poll_reload`] said that all took them.  What was
    /// decided with them is handed out next.
    pub fn commit_reload(&mut self) {
        let changes = self.reload.changes.take().unwrap_or_default();
        for (instance, change) in self.instances.iter_mut().zip(changes) {
            (instance.verdict, instance.settings) = (change.verdict, change.settings);
        }
        self.reload.answers.clear();
        self.reload.trials.commit();
    }

    /// Gives the plugins that were asked their old options back.
    fn abort_reload(&mut self) {
        if self.reload.changes.take().is_none() {
            return;
        }
        self.reload.generation += 1;
        // Also those that have not answered yet: the commands are obeyed in order, so the old ones win.
        for plugin in std::mem::take(&mut self.reload.answers).into_keys() {
            self.send(plugin, Arc::clone(&self.instances[plugin].settings), true);
        }
    }

    fn send(&mut self, plugin: usize, settings: Arc<Settings>, is_withdrawn: bool) {
        let generation = self.reload.generation;
        let queued = self.instances[plugin].command(Configure { generation, settings, is_withdrawn });
        debug_assert!(queued, "there was room for a reload and its undoing, and nothing else is sent");
    }

    fn check_set(&self, specs: &[PluginSpec]) -> Result<(), PluginError> {
        let refuse = |plugin: String, what: &str| {
            Err(PluginError::new(plugin, Rule::Set, format!("{what}: restart the agent for that")))
        };
        if let Some(spec) = specs
            .iter()
            .find(|spec| self.instances.iter().all(|instance| instance.path != spec.source.path()))
        {
            return refuse(spec.source.path().display().to_string(), "a reload cannot add it");
        }
        if let Some(instance) = self
            .instances
            .iter()
            .find(|instance| specs.iter().all(|spec| spec.source.path() != instance.path))
        {
            return refuse(instance.id.clone(), "a reload cannot remove it");
        }
        if specs.len() != self.instances.len() {
            return refuse("list".to_owned(), "the configuration names one of them twice");
        }
        Ok(())
    }
}

fn change(instance: &Instance, specs: &[PluginSpec], now_ns: u64) -> Result<Change, PluginError> {
    let Some(spec) = specs.iter().find(|spec| spec.source.path() == instance.path) else {
        return Err(PluginError::new(&instance.id, Rule::Set, "it is not in the new configuration"));
    };
    if spec.grant != instance.grant {
        let what = "a reload cannot change its grant: restart the agent for that";
        return Err(PluginError::new(&instance.id, Rule::Permission, what));
    }
    if (spec.isolation, &spec.process) != (instance.isolation, &instance.process) {
        let what =
            "a reload cannot change its isolation, its sandbox or plugin_helper: restart the agent for that";
        return Err(PluginError::new(&instance.id, Rule::Isolation, what));
    }
    if instance.shared.health(now_ns) == Health::Stalled {
        let what = "it is stalled and cannot take options now";
        return Err(PluginError::new(&instance.id, Rule::LifeCycle, what));
    }
    if instance.takes_options() && !instance.has_room_for_reload() {
        let what =
            "it is busy and has not even taken the options of earlier reloads: try again in a few seconds";
        return Err(PluginError::new(&instance.id, Rule::LifeCycle, what));
    }
    let settings = options::resolve(&instance.id, &instance.table, &spec.options, spec.texts)?;
    options::check_reload(&instance.id, &instance.table, &instance.settings, &settings)?;
    Ok(Change { verdict: spec.verdict, settings: Arc::new(settings) })
}
