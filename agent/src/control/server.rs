//! The agent's end of the control socket, for a mio loop: connections in, requests out, replies back.
//!
//! Owns the listener, the clients and their bounds.  It never blocks, and knows of a request only whose it
//! is: the loop answers with [`Server::reply`], now or later.  Polling is edge-triggered: what one turn
//! leaves is remembered ([`Server::has_backlog`]).

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use serde::Serialize;
use serde_json::{Value, json};

use super::Access;
use super::connection::{Connection, MAX_IN_FLIGHT, Standing};
use super::protocol::{Form, Line, Request, answer_line, event_line, farewell_line, hello_line};
use super::socket_file::SocketFile;

/// Clients at once: licensed software asks and leaves, and few people watch.
pub const MAX_CLIENTS: usize = 64;
/// How many tokens a server uses, from its first on: the listener's and one a client.
pub const TOKENS: usize = MAX_CLIENTS + 1;
/// Connections taken in one turn; the rest waits for the next.
const ACCEPTS_PER_TURN: usize = 16;

/// Whose request it is.  A reply to a client that left goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId {
    slot: usize,
    generation: u64,
}

#[cfg(test)]
impl ClientId {
    pub(crate) fn of_test(slot: usize) -> ClientId {
        ClientId { slot, generation: 0 }
    }
}

/// A request that the loop shall answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Who asks.
    pub client: ClientId,
    /// The request's id, to be given to [`Server::reply`].
    pub id: u64,
    /// What is asked.  Never [`Request::Watch`]: that the server answers itself.
    pub request: Request,
}

/// What a server counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlCounters {
    /// Connections taken.
    pub accepted: u64,
    /// Connections refused: not allowed, or no place left.
    pub refused: u64,
    /// Clients dropped since they did not read what they asked for.
    pub slow: u64,
    /// Events left out for clients that hold claims and did not read; those have a gap in the events' numbers.
    pub lost: u64,
}

/// The agent's end of the control socket.
pub struct Server {
    // Before the listener, so that the file goes while it still answers.
    file: SocketFile,
    listener: UnixListener,
    registry: Registry,
    access: Access,
    first: usize,
    accept_ready: bool,
    accept_failed: bool,
    clients: Vec<Option<(Connection, u64)>>,
    /// Clients that held claims.
    gone: Vec<ClientId>,
    generation: u64,
    counters: ControlCounters,
}

impl Server {
    /// Listens for clients of `path`; they see it only after [`Server::publish`].  The tokens from
    /// `first` on, [`TOKENS`] of them, are this server's.
    ///
    /// # Errors
    /// A sentence, if an agent answers there already or the socket cannot be made.
    pub fn bind(path: &Path, access: Access, registry: &Registry, first: Token) -> Result<Server, String> {
        let (listener, file) = SocketFile::listen(path, access.door())?;
        let fail = |e: io::Error| format!("cannot poll the control socket {}: {e}", path.display());
        let mut listener = UnixListener::from_std(listener);
        let registry = registry.try_clone().map_err(fail)?;
        registry.register(&mut listener, first, Interest::READABLE).map_err(fail)?;
        Ok(Server {
            file,
            listener,
            registry,
            access,
            first: first.0,
            accept_ready: true,
            accept_failed: false,
            clients: (0..MAX_CLIENTS).map(|_| None).collect(),
            gone: Vec::new(),
            generation: 0,
            counters: ControlCounters::default(),
        })
    }

    /// Shows the socket under its name; to be called when the loop is ready to answer.
    ///
    /// # Errors
    /// A sentence, if an agent answers there by now or the rename fails.
    pub fn publish(&mut self) -> Result<(), String> {
        self.file.publish()
    }

    /// Takes a changed configuration over.  Who is connected stays.
    ///
    /// # Errors
    /// A sentence, if the socket's file does not let through whom `access` names.  Who gets to it is judged by
    /// `access` all the same.
    pub fn set_access(&mut self, access: Access) -> Result<(), String> {
        let changed = self.access.door() != access.door();
        self.access = access;
        if changed { self.file.set_door(self.access.door()) } else { Ok(()) }
    }

    /// Tells the server of an event from the poll; `gone` is that the other side takes nothing more.  Answers whether
    /// the token is one of its own.
    pub fn ready(&mut self, token: Token, readable: bool, gone: bool) -> bool {
        let Some(place) = token.0.checked_sub(self.first).filter(|p| *p < TOKENS) else { return false };
        match place.checked_sub(1) {
            None => self.accept_ready = true,
            Some(slot) => {
                if let Some((connection, _)) = &mut self.clients[slot] {
                    connection.readable |= readable;
                    connection.gone |= gone;
                }
            }
        }
        true
    }

