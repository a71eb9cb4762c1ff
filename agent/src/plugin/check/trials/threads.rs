//! R7: functions of the host are called from many threads at once while events are delivered, so that ticks come that
//! the plugin did not ask for and its own calls meet others'.  And it must not call \[worker\] slots elsewhere.
#![allow(unsafe_code, reason = "calls the host's functions as a plugin's threads would")]

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serialnumberd_plugin::abi::{
    SLND_LOG_DEBUG, slnd_decision, slnd_host, slnd_host_ctx, slnd_id16, slnd_str,
};

use super::{TIME_NS, passed, started, told, wound_up};
use crate::clock;
use crate::plugin::check::bench::Bench;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::spy::{self, Seen};
use crate::plugin::check::tale::CLAIM;

/// Enough to meet on two cores.
const CALLERS: u64 = 4;
/// Rounds of calls during which stories are told: as many as fit between.
const ROUNDS: u64 = 2_000;

struct Caller {
    host: &'static slnd_host,
    ctx: *mut slnd_host_ctx,
    ids: u64,
}

// SAFETY: the host's [any] functions and their first argument may be used on any thread.
unsafe impl Send for Caller {}

impl Caller {
    /// Every \[any\] slot once; what they answer does not matter.
    fn round(&self, n: u64) {
        let (host, ctx) = (self.host, self.ctx);
        let decision = slnd_decision::ABSTAIN;
        // SAFETY: slots of this host with its context; all arguments live through the calls.
        unsafe {
            host.wake.map(|wake| wake(ctx, self.ids * 1_000 + n % 8));
            host.now_ns.map(|now| now(ctx));
            if let Some(log) = host.log {
                log(ctx, SLND_LOG_DEBUG, c"from elsewhere".as_ptr(), 14);
            }
            host.metric.map(|metric| metric(ctx, c"validator".as_ptr(), 1.0, 0));
            host.decide.map(|decide| decide(ctx, slnd_id16 { b: CLAIM }, &raw const decision));
            host.announce.map(|announce| announce(ctx, slnd_str::EMPTY, 0));
            host.is_worker_thread.map(|is| is(ctx));
            host.get_extension.map(|get| get(ctx, c"validator/1".as_ptr()));
            let (mut need, mut text_need) = (0, 0);
            let none = ptr::null_mut();
            host.holders.map(|holders| {
                holders(
                    ctx,
                    slnd_str::EMPTY,
                    none,
                    0,
                    0,
                    &raw mut need,
                    ptr::null_mut(),
                    0,
                    &raw mut text_need,
                )
            });
        }
    }
}

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let granted = bench.granted;
    let mut subject = started(bench, Shape::SAME, granted)?;
    let Some(host) = spy::real() else { return Ok(Report::Unfit("there is no host".to_owned())) };
    let ctx = subject.seat.table.ctx;
    let (over, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun_ns = clock::boottime_ns();
    let told = thread::scope(|scope| {
        for ids in 1..=CALLERS {
            let (caller, over, rounds) = (Caller { host, ctx, ids }, &over, &rounds);
            scope.spawn(move || calls_until(&caller, over, rounds));
        }
        let mut outcome = Ok(());
        let in_time = || clock::boottime_ns().saturating_sub(begun_ns) < TIME_NS;
        while outcome.is_ok() && rounds.load(Ordering::Relaxed) < ROUNDS && in_time() {
            outcome = told(bench, &mut subject).map(drop);
            subject.messages();
        }
        over.store(true, Ordering::Release);
        outcome
    });
    told?;
    wound_up(bench, &subject)?;
    subject.stop();
    subject.destroy();
    if let Some((_, function)) = spy::first(Seen::OffWorker) {
        let what = format!("it called {function} on a thread of its own");
        return Err(Breach::new(
            "R7",
            what,
            "call [worker] functions only within its slots; elsewhere call wake",
        ));
    }
    passed(format!("{ROUNDS} rounds of calls by {CALLERS} threads"))
}

fn calls_until(caller: &Caller, over: &AtomicBool, rounds: &AtomicU64) {
    while !over.load(Ordering::Acquire) {
        caller.round(rounds.fetch_add(1, Ordering::Relaxed));
    }
}
