//! The service: what comes in is answered from the tree of the moment.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::{Registry, Token};
use netinfo::rpc::Outcome;
use netinfo::server::{Answer, Domain, Origin, Server, Transport};
use netinfo::tree::{Directory as Tree, Snapshot};
use serialnumberd_core::{Interface, Mono};

use super::access::Access;
use super::connections::Connections;
use super::doors::{self, Door, Serves};
use super::limits::{
    ACCEPTS_PER_TURN, CALLS_PER_TURN, CONNECTIONS, FRESH, MAKING_SHARE, WAITING, WAITING_IN_ALL,
};
use super::neighbors;
use super::registrar::Registrar;
use super::sources::Sources;
use super::tree::Place;
use crate::clock;
use crate::config::{Config, DirectoryConfig, Portmapper};
use crate::paths;
use crate::socket::Batch;
use crate::status::DirectoryStatus;

/// The tag that is served on loopback.
const LOCAL: &str = "local";
/// When to look again for connections that could not be taken, most likely for want of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// What a service is made of beside its configuration.
pub struct Surroundings<'r> {
    /// Whom to tell of sockets.
    pub registry: &'r Registry,
    /// The first token that is the service's; all after it are, too.
    pub first: Token,
    /// This host's name.
    pub host: String,
}

/// The directory, served.
pub struct Directory {
    pub(super) config: DirectoryConfig,
    pub(super) doors: Vec<Door>,
    /// The registration with rpcbind, if there is to be one, or why clients do not find the directory.
    registrar: Result<Option<Registrar>, String>,
    connections: Connections,
    pub(super) server: Server,
    pub(super) access: Access,
    pub(super) sources: Sources,
    pub(super) batch: Batch,
    /// What every tag serves.
    pub(super) tree: Arc<Snapshot>,
    /// The configuration's own tree is served, and nothing else.
    is_fixed: bool,
    /// From when on a call wants a newer tree.
    stale_at: Mono,
    place: Place,
    own: Vec<(String, std::net::IpAddr)>,
    accept_at: Option<Mono>,
    pub(super) counts: Counts,
}

/// What is counted beside the calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) gave_way: u64,
    pub(super) timed_out: u64,
    pub(super) datagrams: u64,
    pub(super) datagrams_refused: u64,
}

/// The tree that the configuration names, if it names one.
///
/// # Errors
/// A sentence with the file, and where in it the mistake is.
pub fn fixed_tree(config: &DirectoryConfig) -> Result<Option<Tree>, String> {
    /// A million directories are shorter.
    const LONGEST: u64 = 256 << 20;
    let Some(path) = &config.tree else { return Ok(None) };
    let fail = |what: String| format!("the tree of [directory], {}: {what}", path.display());
    let length = std::fs::metadata(path).map_err(|e| fail(e.to_string()))?.len();
    if length > LONGEST {
        return Err(fail(format!("a tree has at most {LONGEST} bytes")));
    }
    let text = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    let tree = netinfo::dump::parse(&text)
        .map_err(|e| fail(format!("line {}, column {}: {}", e.line, e.column, e.text)))?;
    tree.check().map_err(|e| fail(e.to_string()))?;
    Ok(Some(tree))
}

