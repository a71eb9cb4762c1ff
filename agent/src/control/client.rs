//! The client's end of the control socket: blocking, with time limits.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, socket};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serialnumberd_core::Mono;

use super::protocol::{Form, Line, MAX_ANSWER_LINE, Request, answer_line, hello_line, request_line};
use crate::clock;

/// How long an agent may take for an answer that waits for nothing; its loop turns in milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How often an agent that is not there yet is looked for: soon enough for whoever starts after it.
const RETRY: Duration = Duration::from_millis(50);

/// No agent answers anywhere.
struct Nobody {
    sentence: String,
    /// One that starts by now would be found by trying again.
    may_come: bool,
}

/// A connection to an agent.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
    last_id: u64,
}

impl Client {
    /// Connects to the first of `places` where an agent answers.
    ///
    /// # Errors
    /// A sentence that names every place tried, and what to do.
    pub fn connect(places: &[PathBuf]) -> Result<Client, String> {
        Client::attempt(places)?.map_err(|nobody| nobody.sentence)
    }

    /// Connects like [`Client::connect`], but gives an agent that is still starting up to `wait`; with the client
    /// comes what is left of that.
    ///
    /// # Errors
    /// As [`Client::connect`]; at once if waiting does not help, as where somebody may not use the agent.
    pub fn connect_within(places: &[PathBuf], wait: Duration) -> Result<(Client, Duration), String> {
        let until = Mono(clock::boottime_ns()).after(wait);
        let mut left = wait;
        loop {
            match Client::attempt(places)? {
                Ok(client) => return Ok((client, left)),
                Err(nobody) if left.is_zero() || !nobody.may_come => return Err(nobody.sentence),
                Err(_) => std::thread::sleep(left.min(RETRY)),
            }
            left = until.since(Mono(clock::boottime_ns()));
        }
    }

    /// One look at all places.  Where an agent answers and refuses, its sentence is the outer error.
    fn attempt(places: &[PathBuf]) -> Result<Result<Client, Nobody>, String> {
        let mut tried = Vec::new();
        let mut may_come = true;
        for path in places {
            match connect(path, PATIENCE) {
                Ok(stream) => return Client::open(stream, path).map(Ok),
                Err(e) => {
                    may_come &= matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
                    tried.push(format!("{} ({})", path.display(), miss(&e)));
                }
            }
        }
        let sentence = format!(
            "no agent answers at {}; start one with `serialnumberd run`, or name its socket with --control",
            tried.join(" or ")
        );
        Ok(Err(Nobody { sentence, may_come }))
    }

    fn open(stream: UnixStream, path: &Path) -> Result<Client, String> {
        let mut client = Client { stream: BufReader::new(stream), path: path.to_owned(), last_id: 0 };
        client.set_patience(Some(PATIENCE))?;
        // A refused client finds the reason in what it can still read.
        let _ = client.stream.get_ref().write_all(&hello_line());
        match client.line()? {
            Line::Hello { proto: 1.. } => Ok(client),
            Line::Farewell(why) => Err(why),
            _ => Err(format!("what answers at {} does not speak the control protocol", path.display())),
        }
    }

    /// Asks, and waits for the answer up to [`PATIENCE`] and `extra`.
    ///
    /// # Errors
    /// The agent's sentence, or one that says what became of it.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request, extra: Duration) -> Result<T, String> {
        self.last_id += 1;
        let id = self.last_id;
        self.set_patience(Some(PATIENCE + extra))?;
        let sent = self.stream.get_ref().write_all(&request_line(id, request));
        loop {
            match self.line() {
                Ok(Line::Answer { id: of, result }) if of == id => {
                    let value = result?;
                    return serde_json::from_value(value)
                        .map_err(|e| format!("the agent's answer is not understood: {e}"));
                }
                Ok(Line::Farewell(why)) => return Err(why),
                Ok(Line::Request { id, name, .. }) => self.refuse(id, &name)?,
                Ok(_) => {}
                Err(gone) => return Err(sent.err().map_or(gone, |e| self.broken(&e))),
            }
        }
    }

    /// Asks for events.  The connection is for them alone from then on.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn watch(mut self) -> Result<Watch, String> {
        let _: Value = self.ask(&Request::Watch { form: Form::View }, Duration::ZERO)?;
        self.set_patience(None)?;
        Ok(Watch(self))
    }

    /// Requests go both ways; this client answers none.
    fn refuse(&self, id: u64, name: &str) -> Result<(), String> {
        let sentence = format!("unknown request \"{name}\"; this client answers none");
        self.stream.get_ref().write_all(&answer_line(id, &Err(sentence))).map_err(|e| self.broken(&e))
    }

    fn line(&mut self) -> Result<Line, String> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_ANSWER_LINE).unwrap_or(u64::MAX);
        let read = self.stream.by_ref().take(limit).read_until(b'\n', &mut bytes);
        match read {
            Ok(_) if bytes.ends_with(b"\n") => Line::read(&bytes),
            Ok(n) if n == MAX_ANSWER_LINE => Err("the agent's answer is longer than 64 MiB".to_owned()),
            Ok(_) => Err(format!("the agent at {} has gone", self.path.display())),
            Err(e) => Err(self.broken(&e)),
        }
    }

    fn set_patience(&self, patience: Option<Duration>) -> Result<(), String> {
        let stream = self.stream.get_ref();
        stream
            .set_read_timeout(patience)
            .and_then(|()| stream.set_write_timeout(patience))
            .map_err(|e| self.broken(&e))
    }

    fn broken(&self, e: &io::Error) -> String {
        let path = self.path.display();
        match e.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("the agent at {path} does not answer in time; its log may say why")
            }
            _ => format!("the connection to the agent at {path} broke: {e}"),
        }
    }
}

/// Connects, and waits for a place among those whom the agent is to take, as the kernel does, but not for ever: one that
/// is stopped takes nobody.
fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let end = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let stream = UnixStream::from(end);
    stream.set_write_timeout(Some(patience))?;
    socket::connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream)
}

/// A connection on which events come.
#[derive(Debug)]
pub struct Watch(Client);

impl Watch {
    /// Waits for the next event, however long that takes.
    ///
    /// # Errors
    /// A sentence: the agent's, if it ends, or one that says what became of the connection.
    pub fn next_event(&mut self) -> Result<Value, String> {
        loop {
            match self.0.line()? {
                Line::Event(event) => return Ok(event),
                Line::Farewell(why) => return Err(why),
                Line::Request { id, name, .. } => self.0.refuse(id, &name)?,
                _ => {}
            }
        }
    }
}

/// Why nobody answers at a place.
pub(crate) fn miss(e: &io::Error) -> String {
    match e.kind() {
        ErrorKind::NotFound => "no socket there".to_owned(),
        ErrorKind::ConnectionRefused => "its agent is dead".to_owned(),
        ErrorKind::WouldBlock => "its agent takes no connections".to_owned(),
        ErrorKind::PermissionDenied => {
            "permission denied: ask for a place in control_uids or control_gids".to_owned()
        }
        _ => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use nix::sys::socket::{Backlog, listen};

    use super::*;

    #[test]
    fn an_agent_that_takes_nobody_is_not_waited_for_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let _crowd = connect(&path, PATIENCE).unwrap();
        let missed = connect(&path, Duration::from_millis(20)).unwrap_err();
        assert_eq!(miss(&missed), "its agent takes no connections");
    }
}
