//! R5 and R2 on memory that notices: each event, holder, text and option ends at the end of a page; it can only be read
//! during the call, and after it not at all.

use super::{passed, started, told, wound_up};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};

/// After so many stories nothing is kept any more that was not used once.
const STORIES: usize = 3;

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let granted = bench.granted;
    let mut subject = started(bench, Shape::SAME, granted)?;
    let mut events = 0;
    for _ in 0..STORIES {
        events += told(bench, &mut subject)?.len();
        let settings = bench.settings.clone();
        // An option that was kept by its pointer is used at the next event.  A refusal is another trial's.
        let _taken_or_not = subject.configure(bench, &settings, true);
    }
    wound_up(bench, &subject)?;
    subject.stop();
    subject.destroy();
    passed(format!("{events} events, sealed, guarded, then gone"))
}
