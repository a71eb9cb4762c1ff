//! What an embedded agent costs its program: the question that licensed software asks, an idle turn, and the time from
//! `new` to the first datagram.
//!
//! `cargo bench -p serialnumberd --bench embed`

use std::hint::black_box;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serialnumberd::clock;
use serialnumberd::embed::{Dispatched, Embedded, Handle, Looping};

const PORT: &str = "62724";
const AGENT: &str = "127.0.8.80";
const PEER: &str = "127.0.8.81";

fn embedded(dir: &tempfile::TempDir) -> Embedded {
    let mut embedded = Embedded::new(None).expect("made");
    let state = dir.path().join("state").display().to_string();
    for (key, value) in [
        ("mode", "own"),
        ("state_dir", &state),
        ("port", PORT),
        ("address", AGENT),
        ("peers", &format!("[\"{PEER}\"]")),
    ] {
        embedded.set(key, value).expect(key);
    }
    embedded
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Turns an agent on a thread of its own.
struct Running {
    handle: Handle,
    thread: JoinHandle<()>,
    _looping: Looping,
}

impl Running {
    fn start(mut agent: Embedded) -> Running {
        agent.start().expect("it starts");
        let (handle, looping) = (agent.handle(), agent.looping());
        let turn = move || while agent.turn(usize::MAX).expect("turned") != Dispatched::Stopping {};
        Running { handle, thread: std::thread::spawn(turn), _looping: looping }
    }

    /// Claims a license, and waits for the verdict.
    fn claim(&self) -> &Handle {
        self.handle.claim("xsvr", "ALONE", 1).expect("claimed");
        self.handle.wait("xsvr", Duration::from_secs(60)).expect("a verdict");
        &self.handle
    }

    fn end(self) {
        self.handle.stop();
        self.thread.join().expect("no panic");
    }
}

/// The question, while the loop sleeps and while it takes in a flood.
fn check(criterion: &mut Criterion) {
    let dir = home();
    let running = Running::start(embedded(&dir));
    let handle = running.claim();
    let mut group = criterion.benchmark_group("embed");
    group.bench_function("check, idle loop", |b| b.iter(|| handle.check(black_box("xsvr"))));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind((PEER, 0)).expect("a socket");
            while !is_over.load(Ordering::Relaxed) {
                // The agent's buffer may be full: that is a flood.
                let _ = socket.send_to(b"nonsense", (AGENT, 62724));
            }
        });
        group.bench_function("check, flooded loop", |b| b.iter(|| handle.check(black_box("xsvr"))));
        is_over.store(true, Ordering::Relaxed);
    });
    running.end();
    group.finish();
}

/// The same of a client of another agent, and while that agent is away: the question is not passed on.
fn check_connected(criterion: &mut Criterion) {
    let dir = home();
    let control = dir.path().join("control.sock").display().to_string();
    let mut agent = embedded(&dir);
    agent.set("control", &control).expect("control");
    let agent = Running::start(agent);
    let mut program = Embedded::new(None).expect("made");
    for (key, value) in [("mode", "connect"), ("control", &control)] {
        program.set(key, value).expect(key);
    }
    let program = Running::start(program);
    let handle = program.claim();
    let mut group = criterion.benchmark_group("embed");
    group.bench_function("check, connected", |b| b.iter(|| handle.check(black_box("xsvr"))));
    agent.end();
    while handle.check("xsvr").expect("claimed").connected {
        std::thread::yield_now();
    }
    group.bench_function("check, agent away", |b| b.iter(|| handle.check(black_box("xsvr"))));
    program.end();
    group.finish();
}

fn idle_turn(criterion: &mut Criterion) {
    let dir = home();
    let mut agent = embedded(&dir);
    agent.start().expect("it starts");
    let handle = agent.handle();
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    criterion.bench_function("embed/dispatch without work", |b| b.iter(|| agent.dispatch(black_box(64))));
}

/// How long it took from `new` to the end of the turn that takes the claim up, and to the first datagram, which the
/// protocol delays at random, by up to 250 ms.
fn first_start(peer: &UdpSocket) -> (Duration, Duration) {
    let (dir, mut bytes) = (home(), [0; 512]);
    while peer.recv(&mut bytes).is_ok() {}
    let began = clock::boottime_ns();
    let since = || Duration::from_nanos(clock::boottime_ns() - began);
    let mut agent = embedded(&dir);
    agent.start().expect("it starts");
    agent.handle().claim("xsvr", "ALONE", 1).expect("claimed");
    agent.turn(usize::MAX).expect("turned");
    let claimed = since();
    while peer.recv(&mut bytes).is_err() {
        agent.turn(usize::MAX).expect("turned");
    }
    (claimed, since())
}

/// An installation's first start: its key is made and brought to the disk, and the serial's keys are derived.
fn first_datagram(criterion: &mut Criterion) {
    let peer = UdpSocket::bind((PEER, 62724)).expect("a socket");
    peer.set_nonblocking(true).expect("set");
    let mut group = criterion.benchmark_group("embed");
    group.sample_size(10);
    group.bench_function("from new to a claim under way", |b| {
        b.iter_custom(|n| (0..n).map(|_| first_start(&peer).0).sum());
    });
    group.bench_function("from new to the first datagram", |b| {
        b.iter_custom(|n| (0..n).map(|_| first_start(&peer).1).sum());
    });
    group.finish();
}

criterion_group!(benches, check, check_connected, idle_turn, first_datagram);
criterion_main!(benches);