impl Directory {
    /// Binds the sockets.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub fn open(
        config: &Config,
        fixed: Option<&Tree>,
        around: &Surroundings<'_>,
    ) -> Result<Directory, String> {
        let own = &config.directory;
        let registry = around.registry.try_clone().map_err(|e| format!("cannot poll the directory: {e}"))?;
        let first = around.first.0;
        let at = |place: usize| first + place * doors::TOKENS;
        let mut doors =
            vec![Door::open(own.port, config.agent.address, Serves::Domain(0), &registry, at(0))?];
        if own.local {
            let (port, loopback) = (paths::LOCAL_DIRECTORY_PORT, Some(std::net::Ipv4Addr::LOCALHOST.into()));
            doors.push(Door::open(port, loopback, Serves::Domain(1), &registry, at(1))?);
        }
        let tags = [own.tag.clone(), LOCAL.to_owned()];
        let domains = doors.iter().zip(tags).map(|(door, tag)| Domain {
            tag,
            port: door.sockets.port(),
            host: around.host.clone(),
            addresses: Vec::new(),
        });
        let server = Server::new(domains.collect());
        let empty = Tree::default();
        let tree = Snapshot::new(fixed.unwrap_or(&empty)).map_err(|e| e.to_string())?;
        let registrar = be_found(config, &mut doors, &registry, at(2));
        if let Err(why) = &registrar {
            log::error!("{why}");
        }
        let mut directory = Directory {
            config: own.clone(),
            registrar,
            connections: Connections::new(registry, at(3)),
            doors,
            server,
            access: Access::default(),
            sources: Sources::default(),
            batch: Batch::new(),
            tree: Arc::new(tree),
            is_fixed: fixed.is_some(),
            stale_at: Mono(0),
            place: Place {
                host: around.host.clone(),
                tag: own.tag.clone(),
                local: own.local,
                ..Place::default()
            },
            own: Vec::new(),
            accept_at: None,
            counts: Counts::default(),
        };
        directory.access.set_allow(&own.allow);
        Ok(directory)
    }

    /// Takes over what a reload may change.
    pub fn configure(&mut self, config: &DirectoryConfig, fixed: Option<&Tree>) {
        self.config = config.clone();
        self.access.set_allow(&config.allow);
        self.is_fixed = fixed.is_some();
        self.stale_at = Mono(0);
        if let Some(tree) = fixed {
            self.replace(tree);
        }
    }

    /// Takes over which interfaces there are.
    pub fn set_links<'l>(&mut self, links: impl Iterator<Item = &'l Interface> + Clone) {
        self.access.set_links(links.clone());
        self.own = links
            .flat_map(|link| link.addresses.iter().map(|(address, _)| (link.name.clone(), *address)))
            .collect();
        for domain in self.server.domains_mut() {
            let v4 = self.own.iter().filter_map(|(_, address)| match address {
                std::net::IpAddr::V4(v4) => Some(*v4),
                std::net::IpAddr::V6(_) => None,
            });
            domain.addresses =
                if domain.tag == LOCAL { vec![std::net::Ipv4Addr::LOCALHOST] } else { v4.collect() };
        }
        self.stale_at = Mono(0);
    }

    /// Notes an event of the poll.
    pub fn ready(&mut self, token: Token, readable: bool, writable: bool) {
        if !self.doors.iter_mut().any(|door| door.ready(token))
            && let Some(connection) = self.connections.at(token)
        {
            connection.ready(readable, writable);
        }
    }

    /// Whether [`Directory::turn`] has work that no event will tell of.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.doors.iter().any(Door::has_backlog)
            || self.connections.iter().any(super::connection::Connection::has_backlog)
    }

    /// When [`Directory::turn`] has something to do by time alone.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let connections = self.connections.iter().map(super::connection::Connection::deadline);
        connections
            .chain(self.accept_at)
            .chain(self.registrar.iter().flatten().map(Registrar::deadline))
            .min()
    }

    /// Answers what has come.  `make` gives the tree as it is now; it is called at most once, and only if somebody
    /// asks and the tree is old.
    pub fn turn(&mut self, now: Mono, make: impl FnOnce(&Place) -> Tree) {
        let mut make = Some(make);
        self.accept(now);
        for door in 0..self.doors.len() {
            self.receive(door, now, &mut make);
        }
        for place in 0..self.connections.places() {
            self.serve(place, now, &mut make);
        }
        self.registrar.iter_mut().flatten().for_each(|registrar| registrar.turn(now));
        let (open, most) = (self.connections.open(), CONNECTIONS);
        self.server
            .connections(u32::try_from(open).unwrap_or(u32::MAX), u32::try_from(most).unwrap_or(u32::MAX));
    }

    fn accept(&mut self, now: Mono) {
        if self.accept_at.is_some_and(|at| now >= at) {
            self.accept_at = None;
            self.doors
                .iter_mut()
                .flat_map(|door| door.entrances.iter_mut().flatten())
                .for_each(|e| e.ready = true);
        }
        let mut left = ACCEPTS_PER_TURN;
        for door in &mut self.doors {
            for entrance in door.entrances.iter_mut().flatten() {
                while entrance.ready && left > 0 {
                    left -= 1;
                    match entrance.listener.accept() {
                        Ok((stream, peer)) => {
                            let peer = peer.ip().to_canonical();
                            if !self.access.admits(peer) {
                                // As the original: closed at once, without a word.
                                self.counts.refused += 1;
                                continue;
                            }
                            self.counts.accepted += 1;
                            match self.connections.add(stream, door.serves, peer, now) {
                                Ok(gave_way) => self.counts.gave_way += u64::from(gave_way),
                                Err(e) => log::debug!("directory: {peer}: {e}"),
                            }
                        }
                        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => entrance.ready = false,
                        Err(e) if is_about_one_connection(&e) => {}
                        Err(e) => {
                            log::warn!("the directory takes no connection for a second: {e}");
                            entrance.ready = false;
                            self.accept_at = Some(now.after(ACCEPT_AGAIN));
                        }
                    }
                }
            }
        }
    }

    /// Carries out one call; `None` if nothing is to be sent.
    pub(super) fn answer(
        &mut self,
        serves: Serves,
        tree: &Snapshot,
        call: &[u8],
        origin: &Origin,
    ) -> Option<Vec<u8>> {
        match serves {
            Serves::Domain(domain) => self.answer_domain(domain, tree, call, origin),
            Serves::Portmapper => self.answer_portmap(call, origin),
        }
    }

    pub(super) fn answer_domain(
        &mut self,
        domain: usize,
        tree: &Snapshot,
        call: &[u8],
        origin: &Origin,
    ) -> Option<Vec<u8>> {
        let began = clock::boottime_ns();
        match self.server.answer(domain, tree, call, origin) {
            Answer::Reply { message, procedure } => {
                if let Some(procedure) = procedure {
                    self.server.took(procedure, clock::boottime_ns().saturating_sub(began) / 1000);
                }
                Some(message)
            }
            Answer::Silent | Answer::Close => None,
        }
    }

    fn serve(&mut self, place: usize, now: Mono, make: &mut Option<impl FnOnce(&Place) -> Tree>) {
        let Some(connection) = self.connections.place(place) else { return };
        connection.flush(now);
        let serves = connection.serves;
        let origin = Origin { transport: Transport::Tcp, address: connection.peer, may_read: true };
        connection.read(now);
        let mut left = CALLS_PER_TURN;
        while left > 0 {
            let Some(call) = self.connections.place(place).and_then(|c| c.next_call(now)) else { break };
            left -= 1;
            self.refresh(now, make);
            let tree = Arc::clone(&self.tree);
            let reply = self.answer(serves, &tree, &call, &origin);
            let reply = reply.map(|reply| self.within_bounds(reply));
            let Some(connection) = self.connections.place(place) else { return };
            match reply {
                Some(reply) => connection.reply(now, &reply),
                None => connection.broken = true,
            }
        }
        let Some(connection) = self.connections.place(place) else { return };
        connection.flush(now);
        let is_late = connection.deadline() <= now;
        if is_late || connection.is_over() {
            self.counts.timed_out += u64::from(is_late);
            self.connections.close(place);
        }
    }

    /// A long reply, or a short one in its place while too much waits for peers that do not read.
    fn within_bounds(&self, reply: Vec<u8>) -> Vec<u8> {
        if reply.len() <= WAITING || self.connections.waiting() + reply.len() <= WAITING_IN_ALL {
            return reply;
        }
        let xid = reply.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        Outcome::SystemError.head(xid).into_bytes()
    }

    /// Makes the tree anew if it is old.
    pub(super) fn refresh(&mut self, now: Mono, make: &mut Option<impl FnOnce(&Place) -> Tree>) {
        if self.is_fixed || now < self.stale_at {
            return;
        }
        let Some(make) = make.take() else { return };
        let began = clock::boottime_ns();
        self.place.trusted_networks = self.access.networks();
        self.place.addresses = self.own.iter().map(|(_, address)| *address).collect();
        self.place.hardware = neighbors::known(&self.own);
        let tree = make(&self.place);
        self.replace(&tree);
        let took = Duration::from_nanos(clock::boottime_ns().saturating_sub(began));
        self.stale_at = now.after(FRESH.max(took * MAKING_SHARE));
    }

    /// Serves another tree from now on; what it shares with the one before keeps its ids.
    fn replace(&mut self, tree: &Tree) {
        match self.tree.succeed(tree) {
            Ok(snapshot) => self.tree = Arc::new(snapshot),
            Err(e) => log::warn!("the directory keeps the tree that it has: {e}"),
        }
    }

    /// Why clients do not find it, if they should.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        match &self.registrar {
            Ok(registrar) => registrar.as_ref()?.trouble(),
            Err(why) => Some(why),
        }
    }

    /// Ends: nobody is sent here any more.
    pub fn stop(self) {
        self.registrar.into_iter().flatten().for_each(Registrar::stop);
    }

    /// What the status says of it.
    #[must_use]
    pub fn status(&self) -> DirectoryStatus {
        DirectoryStatus {
            enabled: true,
            port: self.doors.first().map_or(0, |door| door.sockets.port()),
            tag: self.config.tag.clone(),
            directories: self.tree.len() as u64,
            allow: self.config.allow.iter().map(ToString::to_string).collect(),
            connections: self.connections.open() as u64,
            calls: self.server.counts().iter().map(|count| count.calls).sum(),
            portmapper: self.config.portmapper.as_str().to_owned(),
            trouble: self.trouble().unwrap_or_default().to_owned(),
            accepted: self.counts.accepted,
            refused: self.counts.refused,
            gave_way: self.counts.gave_way,
            timed_out: self.counts.timed_out,
            datagrams: self.counts.datagrams,
            datagrams_refused: self.counts.datagrams_refused,
        }
    }

    /// Every descriptor that lasts longer than a turn.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let registrar = self.registrar.iter().flatten().map(Registrar::source);
        self.doors.iter().flat_map(Door::descriptors).chain(registrar).chain(self.connections.descriptors())
    }
}

