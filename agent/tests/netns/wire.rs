//! The test's own hand on the wire: hears and sends raw datagrams from a host that runs no agent.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use serialnumberd_core::crypto::{self, Crypto, Standard};
use serialnumberd_core::wire::{Datagram, HostName, Kind, seal};
use serialnumberd_core::{BootId, ClaimId, ClaimKeys, GroupDigest, Instance, Nonce, Product, Serial};

use crate::clock::Watch;
use crate::lan::Host;

/// The port of the protocol.
pub const PORT: u16 = 626;
/// Every host of the LAN, by IPv4.
pub const BROADCAST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::BROADCAST), PORT);
/// Every host of the LAN, by IPv6.
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x5e71);
/// Longer than any datagram of these tests.
const LONGEST: usize = 2048;

/// A datagram's length.
pub const LENGTH: usize = 320;
/// The flags of a question that is not of the start: WANT without PROBE.
pub const WANT: u8 = 2;
/// The kind GOODBYE.
pub const GOODBYE: u8 = 3;
/// Where a datagram's fields stand.
pub mod field {
    use std::ops::Range;
    /// ANNOUNCE, ANSWER or GOODBYE.
    pub const KIND: usize = 4;
    /// PROBE, WANT, STANDBY.
    pub const FLAGS: usize = 5;
    /// The claim id.
    pub const CLAIM: Range<usize> = 8..24;
    /// The installation's public key.
    pub const INSTALLATION: Range<usize> = 24..56;
    /// The boot id.
    pub const BOOT: Range<usize> = 56..64;
    /// The product, padded with NULs.
    pub const PRODUCT: Range<usize> = 128..160;
    /// The sender's host name.
    pub const HOST: Range<usize> = 160..224;
}

/// Port 626 of a host that runs no agent, IPv4 and IPv6.
pub struct Tap {
    v4: UdpSocket,
    v6: UdpSocket,
    index: u32,
    own_v4: Ipv4Addr,
}

impl Tap {
    /// Opens it on the host's `eth0`, sending with TTL 255 as the protocol wants.
    pub fn new(host: &Host) -> Tap {
        Tap::on_port(host, PORT)
    }

    /// The same from another port: where the host has an agent of its own.
    pub fn on_port(host: &Host, port: u16) -> Tap {
        let (v4, v6, index) = host.ns.run(move || {
            let index = nix::net::if_::if_nametoindex("eth0").expect("eth0");
            let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("the IPv4 port");
            // 255.255.255.255 has no route of its own.
            setsockopt(&v4.as_fd(), sockopt::BindToDevice, &"eth0".into()).expect("SO_BINDTODEVICE");
            let v6 = open_v6(port);
            (v4, v6, index)
        });
        v4.set_broadcast(true).expect("SO_BROADCAST");
        v4.set_ttl(255).expect("IP_TTL");
        let v6 = v6.unwrap_or_else(|| v4.try_clone().expect("a clone"));
        if v6.local_addr().is_ok_and(|a| a.is_ipv6()) {
            v6.join_multicast_v6(&GROUP, index).expect("join the group");
            v6.set_multicast_loop_v6(false).expect("IPV6_MULTICAST_LOOP");
            setsockopt(&v6.as_fd(), sockopt::Ipv6MulticastHops, &255).expect("hops");
            setsockopt(&v6.as_fd(), sockopt::Ipv6Ttl, &255).expect("hops");
        }
        for socket in [&v4, &v6] {
            socket.set_read_timeout(Some(Duration::from_millis(5))).expect("SO_RCVTIMEO");
        }
        let own_v4 = Ipv4Addr::new(10, 0, 0, u8::try_from(host.number + 1).expect("few hosts"));
        Tap { v4, v6, index, own_v4 }
    }

    /// Sends by IPv4 as from behind a router from now on.
    pub fn behind_a_router(&self) {
        self.v4.set_ttl(64).expect("IP_TTL");
    }

    /// The group address on this LAN.
    pub fn group(&self) -> SocketAddr {
        SocketAddrV6::new(GROUP, PORT, 0, self.index).into()
    }

    /// Sends; a full queue on the way is the network's right and not looked at.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let _ = socket.send_to(bytes, to);
    }

    /// What is heard next from others within `bound`.
    pub fn next(&self, bound: Duration) -> Option<Vec<u8>> {
        let mut buffer = [0; LONGEST];
        let watch = Watch::start();
        while watch.elapsed() < bound {
            for socket in [&self.v4, &self.v6] {
                if let Ok((n, from)) = socket.recv_from(&mut buffer)
                    && from.ip() != self.own_v4
                {
                    return Some(buffer[..n].to_vec());
                }
            }
        }
        None
    }

    /// All that is heard from others within `span`.
    pub fn all(&self, span: Duration) -> Vec<Vec<u8>> {
        let watch = Watch::start();
        std::iter::from_fn(|| self.next(span.saturating_sub(watch.elapsed()))).collect()
    }
}

