//! The program as a user runs it, against an agent that is played by the test.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use serialnumberd::clock::boottime_ns;
use serialnumberd::config::LONGEST_STOP;
use serialnumberd::paths;

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_serialnumberd"));
    program.stdin(Stdio::null()).env_remove("XDG_RUNTIME_DIR").env_remove("RUST_LOG");
    program
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

/// An agent that answers one connection's requests with `answer`, then ends.
struct Played {
    dir: tempfile::TempDir,
    thread: JoinHandle<Vec<Value>>,
}

impl Played {
    fn new(answer: impl Fn(&Value) -> Vec<Value> + Send + 'static) -> Played {
        Played::in_dir(tempfile::tempdir().unwrap(), answer)
    }

    fn in_dir(dir: tempfile::TempDir, answer: impl Fn(&Value) -> Vec<Value> + Send + 'static) -> Played {
        let listener = UnixListener::bind(dir.path().join("control.sock")).unwrap();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            serve(&stream, answer)
        });
        Played { dir, thread }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    /// Runs a client against it; what it printed, and what it asked.
    fn ask(self, arguments: &[&str]) -> (Output, Vec<Value>) {
        let output = program().args(arguments).arg("--control").arg(self.path()).output().unwrap();
        (output, self.thread.join().unwrap())
    }
}

fn serve(stream: &UnixStream, answer: impl Fn(&Value) -> Vec<Value>) -> Vec<Value> {
    let mut stream = stream;
    writeln!(stream, "{}", json!({"proto": 1})).unwrap();
    let mut asked = Vec::new();
    for line in BufReader::new(stream).lines().skip(1) {
        let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
        for line in answer(&request) {
            writeln!(stream, "{line}").unwrap();
        }
        asked.push(request);
        if asked.last().is_some_and(|r| r["request"] == "watch") {
            break;
        }
    }
    asked
}

fn verdict(verdict: &'static str) -> Played {
    Played::new(move |request| decided(verdict, request))
}

fn decided(verdict: &str, request: &Value) -> Vec<Value> {
    let ok = json!({"product": "xsvr", "state": "clear", "verdict": verdict, "reason": "so it is"});
    vec![json!({"id": request["id"], "ok": ok})]
}

