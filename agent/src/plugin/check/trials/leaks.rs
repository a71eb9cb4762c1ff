//! A thousand lives, one after the other in one process: no thread, no descriptor, no memory stays.
//!
//! The heap is asked of the allocator, in bytes in use: the resident set moves by pages and by what the allocator keeps
//! for itself, so that it would hide a hundred bytes a life.  It is looked at, too, with a coarse measure, for plugins
//! that bring an allocator of their own.  What an instance takes once for all, within the first tenth, is no leak; nor is
//! what allocators keep at hand, which settles: a leak goes on, in each third of the lives that follow.

use super::{TIME_NS, passed};
use crate::clock;
use crate::plugin::check::bench::{Bench, Seat};
use crate::plugin::check::census;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::progress::{self, Word};
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::tale::{BEGIN_NS, story};

const LIVES: u32 = 1_000;
/// From here on threads and descriptors are counted: a thousand of either are more than there may be.
const SETTLED: u32 = 10;
/// Fewer say nothing.
const LIVES_MIN: u32 = 3 * SETTLED;
/// The least block that an allocator hands out is larger: one lost in each life is found, one lost now and then is not.
const BYTES_A_LIFE: usize = 16;
/// Parts of the lives in each of which memory must have grown.
const PARTS: usize = 3;
/// Pages that an allocator of its own may take and keep.
const RESIDENT_MAX: usize = 8 << 20;

#[derive(Default)]
struct Have {
    threads: usize,
    descriptors: usize,
    resident: usize,
}

fn have() -> Have {
    Have {
        threads: census::threads(),
        descriptors: census::descriptors().len(),
        resident: census::figure("RssAnon"),
    }
}

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let granted = bench.granted;
    let begun_ns = clock::boottime_ns();
    // One place for all of them: what a host keeps of each instance is no leak of the plugin's.
    let mut seat = bench.seat(Shape::SAME, granted)?;
    let (mut before, mut lives) = (Have::default(), 0);
    // Of its own size from the start: it is itself on the heap that is measured.
    let mut heap = Vec::with_capacity(usize::try_from(LIVES).unwrap_or(0));
    while lives < LIVES && clock::boottime_ns().saturating_sub(begun_ns) < TIME_NS {
        if lives == SETTLED {
            before = have();
        }
        seat = life(bench, seat)?;
        lives += 1;
        heap.push(census::heap());
        progress::set(Word::Step, u64::from(lives));
    }
    if lives < LIVES_MIN {
        let seconds = TIME_NS / 1_000_000_000;
        let what =
            format!("{lives} lives took {seconds} s: each creates, starts, stops and destroys an instance");
        return Err(Breach::new("watchdog", what, "start and stop within a few milliseconds"));
    }
    judge_memory(&heap)?;
    judge(&before, &settled(before.threads), lives)?;
    passed(format!("{lives} lives, no thread, descriptor or byte left"))
}

/// Once threads that were joined are gone from the kernel's list, too.
fn settled(threads: usize) -> Have {
    for _ in 0..200 {
        if census::threads() <= threads {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    have()
}

fn life(bench: &mut Bench, seat: Seat) -> Result<Seat, Breach> {
    let mut subject = bench.create(seat, Shape::SAME)?;
    subject.begin(bench)?;
    subject.tell(bench, &story(BEGIN_NS))?;
    subject.stop_in_place();
    let mut seat = subject.destroy();
    while seat.messages.pop().is_ok() {}
    // What it left in the host's hands: timers and wakes.
    let mut due = Vec::new();
    seat.context.take_due(u64::MAX, &mut due);
    Ok(seat)
}

fn judge(before: &Have, after: &Have, lives: u32) -> Result<(), Breach> {
    let count = |n: usize, what| crate::text::count(u64::try_from(n).unwrap_or(0), what);
    let grown = |before: usize, after: usize| after.saturating_sub(before);
    let threads = grown(before.threads, after.threads);
    if threads > 0 {
        let what = format!("{} left by {lives} lives", count(threads, "thread"));
        return Err(Breach::new("R9", what, "join every thread in stop"));
    }
    let descriptors = grown(before.descriptors, after.descriptors);
    if descriptors > 0 {
        let what = format!("{} left open by {lives} lives", count(descriptors, "descriptor"));
        return Err(Breach::new("descriptors", what, "close in stop or destroy what it opened"));
    }
    let resident = grown(before.resident, after.resident);
    if resident > RESIDENT_MAX {
        let what = format!("{} MiB of memory left by {lives} lives", resident >> 20);
        return Err(Breach::new("R5", what, "free in destroy what create, configure and start made"));
    }
    Ok(())
}

/// From the heap after each life; the first tenth of them may take what it likes.
fn judge_memory(heap: &[usize]) -> Result<(), Breach> {
    let heap = heap.get(heap.len() / 10..).unwrap_or_default();
    let lives = heap.len().saturating_sub(1);
    let part = lives / PARTS;
    let at = |n: usize| heap.get(n).copied().unwrap_or(0);
    let is_grown = |n: usize| at((n + 1) * part).saturating_sub(at(n * part)) > part * BYTES_A_LIFE;
    if part == 0 || !(0..PARTS).all(is_grown) {
        return Ok(());
    }
    let left = at(PARTS * part).saturating_sub(at(0));
    let what = format!("{left} bytes of the heap left by {lives} lives, {} each", left / (PARTS * part));
    Err(Breach::new("R5", what, "free in destroy what create, configure and start made"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_goes_on_and_what_settles_is_none() {
        let heap = |after: fn(usize) -> usize| (0..=1_000).map(after).collect::<Vec<usize>>();
        assert_eq!(judge_memory(&heap(|_| 5_000)), Ok(()));
        assert_eq!(judge_memory(&heap(|n| if n > 250 { 900_000 } else { 0 })), Ok(()), "once for all");
        assert_eq!(judge_memory(&heap(|n| n.min(100) * 100 + n * 17 / 18)), Ok(()), "the first tenth");
        assert_eq!(judge_memory(&heap(|n| n % 7 * 10_000)), Ok(()), "up and down");
        let leak = judge_memory(&heap(|n| n * 32)).expect_err("the least block in each life");
        assert_eq!(leak.what, "28800 bytes of the heap left by 900 lives, 32 each");
        assert_eq!(judge_memory(&[]), Ok(()));
    }
}
