//! The plugin host with real C plugins, good ones and bad ones.
//!
//! Nothing here sleeps for a time: it waits for what another thread does, with a bound.

mod acceptance;
#[path = "../plugins/rig.rs"]
mod rig;
mod running;

use std::time::Duration;

/// For a clean stop of plugins that do stop.
const STOP: Duration = Duration::from_secs(10);
