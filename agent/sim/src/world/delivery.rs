//! How datagrams get from a process onto the wire, and from there to others.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use serialnumberd_core::{Destination, Transmit};

use super::network::{FIRST_NAT_PORT, Frame, PORT, everybody};
use super::queue::Due;
use super::{TAPE, World};
use crate::scenario::HostId;

/// IPv4 or IPv6, UDP and Ethernet headers: 20 + 8 + 14, and 20 more for IPv6.
const HEADERS: u64 = 42;
/// See [`HEADERS`].
const HEADERS_V6: u64 = 62;

impl World<'_> {
    /// Sends what a process wants sent.
    pub(super) fn send(&mut self, host: HostId, transmit: &Transmit) {
        let bytes: Rc<[u8]> = transmit.payload.as_bytes().into();
        match &transmit.to {
            Destination::Everywhere => {
                for card in 0..self.machines[host].cards.len() {
                    for v6 in [false, true] {
                        self.put(host, card, everybody(v6), None, &bytes);
                    }
                }
                for peer in self.scenario.hosts[host].peers.clone() {
                    self.put(host, 0, peer, None, &bytes);
                }
            }
            Destination::Link { interface, v6 } => {
                if let Some(card) = self.card_at(host, *interface) {
                    self.put(host, card, everybody(*v6), None, &bytes);
                }
            }
            Destination::Unicast { to, interface, source } => {
                let card = if *interface == 0 { Some(0) } else { self.card_at(host, *interface) };
                if let Some(card) = card {
                    self.put(host, card, *to, *source, &bytes);
                }
            }
        }
    }

    fn card_at(&self, host: HostId, index: u32) -> Option<usize> {
        self.machines[host].cards.iter().position(|c| c.index == index)
    }

    /// Puts a datagram on the wire by one card, if it can.
    fn put(&mut self, host: HostId, card: usize, to: SocketAddr, source: Option<IpAddr>, bytes: &Rc<[u8]>) {
        let machine = &mut self.machines[host];
        let Some(card) = machine.cards.get(card).filter(|c| c.linked) else { return };
        let Some(from) = source.or_else(|| card.first(to.is_ipv6())) else { return };
        let (index, segment) = (card.index, card.segment);
        let works = !machine.mute;
        if works == machine.told_broken.contains(&index) {
            let read = machine.clocks.read(self.now);
            if works {
                machine.told_broken.remove(&index);
            } else {
                machine.told_broken.insert(index);
            }
            if let Some(process) = machine.process.as_mut() {
                process.set_broken(read, &mut machine.rng, index, !works);
            }
        }
        if !works {
            return;
        }
        let frame = Frame {
            segment,
            from: Some((host, index)),
            source: SocketAddr::new(from, PORT),
            destination: to,
            ttl: 255,
            bytes: Rc::clone(bytes),
        };
        let machine = &mut self.machines[host];
        machine.sent += 1;
        machine.bytes += bytes.len() as u64 + if to.is_ipv6() { HEADERS_V6 } else { HEADERS };
        self.note(self.now.0 ^ u64::from(index));
        self.launch(frame);
    }

    /// A datagram is on a segment: it is on its way to whom it is for, and boxes repeat it.
    pub(super) fn launch(&mut self, frame: Frame) {
        if let Some((host, _)) = frame.from {
            if self.tape.len() == TAPE {
                self.tape.pop_front();
            }
            self.tape.push_back((host, Rc::new(frame.clone())));
        }
        let frame = Rc::new(frame);
        let at = self.now.after(self.network.delay());
        if !frame.is_broadcast() {
            let times = if self.network.comes_twice() { 2 } else { 1 };
            for _ in 0..times {
                self.queue.push(at, Due::Frame(Rc::clone(&frame)));
            }
            return;
        }
        self.spread(&frame, at);
        if let Some(reflector) = self.network.reflector {
            let again = Rc::new(Frame { from: None, ..(*frame).clone() });
            for n in 1..=reflector.copies {
                self.queue.push(at.after(reflector.after * n), Due::Frame(Rc::clone(&again)));
            }
        }
        for (a, b) in self.network.relays.clone() {
            let other = if frame.segment == a { b } else { a };
            if frame.segment == a || frame.segment == b {
                self.queue.push(at, Due::Frame(Rc::new(Frame { segment: other, ..(*frame).clone() })));
            }
        }
    }

    /// A broadcast sets out: for all at once, or each receiver's copy takes its own time.
    fn spread(&mut self, frame: &Rc<Frame>, at: serialnumberd_core::Mono) {
        if self.network.is_even() {
            self.queue.push(at, Due::Frame(Rc::clone(frame)));
            return;
        }
        for (host, card, copies) in self.receivers(frame) {
            for _ in 0..copies {
                let at = self.now.after(self.network.delay());
                self.queue.push(at, Due::Card(Rc::clone(frame), host, card));
                if self.network.comes_twice() {
                    let at = self.now.after(self.network.delay());
                    self.queue.push(at, Due::Card(Rc::clone(frame), host, card));
                }
            }
        }
    }

    /// Which cards a broadcast reaches, and how often each.
    fn receivers(&self, frame: &Frame) -> Vec<(HostId, u32, u32)> {
        let sender = frame.from.and_then(|(host, index)| self.machines[host].card(index));
        let sent = sender.map_or(1, |card| card.ports().0);
        let mut receivers = Vec::new();
        for (host, machine) in self.machines.iter().enumerate() {
            for card in machine.cards.iter().filter(|c| c.linked && c.segment == frame.segment) {
                let own = frame.from == Some((host, card.index));
                let (_, listening) = card.ports();
                let copies = if own {
                    // The kernel loops IPv4 broadcasts back; the switch sends them to the bond's other port.
                    sent * (listening - 1) + u32::from(frame.destination.is_ipv4())
                } else {
                    sent * listening
                };
                if copies > 0 {
                    receivers.push((host, card.index, copies));
                }
            }
        }
        receivers
    }

    /// A datagram arrives where it is sent to.
    pub(super) fn arrive(&mut self, frame: &Rc<Frame>) {
        if frame.is_broadcast() {
            for (host, card, copies) in self.receivers(frame) {
                for _ in 0..copies {
                    self.receive(host, card, frame);
                }
            }
            return;
        }
        let to = frame.destination.ip();
        // The one that took the address last is whom the others' neighbor tables name.
        let owner = (0..self.machines.len())
            .filter_map(|host| Some((self.machines[host].has(frame.segment, to)?, host)))
            .max()
            .map(|(_, host)| host);
        match owner {
            Some(host) => {
                let cards = self.machines[host].cards.iter();
                let card = cards.filter(|c| c.linked && c.segment == frame.segment);
                let index =
                    card.filter(|c| c.addresses.iter().any(|(ip, _)| *ip == to)).map(|c| c.index).next();
                if let Some(index) = index {
                    self.receive(host, index, frame);
                }
            }
            None => self.translate(frame),
        }
    }

    /// An address translator passes a datagram on, if one is in its way.
    fn translate(&mut self, frame: &Frame) {
        for n in 0..self.network.translators.len() {
            let translator = &mut self.network.translators[n];
            let (inside, outside) = (translator.plan.inside, translator.plan.outside);
            let to = frame.destination;
            let passed =
                if frame.segment == inside && frame.ttl > 1 && to.ip() != IpAddr::V4(translator.outer) {
                    let known = translator.ports.iter().position(|p| *p == frame.source);
                    let place = known.unwrap_or_else(|| {
                        translator.ports.push(frame.source);
                        translator.ports.len() - 1
                    });
                    let port = FIRST_NAT_PORT + u16::try_from(place).unwrap_or(0);
                    let source = SocketAddr::new(translator.outer.into(), port);
                    Some(Frame { segment: outside, source, from: None, ttl: frame.ttl - 1, ..frame.clone() })
                } else if frame.segment == outside && to.ip() == IpAddr::V4(translator.outer) {
                    let place = to.port().checked_sub(FIRST_NAT_PORT).map(usize::from);
                    let inner = match (place.and_then(|p| translator.ports.get(p)), translator.plan.publish) {
                        (Some(inner), _) => Some(*inner),
                        (None, Some(host)) if to.port() == PORT => {
                            let card = self.machines[host].cards.first();
                            card.and_then(|c| c.first(false)).map(|ip| SocketAddr::new(ip, PORT))
                        }
                        _ => None,
                    };
                    inner.map(|to| Frame {
                        segment: inside,
                        destination: to,
                        from: None,
                        ttl: frame.ttl - 1,
                        ..frame.clone()
                    })
                } else {
                    None
                };
            if let Some(passed) = passed {
                self.launch(passed);
                return;
            }
        }
    }

    /// A datagram comes to a card: it may be lost, wait, or be heard.
    pub(super) fn receive(&mut self, host: HostId, card: u32, frame: &Rc<Frame>) {
        // What a host says to itself crosses no wire.
        let own = frame.from == Some((host, card));
        let machine = &self.machines[host];
        let linked = machine.card(card).is_some_and(|c| c.linked);
        if machine.suspended.is_some() || machine.process.is_none() || !linked {
            return;
        }
        // Linux drops IPv4 that comes from elsewhere with an own address as its source.  A host's own echo is let through:
        // other systems do, and it is the harder case.
        let clash = frame.source.is_ipv4() && machine.has(frame.segment, frame.source.ip()).is_some();
        if clash && frame.from.is_some_and(|(from, _)| from != host) {
            return;
        }
        if !own && !self.network.passes(frame, host) {
            return;
        }
        if self.machines[host].frozen_until.is_some() || self.comes_late(host) {
            self.machines[host].queue(Rc::clone(frame), card);
        } else {
            self.hear(host, card, frame);
        }
    }
}
