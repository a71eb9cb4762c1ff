//! Finds a server's port, and carries calls over TCP.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use netinfo::client::{Channel, Client, Failure, Registration};
use netinfo::portmap::{self, Mapping};
use netinfo::procedure::{BINDER, BINDER_VERSION};
use netinfo::record::{Assembler, mark};
use netinfo::rpc::{Call, Outcome};

use super::super::args::DirectoryServer;
use crate::paths::DIRECTORY_PORT;

/// Bytes of the longest reply that is taken: a tree of a million directories, as LIST has it.
const LONGEST_REPLY: usize = 256 << 20;
/// A datagram may be lost: this often a question is asked within the time.
const ATTEMPTS: u32 = 5;
/// Bytes of the longest reply over UDP.
const DATAGRAM: usize = 8800;

/// A connection to a server.
pub(super) struct Tcp {
    stream: TcpStream,
    peer: SocketAddr,
    input: Assembler,
    xid: u32,
}

/// Connects to the server that the arguments name.
pub(super) fn connect(args: &DirectoryServer) -> Result<Client<Tcp>, String> {
    let at = resolve(&args.host)?;
    let at = match &args.tag {
        Some(tag) => SocketAddr::new(at.ip(), port_of(tag, at, args.timeout)?),
        None => at,
    };
    let cannot = |e: io::Error| cannot_connect(at, &e);
    let stream =
        TcpStream::connect_timeout(&at, args.timeout.max(Duration::from_millis(1))).map_err(cannot)?;
    stream.set_read_timeout(Some(args.timeout)).map_err(cannot)?;
    stream.set_write_timeout(Some(args.timeout)).map_err(cannot)?;
    stream.set_nodelay(true).map_err(cannot)?;
    Ok(Client::new(Tcp { stream, peer: at, input: Assembler::new(LONGEST_REPLY), xid: 0 }))
}

fn cannot_connect(at: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => format!(
            "nothing listens on TCP port {} of {}; is there a directory, and is that its port? --host HOST:PORT names \
             another",
            at.port(),
            at.ip()
        ),
        _ => format!("cannot connect to {at}: {error}"),
    }
}

/// The first address of a host, IPv4 before IPv6, as NetInfo's clients have it.
fn resolve(host: &str) -> Result<SocketAddr, String> {
    let all = host.to_socket_addrs().or_else(|_| (host, DIRECTORY_PORT).to_socket_addrs());
    let all: Vec<SocketAddr> = all.map_err(|e| format!("\"{host}\" is no host or HOST:PORT: {e}"))?.collect();
    let first = all.iter().find(|at| at.is_ipv4()).or(all.first());
    first.copied().ok_or_else(|| format!("\"{host}\" has no address"))
}

/// The TCP port of a tag: the binder's port from the portmapper, the tag's from the binder.  Where there is no
/// portmapper, the directory's own port has a binder if it is an agent's.
fn port_of(tag: &str, at: SocketAddr, timeout: Duration) -> Result<u16, String> {
    let portmapper = Datagrams::to(SocketAddr::new(at.ip(), portmap::PORT), timeout);
    let wanted = Mapping { program: BINDER, version: BINDER_VERSION, protocol: portmap::UDP, port: 0 };
    let told = portmapper.and_then(|mut datagrams| {
        let reply = datagrams.exchange(&portmap::get_port(1, wanted), 1)?;
        let (_, answer) = portmap::answer(&reply).map_err(|e| format!("the portmapper\'s answer: {e}"))?;
        answer.map_err(|refusal| format!("the portmapper: {refusal}"))
    });
    let binder = match told {
        Ok(0) => {
            return Err(format!(
                "{}: its portmapper knows no binder: no NetInfo server is registered there",
                at.ip()
            ));
        }
        Ok(port) => {
            u16::try_from(port).map_err(|_| format!("{}: its portmapper tells port {port}", at.ip()))?
        }
        Err(_) => at.port(),
    };
    let mut client = Client::new(Datagrams::to(SocketAddr::new(at.ip(), binder), timeout)?);
    match client.registration(tag.as_bytes()) {
        Ok(Registration { tcp, .. }) => {
            u16::try_from(tcp).map_err(|_| format!("{}: its binder tells port {tcp} for {tag}", at.ip()))
        }
        Err(Failure::Refused(netinfo::Status::NO_TAG)) => {
            Err(format!("{}: there is no tag \"{tag}\"; it serves {}", at.ip(), tags(&mut client)))
        }
        Err(Failure::Channel(sentence)) => Err(sentence),
        Err(other) => Err(format!("{}: {other}", at.ip())),
    }
}

