//! The whole program: a configuration, the child of the same binary, and an agent that is killed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::runs;
use crate::rig::{HELPER, Rig, eventually};

struct Agent {
    process: Child,
    control: String,
}

impl Agent {
    /// On loopback, with the puppet in a process.
    fn start(rig: &Rig, plugin: &str) -> Agent {
        let dir = rig.dir.path();
        let library = rig.build("puppet", "puppet.so", &[]);
        let (serial, control) = (dir.join("serial"), dir.join("control.sock"));
        fs::write(&serial, "XSVR-0123").expect("written");
        fs::set_permissions(&serial, fs::Permissions::from_mode(0o600)).expect("mode set");
        let config = format!(
            "[agent]\nport = {}\naddress = \"127.0.0.1\"\nstate_dir = \"{}\"\ncontrol = \"{}\"\n\
             [[license]]\nproduct = \"xsvr\"\nserial_file = \"{}\"\n\
             [[plugin]]\npath = \"{}\"\nisolation = \"process\"\n{plugin}\n",
            free_port(),
            dir.join("state").display(),
            control.display(),
            serial.display(),
            library.display(),
        );
        let file = dir.join("agent.toml");
        fs::write(&file, config).expect("written");
        let mut run = Command::new(HELPER);
        let process = run.arg("run").arg("-c").arg(&file).stderr(Stdio::inherit()).spawn().expect("it runs");
        Agent { process, control: control.display().to_string() }
    }

    fn plugin(&self) -> Option<Value> {
        let output =
            Command::new(HELPER).args(["status", "--json", "--control", &self.control]).output().ok()?;
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(status["plugins"][0].clone())
    }

    fn child(&self) -> u32 {
        let mut pid = 0;
        eventually("the agent tells of the plugin's process", || {
            pid = self.plugin().and_then(|plugin| plugin["pid"].as_u64()).unwrap_or(0);
            pid != 0
        });
        u32::try_from(pid).expect("a pid")
    }

    /// As a power cut would.
    fn killed(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

fn free_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    socket.local_addr().expect("an address").port()
}

#[test]
fn the_child_of_an_agent_that_is_killed_ends() {
    let rig = Rig::new();
    let agent = Agent::start(&rig, "");
    let child = agent.child();
    let plugin = agent.plugin().expect("a status");
    assert_eq!((plugin["isolation"].as_str(), plugin["health"].as_str()), (Some("process"), Some("ok")));
    assert!(plugin["sandbox"].as_array().is_some_and(|lines| lines.len() == 4), "{plugin}");
    assert_eq!(
        fs::read_link(format!("/proc/{child}/exe")).ok().as_deref(),
        Some(fs::canonicalize(HELPER).expect("a path").as_path()),
        "it is the same program"
    );
    agent.killed();
    eventually("the child has ended", || !runs(child));
}

#[test]
fn so_does_one_whose_plugin_is_in_an_endless_loop() {
    let rig = Rig::new();
    let agent = Agent::start(&rig, "[plugin.options]\nlater = \"spin\"");
    let child = agent.child();
    rig.await_line("puppet", "spins");
    agent.killed();
    eventually("the child has ended", || !runs(child));
}

#[test]
fn so_does_one_that_is_stopped_and_cannot_notice() {
    let rig = Rig::new();
    let agent = Agent::start(&rig, "");
    let child = agent.child();
    kill(Pid::from_raw(i32::try_from(child).expect("a pid")), Signal::SIGSTOP).expect("stopped");
    agent.killed();
    eventually("the child has ended", || !runs(child));
}

#[test]
fn what_it_started_ends_too() {
    let rig = Rig::new();
    let agent = Agent::start(&rig, "[plugin.sandbox]\nexec = true\n[plugin.options]\nlater = \"leave\"");
    let line = rig.await_line("puppet", "left ");
    let left: u32 = line.trim_start_matches("left ").parse().expect("a pid");
    agent.killed();
    eventually("it has ended", || !runs(left));
}

#[test]
fn config_check_reads_the_sandbox() {
    let rig = Rig::new();
    let library = rig.build("puppet", "puppet.so", &[]);
    let check = |plugin: &str| {
        let file = rig.dir.path().join("check.toml");
        let state = rig.dir.path().join("state");
        let text = format!(
            "[agent]\nstate_dir = \"{}\"\n[[plugin]]\npath = \"{}\"\n{plugin}\n",
            state.display(),
            library.display()
        );
        fs::write(&file, text).expect("written");
        let output = Command::new(HELPER).args(["config", "check"]).arg(&file).output().expect("it runs");
        (output.status.success(), told(&output, &file))
    };
    let process = "isolation = \"process\"";
    assert!(check(&format!("{process}\n[plugin.sandbox]\nread = [\"/etc\"]\nconnect = [443, \"udp\"]")).0);
    for (plugin, sentence) in [
        (
            format!("{process}\n[plugin.sandbox]\nraed = []"),
            "7:1: unknown key `raed` in [plugin.sandbox]; the nearest known key is `read`",
        ),
        (
            format!("{process}\n[plugin.sandbox]\nread = [\"etc\"]"),
            "`read` in [plugin.sandbox]: entry 1: \"etc\" is no absolute path",
        ),
        (
            format!("{process}\n[plugin.sandbox]\nconnect = [0]"),
            "`connect` in [plugin.sandbox]: entry 1: expected a whole number from 1 to 65535, found 0",
        ),
        (
            format!("{process}\n[plugin.sandbox]\nlisten = [\"tcp\"]"),
            "expected a TCP port from 1 to 65535, \"udp\" or \"unix\", found \"tcp\"",
        ),
        (format!("{process}\n[plugin.sandbox]\nuser = \"no-such-user\""), "`user` in [plugin.sandbox]"),
        (
            format!("{process}\n[plugin.sandbox]\nmemory_mib = 1"),
            "a whole number from 32 to 1048576, found 1",
        ),
        (
            "[plugin.sandbox]\nexec = true".to_owned(),
            "5:1: [plugin.sandbox] is for a plugin in a process of its own",
        ),
        (format!("{process}\n[plugin.options]\nlater = 5"), "its option \"later\" must be a string"),
        (
            format!("{process}\n[plugin.sandbox]\nwrite = [\"/no/where\"]"),
            "`write` in [plugin.sandbox]: /no/where",
        ),
    ] {
        let (is_good, told) = check(&plugin);
        assert!(!is_good && told.contains(sentence), "{told}\nand not: {sentence}");
    }
}

fn told(output: &std::process::Output, file: &Path) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).replace(&format!("{}:", file.display()), "")
}