    /// Whether [`Server::turn`] has work left that no event will tell of: the next poll must not wait.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        // After a failed accept, most likely for want of file descriptors, trying at once would spin.
        (self.accept_ready && !self.accept_failed)
            || !self.gone.is_empty()
            || self.clients.iter().flatten().any(|(c, _)| c.readable && !c.closing)
    }

    /// Does a bounded amount of work for every client and answers what they ask.  To be called once a turn
    /// of the loop, after the events.
    pub fn turn(&mut self) -> Vec<Incoming> {
        self.accept();
        let mut incoming = Vec::new();
        for slot in 0..MAX_CLIENTS {
            self.listen_to(slot, &mut incoming);
            self.settle(slot);
        }
        incoming
    }

    /// A client holds a claim now.  Its place is kept for it, and [`Server::take_gone`] tells when it goes.
    pub fn holds(&mut self, client: ClientId) {
        if self.is_here(client)
            && let Some((connection, _)) = &mut self.clients[client.slot]
        {
            connection.holds = true;
        }
    }

    /// Clients that held claims and have gone, each once.  To be asked after every [`Server::turn`].
    pub fn take_gone(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.gone)
    }

    /// Whether a client is still connected: if not, there is nobody to answer.
    #[must_use]
    pub fn is_here(&self, client: ClientId) -> bool {
        self.clients[client.slot].as_ref().is_some_and(|(_, generation)| *generation == client.generation)
    }

    /// The process of a client, if it can be seen from here.
    #[must_use]
    pub fn pid(&self, client: ClientId) -> Option<u32> {
        let here =
            self.clients[client.slot].as_ref().filter(|(_, generation)| *generation == client.generation);
        here.and_then(|(connection, _)| connection.pid)
    }

    /// Ends a client's connection and says why.
    pub fn dismiss(&mut self, client: ClientId, why: &str) {
        if !self.is_here(client) {
            return;
        }
        self.send(client.slot, &farewell_line(why));
        if let Some((connection, _)) = &mut self.clients[client.slot] {
            (connection.closing, connection.gone) = (true, true);
        }
        self.settle(client.slot);
    }

    /// Answers a request.
    pub fn reply(&mut self, client: ClientId, id: u64, result: &Result<Value, String>) {
        if !self.is_here(client) {
            return;
        }
        let Some((connection, _)) = &mut self.clients[client.slot] else { return };
        connection.in_flight = connection.in_flight.saturating_sub(1);
        self.send(client.slot, &answer_line(id, result));
        self.settle(client.slot);
    }

    /// Tells an event to all who watch in this form; it is made and put into JSON once, if there is anybody.
    pub fn tell<T: Serialize>(&mut self, form: Form, event: impl FnOnce() -> T) {
        if !self.clients.iter().flatten().any(|(c, _)| c.watching == Some(form)) {
            return;
        }
        let line = event_line(&event());
        for slot in 0..MAX_CLIENTS {
            match &self.clients[slot] {
                Some((c, _)) if c.watching != Some(form) => {}
                Some((c, _)) if c.skips_events() => self.counters.lost += 1,
                _ => {
                    self.send(slot, &line);
                    self.settle(slot);
                }
            }
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> ControlCounters {
        self.counters
    }

    /// Removes the file: who connects from now on finds no agent, or the next one.  Who is connected stays.
    pub fn hide(&mut self) {
        self.file.remove();
    }

    /// Ends: says why to all clients that still wait for something, as far as they read, and removes the file.
    pub fn close(mut self, why: &str) {
        let line = farewell_line(why);
        for (connection, _) in self.clients.iter_mut().flatten() {
            if connection.expects_more() && connection.push(&line).is_ok() {
                connection.flush();
            }
        }
    }

    /// Every descriptor that lasts longer than a turn.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let clients = self.clients.iter().flatten().map(|(connection, _)| connection.stream.as_raw_fd());
        [self.listener.as_raw_fd(), self.registry.as_raw_fd()].into_iter().chain(clients)
    }

    /// In a forked child: closes its copies of the descriptors; socket and clients stay the parent's.
    pub fn forsake(mut self) {
        self.file.disown();
    }

    fn accept(&mut self) {
        self.accept_failed = false;
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.accept_ready {
                return;
            }
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.accept_ready = false,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    log::warn!("cannot take a connection on the control socket: {e}");
                    self.accept_failed = true;
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: UnixStream) {
        let admitted = self.access.check(&stream).and_then(|pid| {
            let slot = self.free_slot();
            slot.map(|slot| (slot, pid))
                .ok_or_else(|| format!("this agent serves {MAX_CLIENTS} clients already; try again"))
        });
        let (slot, pid) = match admitted {
            Ok(admitted) => admitted,
            Err(sentence) => {
                self.counters.refused += 1;
                // Whoever may connect may do so for ever: the log grows by the logarithm of that only.
                if self.counters.refused.is_power_of_two() {
                    log::info!("control socket: {sentence} (refusal {})", self.counters.refused);
                }
                // It may be gone by now, and then needs no reason.
                let _ = Connection::say_goodbye(stream, &farewell_line(&sentence));
                return;
            }
        };
        let mut connection = Connection::new(stream, pid);
        let token = Token(self.first + 1 + slot);
        if let Err(e) = self.registry.register(&mut connection.stream, token, Interest::READABLE) {
            log::warn!("cannot poll a connection of the control socket: {e}");
            return;
        }
        self.counters.accepted += 1;
        self.generation += 1;
        self.clients[slot] = Some((connection, self.generation));
        self.send(slot, &hello_line());
    }

    /// A free place; if there is none, that of the client that came first of those who want nothing now, so
    /// that a program that forgets to close its connections keeps nobody out.
    fn free_slot(&mut self) -> Option<usize> {
        if let Some(free) = self.clients.iter().position(Option::is_none) {
            return Some(free);
        }
        let idle = self.clients.iter().enumerate().filter_map(|(slot, client)| match client {
            Some((connection, generation)) if connection.is_idle() => Some((*generation, slot)),
            _ => None,
        });
        let (_, slot) = idle.min()?;
        self.send(slot, &farewell_line("another client needed the place of this idle one"));
        self.settle(slot);
        self.drop_client(slot);
        Some(slot)
    }

    fn listen_to(&mut self, slot: usize, incoming: &mut Vec<Incoming>) {
        let Some((connection, _)) = &mut self.clients[slot] else { return };
        if !connection.readable || connection.closing {
            return;
        }
        connection.read();
        let (lines, too_long) = connection.lines();
        let heard = lines.iter().try_for_each(|line| self.take_line(slot, line, incoming));
        if let Err(sentence) = heard.and(too_long) {
            self.send(slot, &farewell_line(&sentence));
            if let Some((connection, _)) = &mut self.clients[slot] {
                connection.closing = true;
            }
        }
    }

    /// An error ends the connection.
    fn take_line(&mut self, slot: usize, bytes: &[u8], incoming: &mut Vec<Incoming>) -> Result<(), String> {
        let Some((connection, generation)) = &mut self.clients[slot] else { return Ok(()) };
        let client = ClientId { slot, generation: *generation };
        let line = Line::read(bytes)?;
        match line {
            Line::Hello { proto: 0 } => Err("there is no version 0 of the control protocol".to_owned()),
            Line::Hello { .. } => {
                connection.greeted = true;
                Ok(())
            }
            _ if !connection.greeted => Err("a connection opens with the line {\"proto\":1}".to_owned()),
            Line::Request { id, name, arguments } => {
                let result = match Request::read(&name, arguments) {
                    Ok(Request::Watch { form }) => {
                        connection.watching = Some(form);
                        Ok(json!({}))
                    }
                    Ok(_) if connection.in_flight >= MAX_IN_FLIGHT => {
                        Err(format!("{MAX_IN_FLIGHT} requests of this client are unanswered; wait for one"))
                    }
                    Ok(request) => {
                        connection.in_flight += 1;
                        incoming.push(Incoming { client, id, request });
                        return Ok(());
                    }
                    Err(sentence) => Err(sentence),
                };
                self.send(slot, &answer_line(id, &result));
                Ok(())
            }
            // This agent asks nothing, so every answer is to nothing; events and the rest need none.
            Line::Answer { .. } | Line::Event(_) | Line::Farewell(_) | Line::Unknown => Ok(()),
        }
    }

    fn send(&mut self, slot: usize, line: &[u8]) {
        let Some((connection, _)) = &mut self.clients[slot] else { return };
        if connection.push(line).is_err() {
            self.counters.slow += 1;
            log::warn!(
                "a client of the control socket was dropped: it left over 1 MiB unread ({} so far)",
                self.counters.slow
            );
            self.drop_client(slot);
        }
    }

    /// Writes what can be written, asks for writability only while something waits, and drops who is done.
    fn settle(&mut self, slot: usize) {
        let Some((connection, _)) = &mut self.clients[slot] else { return };
        let mut standing = connection.flush();
        let waits = connection.waits();
        if standing == Standing::Open && waits != connection.awaits_room {
            let interest = if waits { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            let token = Token(self.first + 1 + slot);
            match self.registry.reregister(&mut connection.stream, token, interest) {
                Ok(()) => connection.awaits_room = waits,
                Err(_) => standing = Standing::Over,
            }
        }
        if standing == Standing::Over {
            self.drop_client(slot);
        }
    }

    fn drop_client(&mut self, slot: usize) {
        if let Some((connection, generation)) = self.clients[slot].take()
            && connection.holds
        {
            self.gone.push(ClientId { slot, generation });
        }
    }
}
