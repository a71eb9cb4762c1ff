//! The child: `serialnumberd plugin-child`, one plugin in a process of its own.
//!
//! The main thread holds the pipe and never runs the plugin's code; the plugin has its own thread, with the same worker
//! as in the agent.  The sandbox is closed before either exists, so before the plugin's first initializer.

mod files;
mod filter;
mod instance;
mod pipe;
mod privileges;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{dup2_stdin, dup2_stdout};

use self::pipe::Pipe;
use super::frame::{Frames, frame};
use super::words::{Begin, FromChild, ToChild, VERSION};
use crate::plugin::error::{PluginError, Rule};
use crate::plugin::limits::{FRAME_FROM_CHILD, FRAME_TO_CHILD};
use crate::plugin::manifest::Manifest;
use crate::plugin::permission::Permissions;

/// Runs a plugin for the agent at the other end of standard input, until that lets it end, and ends the process.
///
/// # Errors
/// One sentence, if it does not come to that.
pub fn run() -> Result<(), String> {
    let (mut pipe, plugin) = inherited()?;
    let mut frames = Frames::new(FRAME_TO_CHILD);
    let begin = first_word(&mut frames, &mut pipe)?;
    privileges::be_called(&begin.id);
    match confine(&begin, &plugin) {
        Ok(in_force) => {
            say(&mut pipe, &FromChild::Sandbox(in_force))?;
            log_to_stderr(&begin);
            let pipe = Pipe::new(pipe, frames)?;
            let (manifest, state_dir) = manifest(begin);
            let served = pipe.serve(plugin, manifest, state_dir);
            if let Err(what) = &served {
                log::error!("{what}");
            }
            privileges::leave(served.is_ok())
        }
        Err(what) => say(&mut pipe, &FromChild::Refused(PluginError::new(&begin.id, Rule::Isolation, what))),
    }
}

/// The pipe and the plugin's file, which the agent put in the places of standard input and output.  Nothing else that was
/// open in the agent, whether it meant to or not, stays open.
fn inherited() -> Result<(UnixStream, File), String> {
    const BY_HAND: &str =
        "plugin-child is started by an agent, to run a plugin in; there is nothing for people in it";
    let is = |fd: io::Result<libc::mode_t>, kind: SFlag| {
        fd.is_ok_and(|mode| mode & SFlag::S_IFMT.bits() == kind.bits())
    };
    let mode = |fd: &dyn AsFd| fstat(fd.as_fd()).map(|stat| stat.st_mode).map_err(io::Error::from);
    if !is(mode(&io::stdin()), SFlag::S_IFSOCK) || !is(mode(&io::stdout()), SFlag::S_IFREG) {
        return Err(BY_HAND.to_owned());
    }
    privileges::close_from(3)
        .map_err(|error| format!("descriptors cannot be closed, which takes Linux 5.9: {error}"))?;
    let failed = |error: io::Error| format!("the descriptors cannot be put in their places: {error}");
    let moved = |fd: &dyn AsFd| fd.as_fd().try_clone_to_owned().map_err(failed);
    let (pipe, plugin): (OwnedFd, OwnedFd) = (moved(&io::stdin())?, moved(&io::stdout())?);
    let null = File::options().read(true).write(true).open("/dev/null").map_err(failed)?;
    dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).map_err(|error| failed(error.into()))?;
    Ok((pipe.into(), plugin.into()))
}

fn first_word(frames: &mut Frames, pipe: &mut UnixStream) -> Result<Begin, String> {
    let word: serde_json::Value = loop {
        if let Some(word) = frames.next()? {
            break word;
        }
        if frames.fill(pipe).map_err(|error| format!("the agent is not heard: {error}"))? == 0 {
            return Err("the agent is gone".to_owned());
        }
    };
    let version = word["Begin"]["version"].as_u64().unwrap_or(0);
    if version != u64::from(VERSION) {
        let what = format!(
            "{} is of another release than the agent (it speaks version {VERSION} of the pipe's words, the agent {version}): \
             install both from one release",
            std::env::current_exe().unwrap_or_default().display()
        );
        say(pipe, &FromChild::Refused(PluginError::new("plugin_helper", Rule::Isolation, &*what)))?;
        return Err(what);
    }
    match serde_json::from_value(word) {
        Ok(ToChild::Begin(begin)) => Ok(begin),
        _ => Err("the agent does not begin with the beginning".to_owned()),
    }
}

fn say(pipe: &mut UnixStream, word: &FromChild) -> Result<(), String> {
    use std::io::Write as _;
    let bytes = frame(word, 256, FRAME_FROM_CHILD).ok_or("a word is too long for the pipe")?;
    pipe.write_all(&bytes).map_err(|error| format!("the agent cannot be told: {error}"))
}

fn manifest(begin: Begin) -> (Manifest, std::path::PathBuf) {
    let manifest = Manifest {
        path: begin.path,
        abi: begin.abi,
        id: begin.id,
        version: begin.plugin_version,
        wants: Permissions(begin.wants),
    };
    (manifest, begin.state_dir)
}

/// Closes the sandbox; says what of it is in force, and what is not.
fn confine(begin: &Begin, plugin: &File) -> Result<Vec<String>, String> {
    let sandbox = &begin.sandbox;
    let mut in_force = Vec::new();
    privileges::limit(sandbox)?;
    in_force.push(format!("memory: {} MiB", sandbox.memory_mib));
    let rules = files::rules(sandbox, &begin.state_dir, plugin)?;
    if let Some(user) = &sandbox.user {
        privileges::become_user(user, &begin.state_dir)?;
        in_force.push(format!("user: {}", user.name));
    }
    privileges::drop_all()?;
    if !sandbox.exec {
        privileges::end_with_the_agent()?;
    }
    in_force.push("capabilities: none".to_owned());
    in_force.push(files::enforce(rules)?);
    in_force.push(match filter::apply(sandbox) {
        Ok(()) => format!("seccomp: {}", filter::told(sandbox)),
        Err(error) => {
            format!("seccomp: not in this kernel ({error}): programs and sockets are not restricted")
        }
    });
    Ok(in_force)
}

/// The child's log is its standard error, which the agent reads line by line: each begins with a priority.
fn log_to_stderr(begin: &Begin) {
    struct Stderr;
    impl log::Log for Stderr {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() <= log::max_level()
        }

        fn log(&self, record: &log::Record<'_>) {
            use std::io::Write as _;
            if self.enabled(record.metadata()) {
                let line = format!("{}{}\n", crate::logging::priority(record.level()), record.args());
                // Whole, so that lines of several threads do not mix; nobody is there to be told that it failed.
                let _ = io::stderr().write_all(line.as_bytes());
            }
        }

        fn flush(&self) {}
    }
    log::set_max_level(begin.log.parse().unwrap_or(log::LevelFilter::Info));
    // There is no other logger in this program's child.
    let _ = log::set_logger(&Stderr);
}
