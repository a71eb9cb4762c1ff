//! The example, run as people would: two of them with one serial on loopback addresses.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Only a broken example takes so long.
const LONG: Duration = Duration::from_secs(20);

/// One that runs.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (lines, received) = channel();
    std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
    });
    received
}

impl Program {
    fn start(mode: &str, keys: &[&str]) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_embed"))
            .args([mode, "xsvr", "ABC-1"])
            .args(keys)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let lines = lines(child.stdout.take().expect("piped"));
        Program { child, lines }
    }

    /// An agent of its own on this address.
    fn own(dir: &tempfile::TempDir, address: &str, peer: &str) -> Program {
        let state = format!("state_dir={}", dir.path().join(address).display());
        let (address, peers) = (format!("address={address}"), format!("peers=[\"{peer}\"]"));
        Program::start("own", &[&state, "port=62725", &address, &peers, "interval=1s", "confirm_after=1s"])
    }

    fn says(&self, part: &str) {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) if line.starts_with(part) => return,
                Ok(line) => said.push(line),
                Err(_) => panic!("it was to say \"{part}\", but said {said:?}"),
            }
        }
    }

    /// Ends its standard input.
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("it ended").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // If it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_that_share_a_serial_are_warned_until_one_ends() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = Program::own(&dir, "127.0.8.90", "127.0.8.91");
    first.says("allow clear: no other holder");
    let second = Program::own(&dir, "127.0.8.91", "127.0.8.90");
    first.says("warn duplicate");
    second.says("warn duplicate");
    second.end();
    first.says("allow clear");
    first.end();
}

#[test]
fn what_is_wrong_is_told_by_a_sentence() {
    for (arguments, status, part) in [
        (&[][..], 2, "usage: embed own|connect|auto"),
        (&["alone", "xsvr", "ABC-1"], 1, "`mode`: expected one of"),
        (&["own", "xsvr", "ABC-1", "intervall=1s"], 1, "the nearest known key is `interval`"),
        (&["own", "XSVR", "ABC-1", "state_dir=/proc/none"], 1, "state directory /proc/none"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_embed")).args(arguments).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(status) && said.contains(part), "{arguments:?}: {said}");
    }
}
