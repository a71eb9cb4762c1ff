//! What it costs to tell a C plugin, on a thread and in a process: on the loop's side alone, and until the plugin has seen
//! the events.
//!
//! Needs `cc`.  `cargo bench -p serialnumberd --bench plugin_delivery`

#[path = "../tests/plugins/rig.rs"]
mod rig;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use rig::{Rig, announcement, duplicate};
use serialnumberd::plugin::PluginHost;
use serialnumberd::record::Record;

/// A burst as a busy network makes it; far below the sink's queue, so that nothing is lost.
const BURST: u64 = 250;

fn publish(host: &mut PluginHost, record: &Arc<Record>) {
    for _ in 0..BURST {
        let asked = host.publish(record);
        debug_assert!(asked.is_empty(), "the sink decides nothing");
    }
}

/// Waits until all that was published has been in the plugin's hands.
fn drain(host: &mut PluginHost, published: u64) {
    while host.status(0)[0].delivered < published {
        std::thread::yield_now();
    }
}

fn delivery(criterion: &mut Criterion, new_rig: fn() -> Rig) {
    let rig = new_rig();
    let mode = rig.isolation.as_str();
    let host = rig.start(vec![rig.spec(rig.build("sink", "sink.so", &[]))]).expect("the sink starts");
    // Events published so far: what `drain` waits for.
    let host = RefCell::new((host, 0));
    let publish = |record| {
        let (host, published) = &mut *host.borrow_mut();
        publish(host, record);
        *published += BURST;
    };
    let drain = || {
        let (host, published) = &mut *host.borrow_mut();
        drain(host, *published);
    };
    let mut group = criterion.benchmark_group(format!("plugin, isolation = {mode}"));
    group.throughput(Throughput::Elements(BURST));
    let kinds = [("announcement", announcement(1)), ("duplicate of 2 holders", duplicate(1, None))];
    for (name, record) in &kinds {
        group.bench_function(format!("{name}, loop's side"), |bencher| {
            bencher.iter_batched(drain, |()| publish(record), BatchSize::PerIteration);
        });
        group.bench_function(format!("{name}, delivered in batches"), |bencher| {
            bencher.iter(|| {
                publish(record);
                drain();
            });
        });
    }
    group.finish();
    assert_eq!(
        host.borrow_mut().0.status(rig.now_ns())[0].lost,
        0,
        "what is lost would be measured too cheap"
    );
}

/// How often each is timed.
const TIMES: u64 = 2_000;
/// Long enough that whoever waits has gone to sleep: an agent is told of something now and then.
const QUIET: Duration = Duration::from_millis(2);

/// From when something happened to when the plugin has it in its hands, of bursts of so many events: of the last one of
/// each burst.
fn lateness(rig: &Rig, burst: u64) -> Vec<u64> {
    let mut spec = rig.spec(rig.build("stopwatch", "stopwatch.so", &[]));
    spec.state_dir = rig.dir.path().join(burst.to_string());
    let times = spec.state_dir.join("plugins/stopwatch/times");
    let mut host = rig.start(vec![spec]).expect("the stopwatch starts");
    let model = announcement(1);
    for round in 0..TIMES {
        std::thread::sleep(QUIET);
        let mono_ns = rig.now_ns();
        for place in 1..=burst {
            let record = Record { seq: round * burst + place, mono_ns, ..Record::clone(&model) };
            host.publish(&Arc::new(record));
        }
    }
    assert!(host.stop(Duration::from_secs(10)).is_empty());
    let text = std::fs::read_to_string(times).expect("it has flushed");
    let all = text.lines().filter_map(|line| line.split_once(' '));
    let all = all.map(|(seq, late)| (seq.parse::<u64>().expect("a number"), late.parse().expect("a number")));
    let mut last: Vec<u64> = all.filter(|(seq, _)| seq % burst == 0).map(|(_, late)| late).collect();
    assert_eq!(last.len() as u64, TIMES, "nothing is lost");
    last.sort_unstable();
    last
}

/// Prints medians and 99th percentiles.
fn print_lateness() {
    println!("from what happened to the plugin's hands, us: median, p99");
    for rig in [Rig::new(), Rig::of_processes()] {
        for burst in [1, 64] {
            let last = lateness(&rig, burst);
            let at = |percent: usize| last[last.len() * percent / 100 - 1] as f64 / 1e3;
            println!(
                "{:8} {burst:3} at once: {:8.1} {:8.1}   each: {:6.2} {:6.2}",
                rig.isolation.as_str(),
                at(50),
                at(99),
                at(50) / burst as f64,
                at(99) / burst as f64
            );
        }
    }
}

fn main() {
    // `cargo test` only wants to see that it runs, and criterion looks at the rest.
    if std::env::args().any(|argument| argument == "--bench") {
        print_lateness();
    }
    let mut criterion = Criterion::default().configure_from_args();
    delivery(&mut criterion, Rig::new);
    delivery(&mut criterion, Rig::of_processes);
    criterion.final_summary();
}
