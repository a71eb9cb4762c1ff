//! One instance on trial: its calls, each announced to whoever watches the process, its events and answers.
//!
//! Made and used on one thread, as R7 has it.
#![allow(unsafe_code, reason = "hands memory of the arena to a plugin")]

use std::slice;

use serialnumberd_plugin::abi::*;

use super::bench::{Bench, Seat};
use super::fault::{Thing, Trap};
use super::forge::{self, Shape};
use super::progress::{self, Word};
use super::spy;
use super::tale::{Body, Tale};
use crate::plugin::calls::{CallError, Calls};
use crate::plugin::shared::{Call, Clock, Message};
use crate::plugin::timers::Due;

/// Ticks of its own that are delivered after each batch at most: a plugin that wakes itself without end is no trial.
const TICKS: usize = 16;

/// What it answered to one event.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) asked: bool,
    pub(super) decision: slnd_decision,
}

pub(super) struct Subject {
    calls: Calls,
    pub(super) seat: Seat,
    shape: Shape,
    due: Vec<Due>,
}

/// Tells who watches in which call this process is.
fn during<R>(call: Call, f: impl FnOnce() -> R) -> R {
    progress::count(Word::Calls);
    progress::set(Word::Call, u64::try_from(call.place()).unwrap_or(0) + 1);
    let result = f();
    progress::set(Word::Call, 0);
    result
}

impl Subject {
    pub(super) fn create(
        bench: &mut Bench,
        seat: Seat,
        shape: Shape,
        clock: Clock,
    ) -> Result<Subject, CallError> {
        let (slots, shared) = (bench.descriptor.raw, std::sync::Arc::clone(&seat.shared));
        let [name] = bench.arena.texts(Thing::Name, [bench.id.as_str()]);
        bench.arena.seal();
        let create = || {
            // SAFETY: the name was just laid out, and stays until `retire`.
            unsafe { Calls::create_with(slots, seat.table, name.ptr, shared, clock) }
        };
        let calls = during(Call::Create, create);
        bench.arena.retire();
        let calls = calls?;
        Ok(Subject { calls, seat, shape, due: Vec::new() })
    }

    pub(super) fn configure(
        &self,
        bench: &mut Bench,
        settings: &[(String, String)],
        is_reload: bool,
    ) -> Result<(), CallError> {
        let pairs: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let options = forge::options(&mut bench.arena, &pairs);
        bench.arena.seal();
        // SAFETY: as many pairs were just laid out, and stay until `retire`.
        let options = unsafe { slice::from_raw_parts(options, pairs.len()) };
        // SAFETY: their texts, too.
        let result = during(Call::Configure, || unsafe { self.calls.configure_with(options, is_reload) });
        bench.arena.retire();
        result
    }

    pub(super) fn start(&self) -> Result<(), CallError> {
        during(Call::Start, || self.calls.start())
    }

    /// From `create` to `start`, with the bench's options.
    pub(super) fn begin(&self, bench: &mut Bench) -> Result<(), CallError> {
        let settings = bench.settings.clone();
        self.configure(bench, &settings, false)?;
        self.start()
    }

    /// Delivers what of the tales it wants, in batches as large as it takes, each at its own time; then the ticks that
    /// are due.  One answer for each event that it got.
    pub(super) fn tell(&mut self, bench: &mut Bench, tales: &[Tale]) -> Result<Vec<Answer>, CallError> {
        let mask = bench.descriptor.raw.events;
        let wanted: Vec<&Tale> = tales.iter().filter(|tale| tale.reaches(mask)).collect();
        let mut answers = Vec::new();
        for batch in wanted.chunks(bench.batch_max()) {
            bench.set_clock(batch.last().map_or(bench.now_ns(), |tale| tale.mono_ns));
            answers.extend(self.deliver(bench, batch)?);
        }
        self.tick(bench)?;
        Ok(answers)
    }

    fn deliver(&self, bench: &mut Bench, batch: &[&Tale]) -> Result<Vec<Answer>, CallError> {
        let (arena, n) = (&mut bench.arena, batch.len());
        let events: Vec<*const slnd_event> =
            batch.iter().map(|tale| forge::event(arena, self.shape, tale)).collect();
        let events = arena.rows(Thing::Batch, &events, 0, Trap::EventTail);
        let out = arena.room(Thing::Answers, n * size_of::<slnd_decision>(), 0).cast::<slnd_decision>();
        arena.seal();
        // SAFETY: `n` pointers were just laid out.
        let events = unsafe { slice::from_raw_parts(events, n) };
        // SAFETY: room for `n` decisions, all ABSTAIN, which are zeros.
        let out = unsafe { slice::from_raw_parts_mut(out, n) };
        // SAFETY: the events and all that they point to stay until `retire`.
        let result = during(Call::OnEvents, || unsafe { self.calls.on_events(events, out) });
        let answers =
            batch.iter().zip(&*out).map(|(tale, &decision)| Answer { asked: tale.asks(), decision });
        let answers = answers.collect();
        bench.arena.retire();
        result.map(|()| answers)
    }

    /// Delivers the ticks that are due: its timers and wakes.
    pub(super) fn tick(&mut self, bench: &mut Bench) -> Result<(), CallError> {
        let now_ns = bench.now_ns();
        self.seat.context.take_due(now_ns, &mut self.due);
        self.due.truncate(TICKS);
        let ticks: Vec<Tale> = self
            .due
            .drain(..)
            .map(|due| Tale::new(0, now_ns, Body::Tick { timer: due.id, overruns: due.overruns }))
            .collect();
        for batch in ticks.iter().collect::<Vec<_>>().chunks(bench.batch_max()) {
            self.deliver(bench, batch)?;
        }
        Ok(())
    }

    /// What it asked of the host since, oldest first.
    pub(super) fn messages(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.seat.messages.pop().ok()).collect()
    }

    pub(super) fn has_status(&self) -> bool {
        self.calls.has_status()
    }

    /// Its status with so much room: how much it says it needs, and what of it stands in the room.
    pub(super) fn status(&self, bench: &mut Bench, cap: usize) -> Result<(usize, Vec<u8>), CallError> {
        let room = forge::status_room(&mut bench.arena, cap);
        // SAFETY: the room was just made.
        let need = during(Call::Status, || unsafe { self.calls.status_into(room, cap) });
        // SAFETY: as above; it stays until `retire`, and the plugin does not write to it any more.
        let text = unsafe { slice::from_raw_parts(room.cast::<u8>(), cap) }.to_vec();
        bench.arena.retire();
        need.map(|need| (need, text))
    }

    pub(super) fn flush(&self, deadline_ns: u64) -> Result<(), CallError> {
        during(Call::Flush, || self.calls.flush(deadline_ns))
    }

    /// Stops it; from then on the host is closed.
    pub(super) fn stop(&self) {
        during(Call::Stop, || self.calls.stop());
        self.seat.shared.close();
        spy::set_stopped(true);
    }

    /// Stops it, and leaves the host open for the next one in its place.
    pub(super) fn stop_in_place(&self) {
        during(Call::Stop, || self.calls.stop());
    }

    pub(super) fn destroy(self) -> Seat {
        let Subject { calls, seat, .. } = self;
        during(Call::Destroy, || calls.destroy());
        seat
    }
}