#[test]
fn check_answers_by_its_exit_code() {
    for (word, code) in [("allow", 0), ("warn", 3), ("limit", 4), ("deny", 5), ("abstain", 6)] {
        let (output, asked) = verdict(word).ask(&["check", "xsvr"]);
        assert_eq!(output.status.code(), Some(code), "{word}: {}", stderr(&output));
        assert_eq!(stdout(&output).lines().count(), 1);
        assert_eq!(asked[0]["wait_ms"], 0);
        let (quiet, asked) = verdict(word).ask(&["check", "xsvr", "--quiet", "--wait=3s"]);
        assert_eq!((quiet.status.code(), stdout(&quiet), stderr(&quiet)), (Some(code), "", ""));
        assert_eq!(asked[0]["wait_ms"], 3000);
    }
    let (output, _) = verdict("perhaps").ask(&["check", "xsvr"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_check_that_waits_meets_an_agent_that_starts_after_it() {
    let dir = tempfile::tempdir().unwrap();
    // A dead agent's socket may lie there still: it is one more way of there being none yet.
    drop(UnixListener::bind(dir.path().join("control.sock")).unwrap());
    let control = dir.path().join("control.sock");
    let mut command = program();
    command.args(["check", "xsvr", "--wait=20s", "--control"]).arg(&control);
    let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(client.try_wait().unwrap(), None, "it waits for the agent");
    fs::remove_file(&control).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let agent = Played::in_dir(dir, |request| decided("warn", request));
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let asked = agent.thread.join().unwrap();
    let left = asked[0]["wait_ms"].as_u64().unwrap();
    assert!((1..=19_500).contains(&left), "the time until the agent was there is part of the wait: {left}");
}

#[test]
fn a_check_that_waits_ends_without_an_agent_once_the_wait_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let control = dir.path().join("control.sock");
    let check = |wait: &str| {
        let mut command = program();
        let output = command.args(["check", "xsvr", wait, "--control"]).arg(&control).output().unwrap();
        (output.status.code(), stderr(&output).contains("(no socket there)"))
    };
    let began = boottime_ns();
    assert_eq!(check("--wait=400ms"), (Some(1), true));
    assert!(boottime_ns() - began >= 400_000_000, "an agent might have come until then");
    // No agent will answer where a file is in the way of the folder: that is told at once.
    fs::write(dir.path().join("file"), "").unwrap();
    let mut command = program();
    let below = dir.path().join("file/control.sock");
    let began = boottime_ns();
    let output = command.args(["check", "xsvr", "--wait=50s", "--control"]).arg(below).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(boottime_ns() - began < 25_000_000_000, "{}", stderr(&output));
}

#[test]
fn an_agents_refusal_is_a_failure_with_its_sentence() {
    let agent = Played::new(|request| vec![json!({"id": request["id"], "error": "no license of nope here"})]);
    let (output, _) = agent.ask(&["check", "nope"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "serialnumberd: no license of nope here\n");
}

#[test]
fn without_an_agent_every_place_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let output = program().args(["status"]).env("XDG_RUNTIME_DIR", dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "an agent of this host answered: stop it for this test");
    let own = dir.path().join("serialnumberd/control.sock");
    let said = stderr(&output);
    // A dead agent may have left a socket there; then that is what is said of it.
    assert!(said.contains("/run/serialnumberd/control.sock ("), "{said}");
    assert!(said.contains(&format!("{} (no socket there)", own.display())), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [&["check"][..], &["check", "XSVR"], &["run"], &["nonsense"], &[]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("Usage:") || stderr(&output).contains("error:"), "{arguments:?}");
    }
}

/// Runs a client whose standard output nobody reads.
fn unread(mut command: Command) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for arguments in [&["config", "init"][..], &["--help"]] {
        let mut command = program();
        command.args(arguments);
        assert_eq!(unread(command), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn a_verdict_stands_even_if_nobody_reads_it() {
    let agent = verdict("deny");
    let mut command = program();
    command.args(["check", "xsvr", "--control"]).arg(agent.path());
    assert_eq!(unread(command), (Some(5), String::new()));
}

#[test]
fn watch_prints_events_until_the_agent_ends() {
    let events = |request: &Value| {
        vec![
            json!({"id": request["id"], "ok": {}}),
            json!({"event": {"event": "tick", "seq": 7, "time": "2026-11-23T15:00:00.000Z"}}),
            json!({"error": "the agent stops"}),
        ]
    };
    let (output, _) = Played::new(events).ask(&["watch", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(stdout(&output)).unwrap()["seq"], 7);
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), "serialnumberd: the agent stops\n"));
    let (output, _) = Played::new(events).ask(&["watch"]);
    assert_eq!(stdout(&output), "15:00:00.000  announced\n");
}

#[test]
fn watch_gives_the_terminal_no_orders() {
    let events = |request: &Value| {
        let reason = "\u{1b}[2Jno\nduplicate\tat\r\u{9b}all";
        vec![
            json!({"id": request["id"], "ok": {}}),
            json!({"event": {"event": "state", "product": "xsvr", "reason": reason, "state": "clear"}}),
            json!({"event": {"event": "\u{7}strange\n"}}),
            json!({"error": "the agent stops"}),
        ]
    };
    let (output, _) = Played::new(events).ask(&["watch"]);
    let said = stdout(&output);
    assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    assert_eq!(said.lines().count(), 2, "{said:?}");
    assert!(said.contains("( [2Jno duplicate at  all)"), "{said:?}");
}

#[test]
fn status_json_passes_on_what_this_client_does_not_know() {
    let (output, _) = Played::new(|r| vec![json!({"id": r["id"], "ok": {"agent": {"new": [1]}}})])
        .ask(&["status", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(stdout(&output)).unwrap(), json!({"agent": {"new": [1]}}));
}

#[test]
fn explain_of_a_foreign_product_says_what_is_held() {
    let (output, _) = Played::new(|r| vec![json!({"id": r["id"], "ok": {"claims": [{"product": "xsvr"}]}})])
        .ask(&["explain", "other"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no license of other; held are: xsvr"), "{}", stderr(&output));
}

#[test]
fn the_printed_configuration_is_a_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let init = run(&["config", "init"]);
    // Its plugin is not built by every test run, and its serial file is the system's.
    let (text, _) = stdout(&init).split_once("\n[[plugin]]\n").unwrap();
    let file = dir.path().join("serialnumberd.toml");
    fs::write(&file, text.replace("/etc/serialnumberd/", "")).unwrap();
    let file = file.to_str().unwrap();
    let missing = run(&["config", "check", file]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("cannot read the serial file"), "{}", stderr(&missing));
    let serial = dir.path().join("xsvr.serial");
    fs::write(&serial, "XSVR-1").unwrap();
    fs::set_permissions(&serial, Permissions::from_mode(0o600)).unwrap();
    let good = run(&["config", "check", file]);
    assert_eq!(stdout(&good), format!("{file}: good: 1 license, 0 plugins\n"), "{}", stderr(&good));
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    fs::write(&file, "[agent]\nintervall = \"5m\"\nport = 0\n").unwrap();
    let shown = file.display();
    let expected = format!(
        "serialnumberd: {shown}:2:1: unknown key `intervall` in [agent]; the nearest known key is `interval`\n\
         serialnumberd: {shown}:3:8: `port` in [agent]: expected a whole number from 1 to 65535, found 0\n"
    );
    for arguments in [&["config", "check"][..], &["run", "-c"]] {
        let output = program().args(arguments).arg(&file).output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), expected.as_str()));
    }
}

#[test]
fn a_fifo_in_place_of_a_file_is_told_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).unwrap();
    let file = dir.path().join("serialnumberd.toml");
    fs::write(&file, "[[license]]\nproduct = \"xsvr\"\nserial_file = \"fifo\"\n").unwrap();
    for (path, sentence) in [
        (&fifo, format!("{}: the configuration is no regular file", fifo.display())),
        (&file, format!("the serial file {} is no regular file", fifo.display())),
    ] {
        // Who waits for a writer waits for ever.
        let mut command = Command::new("timeout");
        command.arg("10").arg(program().get_program()).args(["config", "check"]).arg(path);
        let output = command.output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", path.display());
        assert!(said.contains(&sentence), "{said}");
    }
}

