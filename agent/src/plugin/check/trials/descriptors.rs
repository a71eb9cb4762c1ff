//! Descriptors of the agent stay open, whatever the plugin does: its sockets are among them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::{passed, started, told, wound_up};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::census;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    // As an agent has them: what is read and written there belongs to nobody else.  Never closed here, since the plugin
    // may have done that.
    let pipe = io::pipe().map_err(|e| Breach::new("descriptors", format!("there is no pipe: {e}"), ""))?;
    std::mem::forget(pipe);
    let before = census::descriptors();
    let granted = bench.granted;
    let mut subject = started(bench, Shape::SAME, granted)?;
    still_there(&before, "start")?;
    told(bench, &mut subject)?;
    still_there(&before, "on_events")?;
    wound_up(bench, &subject)?;
    subject.stop();
    subject.destroy();
    still_there(&before, "destroy")?;
    passed(format!("{} of the host's are what they were", before.len()))
}

fn still_there(before: &BTreeMap<i32, PathBuf>, after: &str) -> Result<(), Breach> {
    let now = census::descriptors();
    let gone = before.iter().filter(|(number, on)| now.get(number) != Some(on)).count();
    if gone == 0 {
        return Ok(());
    }
    let many = crate::text::count(u64::try_from(gone).unwrap_or(0), "descriptor");
    let what = format!("{many} of the host's were closed or replaced by the time {after} had returned");
    Err(Breach::new("descriptors", what, "close only what it opened itself, and each only once"))
}
