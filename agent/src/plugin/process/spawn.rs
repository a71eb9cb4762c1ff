//! One process of a plugin: how it is made, spoken to, and ended.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::desk::Desk;
use super::frame::frame;
use super::hearing::{Ears, Hearing, Word};
use super::pidfd;
use super::words::ToChild;
use crate::plugin::limits::{EXIT_PATIENCE, FRAME_TO_CHILD, PIPE_PATIENCE, WORDS};

/// A plugin's process, and the thread that hears it.  Dropped, it is killed.
pub(super) struct Child {
    process: std::process::Child,
    /// Readable once it has ended.
    exit: OwnedFd,
    pipe: UnixStream,
    words: Receiver<Word>,
    hearing: Option<JoinHandle<Option<String>>>,
    desk: Arc<Desk>,
}

/// Why a process ended by itself, or had to be ended: goes on after "its process ...".
pub(super) type Why = String;

impl Child {
    /// Starts `helper` with the plugin's file.  It gets the pipe and the file, and nothing else of the agent: no other
    /// descriptor, no environment, no terminal.
    pub(super) fn spawn(desk: &Arc<Desk>, helper: &Path, plugin: &File) -> Result<Child, Why> {
        let failed = |error: io::Error| format!("cannot be started: {}: {error}", helper.display());
        let (pipe, theirs) = UnixStream::pair().map_err(failed)?;
        pipe.set_write_timeout(Some(PIPE_PATIENCE)).map_err(failed)?;
        let process = Command::new(helper)
            .arg0("serialnumberd")
            .arg("plugin-child")
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(plugin.try_clone().map_err(failed)?)
            .stderr(Stdio::piped())
            // Of its own, so that it can be ended with all that it started, and no Ctrl-C is meant for it.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        desk.shared.process.born(process.id());
        let (words_end, words) = sync_channel(WORDS);
        let exit = pidfd::open(process.id()).map_err(failed)?;
        let mut child = Child { process, exit, pipe, words, hearing: None, desk: Arc::clone(desk) };
        let stderr = child.process.stderr.take().ok_or("has no standard error")?;
        fcntl(&stderr, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|error| failed(error.into()))?;
        let ears = Ears {
            pipe: child.pipe.try_clone().map_err(failed)?,
            stderr,
            exit: child.exit.try_clone().map_err(failed)?,
        };
        let hearing = Hearing::new(Arc::clone(desk), words_end);
        let scope = desk.scope.clone();
        let thread = thread::Builder::new()
            .name(format!("hear-{}", desk.id).chars().take(15).collect())
            .spawn(move || scope.within(|| hearing.run(ears)))
            .map_err(failed)?;
        child.hearing = Some(thread);
        Ok(child)
    }

    /// Sends a word; waits a bounded time for the process to read.
    pub(super) fn say(&mut self, word: &ToChild<'_>, room: usize) -> Result<(), Why> {
        let bytes = frame(word, room, FRAME_TO_CHILD).ok_or("would need a frame that is too long")?;
        self.pipe.write_all(&bytes).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("read nothing for {} s", PIPE_PATIENCE.as_secs())
            }
            _ => String::new(),
        })
    }

    /// The next word for the supervisor; an error once there will be no more.
    pub(super) fn word(&self) -> Result<Option<Word>, Why> {
        match self.words.try_recv() {
            Ok(word) => Ok(Some(word)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(String::new()),
        }
    }

    /// Ends it with all that it started, if it has not ended by itself, and says why.  `why` is what is known already.
    pub(super) fn end(mut self, why: Why) -> Why {
        self.finish(why)
    }

    fn finish(&mut self, why: Why) -> Why {
        if why.is_empty() {
            self.await_exit();
        }
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap_or(i32::MAX));
        // Before it is waited for: as long as it was not, its number is nobody else's.
        let was_running = is_running(pid);
        if was_running.is_some() {
            let _none_may_be_left = killpg(pid, Signal::SIGKILL);
            // It may have left its group, where the kernel does not keep it there.
            let _it_may_be_over = kill(pid, Signal::SIGKILL);
        }
        let status = self.process.wait();
        let _it_is_closed_anyway = self.pipe.shutdown(Shutdown::Both);
        let said = self.hearing.take().and_then(|thread| thread.join().ok().flatten());
        self.desk.shared.process.died();
        self.desk.shared.no_call();
        if let Some(said) = said {
            return said;
        }
        match (why.is_empty(), was_running, status) {
            (false, ..) => why,
            (true, Some(true), _) => "closed its pipe".to_owned(),
            (true, _, Ok(status)) => how(status),
            (true, _, Err(_)) => "is gone, and nobody knows how it ended".to_owned(),
        }
    }

    /// The pipe closes a moment before its process has ended.
    fn await_exit(&self) {
        let patience = PollTimeout::try_from(EXIT_PATIENCE).unwrap_or(PollTimeout::ZERO);
        let _in_time = poll(&mut [PollFd::new(self.exit.as_fd(), PollFlags::POLLIN)], patience);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.hearing.is_some() {
            self.finish("is not needed any more".to_owned());
        }
    }
}

/// Whether a child of ours runs; `None` if the program that embeds the agent has waited for it, so that its number may be
/// another process's by now.
fn is_running(pid: Pid) -> Option<bool> {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(pid), look).ok().map(|status| status == WaitStatus::StillAlive)
}

fn how(status: ExitStatus) -> Why {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match Signal::try_from(signal) {
            Ok(known) => format!("was killed by {known}"),
            Err(_) => format!("was killed by signal {signal}"),
        },
        (None, code) => format!("ended with exit code {}", code.unwrap_or(-1)),
    }
}
