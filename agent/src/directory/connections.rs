//! All TCP connections: who has a place, and who gives it up.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use serialnumberd_core::Mono;

use super::connection::Connection;
use super::doors::Serves;
use super::limits::{CONNECTIONS, PER_PEER};

/// The table of connections; a place is a token.
pub(super) struct Connections {
    registry: Registry,
    /// The token of the first place.
    first: usize,
    places: Vec<Option<Connection>>,
    open: usize,
}

impl Connections {
    pub(super) fn new(registry: Registry, first: usize) -> Connections {
        Connections { registry, first, places: Vec::new(), open: 0 }
    }

    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Bytes of replies that wait, over all of them.
    pub(super) fn waiting(&self) -> usize {
        self.places.iter().flatten().map(Connection::waiting).sum()
    }

    pub(super) fn at(&mut self, token: Token) -> Option<&mut Connection> {
        self.places.get_mut(token.0.checked_sub(self.first)?)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.places.iter().flatten()
    }

    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn place(&mut self, place: usize) -> Option<&mut Connection> {
        self.places.get_mut(place)?.as_mut()
    }

    /// Takes a connection in.  Where the peer has its share, or all places are taken, the one that has not called for
    /// the longest gives way; says whether one did.
    pub(super) fn add(
        &mut self,
        stream: TcpStream,
        serves: Serves,
        peer: IpAddr,
        now: Mono,
    ) -> io::Result<bool> {
        let of_peer = self.iter().filter(|c| c.peer == peer).count();
        let gave_way = if of_peer >= PER_PEER {
            self.close_idlest(Some(peer))
        } else if self.open >= CONNECTIONS {
            self.close_idlest(None)
        } else {
            false
        };
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let mut connection = Connection::new(stream, serves, peer, now);
        // Replies are whole when they are written: to wait for more of them costs who pipelines 40 ms (ran).
        connection.stream.set_nodelay(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut connection.stream, Token(self.first + place), interest)?;
        self.places[place] = Some(connection);
        self.open += 1;
        Ok(gave_way)
    }

    fn close_idlest(&mut self, peer: Option<IpAddr>) -> bool {
        let open = self.places.iter().enumerate().filter_map(|(n, c)| Some((n, c.as_ref()?)));
        let candidates = open.filter(|(_, c)| peer.is_none_or(|peer| c.peer == peer));
        let idlest = candidates.min_by_key(|(_, c)| c.called).map(|(n, _)| n);
        idlest.is_some_and(|place| self.close(place))
    }

    /// Closes a connection; its place is free.
    pub(super) fn close(&mut self, place: usize) -> bool {
        let Some(mut connection) = self.places.get_mut(place).and_then(Option::take) else { return false };
        // Dropped next, which the kernel takes for a deregistration, too.
        let _ = self.registry.deregister(&mut connection.stream);
        self.open -= 1;
        while self.places.last().is_some_and(Option::is_none) {
            self.places.pop();
        }
        true
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        std::iter::once(self.registry.as_raw_fd()).chain(self.iter().map(|c| c.stream.as_raw_fd()))
    }
}
