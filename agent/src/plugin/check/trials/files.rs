//! Nothing is written outside of its state directory.
//!
//! By comparison, not by force: the child's home, temporary, working and state directories lie in a folder that was made
//! for this trial, and what is new or other in it afterwards was written by the plugin.  A sandbox would only make the
//! write fail, which a plugin may hide; the comparison shows it.  It does not see a path that is built in: those are looked
//! for among the descriptors that are open for writing after each step.

use std::path::{Path, PathBuf};

use super::{passed, started, told, wound_up};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::census;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let own = bench.job.state_dir.join("plugins").join(&bench.id);
    let place = bench.job.state_dir.parent().map(Path::to_owned).unwrap_or_default();
    let granted = bench.granted;
    let seat = bench.seat(Shape::SAME, granted)?;
    let (before, open) = (census::tree(&place, &own), census::descriptors());
    drop(seat);
    let look = |when| {
        let now = census::descriptors();
        let is_new = |number: &i32, on: &PathBuf| open.get(number) != Some(on) && is_written(*number, on);
        match now.into_iter().find(|(number, on)| is_new(number, on) && !on.starts_with(&own)) {
            Some((_, on)) => Err(outside(&format!("has {} open for writing after {when}", on.display()))),
            None => Ok(()),
        }
    };
    let mut subject = started(bench, Shape::SAME, granted)?;
    look("start")?;
    told(bench, &mut subject)?;
    look("on_events")?;
    wound_up(bench, &subject)?;
    subject.stop();
    subject.destroy();
    let after = census::tree(&place, &own);
    let changed = |path: &&PathBuf| before.get(*path) != after.get(*path);
    if let Some(path) = before.keys().chain(after.keys()).find(changed) {
        let shown = path.strip_prefix(&place).unwrap_or(path);
        let did = match (before.contains_key(path), after.contains_key(path)) {
            (false, _) => "made",
            (true, false) => "removed",
            (true, true) => "changed",
        };
        return Err(outside(&format!("{did} {}", shown.display())));
    }
    passed("nothing else is new or changed where it lived")
}

fn outside(did: &str) -> Breach {
    Breach::new(
        "state directory",
        format!("it {did}, outside of its state directory"),
        "write only below slnd_host.state_dir, or where an option says",
    )
}

/// A regular file, open for writing.
fn is_written(number: i32, on: &Path) -> bool {
    let is_file = on.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|text| i32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0);
    is_file && flags & libc::O_ACCMODE != libc::O_RDONLY
}
