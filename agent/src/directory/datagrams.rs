//! What comes over UDP.

use std::sync::Arc;

use netinfo::server::{Origin, Transport};
use netinfo::tree::Directory as Tree;
use serialnumberd_core::{Arrival, Mono};

use super::doors::Serves;
use super::limits::BATCHES_PER_TURN;
use super::service::Directory;
use super::tree::Place;
use crate::socket::{Family, Route, Sockets};

impl Directory {
    /// Takes in what waits at a door, and answers it.
    pub(super) fn receive(&mut self, door: usize, now: Mono, make: &mut Option<impl FnOnce(&Place) -> Tree>) {
        let mut batches = BATCHES_PER_TURN;
        for (n, family) in [(0, Family::V4), (1, Family::V6)] {
            while self.doors[door].waiting[n] && batches > 0 {
                batches -= 1;
                let taken = self.doors[door].sockets.receive(family, &mut self.batch);
                self.doors[door].waiting[n] = taken.is_ok() && self.batch.is_full();
                if taken.is_err() {
                    break;
                }
                if !self.batch.is_empty() {
                    self.refresh(now, make);
                }
                let batch = std::mem::take(&mut self.batch);
                batch.arrivals().for_each(|arrival| self.answer_datagram(door, now, &arrival));
                self.batch = batch;
            }
        }
    }

    /// As the original, PING, BIND and the binder are for everybody, and nobody's reply is longer than a few words.
    /// Reads, and the portmapper, are for who may come and is on link.
    fn answer_datagram(&mut self, door: usize, now: Mono, arrival: &Arrival<'_>) {
        self.counts.datagrams += 1;
        let peer = arrival.source.ip().to_canonical();
        let is_near = self.access.is_on_link(peer, arrival.interface) && self.access.admits(peer);
        let serves = self.doors[door].serves;
        if arrival.truncated || (serves == Serves::Portmapper && !is_near) {
            self.counts.datagrams_refused += 1;
            return;
        }
        let may_read = self.config.udp_reads && is_near && self.sources.take(peer, now);
        let origin = Origin { transport: Transport::Udp, address: peer, may_read };
        let tree = Arc::clone(&self.tree);
        if let Some(message) = self.answer(serves, &tree, arrival.bytes, &origin) {
            send(&self.doors[door].sockets, &message, arrival, is_near);
        }
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
