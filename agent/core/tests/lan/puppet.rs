//! An instance that exists on paper only.

use std::net::{Ipv4Addr, SocketAddr};

use serialnumberd_core::wire::{Datagram, HostName, Kind, seal};
use serialnumberd_core::{Arrival, BootId, Crypto, Fate, Instance, License, Mono, Nonce, Standard, Tag};

use super::{Lan, START_MS, license, product};

pub const QUESTION: Kind = Kind::Announce { probe: false, want: true };

/// An instance that exists on paper only: a test says what it sends, and it answers nothing by itself.
pub struct Puppet {
    signer: <Standard as Crypto>::Signer,
    pub license: License,
    pub instance: Instance,
    pub sequence: u64,
    pub address: SocketAddr,
}

impl Puppet {
    pub fn new(installation: u8, boot: u8, serial: &str) -> Puppet {
        Puppet::of(&[installation; 32], boot, serial, Ipv4Addr::new(10, 0, 9, installation))
    }

    /// One of a crowd, each with a key and an address of its own.
    pub fn of_crowd(n: u16, serial: &str) -> Puppet {
        let [high, low] = n.to_be_bytes();
        let mut seed = [77; 32];
        seed[..2].copy_from_slice(&[high, low]);
        Puppet::of(&seed, 1, serial, Ipv4Addr::new(10, 9, high, low))
    }

    fn of(seed: &[u8; 32], boot: u8, serial: &str, address: Ipv4Addr) -> Puppet {
        let signer = Standard::signer(seed);
        let instance = Instance { installation: Standard::installation(&signer), boot: BootId([boot; 8]) };
        let address = SocketAddr::new(address.into(), 626);
        Puppet { signer, license: license(serial), instance, sequence: 0, address }
    }

    /// Answers the newest question that host `n` asked since `from`.
    pub fn answers(&mut self, lan: &mut Lan, n: usize, from: Mono) -> Fate {
        let answers = lan.newest_question(n, from);
        let bytes = self.says(Kind::Answer { answers, want: false });
        self.sends(lan, n, &bytes, true)
    }

    /// Its next datagram.
    pub fn says(&mut self, kind: Kind) -> [u8; 320] {
        self.sequence += 1;
        let nonce: [u8; 16] = std::array::from_fn(|i| self.sequence.to_be_bytes()[i % 8]);
        let datagram = Datagram {
            kind,
            standby: self.license.standby,
            interval_s: 300,
            claim: self.license.keys.id(),
            instance: self.instance,
            sequence: self.sequence,
            sent_ms: START_MS,
            since_ms: 0,
            nonce: Nonce(nonce),
            seats: self.license.seats,
            version: 1,
            runs: 1,
            product: product(),
            host: HostName::new("puppet"),
            group: self.license.keys.group::<Standard>(&self.license.group),
        };
        seal::<Standard>(&datagram, &self.signer, &self.license.keys)
    }

    /// Hands `bytes` to host `n`, by broadcast or by unicast.
    pub fn sends(&self, lan: &mut Lan, n: usize, bytes: &[u8], unicast: bool) -> Fate {
        let destination = if unicast { lan.hosts[n].address } else { Ipv4Addr::BROADCAST };
        let (source, destination) = (self.address, destination.into());
        lan.inject(n, &Arrival { bytes, truncated: false, source, destination, interface: 1, ttl: Some(255) })
    }

    pub fn announces(&mut self, lan: &mut Lan, n: usize) -> Fate {
        let bytes = self.says(Kind::Announce { probe: false, want: false });
        self.sends(lan, n, &bytes, false)
    }
}

impl Lan {
    /// The newest question that host `n` asked since `from`.
    pub fn newest_question(&self, n: usize, from: Mono) -> Tag {
        let asked = |d: &Datagram| matches!(d.kind, Kind::Announce { want: true, .. });
        let questions = self.sent_since(n, from);
        questions.iter().rfind(|(_, d, _)| asked(d)).expect("it asked").2
    }
}
