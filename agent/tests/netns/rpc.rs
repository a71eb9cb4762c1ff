//! ONC RPC as these tests speak it: by hand, sharing nothing with the agent.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::Duration;

use crate::clock::{Watch, s};
use crate::lan::Host;

/// The portmapper, version 2.
pub const PORTMAPPER: Program = Program(100_000, 2);
/// The directory.
pub const DIRECTORY: Program = Program(200_100_000, 2);
/// Its binder.
pub const BINDER: Program = Program(200_100_001, 1);
/// The portmapper's port.
pub const PORTMAPPER_PORT: u16 = 111;
/// How long an answer may take, and how long silence is listened to.
const PATIENCE: Duration = s(2);

/// A program's number and version.
#[derive(Clone, Copy)]
pub struct Program(pub u32, pub u32);

/// What a call came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was done: the words of its results.
    Results(Vec<u32>),
    /// It was denied with this AUTH_ERROR.
    Denied(u32),
    /// It was accepted and not done: PROG_UNAVAIL and so on.
    Failed(u32),
    /// Nothing came, or the connection was closed.
    Nothing,
}

/// A string of arguments: its length, and its bytes in words padded with zeros.
pub fn string(text: &str) -> Vec<u32> {
    let word = |chunk: &[u8]| {
        let mut bytes = [0; 4];
        bytes[..chunk.len()].copy_from_slice(chunk);
        u32::from_be_bytes(bytes)
    };
    let length = u32::try_from(text.len()).expect("short");
    std::iter::once(length).chain(text.as_bytes().chunks(4).map(word)).collect()
}

const XID: u32 = 0x4e49_0001;

fn call(program: Program, procedure: u32, arguments: &[u32]) -> Vec<u8> {
    let head = [XID, 0, 2, program.0, program.1, procedure, 0, 0, 0, 0];
    head.iter().chain(arguments).flat_map(|word| word.to_be_bytes()).collect()
}

fn read(message: &[u8]) -> Reply {
    let words: Vec<u32> =
        message.chunks(4).map(|c| u32::from_be_bytes(c.try_into().expect("whole words"))).collect();
    match words[..] {
        [XID, 1, 0, 0, 0, 0, ref results @ ..] => Reply::Results(results.to_vec()),
        [XID, 1, 0, 0, 0, why, ..] => Reply::Failed(why),
        [XID, 1, 1, 1, why] => Reply::Denied(why),
        _ => panic!("no reply: {words:x?}"),
    }
}

/// A UDP socket on a host.
pub struct Caller(UdpSocket);

impl Caller {
    /// Opens it.
    pub fn on(host: &Host) -> Caller {
        let socket = host.ns.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port"));
        socket.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        socket.set_broadcast(true).expect("SO_BROADCAST");
        Caller(socket)
    }

    /// Calls and waits for the answer; where it came from does not matter, and is told.
    pub fn ask(
        &self,
        to: (Ipv4Addr, u16),
        program: Program,
        procedure: u32,
        arguments: &[u32],
    ) -> (Reply, Ipv4Addr) {
        self.0.send_to(&call(program, procedure, arguments), SocketAddr::from(to)).expect("sent");
        let mut buffer = [0; 9000];
        match self.0.recv_from(&mut buffer) {
            Ok((n, SocketAddr::V4(from))) => (read(&buffer[..n]), *from.ip()),
            _ => (Reply::Nothing, Ipv4Addr::UNSPECIFIED),
        }
    }

    /// The same, where only the answer matters.
    pub fn call(&self, to: (Ipv4Addr, u16), program: Program, procedure: u32, arguments: &[u32]) -> Reply {
        self.ask(to, program, procedure, arguments).0
    }

    /// GETPORT: where the portmapper says that a program is (17 is UDP, 6 TCP; 0: nowhere).
    pub fn port_of(&self, host: Ipv4Addr, program: Program, protocol: u32) -> u32 {
        let arguments = [program.0, program.1, protocol, 0];
        match self.call((host, PORTMAPPER_PORT), PORTMAPPER, 3, &arguments) {
            Reply::Results(port) if port.len() == 1 => port[0],
            other => panic!("GETPORT: {other:?}"),
        }
    }

    /// CALLIT: what the portmapper's hosts give for a call that it passes on; the port that it told, and the results.
    /// `stray` bytes follow the arguments and are counted with them.
    pub fn callit(
        &self,
        to: Ipv4Addr,
        program: Program,
        procedure: u32,
        arguments: &[u32],
        stray: usize,
    ) -> (Reply, Ipv4Addr) {
        let stray = vec![0x5a5a_5a5a; stray / 4];
        let length = u32::try_from(4 * (arguments.len() + stray.len())).expect("short");
        let head = [program.0, program.1, procedure, length];
        self.ask((to, PORTMAPPER_PORT), PORTMAPPER, 5, &[&head[..], arguments, &stray].concat())
    }
}

/// Connects from a host and makes one call; `Nothing` if the connection is closed instead.
pub fn call_by_tcp(
    host: &Host,
    to: (Ipv4Addr, u16),
    program: Program,
    procedure: u32,
    arguments: &[u32],
) -> Reply {
    let message = call(program, procedure, arguments);
    let address = SocketAddr::V4(SocketAddrV4::new(to.0, to.1));
    let mut stream =
        host.ns.run(move || TcpStream::connect_timeout(&address, PATIENCE)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
    let mark = 0x8000_0000 | u32::try_from(message.len()).expect("short");
    // Who is closed on may not even get rid of this.
    let sent = stream.write_all(&[&mark.to_be_bytes()[..], &message].concat());
    let mut record = Vec::new();
    loop {
        let mut mark = [0; 4];
        if sent.is_err() || stream.read_exact(&mut mark).is_err() {
            return Reply::Nothing;
        }
        let mark = u32::from_be_bytes(mark);
        let start = record.len();
        record.resize(start + usize::try_from(mark & 0x7fff_ffff).expect("a length"), 0);
        stream.read_exact(&mut record[start..]).expect("the whole fragment");
        if mark >> 31 == 1 {
            return read(&record);
        }
    }
}

/// Connects and says nothing: how long until the other side closes, and that it says nothing either.
pub fn closed_at_once(host: &Host, to: (Ipv4Addr, u16)) -> Duration {
    let address = SocketAddr::V4(SocketAddrV4::new(to.0, to.1));
    let watch = Watch::start();
    let mut stream =
        host.ns.run(move || TcpStream::connect_timeout(&address, PATIENCE)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset, "not closed"),
    }
    assert_eq!(said, b"", "without a word");
    watch.elapsed()
}
