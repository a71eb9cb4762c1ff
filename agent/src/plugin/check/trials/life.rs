//! One whole life with all that it asks for: the least that a plugin must do.

use super::{passed, whole_life};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::census;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};

/// What one life of a few dozen events may take: half of what a child is given, so that it is told before it dies of it.
const MEMORY_MAX: usize = 512 << 20;

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let granted = bench.granted;
    whole_life(bench, Shape::SAME, granted)?;
    let most = census::figure("VmHWM");
    if most > MEMORY_MAX {
        let what = format!("it took {} MiB of memory for a few events", most >> 20);
        return Err(Breach::new("memory", what, "bound what is kept"));
    }
    passed("told of every kind of event, and ended in order")
}
