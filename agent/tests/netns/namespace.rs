//! A network namespace, held by a thread of this process: it has no name and vanishes with the process.
//!
//! What must happen inside it (opening a socket, starting a child) is run on that thread; a child or socket
//! keeps the namespace for its own life.  Children ask the kernel to be killed when the thread ends, so
//! that even a killed test run leaves nothing.

use std::ffi::OsStr;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command, Output};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, Uid, getpid, gettid};

/// The exit code of [`command`] if there is no such program.
const NOT_FOUND: i32 = 127;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace; see the module.
pub struct Namespace {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    tid: Pid,
}

impl Namespace {
    /// A new one, in which only `lo` exists.
    pub fn new() -> Namespace {
        assert!(Uid::effective().is_root(), "network namespaces need root: run `sudo make test`");
        let (jobs, inbox) = channel::<Job>();
        let (ready, made) = channel();
        let thread = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace");
            ready.send(gettid()).expect("the maker waits");
            for job in inbox {
                job();
            }
        });
        let tid = made.recv().expect("the namespace's thread runs");
        let namespace = Namespace { jobs: Some(jobs), thread: Some(thread), tid };
        // Without it an IPv6 address is unusable for its first second: that is the kernel's delay, not ours.
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0");
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `job` inside and gives what it gives; a panic in it is the caller's.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, answer) = channel();
        let job: Job = Box::new(move || {
            // The receiver waits below, whatever comes.
            let _ = done.send(catch_unwind(AssertUnwindSafe(job)));
        });
        self.jobs.as_ref().and_then(|j| j.send(job).ok()).expect("the namespace's thread runs");
        answer.recv().expect("the job was run").unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// The same for work that borrows, on a thread of its own that enters the namespace.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let namespace = fs::File::open(self.path()).expect("the namespace's thread runs");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("entered");
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// Starts a child inside; see [`command`].
    pub fn spawn(&self, mut command: Command) -> Child {
        let text = format!("{command:?}");
        self.run(move || command.spawn()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    /// Runs a child inside to its end.
    pub fn output(&self, mut command: Command) -> Output {
        let text = format!("{command:?}");
        self.run(move || command.output()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    /// Runs `ip` inside with arguments that contain no blanks of their own.
    pub fn ip(&self, arguments: &str) {
        let mut command = command("ip");
        command.args(arguments.split_whitespace());
        let output = self.output(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {said}");
    }

    /// Adds a rule of nftables that is asked about all that comes in.
    pub fn filter_input(&self, rule: &str) {
        self.nft(&format!(
            "add table inet test; add chain inet test input {{ type filter hook input priority 0; }}; \
             add rule inet test input {rule}"
        ));
    }

    /// How many packets the rules of [`Namespace::filter_input`] with a `counter` met so far.
    pub fn filtered(&self) -> u64 {
        let rules = self.nft("list table inet test");
        let counts = rules.split("counter packets ").skip(1).filter_map(|rest| rest.split(' ').next());
        counts.map(|n| n.parse::<u64>().expect("a number of packets")).sum()
    }

    /// Removes all rules of [`Namespace::filter_input`].
    pub fn unfilter(&self) {
        self.nft("delete table inet test");
    }

    fn nft(&self, commands: &str) -> String {
        let mut nft = command("nft");
        nft.arg(commands);
        let output = self.output(nft);
        assert_ne!(output.status.code(), Some(NOT_FOUND), "nft is missing: apt-get install nftables");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "nft {commands}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Writes a kernel setting of this namespace, named by its path under `/proc/sys`.
    pub fn sysctl(&self, name: &'static str, value: &'static str) {
        self.run(move || fs::write(format!("/proc/sys/{name}"), value).expect(name));
    }

    /// By which path other processes reach it.
    pub fn path(&self) -> String {
        format!("/proc/{}/task/{}/ns/net", getpid(), self.tid)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A job's panic was already given to who asked for the job.
            let _ = thread.join();
        }
    }
}

/// A command that dies with the thread that starts it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
