//! A running agent: its configuration, its process, and what one can ask it from outside.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::clock::{s, within};
use crate::lan::Host;
use crate::namespace::command;
use crate::status::Status;

/// The serial that most tests share.
pub const SERIAL: &str = "XSVR-0123-4567-89AB-CDEF";
/// The steady interval of these tests.
pub const INTERVAL: Duration = s(1);
/// Until a conflict is a duplicate, in these tests.
pub const CONFIRM_AFTER: Duration = s(3);
/// By when an agent must answer after its start; two key derivations and a busy machine are in it.
const UP: Duration = s(5);

/// The agent's binary: the one that `make test` built for release, else Cargo's.
pub fn binary() -> PathBuf {
    std::env::var_os("SERIALNUMBERD")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_serialnumberd")), PathBuf::from)
}

/// The repository's top.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A configuration file in the making.
#[derive(Clone)]
pub struct Config {
    agent: Vec<(String, String)>,
    rest: String,
}

impl Config {
    /// The shortened timings and nothing else.
    pub fn new() -> Config {
        Config { agent: Vec::new(), rest: String::new() }.set("interval", "1s").set("confirm_after", "3s")
    }

    /// The usual one: one license of the product `xsvr`.
    pub fn xsvr() -> Config {
        Config::new().license("xsvr", SERIAL, "")
    }

    /// Sets a text value of `[agent]`.
    pub fn set(self, key: &str, value: &str) -> Config {
        self.raw(key, &format!("{value:?}"))
    }

    /// Sets a value of `[agent]` as TOML.
    pub fn raw(mut self, key: &str, toml: &str) -> Config {
        self.agent.retain(|(k, _)| k != key);
        self.agent.push((key.to_owned(), toml.to_owned()));
        self
    }

    /// Adds a license; `more` are further TOML lines.
    pub fn license(self, product: &str, serial: &str, more: &str) -> Config {
        self.license_line(&format!("product = {product:?}\nserial = {serial:?}\n{more}"))
    }

    /// Adds a license, all of it as TOML lines.
    pub fn license_line(mut self, toml: &str) -> Config {
        let _ = writeln!(self.rest, "[[license]]\n{toml}");
        self
    }

    /// Adds the keys of `[directory]`, all of them as TOML lines.
    pub fn directory(mut self, toml: &str) -> Config {
        let _ = writeln!(self.rest, "[directory]\n{toml}");
        self
    }

    /// Adds a plugin; `more` are further TOML lines.
    pub fn plugin(mut self, path: &str, more: &str) -> Config {
        let _ = writeln!(self.rest, "[[plugin]]\npath = {path:?}\nisolation = \"thread\"\n{more}");
        self
    }

    /// As it is, with the plugins in processes of their own.
    pub fn in_processes(mut self) -> Config {
        self.rest = self.rest.replace("isolation = \"thread\"", "isolation = \"process\"");
        self
    }

    /// Adds the policy plugin, its verdict counted.
    pub fn policy(self, options: &str) -> Config {
        let more = format!("verdict = \"require\"\ngrant = [\"verdict\"]\n[plugin.options]\n{options}");
        self.plugin("libslnd_policy.so", &more)
    }

    /// The file's text, for an agent that keeps its things in `dir`.
    pub fn text(&self, dir: &Path) -> String {
        let mut text =
            format!("[agent]\nstate_dir = {:?}\ncontrol = {:?}\n", dir.join("state"), control(dir));
        for (key, value) in &self.agent {
            let _ = writeln!(text, "{key} = {value}");
        }
        text + &self.rest
    }

    /// Writes the file, readable to nobody else: there are serials in it.
    pub fn write(&self, dir: &Path) -> PathBuf {
        fs::create_dir_all(dir).expect("the agent's directory");
        let path = dir.join("serialnumberd.toml");
        fs::write(&path, self.text(dir)).expect("the configuration");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }
}

