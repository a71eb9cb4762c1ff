//! The plugin host with real C plugins, good ones and bad ones.
//!
//! Nothing here sleeps for a time: it waits for what another thread does, with a bound.

mod acceptance;
mod reload;
#[path = "../plugins/rig.rs"]
mod rig;
mod running;
mod suite;

use std::time::Duration;

use rig::eventually;
use serialnumberd::plugin::{Action, PluginHost};

/// For a clean stop of plugins that do stop.
const STOP: Duration = Duration::from_secs(10);

fn actions(host: &mut PluginHost) -> Vec<Action> {
    std::iter::from_fn(|| host.poll_action()).collect()
}

fn await_action(host: &mut PluginHost) -> Action {
    let mut found = None;
    eventually("an action", || {
        host.tick(0);
        found = host.poll_action();
        found.is_some()
    });
    found.expect("just found")
}
