//! R9: stop joins every thread, and after it no function of the host is called.  Nor is there a thread before start.

use std::thread;
use std::time::Duration;

use super::{passed, told, wound_up};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::census;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::spy::{self, Seen};
use crate::plugin::check::subject::Subject;
use crate::plugin::permission::Permissions;

/// A thread that was joined may take a moment longer to leave the kernel's list.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);
/// Whoever goes on calling does so within this.
const WATCHED: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let before = census::threads();
    let granted = bench.granted;
    let mut subject = configured(bench, granted)?;
    if census::threads() > before {
        return Err(Breach::new("life cycle", "it started a thread before start", "start threads in start"));
    }
    subject.start()?;
    told(bench, &mut subject)?;
    wound_up(bench, &subject)?;
    let most = census::threads();
    subject.stop();
    let left = wait_for_threads(before);
    if left > before {
        let many = crate::text::count(u64::try_from(left - before).unwrap_or(0), "thread");
        let what = format!("{many} that it started runs on after stop has returned");
        return Err(Breach::new("R9", what, "join every thread in stop"));
    }
    subject.destroy();
    thread::sleep(WATCHED);
    if let Some((_, function)) = spy::first(Seen::Late) {
        let what = format!("it called {function} after stop had returned");
        return Err(Breach::new(
            "R9",
            what,
            "call no function of the host once stop has returned, nor in destroy",
        ));
    }
    passed(match most - before {
        0 => "it has no thread of its own".to_owned(),
        n => format!("its {} were joined", crate::text::count(u64::try_from(n).unwrap_or(0), "thread")),
    })
}

fn configured(bench: &mut Bench, granted: Permissions) -> Result<Subject, Breach> {
    let seat = bench.seat(Shape::SAME, granted)?;
    let subject = bench.create(seat, Shape::SAME)?;
    let settings = bench.settings.clone();
    subject.configure(bench, &settings, false)?;
    Ok(subject)
}

/// How many threads there are once no more than `wanted` are left, or time is up.
fn wait_for_threads(wanted: usize) -> usize {
    for _ in 0..LEAVES_WITHIN.as_millis() / LOOK_EVERY.as_millis() {
        if census::threads() <= wanted {
            break;
        }
        thread::sleep(LOOK_EVERY);
    }
    census::threads()
}
