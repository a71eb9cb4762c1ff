//! Asks a server over one or many connections, each with so many questions on the way, from one thread.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::data::Random;
use crate::protocol::{Kind, Protocol, Read};

/// For how long a server may be silent: then something is wrong, and is said.
const SILENCE_MS: u16 = 20_000;

/// What a run came to.
pub struct Run {
    pub seconds: f64,
    /// In the order in which the replies came.
    pub latencies: Vec<Duration>,
}

impl Run {
    /// The latency that this share of the calls does not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len() - 1;
        // As many as there are calls: a number that a float holds exactly.
        let place = sorted.iter().enumerate().position(|(n, _)| n as f64 >= share * last as f64);
        sorted[place.unwrap_or(last)]
    }

    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }
}

struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    asked: VecDeque<Instant>,
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream
}

/// One question and its whole reply, by a connection of its own.
pub fn once(protocol: &dyn Protocol, port: u16, read: Read) -> Vec<u8> {
    let (mut stream, mut request, mut input) = (connect(port), Vec::new(), Vec::new());
    protocol.request(1, read, &mut request);
    stream.write_all(&request).expect("sent");
    stream.set_read_timeout(Some(Duration::from_millis(SILENCE_MS.into()))).expect("SO_RCVTIMEO");
    let mut buffer = [0; 65536];
    loop {
        if let Some(length) = protocol.reply(&input) {
            input.truncate(length);
            return input;
        }
        let n = stream.read(&mut buffer).expect("a reply");
        assert_ne!(n, 0, "closed instead of a reply");
        input.extend_from_slice(&buffer[..n]);
    }
}

/// Asks `calls` times in all, over `connections` with `depth` questions on the way each.
pub fn run(
    protocol: &dyn Protocol,
    port: u16,
    kind: Kind,
    calls: usize,
    connections: usize,
    depth: usize,
    random: &mut Random,
) -> Run {
    let mut all: Vec<Connection> = (0..connections)
        .map(|_| {
            let stream = connect(port);
            stream.set_nonblocking(true).expect("O_NONBLOCK");
            Connection { stream, out: Vec::new(), input: Vec::new(), asked: VecDeque::new() }
        })
        .collect();
    let (mut left, mut latencies) = (calls, Vec::with_capacity(calls));
    let began = Instant::now();
    while latencies.len() < calls {
        for (number, connection) in all.iter_mut().enumerate() {
            while left > 0 && connection.asked.len() < depth {
                let xid = u32::try_from(left * connections + number).expect("few calls");
                protocol.request(xid, kind.any(random), &mut connection.out);
                connection.asked.push_back(Instant::now());
                left -= 1;
            }
            connection.send();
        }
        wait(&all);
        all.iter_mut().for_each(|connection| connection.receive(protocol, &mut latencies));
    }
    Run { seconds: began.elapsed().as_secs_f64(), latencies }
}

/// Until one of those that have a question on the way has something.
fn wait(all: &[Connection]) {
    let mut fds: Vec<PollFd<'_>> = all
        .iter()
        .filter(|connection| !connection.asked.is_empty())
        .map(|connection| {
            let writes = if connection.out.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            PollFd::new(connection.stream.as_fd(), PollFlags::POLLIN | writes)
        })
        .collect();
    let ready = poll(&mut fds, PollTimeout::from(SILENCE_MS)).expect("poll");
    assert!(ready > 0, "no reply within {SILENCE_MS} ms");
}

impl Connection {
    fn send(&mut self) {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) => panic!("the server takes no more: {e}"),
            }
        }
    }

    fn receive(&mut self, protocol: &dyn Protocol, latencies: &mut Vec<Duration>) {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("the server closed a connection"),
            Ok(n) => self.input.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Err(e) => panic!("the server is gone: {e}"),
        }
        let mut used = 0;
        while let Some(length) = protocol.reply(&self.input[used..]) {
            used += length;
            latencies.push(self.asked.pop_front().expect("a question for each reply").elapsed());
        }
        self.input.drain(..used);
    }
}