/// `None` where the host has no IPv6.
fn open_v6(port: u16) -> Option<UdpSocket> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn6, bind, socket};
    let fd = socket(AddressFamily::Inet6, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
    setsockopt(&fd, sockopt::Ipv6V6Only, &true).ok()?;
    let address = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &SockaddrIn6::from(address)).ok()?;
    Some(UdpSocket::from(fd))
}

/// Sends back to everybody whatever it hears, three times over, at once and late, until it is dropped.
pub struct Reflector {
    stop: Arc<AtomicBool>,
    reflected: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Reflector {
    /// Starts it on a host.
    pub fn start(host: &Host) -> Reflector {
        let tap = Tap::new(host);
        let (stop, reflected) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ends, count) = (Arc::clone(&stop), Arc::clone(&reflected));
        let thread = std::thread::spawn(move || {
            let mut late: Vec<Vec<u8>> = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let heard = tap.next(Duration::from_millis(300));
                // Silence is the time for old ones.
                let again = heard.clone().map_or_else(|| late.clone(), |d| vec![d.clone(), d]);
                for datagram in again {
                    tap.send(&datagram, BROADCAST);
                    tap.send(&datagram, tap.group());
                    count.fetch_add(1, Ordering::Relaxed);
                }
                late.extend(heard.filter(|d| late.len() < 64 && !late.contains(d)));
            }
        });
        Reflector { stop, reflected, thread: Some(thread) }
    }

    /// How many it sent so far.
    pub fn reflected(&self) -> usize {
        self.reflected.load(Ordering::Relaxed)
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Another installation: writes signed datagrams without being an agent.
pub struct Author {
    signer: <Standard as Crypto>::Signer,
    boot: BootId,
    keys: Arc<ClaimKeys>,
    claim: ClaimId,
    product: Product,
    sequence: u64,
}

impl Author {
    /// One that knows the serial and holds the license.
    pub fn of(product: &str, serial: &str) -> Author {
        let product = Product::new(product).expect("a product");
        let keys = ClaimKeys::derive::<Standard>(&product, &Serial::new(serial).expect("a serial"));
        let claim = keys.id();
        let signer = Standard::signer(&[7; 32]);
        Author { signer, boot: BootId([7; 8]), keys: Arc::new(keys), claim, product, sequence: 0 }
    }

    /// The same license in the hands of somebody else, with a fresh key.
    pub fn stranger(&self, random: &mut Random) -> Author {
        let (mut seed, mut boot) = ([0; 32], [0; 8]);
        random.fill(&mut seed);
        random.fill(&mut boot);
        let (keys, claim, product) = (Arc::clone(&self.keys), self.claim, self.product);
        Author { signer: Standard::signer(&seed), boot: BootId(boot), keys, claim, product, sequence: 0 }
    }

    /// Says that it holds the claim of a datagram that was heard, of that product, whose serial it does not know:
    /// the signature is right, the MAC is made with the key of its own serial.
    pub fn claiming(mut self, heard: &[u8]) -> Author {
        self.claim = ClaimId(heard[field::CLAIM].try_into().expect("16 bytes"));
        let product = String::from_utf8_lossy(&heard[field::PRODUCT]);
        self.product = Product::new(product.trim_end_matches('\0')).expect("a product");
        self
    }

    /// Its next announcement.
    pub fn announcement(&mut self) -> [u8; LENGTH] {
        self.next(Kind::Announce { probe: false, want: false })
    }

    /// Its answer to a datagram that was heard.
    pub fn answer(&mut self, heard: &[u8]) -> [u8; LENGTH] {
        let answers = crypto::tag::<Standard>(heard.try_into().expect("a whole datagram"));
        self.next(Kind::Answer { answers, want: false })
    }

    fn next(&mut self, kind: Kind) -> [u8; LENGTH] {
        self.sequence += 1;
        let datagram = Datagram {
            kind,
            standby: false,
            interval_s: 3600,
            claim: self.claim,
            instance: Instance { installation: Standard::installation(&self.signer), boot: self.boot },
            sequence: self.sequence,
            sent_ms: 0,
            since_ms: 0,
            nonce: Nonce(u128::from(self.sequence).to_le_bytes()),
            seats: 1,
            version: 1,
            runs: 1,
            product: self.product,
            host: HostName::new("author"),
            group: GroupDigest::NONE,
        };
        seal::<Standard>(&datagram, &self.signer, &self.keys)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a test that fails can be run again from its printed seed.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap_or(0)
    }

    /// Fills with noise.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}
