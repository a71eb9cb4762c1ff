//! `watch`: events as they come.

use std::io::Write as _;

use super::args::WatchArgs;
use super::output::{Ending, standard};
use crate::control::EventView;
use crate::paths::Environment;
use crate::text::clean;

pub(super) fn watch(args: &WatchArgs, environment: &Environment) -> Ending {
    let mut events = args.control.connect(environment)?.watch()?;
    let (mut out, _) = standard();
    let mut last = None;
    loop {
        let event = events.next_event()?;
        if args.json {
            writeln!(out, "{event}")?;
        } else {
            let mut view: EventView = serde_json::from_value(event)
                .map_err(|e| format!("an event of the agent is not understood: {e}"))?;
            shorten(&mut view, &mut last);
            // A plugin's reason and a stranger's name: one event, one line, and nothing that a terminal obeys.
            writeln!(out, "{}", clean(&view.to_string()))?;
        }
        out.flush()?;
    }
}

/// Leaves out a reason that the line before gave already: it is a paragraph, and most changes are not of it.
fn shorten(view: &mut EventView, last: &mut Option<(Option<String>, String)>) {
    let Some(reason) = &view.reason else { return };
    let this = Some((view.product.clone(), reason.clone()));
    if *last == this {
        view.reason = None;
    } else {
        *last = this;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_given_once_until_it_changes() {
        let mut last = None;
        let mut shown = |product: &str, reason: &str| {
            let (product, reason) = (Some(product.to_owned()), Some(reason.to_owned()));
            let mut view = EventView { product, reason, ..EventView::default() };
            shorten(&mut view, &mut last);
            view.reason.is_some()
        };
        assert_eq!([shown("a", "x"), shown("a", "x"), shown("a", "y")], [true, false, true]);
        assert_eq!([shown("b", "y"), shown("b", "y"), shown("a", "y")], [true, false, true]);
    }
}
