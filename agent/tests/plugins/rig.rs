//! What the plugin tests and the bench share: C plugins built on the spot, records, and a bounded wait.
#![allow(dead_code, reason = "the tests and the bench each use a part of it")]

#[path = "builder.rs"]
pub mod builder;
#[path = "suite.rs"]
pub mod suite;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serialnumberd::clock::boottime_ns;
use serialnumberd::plugin::{
    Claims, Clock, Clocks, HostInfo, Isolation, PluginError, PluginHost, PluginSpec, Process, Sandbox,
    Source, VerdictUse,
};
use serialnumberd::record::{Body, Record};
use serialnumberd_core::{
    BootId, ClaimId, Class, Coverage, Event, EvidenceId, HolderView, Installation, Instance, Mono, PeerRole,
    Product, Stage,
};
use suite::Bad;

/// The program that plugins in processes run in.
pub const HELPER: &str = env!("CARGO_BIN_EXE_serialnumberd");

/// What the wall clock always says, but in processes.
pub const WALL_NS: u64 = 1_795_446_271_250_000_000;

/// A directory for one test: the plugins that it builds, and the state directory.
pub struct Rig {
    pub dir: tempfile::TempDir,
    pub clock: Clock,
    /// By how much the clock is ahead of the real one, which a plugin's process reads, nanoseconds.
    pub ahead_ns: Arc<AtomicU64>,
    /// When the clock was stopped; 0: it runs.
    stopped_ns: Arc<AtomicU64>,
    pub wakes: Arc<AtomicUsize>,
    /// What is held when plugins are started.
    pub claims: Claims,
    /// Where plugins run.
    pub isolation: Isolation,
}

impl Rig {
    /// For plugins on threads.
    pub fn new() -> Rig {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (ahead_ns, stopped_ns) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let clock = {
            let (ahead_ns, stopped_ns) = (Arc::clone(&ahead_ns), Arc::clone(&stopped_ns));
            // A real one: the host times the calls of real threads.
            Arc::new(move || {
                let stopped_ns = stopped_ns.load(Ordering::SeqCst);
                let real_ns = if stopped_ns == 0 { boottime_ns() } else { stopped_ns };
                real_ns + ahead_ns.load(Ordering::SeqCst)
            })
        };
        let claims = Claims::from([(CLAIM, product())]);
        Rig { dir, clock, ahead_ns, stopped_ns, wakes: Arc::default(), claims, isolation: Isolation::Thread }
    }

    /// For plugins in processes.
    pub fn of_processes() -> Rig {
        // Whatever the umask of whoever runs the tests.
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(HELPER, mode).expect("mode set");
        Rig { isolation: Isolation::Process, ..Rig::new() }
    }

    /// From here on only [`Rig::advance`] moves the clock on: what is to happen in a second happens when the test wants it.
    pub fn stop_clock(&self) {
        self.stopped_ns.store(boottime_ns(), Ordering::SeqCst);
    }

    /// The clock runs again, from where it is.
    pub fn run_clock(&self) {
        self.stopped_ns.store(0, Ordering::SeqCst);
    }

    /// From here on it is so much later.
    pub fn advance(&self, span: Duration) {
        let ns = u64::try_from(span.as_nanos()).expect("some hours");
        self.ahead_ns.fetch_add(ns, Ordering::SeqCst);
    }

    pub fn now_ns(&self) -> u64 {
        (self.clock)()
    }

    /// Builds `tests/plugins/SOURCE` with these `-D`s into NAME; see [`builder::build`].
    pub fn build(&self, source: &str, name: &str, defines: &[&str]) -> PathBuf {
        let library = self.dir.path().join(name);
        builder::build(source, defines, &library);
        library
    }

    /// Builds one of the suite of bad plugins.
    pub fn build_bad(&self, bad: &Bad) -> PathBuf {
        self.build(bad.source, &format!("{}.so", bad.name), bad.defines)
    }

