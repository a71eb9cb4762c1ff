//! The agent's thread that hears what a plugin's process says, over the pipe and on its standard error.
//!
//! It never writes to the process and never waits for it but to speak: so neither side can wait for the other in turn.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ChildStderr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serialnumberd_core::Product;
use serialnumberd_plugin::abi::SLND_PERM_HOLDERS;

use super::desk::Desk;
use super::facts::Figures;
use super::frame::Frames;
use super::words::{FromChild, MetricLine};
use crate::plugin::begin::Facts;
use crate::plugin::error::PluginError;
use crate::plugin::limits::{
    FRAME_FROM_CHILD, LOG_LINE_MAX, METRICS, SANDBOX_LINE_MAX, SANDBOX_LINES, STATUS_MAX,
};
use crate::plugin::log_line::{Rate, clean};
use crate::plugin::shared::Call;

/// What the supervisor is to know of what was heard.
#[derive(Debug)]
pub(super) enum Word {
    Described(Facts),
    Refused(PluginError),
    Started,
    Panicked(u64),
    AskHolders(Product),
    Ended { is_quarantined: bool },
}

pub(super) struct Hearing {
    desk: Arc<Desk>,
    words: SyncSender<Word>,
    frames: Frames,
    log: LogLines,
    /// What is in force was told, before any code of the plugin ran: it has no say in it.
    is_confined: bool,
}

impl Hearing {
    pub(super) fn new(desk: Arc<Desk>, words: SyncSender<Word>) -> Hearing {
        let log = LogLines { partial: Vec::new(), rate: Rate::new(desk.now_ns()), has_ended: false };
        Hearing { desk, words, frames: Frames::new(FRAME_FROM_CHILD), log, is_confined: false }
    }

    /// Hears until the process has ended or its pipe is closed, or it says something that is to end it: then that is
    /// returned.
    pub(super) fn run(mut self, mut ears: Ears) -> Option<String> {
        let said = loop {
            let ready = match ears.wait(self.log.has_ended) {
                Ok(ready) => ready,
                Err(error) => break Some(format!("cannot be polled: {error}")),
            };
            if ready.stderr {
                self.log.read(&mut ears.stderr, &self.desk);
            }
            if ready.pipe {
                match self.frames.fill(&mut ears.pipe) {
                    Ok(n) if n > 0 => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    // It closed its end, perhaps without having read all that it was sent.
                    _ => break None,
                }
                if let Err(what) = self.hear_all() {
                    break Some(format!("said {what}"));
                }
            } else if ready.exit {
                // Others may hold its end of the pipe open; all that it said itself was heard.
                break None;
            }
        };
        // Its last words say more than its exit code.
        self.log.read(&mut ears.stderr, &self.desk);
        self.log.end(&self.desk);
        drop(self.words);
        self.desk.supervisor.unpark();
        said
    }

    fn hear_all(&mut self) -> Result<(), String> {
        while let Some(word) = self.frames.next()? {
            self.hear(word)?;
        }
        Ok(())
    }

    /// Believes a word, as far as it can be believed.
    fn hear(&mut self, word: FromChild) -> Result<(), String> {
        let shared = &self.desk.shared;
        match word {
            FromChild::Sandbox(_) if self.is_confined => {
                return Err("that its sandbox is another one".to_owned());
            }
            FromChild::Sandbox(lines) => {
                self.is_confined = true;
                let lines = lines.iter().take(SANDBOX_LINES);
                let lines = lines.map(|line| clean(&line.as_bytes()[..line.len().min(SANDBOX_LINE_MAX)]));
                shared.process.sandbox.put(lines.collect());
            }
            FromChild::Described(facts) => self.pass(Word::Described(facts))?,
            FromChild::Refused(error) => self.pass(Word::Refused(error))?,
            FromChild::Started => self.pass(Word::Started)?,
            FromChild::Ended { is_quarantined } => self.pass(Word::Ended { is_quarantined })?,
            FromChild::AskHolders { product } => {
                if !self.desk.flight().has(SLND_PERM_HOLDERS) {
                    return Err("a question for holders, for which it has no permission".to_owned());
                }
                let product = Product::new(&product).map_err(|_| "a product that is none")?;
                self.pass(Word::AskHolders(product))?;
            }
            FromChild::Figures(figures) => self.take(figures)?,
            FromChild::Call { call, lasted_ns } => {
                let call = Call::of_word(&call).ok_or("that it is in a call that there is not")?;
                shared.call_begins(call, self.desk.now_ns().saturating_sub(lasted_ns));
                self.desk.supervisor.unpark();
            }
            FromChild::Metrics(metrics) => self.measure(&metrics)?,
            FromChild::Detail(text) => {
                let is_object =
                    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok();
                if text.len() > 3 * STATUS_MAX || !is_object {
                    return Err("a status that is none".to_owned());
                }
                shared.detail.put(text);
            }
            FromChild::LastError(text) => shared.last_error.put(clean(text.as_bytes())),
            message => {
                let message = message.into_message().ok_or("a message that is none")?;
                let (claims, now_ns) = (self.desk.claims(), self.desk.now_ns());
                let passed = self.desk.flight().pass(message, &claims, now_ns)?;
                match passed {
                    Some(message) => self.desk.post(message),
                    None => shared.last_error.put("it spoke of a claim that is not held here".to_owned()),
                }
                self.desk.supervisor.unpark();
            }
        }
        Ok(())
    }

