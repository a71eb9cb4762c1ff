//! What comes over UDP: calls of the directory's own programs, and of the portmapper where the agent is one.

use std::sync::Arc;

use netinfo::portmap::{self, Mapping};
use netinfo::server::{Origin, Transport};
use netinfo::tree::Directory as Tree;
use serialnumberd_core::{Arrival, Mono};

use super::limits::BATCHES_PER_TURN;
use super::portmapper::Mapper;
use super::service::Directory;
use super::tree::Place;
use crate::socket::{Family, Route, Sockets};

impl Directory {
    pub(super) fn receive(
        &mut self,
        domain: usize,
        now: Mono,
        make: &mut Option<impl FnOnce(&Place) -> Tree>,
    ) {
        let mut batches = BATCHES_PER_TURN;
        for (n, family) in [(0, Family::V4), (1, Family::V6)] {
            while self.doors[domain].waiting[n] && batches > 0 {
                batches -= 1;
                let taken = self.doors[domain].sockets.receive(family, &mut self.batch);
                self.doors[domain].waiting[n] = taken.is_ok() && self.batch.is_full();
                if taken.is_err() {
                    break;
                }
                if !self.batch.is_empty() {
                    self.refresh(now, make);
                }
                let batch = std::mem::take(&mut self.batch);
                batch.arrivals().for_each(|arrival| self.answer_datagram(domain, now, &arrival));
                self.batch = batch;
            }
        }
    }

    /// Does what the way by which clients find the port wants done.
    pub(super) fn map(&mut self, now: Mono, make: &mut Option<impl FnOnce(&Place) -> Tree>) {
        let (sockets, mut waiting) = match std::mem::replace(&mut self.mapper, Ok(Mapper::Off)) {
            Ok(Mapper::Registered(mut registrar)) => {
                registrar.turn(now);
                self.mapper = Ok(Mapper::Registered(registrar));
                return;
            }
            Ok(Mapper::Own(sockets, waiting)) => (sockets, waiting),
            other => {
                self.mapper = other;
                return;
            }
        };
        let mut sockets = sockets;
        for (n, family) in [(0, Family::V4), (1, Family::V6)] {
            if !waiting[n] {
                continue;
            }
            let taken = sockets.receive(family, &mut self.batch);
            waiting[n] = taken.is_ok() && self.batch.is_full();
            if taken.is_ok() && !self.batch.is_empty() {
                self.refresh(now, make);
                let batch = std::mem::take(&mut self.batch);
                batch.arrivals().for_each(|arrival| self.answer_portmap(&sockets, &arrival));
                self.batch = batch;
            }
        }
        self.mapper = Ok(Mapper::Own(sockets, waiting));
    }

    /// Answers as a portmapper, to neighbors only: nobody else is to use it for anything.
    fn answer_portmap(&mut self, sockets: &Sockets, arrival: &Arrival<'_>) {
        self.counts.datagrams += 1;
        let peer = arrival.source.ip().to_canonical();
        let is_near = self.access.is_on_link(peer, arrival.interface);
        if arrival.truncated || !is_near || !self.access.admits(peer) {
            self.counts.datagrams_refused += 1;
            return;
        }
        let mappings = Mapping::of_directory(self.doors[0].sockets.port());
        let reply = match portmap::serve(arrival.bytes, &mappings) {
            portmap::Answer::Reply(reply) => Some(reply),
            portmap::Answer::Relay(relay) => {
                let origin = Origin { transport: Transport::Udp, address: peer, may_read: false };
                let tree = Arc::clone(&self.tree);
                self.answer(0, &tree, &relay.call, &origin).and_then(|answer| relay.reply(&answer))
            }
            portmap::Answer::Silent => None,
        };
        if let Some(reply) = reply {
            send(sockets, &reply, arrival, is_near);
        }
    }

    fn answer_datagram(&mut self, domain: usize, now: Mono, arrival: &Arrival<'_>) {
        self.counts.datagrams += 1;
        let peer = arrival.source.ip().to_canonical();
        if arrival.truncated || !self.access.admits(peer) {
            self.counts.datagrams_refused += 1;
            return;
        }
        let is_near = self.access.is_on_link(peer, arrival.interface);
        let may_read = self.config.udp_reads && is_near && self.sources.take(peer, now);
        let origin = Origin { transport: Transport::Udp, address: peer, may_read };
        let tree = Arc::clone(&self.tree);
        let Some(message) = self.answer(domain, &tree, arrival.bytes, &origin) else { return };
        send(&self.doors[domain].sockets, &message, arrival, is_near);
    }
}

/// Replies to a datagram, from the address that was asked, unless that was everybody's.
fn send(sockets: &Sockets, message: &[u8], arrival: &Arrival<'_>, is_near: bool) {
    let interface = if is_near { arrival.interface } else { 0 };
    let route = Route { to: arrival.source, interface, source: Some(arrival.destination) };
    // A broadcast address is nobody's to send from; which ones there are only the kernel knows.
    if sockets.send(message, route).is_err()
        && let Err(e) = sockets.send(message, Route { source: None, ..route })
    {
        log::debug!("directory: nothing can be sent to {}: {e}", arrival.source);
    }
}
