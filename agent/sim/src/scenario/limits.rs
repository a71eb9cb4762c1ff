//! What a scenario may ask for at the most: beyond it a run would take minutes and show nothing new.  A mistyped number
//! is refused when the file is read, instead of never being done.

use std::time::Duration;

use super::deed::{Deed, Net, Power};
use super::{Scenario, Step};

/// Hosts: twice as many as the largest shipped scenario has.
pub(super) const HOSTS: usize = 2_000;
/// Segments and translators: each has a byte of the addresses to itself.
pub(super) const PLACES: usize = 250;
/// Restarts of one sentence: one a second for a quarter of an hour.
pub(super) const RESTARTS: u32 = 1_000;
/// Copies that a loop makes of one datagram.
pub(super) const COPIES: u32 = 1_000;
/// Datagrams of one flood.
pub(super) const FLOOD: u32 = 1_000_000;
/// Datagrams that are lost in a row, on average.
pub(super) const BURST: u32 = 100_000;
/// Faults laid over one another: two for each day of a year.
pub(super) const FAULTS: usize = 730;
/// From one moment to another: clocks are set ten years off.
pub(super) const SPAN: Duration = Duration::from_secs(100 * YEAR_S);
/// From the beginning of a scenario to its end.
pub(super) const LENGTH: Duration = Duration::from_secs(2 * YEAR_S);
const YEAR_S: u64 = 366 * 24 * 3600;
/// Datagrams heard, roughly: some ten million take a second.
const HEARD: u128 = 100_000_000;
/// Announcements of a host that starts, before it announces itself once an interval only; the questions of its first
/// round included.
const STARTING: u128 = 16;

/// Refuses what would be played for minutes.
pub(super) fn check_load(scenario: &Scenario) -> Result<(), String> {
    let hosts = scenario.hosts.len() as u128;
    let steady = scenario.length.as_nanos() / scenario.settings.interval.as_nanos().max(1);
    let starts: u128 = scenario.story.iter().map(starts).sum();
    let copies = scenario.story.iter().map(copies).max().unwrap_or(0);
    let heard = (hosts * steady + starts * STARTING) * hosts * (1 + copies);
    if heard > HEARD {
        return Err(format!(
            "{hosts} hosts would hear some {heard} datagrams, {HEARD} are the most that is played: \
             take a shorter length, a longer interval, fewer hosts, restarts or copies of a loop"
        ));
    }
    Ok(())
}

fn starts(step: &Step) -> u128 {
    match &step.deed {
        Deed::Power(hosts, Power::Restarts(times, _)) => hosts.len() as u128 * u128::from(*times),
        Deed::Power(hosts, Power::Start | Power::Reboot(_)) => hosts.len() as u128,
        _ => 0,
    }
}

fn copies(step: &Step) -> u128 {
    match &step.deed {
        Deed::Net(Net::Reflect(_, copies)) => u128::from(*copies),
        _ => 0,
    }
}