    pub fn spec(&self, path: PathBuf) -> PluginSpec {
        PluginSpec {
            source: Source::File(path),
            isolation: self.isolation,
            process: Process { helper: Some(HELPER.into()), sandbox: Sandbox::default() },
            verdict: VerdictUse::Ignore,
            grant: Vec::new(),
            options: toml::Table::new(),
            texts: false,
            state_dir: self.dir.path().join("state"),
        }
    }

    pub fn start(&self, specs: Vec<PluginSpec>) -> Result<PluginHost, PluginError> {
        let wakes = Arc::clone(&self.wakes);
        let wake = Arc::new(move || {
            wakes.fetch_add(1, Ordering::SeqCst);
        });
        let info = HostInfo { name: "test".to_owned(), version: "1.2.3".to_owned() };
        let clocks = Clocks { boot: Arc::clone(&self.clock), wall: Arc::new(|| WALL_NS) };
        PluginHost::start(specs, wake, &info, clocks, self.claims.clone())
    }

    pub fn state(&self, id: &str) -> PathBuf {
        self.dir.path().join("state/plugins").join(id)
    }

    /// What happened to a plugin so far.
    pub fn trace(&self, id: &str) -> Vec<String> {
        let text = fs::read_to_string(self.state(id).join("trace")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn open_gate(&self, id: &str) {
        fs::write(self.state(id).join("gate"), "").expect("written");
    }

    /// Waits until a plugin has traced a line with this beginning, and returns it.
    pub fn await_line(&self, id: &str, begins: &str) -> String {
        let mut found = None;
        eventually(&format!("\"{begins}\" in the trace of {id}"), || {
            found = self.trace(id).into_iter().find(|line| line.starts_with(begins));
            found.is_some()
        });
        found.expect("just found")
    }
}

/// Waits for other threads, at most ten seconds.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("not within ten seconds: {what}");
}

pub fn product() -> Product {
    Product::new("xsvr").expect("a product")
}

pub const CLAIM: ClaimId = ClaimId([7; 16]);

pub fn holder(host: &str, from: Option<SocketAddr>) -> HolderView {
    HolderView {
        instance: Instance { installation: Installation([3; 32]), boot: BootId([0, 1, 2, 3, 4, 5, 6, 7]) },
        from,
        interface: u32::from(from.is_some()),
        host: host.to_owned(),
        group: "night".to_owned(),
        role: PeerRole::Standby,
        interval_s: 300,
        seats: 1,
        runs: 1,
        since_ms: 5,
        first_heard: Mono(1),
        last_heard: Mono(2),
        last_proved: None,
        is_self: from.is_none(),
        verified: true,
        proved: false,
        silent: false,
        over: true,
    }
}

pub fn record(seq: u64, body: Body) -> Arc<Record> {
    let (mono_ns, real_ns) = (10 * seq, 11 * seq);
    Arc::new(Record { seq, mono_ns, real_ns, caused_by_self: false, decide_until_ns: None, body })
}

pub fn announcement(seq: u64) -> Arc<Record> {
    let from = Some("10.0.0.9:626".parse().expect("an address"));
    let holder = holder("mars", from);
    let raw = Some(Box::new([9; 320]));
    record(seq, Body::Engine(Event::Announcement { product: product(), claim: CLAIM, holder, raw }))
}

/// A duplicate that asks for a verdict until a time.
pub fn duplicate(seq: u64, decide_until_ns: Option<u64>) -> Arc<Record> {
    let body = Body::Engine(Event::Duplicate {
        product: product(),
        claim: CLAIM,
        conflict_id: 1,
        evidence: EvidenceId([4; 16]),
        stage: Stage::Duplicate,
        class: Class::Copy,
        seats: 1,
        coverage: Coverage::Good,
        holders: vec![
            holder("venus", None),
            holder("mars", Some("[fe80::1%1]:626".parse().expect("an address"))),
        ],
    });
    let plain = record(seq, body);
    Arc::new(Record { decide_until_ns, ..Record::clone(&plain) })
}
