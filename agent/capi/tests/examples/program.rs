//! A program that runs: what it prints, line by line, and its end.
//!
//! Owns the child: one that is forgotten is killed.  Every wait has a bound, and who waits in vain is shown all
//! that was printed.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Only a broken test waits so long; under valgrind on a busy machine a start takes ten seconds.
pub const LONG: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Output {
    lines: Vec<String>,
    /// How many of them were waited for already.
    seen: usize,
    is_over: bool,
}

type Shared = Arc<(Mutex<Output>, Condvar)>;

pub struct Program {
    name: String,
    child: Child,
    output: Shared,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts it; both its outputs are one pipe, so that their order is the true one.
    pub fn start(name: &str, command: &mut Command) -> Program {
        let (ours, theirs) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::piped()).stdout(theirs.try_clone().expect("cloned")).stderr(theirs);
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} cannot be started: {e}"));
        // The command still has the writing ends, which would keep the pipe from ending.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let output = Shared::default();
        let reader = std::thread::spawn({
            let output = Arc::clone(&output);
            move || read(ours, &output)
        });
        Program { name: name.to_owned(), child, output, reader: Some(reader) }
    }

    /// Waits for the next line with this in it, and returns it.
    pub fn await_line(&self, part: &str) -> String {
        let (output, changed) = &*self.output;
        let found = |output: &mut Output| {
            while let Some(line) = output.lines.get(output.seen) {
                output.seen += 1;
                if line.contains(part) {
                    return Some(line.clone());
                }
            }
            None
        };
        let mut line = None;
        let guard = output.lock().expect("not poisoned");
        let (output, _) = changed
            .wait_timeout_while(guard, LONG, |output| {
                line = found(output);
                line.is_none() && !output.is_over
            })
            .expect("not poisoned");
        let text = shown(&output);
        // Not held while it panics: the reader goes on.
        drop(output);
        line.unwrap_or_else(|| panic!("{} did not print \"{part}\", but:\n{text}", self.name))
    }

    /// Writes to its standard input.
    pub fn feed(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("its input is open");
        input.write_all(text.as_bytes()).expect("it reads");
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).expect("it runs");
    }

    /// Waits for its end: the exit code and all that it printed.
    pub fn end(mut self) -> (Option<i32>, String) {
        let (output, changed) = &*self.output;
        let guard = output.lock().expect("not poisoned");
        let (output, _) =
            changed.wait_timeout_while(guard, LONG, |output| !output.is_over).expect("not poisoned");
        let (text, is_over) = (shown(&output), output.is_over);
        drop(output);
        assert!(is_over, "{} did not end:\n{text}", self.name);
        (self.child.wait().expect("it ended").code(), text)
    }

    /// Asks it to end, and expects a goodbye and exit code 0.
    pub fn stop(self, signal: Signal) {
        let name = self.name.clone();
        self.signal(signal);
        let (code, text) = self.end();
        assert_eq!(code, Some(0), "{name}:\n{text}");
        assert!(text.contains(&format!("{name}: goodbye\n")), "{name} says no goodbye:\n{text}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Of one that has ended this fails, and that is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(pipe: PipeReader, output: &Shared) {
    let (output, changed) = &**output;
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        output.lock().expect("not poisoned").lines.push(String::from_utf8_lossy(&line).into_owned());
        changed.notify_all();
    }
    output.lock().expect("not poisoned").is_over = true;
    changed.notify_all();
}

fn shown(output: &Output) -> String {
    output.lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "  {line}");
        text
    })
}