#[test]
fn a_missing_plugin_is_told_at_its_line_with_all_places() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    fs::write(&file, "[agent]\n[[plugin]]\npath = \"libnone.so\"\n").unwrap();
    let output = program().args(["config", "check", "--plugin-dir", "/first"]).arg(&file).output().unwrap();
    let said = stderr(&output);
    assert!(said.contains(&format!("{}:2:1: plugin libnone.so", file.display())), "{said}");
    for place in ["/first, ", "/usr/lib/serialnumberd/plugins", "lib/serialnumberd/plugins"] {
        assert!(said.contains(place), "{said}");
    }
}

#[test]
fn a_file_that_is_no_plugin_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("libx.so"), "no plugin").unwrap();
    let output = program().args(["plugin", "list", "--plugin-dir"]).arg(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("libx.so"), "{}", stdout(&output));
    let info = program().args(["plugin", "info"]).arg(dir.path().join("libx.so")).output().unwrap();
    assert_eq!(info.status.code(), Some(1));
    assert!(stderr(&info).contains("ELF"), "{}", stderr(&info));
}

/// The unit is not run by any test; what it names is checked here.
#[test]
fn the_systemd_unit_names_commands_and_places_of_this_program() {
    let unit = include_str!("../../examples/serialnumberd.service");
    let of = |key: &str| {
        let line = unit.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}="))
    };
    for key in ["ExecStart", "ExecReload"] {
        let (program, arguments) = of(key).split_once(' ').unwrap();
        assert!(program.ends_with("/serialnumberd"), "{key}={program}");
        // With --help the arguments are read, and nothing is run.
        let output = run(&[&arguments.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{key}: {}", stderr(&output));
    }
    assert_eq!(paths::STATE_DIR, format!("/var/lib/{}", of("StateDirectory")));
    assert_eq!(Path::new(paths::CONTROL).parent(), Some(&*Path::new("/run").join(of("RuntimeDirectory"))));
    assert_eq!(of("RuntimeDirectoryMode"), "0755", "clients of other users get to the control socket");
    let timeout = Duration::from_secs(of("TimeoutStopSec").parse().unwrap());
    assert!(timeout > LONGEST_STOP, "systemd waits longer than the agent may");
}
