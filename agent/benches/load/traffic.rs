//! What is sent, and at which pace.

use std::io::IoSlice;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use nix::unistd::Pid;
use serialnumberd_core::crypto::{Crypto, Standard};
use serialnumberd_core::wire::{Datagram, HostName, Kind, seal};
use serialnumberd_core::{BootId, ClaimKeys, GroupDigest, Instance, Nonce, Product, Serial};

use crate::target::{PRODUCT, SERIAL, Target};

/// A burst: a whole rack that comes back from a power cut.
const BURST: usize = 250;
/// Sent by one system call, where the sender is to be as fast as it can.
const BATCH: usize = 32;
/// How many different datagrams are sent in turn.
const VARIETY: u64 = 1024;
/// How far behind the newest a datagram still counts as new, if it was not received yet (RFC 6479).
const WINDOW: u64 = 64;
/// Sources of new ones: each may have 100 signatures a second checked.
const SOURCES: u8 = 8;

/// What the datagrams are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Of a claim that the agent does not hold.
    Foreign,
    /// Of its claim, by somebody who lacks the serial.
    WrongMac,
    /// Of its claim, valid, and too old to be told from what was received before.
    Replayed,
    /// Of its claim, valid and new: the only ones whose signature is checked.
    New,
}

impl Traffic {
    /// All of them.
    pub const ALL: [Traffic; 4] = [Traffic::Foreign, Traffic::WrongMac, Traffic::Replayed, Traffic::New];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Traffic::Foreign => "foreign",
            Traffic::WrongMac => "own, wrong MAC",
            Traffic::Replayed => "own, outside window",
            Traffic::New => "own, new",
        }
    }
}

/// How they come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// 1,000 a second, each alone.
    Lone,
    /// Bursts of 250, one in 10 ms.
    Bursts,
    /// As fast as the sender can.
    Flood,
    /// 500 a second, from several sources: as many signatures as an agent checks.
    NewOnes,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 4] = [Shape::Lone, Shape::Bursts, Shape::Flood, Shape::NewOnes];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Lone => "1,000/s",
            Shape::Bursts => "bursts of 250",
            Shape::Flood => "flood",
            Shape::NewOnes => "500/s",
        }
    }

    /// New ones cannot be sent faster than they are checked, and only they are sent slowly.
    pub fn fits(self, traffic: Traffic) -> bool {
        (self == Shape::NewOnes) == (traffic == Traffic::New)
    }
}

/// Sends one kind of datagram to one target.
pub struct Sender {
    sockets: Vec<UdpSocket>,
    datagrams: Vec<[u8; 320]>,
    next: usize,
}

impl Sender {
    /// Prepares the datagrams and, where they are to be refused as replays, moves the window past all of them.
    pub fn new(target: &Target, traffic: Traffic) -> Sender {
        let mut processors = CpuSet::new();
        processors.set(0).expect("processor 0");
        // With a single processor both share it.
        let _ = sched_setaffinity(Pid::from_raw(0), &processors);
        let sources = if traffic == Traffic::New { SOURCES } else { 1 };
        let socket = |n| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, n), 0)).expect("a loopback address");
            socket.set_ttl(255).expect("IP_TTL");
            socket.connect(target.address()).expect("connected");
            socket
        };
        let sockets = (1..=sources).map(socket).collect();
        let (datagrams, newest) = datagrams(traffic);
        let sender = Sender { sockets, datagrams, next: 0 };
        if traffic == Traffic::Replayed {
            sender.sockets[0].send(&newest).expect("sent");
            std::thread::sleep(Duration::from_millis(50));
        }
        sender
    }

    /// Sends in a shape; gives how many.
    pub fn send(&mut self, shape: Shape) -> u64 {
        match shape {
            Shape::Lone => self.paced(2000, Duration::from_millis(1), Sender::one),
            Shape::Bursts => self.paced(100, Duration::from_millis(10), |s| s.batch(BURST)),
            Shape::Flood => (0..400_000 / BATCH).map(|_| self.batch(BATCH)).sum(),
            Shape::NewOnes => self.paced(1000, Duration::from_millis(2), Sender::one),
        }
    }

    /// Sends at a rate for half a second, in batches; gives how many and how long it took.
    pub fn at_rate(&mut self, rate: f64) -> (u64, f64) {
        let began = Instant::now();
        let mut sent = 0_u64;
        while began.elapsed() < Duration::from_millis(500) {
            let due = began.elapsed().as_secs_f64() * rate;
            while (sent as f64) < due {
                sent += self.batch(BATCH);
            }
            std::hint::spin_loop();
        }
        (sent, began.elapsed().as_secs_f64())
    }

    /// Sends `n` by one system call: a sender slower than who receives would measure itself.
    fn batch(&mut self, n: usize) -> u64 {
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(n, None);
        let first = self.next % (self.datagrams.len() - n);
        let slices: Vec<_> = self.datagrams[first..first + n].iter().map(|d| [IoSlice::new(d)]).collect();
        self.next += n;
        let fd = self.sockets[0].as_raw_fd();
        let sent = sendmmsg(fd, &mut headers, &slices, vec![None; n], [], MsgFlags::empty());
        sent.map_or(0, |sent| sent.count() as u64)
    }

    /// Does `send` at these intervals; gives how many were sent.
    fn paced(&mut self, times: u32, every: Duration, send: impl Fn(&mut Sender) -> u64) -> u64 {
        let began = Instant::now();
        let mut sent = 0;
        for n in 0..times {
            std::thread::sleep((every * n).saturating_sub(began.elapsed()));
            sent += send(self);
        }
        sent
    }

    /// Sends one, from each source in turn.
    fn one(&mut self) -> u64 {
        let socket = &self.sockets[self.next % self.sockets.len()];
        let sent = socket.send(&self.datagrams[self.next % self.datagrams.len()]);
        self.next += 1;
        u64::from(sent.is_ok())
    }
}

/// Those that are sent in turn, and one so new that none of them is in the window any more.
fn datagrams(traffic: Traffic) -> (Vec<[u8; 320]>, [u8; 320]) {
    let serial = if traffic == Traffic::Foreign { "ANOTHER" } else { SERIAL };
    let product = Product::new(PRODUCT).expect("a product");
    let keys = ClaimKeys::derive::<Standard>(&product, &Serial::new(serial).expect("a serial"));
    // A key for each run: what one run said must not count as a replay in the next.
    let entropy =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(&entropy.to_le_bytes());
    let signer = Standard::signer(&seed);
    let installation = Standard::installation(&signer);
    let one = |sequence: u64| Datagram {
        kind: Kind::Announce { probe: false, want: false },
        standby: false,
        interval_s: 3600,
        claim: keys.id(),
        instance: Instance { installation, boot: BootId(*b"loadtest") },
        sequence,
        sent_ms: 0,
        since_ms: 0,
        nonce: Nonce(u128::from(sequence).to_le_bytes()),
        seats: 0,
        version: 1,
        runs: 1,
        product,
        host: HostName::new("load"),
        group: GroupDigest::NONE,
    };
    let sealed = |sequence| seal::<Standard>(&one(sequence), &signer, &keys);
    let mut datagrams: Vec<[u8; 320]> = (1..=VARIETY).map(sealed).collect();
    if traffic == Traffic::WrongMac {
        datagrams.iter_mut().for_each(|d| d[319] ^= 1);
    }
    (datagrams, sealed(VARIETY + WINDOW))
}