    fn take(&self, figures: Figures) -> Result<(), String> {
        let news = self.desk.flight().take(figures, self.desk.now_ns())?;
        self.desk.shared.add_figures(&news);
        self.desk.shared.process.set_in_flight(self.desk.flight().len());
        if news.panics > 0 {
            self.pass(Word::Panicked(news.panics))?;
        }
        if news.taken > 0 {
            self.desk.supervisor.unpark();
        }
        Ok(())
    }

    fn measure(&self, metrics: &[MetricLine]) -> Result<(), String> {
        if metrics.len() > METRICS {
            return Err(format!("{} metrics, and {METRICS} are the most", metrics.len()));
        }
        for metric in metrics {
            // What does not fit was refused on the other side, too.
            self.desk.shared.metrics.set(&metric.name, metric.value, metric.is_counter);
        }
        Ok(())
    }

    /// To the supervisor, which an honest process never has so much for.
    fn pass(&self, word: Word) -> Result<(), String> {
        match self.words.try_send(word) {
            Err(TrySendError::Full(_)) => return Err("more than it waited to be answered".to_owned()),
            // Nobody listens any more where the process is being ended.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
        self.desk.supervisor.unpark();
        Ok(())
    }
}

/// What is heard of a process.
pub(super) struct Ears {
    pub(super) pipe: UnixStream,
    pub(super) stderr: ChildStderr,
    /// Readable once it has ended.
    pub(super) exit: OwnedFd,
}

/// Which of them has something to be read, or has ended.
struct Ready {
    pipe: bool,
    stderr: bool,
    exit: bool,
}

impl Ears {
    fn wait(&self, without_stderr: bool) -> Result<Ready, Errno> {
        let mut fds = vec![
            PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.exit.as_fd(), PollFlags::POLLIN),
        ];
        if !without_stderr {
            fds.push(PollFd::new(self.stderr.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        let is = |at: usize| {
            fds.get(at).and_then(PollFd::revents).is_some_and(|events: PollFlags| !events.is_empty())
        };
        Ok(Ready { pipe: is(0), exit: is(1), stderr: is(2) })
    }
}

/// A process's standard error as lines of the agent's log: bounded in length and rate.
struct LogLines {
    partial: Vec<u8>,
    rate: Rate,
    has_ended: bool,
}

impl LogLines {
    /// Takes what there is; it does not wait for more.
    fn read(&mut self, stderr: &mut ChildStderr, desk: &Desk) {
        let mut bytes = [0; 4096];
        // As much as a pipe holds: a process that goes on writing must not keep the agent from hearing the rest.
        for _ in 0..16 {
            match stderr.read(&mut bytes) {
                Ok(0) => {
                    self.has_ended = true;
                    return;
                }
                Ok(n) => self.feed(&bytes[..n], desk),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn feed(&mut self, bytes: &[u8], desk: &Desk) {
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            let room = (LOG_LINE_MAX + 8).saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end(desk);
            }
        }
    }

    /// The line is whole.
    fn end(&mut self, desk: &Desk) {
        let line = std::mem::take(&mut self.partial);
        let (level, text) = priority(&line);
        let text = clean(text);
        if text.is_empty() || !log::log_enabled!(target: &desk.id, level) {
            return;
        }
        let Some(suppressed) = self.rate.pass(desk.now_ns()) else { return };
        if suppressed > 0 {
            log::log!(target: &desk.id, log::Level::Warn, "{suppressed} lines of this plugin were too many and were dropped");
        }
        log::log!(target: &desk.id, level, "{text}");
    }
}

/// The level of a line, and the rest of it: what has no priority was not written by the host, and is a complaint.
fn priority(line: &[u8]) -> (log::Level, &[u8]) {
    match line {
        [b'<', b'3', b'>', text @ ..] => (log::Level::Error, text),
        [b'<', b'4', b'>', text @ ..] => (log::Level::Warn, text),
        [b'<', b'6', b'>', text @ ..] => (log::Level::Info, text),
        [b'<', b'7', b'>', text @ ..] => (log::Level::Debug, text),
        text => (log::Level::Warn, text),
    }
}
