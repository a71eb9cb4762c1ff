//! What it costs to tell a C plugin: on the loop's side alone, and until the plugin has seen the events.
//!
//! Needs `cc`.  `cargo bench -p serialnumberd --bench plugin_delivery`

#[path = "../tests/plugins/rig.rs"]
mod rig;

use std::cell::RefCell;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
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

fn delivery(criterion: &mut Criterion) {
    let rig = Rig::new();
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
    let mut group = criterion.benchmark_group("plugin");
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

criterion_group!(benches, delivery);
criterion_main!(benches);
