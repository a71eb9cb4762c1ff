//! The plugin host with real C plugins, good ones and bad ones.
//!
//! Nothing here sleeps for a time: it waits for what another thread does, with a bound.

/// Makes of each function that takes a rig two tests: with plugins on threads, and with plugins in processes.
macro_rules! in_both_modes {
    ($($name:ident,)*) => {
        mod on_threads {
            $(#[test]
            fn $name() {
                crate::with_rig(super::$name, crate::rig::Rig::new);
            })*
        }
        mod in_processes {
            $(#[test]
            fn $name() {
                crate::with_rig(super::$name, crate::rig::Rig::of_processes);
            })*
        }
    };
}

mod acceptance;
mod old;
mod process;
mod reload;
#[path = "../plugins/rig.rs"]
mod rig;
mod running;
mod suite;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rig::eventually;
use serialnumberd::logging::{Scope, Sink};
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

/// The lines that an agent logs, with their level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Sink for Lines {
    fn log(&self, level: log::Level, line: &str) {
        self.0.lock().expect("no panic").push(format!("{level:?}: {line}"));
    }
}

impl Lines {
    fn scope(&self) -> Scope {
        Scope::new(Some(Arc::new(self.clone())))
    }

    fn taken(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

/// A test that runs with one rig, or makes as many as it needs.
trait WithRig<Marker> {
    fn run(self, new_rig: fn() -> rig::Rig);
}

impl<F: FnOnce(rig::Rig)> WithRig<rig::Rig> for F {
    fn run(self, new_rig: fn() -> rig::Rig) {
        self(new_rig());
    }
}

impl<F: FnOnce(fn() -> rig::Rig)> WithRig<fn() -> rig::Rig> for F {
    fn run(self, new_rig: fn() -> rig::Rig) {
        self(new_rig);
    }
}

fn with_rig<Marker>(test: impl WithRig<Marker>, new_rig: fn() -> rig::Rig) {
    test.run(new_rig);
}