fn tags(client: &mut Client<Datagrams>) -> String {
    let all = client.registrations().unwrap_or_default();
    let names: Vec<String> =
        all.iter().map(|r| String::from_utf8_lossy(&r.tag).escape_debug().to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Calls over UDP, asked again where an answer is lost.
struct Datagrams {
    socket: UdpSocket,
    to: SocketAddr,
    timeout: Duration,
    xid: u32,
}

impl Datagrams {
    fn to(to: SocketAddr, timeout: Duration) -> Result<Datagrams, String> {
        let cannot = |e: io::Error| format!("cannot ask UDP {to}: {e}");
        let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 8], 0).into() };
        let socket = UdpSocket::bind(any).map_err(cannot)?;
        socket.connect(to).map_err(cannot)?;
        let wait = (timeout / ATTEMPTS).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(wait)).map_err(cannot)?;
        Ok(Datagrams { socket, to, timeout, xid: 1 })
    }

    /// The reply to a call.
    fn exchange(&mut self, call: &[u8], xid: u32) -> Result<Vec<u8>, String> {
        let fail = |e: io::Error| match e.kind() {
            ErrorKind::ConnectionRefused => {
                format!("nothing listens on UDP port {} of {}", self.to.port(), self.to.ip())
            }
            _ => format!("cannot ask UDP {}: {e}", self.to),
        };
        let mut room = vec![0; DATAGRAM];
        for _ in 0..ATTEMPTS {
            self.socket.send(call).map_err(fail)?;
            match self.socket.recv(&mut room) {
                Ok(length) if room[..length].starts_with(&xid.to_be_bytes()) => {
                    return Ok(room[..length].to_vec());
                }
                Ok(_) => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(e) => return Err(fail(e)),
            }
        }
        let timeout = humantime::format_duration(self.timeout);
        Err(format!("no answer from UDP port {} of {} within {timeout}", self.to.port(), self.to.ip()))
    }
}

impl Channel for Datagrams {
    type Error = String;

    fn call(
        &mut self,
        program: u32,
        version: u32,
        procedure: u32,
        arguments: &[u8],
    ) -> Result<Vec<u8>, String> {
        self.xid += 1;
        let mut call = Call::head(self.xid, program, version, procedure);
        call.raw(arguments);
        let reply = self.exchange(&call.into_bytes(), self.xid)?;
        results(&reply, self.to)
    }
}

fn results(reply: &[u8], from: SocketAddr) -> Result<Vec<u8>, String> {
    match Outcome::parse(reply) {
        Ok((_, Outcome::Success, results)) => Ok(results.rest().to_vec()),
        Ok((_, refused, _)) => Err(format!("{from}: {refused}")),
        Err(e) => Err(format!("{from}: its reply cannot be read: {e}")),
    }
}

impl Tcp {
    /// Who answers.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn fail(&self, error: &io::Error) -> String {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("{}: no answer within the time; --timeout waits longer", self.peer)
            }
            ErrorKind::UnexpectedEof => {
                format!(
                    "{} closed the connection: this host may not be let in (`allow` in its [directory])",
                    self.peer
                )
            }
            _ => format!("{}: {error}", self.peer),
        }
    }

    fn next_record(&mut self) -> Result<Vec<u8>, String> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match self.input.next_record() {
                Ok(Some(record)) => return Ok(record),
                Ok(None) => {}
                Err(e) => return Err(format!("{}: its reply cannot be read: {e}", self.peer)),
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(self.fail(&ErrorKind::UnexpectedEof.into())),
                Ok(n) => self.input.push(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => {
                    return Err(self.fail(&ErrorKind::UnexpectedEof.into()));
                }
                Err(e) => return Err(self.fail(&e)),
            }
        }
    }
}

impl Channel for Tcp {
    type Error = String;

    fn call(
        &mut self,
        program: u32,
        version: u32,
        procedure: u32,
        arguments: &[u8],
    ) -> Result<Vec<u8>, String> {
        self.xid = self.xid.wrapping_add(1);
        let mut call = Call::head(self.xid, program, version, procedure);
        call.raw(arguments);
        let mut marked = Vec::new();
        mark(&call.into_bytes(), &mut marked);
        self.stream.write_all(&marked).map_err(|e| match e.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => self.fail(&ErrorKind::UnexpectedEof.into()),
            _ => self.fail(&e),
        })?;
        loop {
            let reply = self.next_record()?;
            // A reply to nothing that was asked is passed over.
            if reply.starts_with(&self.xid.to_be_bytes()) {
                return results(&reply, self.peer);
            }
        }
    }
}