/// Does what lets clients find the directory: a registration, or a door for those who ask a portmapper.
fn be_found(
    config: &Config,
    doors: &mut Vec<Door>,
    registry: &Registry,
    first: usize,
) -> Result<Option<Registrar>, String> {
    let port = doors.first().map_or(0, |door| door.sockets.port());
    let cannot = |e: std::io::Error| format!("the directory cannot be registered: {e}");
    match config.directory.portmapper {
        Portmapper::Off => Ok(None),
        Portmapper::Register => {
            let registrar = Registrar::open(port).map_err(cannot)?;
            let interest = mio::Interest::READABLE;
            let source = registrar.source();
            registry.register(&mut mio::unix::SourceFd(&source), Token(first), interest).map_err(cannot)?;
            Ok(Some(registrar))
        }
        Portmapper::Embedded => {
            let address = config.agent.address;
            let door = Door::open(netinfo::portmap::PORT, address, Serves::Portmapper, registry, first);
            doors.push(door.map_err(|e| {
                format!(
                    "the directory does not answer as portmapper: {e}; where an rpcbind runs, use portmapper = \"register\""
                )
            })?);
            Ok(None)
        }
    }
}

/// Errors of a connection that was gone before it was taken (accept(2)): the next one may be well.
fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(error.kind(), Kind::Interrupted | Kind::ConnectionAborted | Kind::ConnectionReset)
        || error.raw_os_error() == Some(libc::EPROTO)
}
