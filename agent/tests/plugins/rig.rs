//! What the plugin tests and the bench share: C plugins built on the spot, records, and a bounded wait.
#![allow(dead_code, reason = "the tests and the bench each use a part of it")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serialnumberd::plugin::{
    Claims, Clock, Clocks, HostInfo, Isolation, PluginError, PluginHost, PluginSpec, Source, VerdictUse,
};
use serialnumberd::record::{Body, Record};
use serialnumberd_core::{
    BootId, ClaimId, Class, Coverage, Event, EvidenceId, HolderView, Installation, Instance, Mono, PeerRole,
    Product, Stage,
};

/// A real clock: the host times the calls of real threads.
#[expect(clippy::disallowed_methods, reason = "the host's clock is an argument; here it must be a real one")]
pub fn clock() -> Clock {
    let start = Instant::now();
    // Not from zero: a boot clock is not.
    Arc::new(move || 1_000_000_000 + u64::try_from(start.elapsed().as_nanos()).expect("short"))
}

/// What the wall clock always says.
pub const WALL_NS: u64 = 1_795_446_271_250_000_000;

/// A directory for one test: the plugins that it builds, and the state directory.
pub struct Rig {
    pub dir: tempfile::TempDir,
    pub clock: Clock,
    pub wakes: Arc<AtomicUsize>,
    /// What is held when plugins are started.
    pub claims: Claims,
}

impl Rig {
    pub fn new() -> Rig {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Rig { dir, clock: clock(), wakes: Arc::default(), claims: Claims::from([(CLAIM, product())]) }
    }

    pub fn now_ns(&self) -> u64 {
        (self.clock)()
    }

    /// Builds `tests/plugins/SOURCE.c` with these `-D`s into NAME.
    pub fn build(&self, source: &str, name: &str, defines: &[&str]) -> PathBuf {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = self.dir.path().join(name);
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror"])
            .args(defines.iter().map(|define| format!("-D{define}")))
            .arg("-I")
            .arg(package.join("../include"))
            .arg("-o")
            .arg(&library)
            .arg(package.join("tests/plugins").join(format!("{source}.c")))
            .output()
            .expect("cc runs (Debian packages gcc and libc6-dev)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Whatever the umask of whoever runs the tests.
        fs::set_permissions(&library, fs::Permissions::from_mode(0o755)).expect("mode set");
        library
    }

    pub fn spec(&self, path: PathBuf) -> PluginSpec {
        PluginSpec {
            source: Source::File(path),
            isolation: Isolation::Thread,
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
