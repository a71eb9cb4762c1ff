//! One client's connection: lines in, lines out, both bounded, never blocking.

use std::io::{self, ErrorKind, Read as _, Write as _};

use mio::net::UnixStream;

use zeroize::Zeroizing;

use super::protocol::{Form, MAX_REQUEST_LINE};

/// What one connection may hand in during one turn of the loop; the rest waits for the next.
const READ_PER_TURN: usize = 64 * 1024;
/// What may wait for a client that does not read, before one more line: some thousand events.
const MAX_WAITING: usize = 1024 * 1024;
/// From here on events are left out for a client that holds a claim: it is to have room for answers, and must not lose
/// its claim since its program was busy.
const MAX_EVENTS_WAITING: usize = MAX_WAITING / 2;
/// Requests of one client that may be unanswered at once; `check` may wait.
pub(super) const MAX_IN_FLIGHT: usize = 64;

/// How a connection stands after some work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It goes on.
    Open,
    /// Everything is said, or the other side is gone.
    Over,
}

/// A client that lets more than a megabyte wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

/// One client's connection.
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    /// The process at the other end, if it can be seen from here.
    pub(super) pid: Option<u32>,
    /// Has opened with its version.
    pub(super) greeted: bool,
    /// Wants events, in this form.
    pub(super) watching: Option<Form>,
    /// Holds claims: it is never idle, and when it goes somebody must know.
    pub(super) holds: bool,
    /// Requests handed out and not yet answered.
    pub(super) in_flight: usize,
    /// The kernel may hold more to read: edge-triggered polling says so only once.
    pub(super) readable: bool,
    /// Nothing more is taken from it; it is closed when what waits is written.
    pub(super) closing: bool,
    /// The other side takes nothing more, so that nothing need be answered.
    pub(super) gone: bool,
    /// It is registered for writability.
    pub(super) awaits_room: bool,
    /// Wiped, since the keys of claims come in here.
    input: Zeroizing<Vec<u8>>,
    output: Vec<u8>,
    written: usize,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, pid: Option<u32>) -> Connection {
        Connection {
            stream,
            pid,
            greeted: false,
            watching: None,
            holds: false,
            in_flight: 0,
            readable: true,
            closing: false,
            gone: false,
            awaits_room: false,
            input: Zeroizing::default(),
            output: Vec::new(),
            written: 0,
        }
    }

    /// Reads what one turn may read.  At the end of the stream the connection starts closing.
    pub(super) fn read(&mut self) {
        let mut chunk = Zeroizing::new([0; 16 * 1024]);
        let mut room = READ_PER_TURN;
        while self.readable && !self.closing && room > 0 {
            match self.stream.read(&mut *chunk) {
                Ok(0) => self.closing = true,
                Ok(n) => {
                    self.input.extend_from_slice(&chunk[..n]);
                    room = room.saturating_sub(n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(_) => self.closing = true,
            }
        }
    }

    /// The complete lines that were read, without their newlines; an error if one is too long.
    pub(super) fn lines(&mut self) -> (Vec<Zeroizing<Vec<u8>>>, Result<(), String>) {
        let end = self.input.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let rest = Zeroizing::new(self.input.split_off(end));
        let complete = std::mem::replace(&mut self.input, rest);
        let lines = complete.split(|&b| b == b'\n').map(|line| Zeroizing::new(line.to_vec()));
        let mut lines: Vec<Zeroizing<Vec<u8>>> = lines.collect();
        lines.pop();
        let fits = |line: &[u8]| line.len() <= MAX_REQUEST_LINE;
        let good = lines.iter().position(|line| !fits(line)).unwrap_or(lines.len());
        if good == lines.len() && fits(&self.input) {
            return (lines, Ok(()));
        }
        lines.truncate(good);
        self.input = Zeroizing::default();
        (lines, Err(format!("a line of a request has at most {MAX_REQUEST_LINE} bytes")))
    }

    /// Adds a line to what waits.  One line of any length is taken while less than a megabyte waits.
    pub(super) fn push(&mut self, line: &[u8]) -> Result<(), TooSlow> {
        if self.output.len() - self.written > MAX_WAITING {
            return Err(TooSlow);
        }
        if self.written > MAX_WAITING {
            self.output.drain(..self.written);
            self.written = 0;
        }
        self.output.extend_from_slice(line);
        Ok(())
    }

    /// An event for it would have to wait behind too much.
    pub(super) fn skips_events(&self) -> bool {
        self.holds && self.output.len() - self.written > MAX_EVENTS_WAITING
    }

    /// It waits for something that will come by itself.
    pub(super) fn expects_more(&self) -> bool {
        self.holds || self.watching.is_some() || self.in_flight > 0
    }

    /// It asked for nothing that is still to come.  Half a question counts for nothing: its other half may never come.
    pub(super) fn is_idle(&self) -> bool {
        !self.expects_more() && !self.waits()
    }

    /// Something waits to be written.
    pub(super) fn waits(&self) -> bool {
        self.written < self.output.len()
    }

    /// Writes what the kernel takes.
    pub(super) fn flush(&mut self) -> Standing {
        while self.waits() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Standing::Open,
                Err(_) => return Standing::Over,
            }
        }
        // Given back, since a status with a thousand holders may have made it large.
        self.output = Vec::new();
        self.written = 0;
        if self.closing && (self.in_flight == 0 || self.gone) { Standing::Over } else { Standing::Open }
    }

    /// Writes the only line of a connection that is not taken, if the kernel takes it at once.
    pub(super) fn say_goodbye(mut stream: UnixStream, line: &[u8]) -> io::Result<()> {
        stream.write_all(line)
    }
}