fn control(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// A running agent; it is killed when dropped, and its log shown if the test failed.
pub struct Agent {
    child: Child,
    /// Where it keeps its things.
    pub dir: PathBuf,
}

impl Host {
    /// Starts an agent here and waits until it answers.
    pub fn agent(&self, config: &Config) -> Agent {
        self.agent_in("agent", config)
    }

    /// The same with files of its own, where a host has several.
    pub fn agent_in(&self, name: &str, config: &Config) -> Agent {
        let agent = self.launch(name, config, command(binary()));
        within(UP, "the agent answers", || agent.try_status());
        agent
    }

    /// Starts an agent without waiting; `program` is the binary, or something that runs it.
    pub fn launch(&self, name: &str, config: &Config, mut program: Command) -> Agent {
        let dir = self.dir.path().join(name);
        let file = config.write(&dir);
        let log = File::options().create(true).append(true).open(dir.join("log")).expect("the log");
        program.arg("run").arg("-c").arg(file).stdin(Stdio::null());
        program.stdout(log.try_clone().expect("the log")).stderr(log);
        Agent { child: self.ns.spawn(program), dir }
    }

    /// Runs an agent that is expected to refuse: exit code and what it said.
    pub fn refused(&self, name: &str, config: &Config, mut program: Command) -> (i32, String) {
        let file = config.write(&self.dir.path().join(name));
        program.arg("run").arg("-c").arg(file);
        let mut bounded = command("timeout");
        bounded.args(["10", "setpriv", "--"]);
        bounded.arg(program.get_program()).args(program.get_args());
        let output = self.ns.output(bounded);
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Agent {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a client command against it.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.ask_by(Command::new(binary()), arguments)
    }

    /// The same by a client of another kind; `client` is the binary, or something that runs it.
    pub fn ask_by(&self, mut client: Command, arguments: &[&str]) -> Output {
        client.args(arguments).arg("--control").arg(control(&self.dir));
        client.stdin(Stdio::null()).output().expect("the client runs")
    }

    /// Its status, if it answers.
    pub fn try_status(&self) -> Option<Status> {
        let output = self.ask(&["status", "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).ok().map(Status)).flatten()
    }

    /// Its status.
    pub fn status(&self) -> Status {
        let output = self.ask(&["status", "--json"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "status: {said}");
        Status(serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Exit code and text of `check xsvr`.
    pub fn check(&self) -> (i32, String) {
        self.check_product("xsvr")
    }

    /// Exit code and text of `check`.
    pub fn check_product(&self, product: &str) -> (i32, String) {
        let output = self.ask(&["check", product]);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }

    /// Waits until the claim of `xsvr` is in `state`; gives how long that took.
    pub fn reaches(&self, state: &str, bound: Duration) -> Duration {
        let reached = || (self.status().state("xsvr") == state).then_some(());
        within(bound, &format!("{state}: {:?}", self.dir), reached).1
    }

    /// Waits until the verdict on `xsvr` has this exit code; gives the reason.
    pub fn decides(&self, code: i32, bound: Duration) -> String {
        let what = format!("check exits {code}");
        within(bound, &what, || Some(self.check()).filter(|(c, _)| *c == code)).0.1
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().expect("a pid")), signal).expect("the agent is there");
    }

    /// Asks it to end (SIGTERM); gives its exit code and how long that took.
    pub fn stop(&mut self, bound: Duration) -> (i32, Duration) {
        self.signal(Signal::SIGTERM);
        self.ends(bound)
    }

    /// Waits for its end.
    pub fn ends(&mut self, bound: Duration) -> (i32, Duration) {
        let (status, took) =
            within(bound, "the agent ends", || self.child.try_wait().expect("a child of ours"));
        (status.code().unwrap_or(-1), took)
    }

    /// Ends it without a word (SIGKILL).
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Its resident memory in KiB, by a name of `/proc/PID/status`.
    pub fn memory_kib(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(path).expect("the agent is there");
        let line = status.lines().find(|l| l.starts_with(name)).expect(name);
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of KiB")
    }

    /// The processor time that it used so far, in steps of 10 ms.
    pub fn cpu_ms(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the agent is there");
        // User and system time stand 12th and 13th behind the name, in hundredths of a second (proc(5)).
        let after_name = stat.rsplit(") ").next().expect("a name");
        let times = after_name.split_whitespace().skip(11).take(2);
        times.map(|n| n.parse::<u64>().expect("a number of ticks") * 10).sum()
    }

    /// Follows its events from now on; `interval` must be short.
    pub fn watch(&self) -> Events {
        let mut client = command(binary());
        client.args(["watch", "--json", "--control"]).arg(control(&self.dir));
        let mut child = client.stdout(Stdio::piped()).spawn().expect("the client runs");
        let (send, receive) = channel();
        let lines = std::io::BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            use std::io::BufRead;
            for line in lines.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        // The beat of every interval shows that the agent has begun to tell.
        receive.recv_timeout(UP).expect("a first event");
        Events { child, receive }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of {:?}\n{}", self.dir, self.log());
        }
    }
}

/// The events of an agent since they are followed.
pub struct Events {
    child: Child,
    receive: Receiver<String>,
}

impl Events {
    /// Those that came so far and were not taken yet.
    pub fn so_far(&self) -> Vec<Value> {
        self.receive.try_iter().map(|line| serde_json::from_str(&line).expect("a line of JSON")).collect()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
