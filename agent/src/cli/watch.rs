//! `watch`: events as they come.

use std::io::Write as _;

use super::args::WatchArgs;
use super::output::{Ending, standard};
use crate::control::EventView;
use crate::paths::Environment;

pub(super) fn watch(args: &WatchArgs, environment: &Environment) -> Ending {
    let mut events = args.control.connect(environment)?.watch()?;
    let (mut out, _) = standard();
    loop {
        let event = events.next_event()?;
        if args.json {
            writeln!(out, "{event}")?;
        } else {
            let view: EventView = serde_json::from_value(event)
                .map_err(|e| format!("an event of the agent is not understood: {e}"))?;
            writeln!(out, "{view}")?;
        }
        out.flush()?;
    }
}
