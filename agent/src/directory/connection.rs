//! One TCP connection: calls in, replies out, both bounded, never blocking.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::IpAddr;

use mio::net::TcpStream;
use netinfo::record::{Assembler, mark};
use serialnumberd_core::Mono;

use super::doors::Serves;
use super::limits::{CALL, IDLE, READ_PER_TURN, STALLED, WAITING};

/// One peer's connection.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// What it asks.
    pub(super) serves: Serves,
    pub(super) peer: IpAddr,
    /// When a whole call came last, or the connection itself.
    pub(super) called: Mono,
    /// When something last moved while something was owed, by either side.
    moved: Mono,
    /// The kernel may hold more to read: edge-triggered polling says so only once.
    readable: bool,
    writable: bool,
    /// The peer sends no more; what it asked before is answered.
    ended: bool,
    /// Another whole call may be here: a turn carries out only so many, and none while too much waits to be read.
    more: bool,
    /// Nothing can follow: closed with what waits.
    pub(super) broken: bool,
    input: Assembler,
    output: Vec<u8>,
    written: usize,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, serves: Serves, peer: IpAddr, now: Mono) -> Connection {
        Connection {
            stream,
            serves,
            peer,
            called: now,
            moved: now,
            readable: true,
            writable: true,
            ended: false,
            more: false,
            broken: false,
            input: Assembler::new(CALL),
            output: Vec::new(),
            written: 0,
        }
    }

    /// Notes what the poll told.
    pub(super) fn ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// Bytes of replies that wait.
    pub(super) fn waiting(&self) -> usize {
        self.output.len() - self.written
    }

    /// Whether there is work that no event will tell of.
    pub(super) fn has_backlog(&self) -> bool {
        let can_go_on = !self.broken && self.waiting() < WAITING;
        can_go_on && (self.more || (self.readable && !self.ended))
    }

    /// When it is closed if nothing more moves.
    pub(super) fn deadline(&self) -> Mono {
        let idle = self.called.after(IDLE);
        if self.waiting() > 0 || self.input.held() > 0 { idle.min(self.moved.after(STALLED)) } else { idle }
    }

    /// Reads what one turn may bring.
    pub(super) fn read(&mut self, now: Mono) {
        let mut chunk = [0; 16 * 1024];
        let mut room = READ_PER_TURN;
        while self.readable && !self.ended && !self.broken && self.waiting() < WAITING && room > 0 {
            match self.stream.read(&mut chunk) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    self.input.push(&chunk[..n]);
                    // A byte now and then is no progress: only a whole call is.
                    if self.input.held() == n && self.waiting() == 0 {
                        self.moved = now;
                    }
                    room = room.saturating_sub(n);
                    if self.input.held() > CALL {
                        return;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(_) => self.broken = true,
            }
        }
    }

    /// The next whole call, unless the replies before it still wait for the peer.
    pub(super) fn next_call(&mut self, now: Mono) -> Option<Vec<u8>> {
        if self.broken || self.waiting() >= WAITING {
            return None;
        }
        match self.input.next_record() {
            Ok(call) => {
                self.more = call.is_some();
                if call.is_some() {
                    (self.called, self.moved) = (now, now);
                }
                call
            }
            Err(e) => {
                log::debug!("directory: {}: {e}", self.peer);
                self.broken = true;
                None
            }
        }
    }

    /// Adds a reply to what waits.
    pub(super) fn reply(&mut self, now: Mono, message: &[u8]) {
        if self.waiting() == 0 {
            self.moved = now;
        }
        mark(message, &mut self.output);
    }

    /// Writes what the kernel takes.
    pub(super) fn flush(&mut self, now: Mono) {
        while self.writable && self.waiting() > 0 && !self.broken {
            match self.stream.write(&self.output[self.written..]) {
                Ok(n) => {
                    self.written += n;
                    self.moved = now;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(_) => self.broken = true,
            }
        }
        if self.waiting() == 0 {
            self.output.clear();
            self.output.shrink_to(WAITING);
            self.written = 0;
        }
    }

    /// Whether it is over: nothing can follow, or the peer has ended it and has all its replies.
    pub(super) fn is_over(&self) -> bool {
        self.broken || (self.ended && !self.more && self.waiting() == 0)
    }
}
