//! What belongs to the whole process is left as it is: the agent, and every other plugin, live in it, too.
//!
//! Looked at before the plugin was loaded, so that what runs at loading counts, too.

use super::{passed, started, told, wound_up};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::surroundings::{Surroundings, no_children};

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let before = bench.surroundings.clone();
    let unchanged = |when| Surroundings::look().changed(&before, when);
    unchanged("it was loaded")?;
    let granted = bench.granted;
    let mut subject = started(bench, Shape::SAME, granted)?;
    unchanged("start had returned")?;
    told(bench, &mut subject)?;
    unchanged("on_events had returned")?;
    wound_up(bench, &subject)?;
    subject.stop();
    subject.destroy();
    unchanged("destroy had returned")?;
    no_children()?;
    passed("signals, umask, directory, locale, environment and limits are what they were")
}
