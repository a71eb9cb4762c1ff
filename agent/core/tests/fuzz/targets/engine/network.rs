//! The datagrams under way: what is sent arrives a moment later, unless something befalls it.

use serialnumberd_core::{Arrival, Mono};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// How long a datagram takes.
const LATENCY: Duration = Duration::from_micros(100);
/// More are not under way at once: duplicated ones would multiply for ever.
const UNDER_WAY: usize = 512;
/// So many of the newest datagrams can be replayed.
const TAPE: usize = 256;

/// A datagram on its way to one interface of one machine.
#[derive(Clone)]
pub struct Flight {
    pub to: usize,
    pub interface: u32,
    pub bytes: Rc<[u8]>,
    pub source: SocketAddr,
    pub destination: IpAddr,
    pub ttl: u8,
    pub truncated: bool,
}

impl Flight {
    pub fn arrival(&self) -> Arrival<'_> {
        Arrival {
            bytes: &self.bytes,
            truncated: self.truncated,
            source: self.source,
            destination: self.destination,
            interface: self.interface,
            ttl: Some(self.ttl),
        }
    }
}

#[derive(Default)]
pub struct Network {
    /// In the order of their arrival.
    flights: BTreeMap<(Mono, u64), Flight>,
    sent: u64,
    /// The newest datagrams with their senders' addresses, whatever became of them.
    pub tape: VecDeque<(Rc<[u8]>, SocketAddr)>,
}

impl Network {
    pub fn record(&mut self, bytes: &Rc<[u8]>, from: SocketAddr) {
        self.tape.push_back((bytes.clone(), from));
        if self.tape.len() > TAPE {
            self.tape.pop_front();
        }
    }

    pub fn send(&mut self, now: Mono, delay: Duration, flight: Flight) {
        if self.flights.len() < UNDER_WAY {
            self.sent += 1;
            self.flights.insert((now.after(LATENCY).after(delay), self.sent), flight);
        }
    }

    pub fn next_arrival(&self) -> Option<Mono> {
        self.flights.first_key_value().map(|((at, _), _)| *at)
    }

    /// What arrives by `now`, oldest first.
    pub fn arrived(&mut self, now: Mono) -> Vec<Flight> {
        let later = self.flights.split_off(&(now.after(Duration::from_nanos(1)), 0));
        std::mem::replace(&mut self.flights, later).into_values().collect()
    }

    /// Takes one of those under way out of the network.
    pub fn intercept(&mut self, n: usize) -> Option<Flight> {
        let key = *self.flights.keys().nth(n.checked_rem(self.flights.len())?)?;
        self.flights.remove(&key)
    }

    pub fn lose_all(&mut self) {
        self.flights.clear();
    }
}
