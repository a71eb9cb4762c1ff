//! What the story says is done here, each deed in a few lines.

use std::net::IpAddr;
use std::time::Duration;

use serialnumberd_core::Mono;

use super::World;
use super::machine::{self, Snapshot};
use super::network::Reflector;
use super::queue::Due;
use crate::scenario::deed::{Clock, Disk, Link, Net, Paper, Power};
use crate::scenario::{Deed, HostId};

impl World<'_> {
    pub(super) fn perform(&mut self, deed: Deed) {
        match deed {
            Deed::Power(hosts, power) => hosts.into_iter().for_each(|h| self.power(h, power)),
            Deed::Disk(hosts, disk) => hosts.into_iter().for_each(|h| self.disk(h, disk)),
            Deed::Clock(hosts, clock) => hosts.into_iter().for_each(|h| self.clock(h, clock)),
            Deed::Link(hosts, link) => hosts.into_iter().for_each(|h| self.link(h, link)),
            Deed::Paper(hosts, paper) => hosts.into_iter().for_each(|h| self.paper(h, paper)),
            Deed::Net(net) => self.network(net),
            Deed::Mischief(mischief) => self.mischief(&mischief),
        }
    }

    fn later(&mut self, after: Duration, host: HostId, power: Power) {
        self.queue.push(self.now.after(after), Due::Step(Box::new(Deed::Power(vec![host], power))));
    }

    fn power(&mut self, host: HostId, power: Power) {
        match power {
            Power::Start => self.start(host),
            Power::Stop => self.stop(host),
            Power::Kill => self.end(host),
            Power::Reboot(after) => {
                self.stop(host);
                self.machines[host].clocks.boot(self.now.after(after));
                self.later(after, host, Power::Start);
            }
            Power::Restarts(times, every) => {
                for n in 0..times {
                    self.later(every * n, host, Power::Kill);
                    self.later(every * n, host, Power::Start);
                }
            }
            Power::Freeze(d) => self.freeze(host, d),
            Power::Starve(late, during) => self.machines[host].starved = Some((late, self.now.after(during))),
            Power::Suspend => {
                self.machines[host].suspended.get_or_insert(self.now);
                self.tell_truth(host);
            }
            Power::Resume => self.resume(host),
            Power::Stun(d) => {
                self.machines[host].clocks.stand_still(d);
                self.freeze(host, d);
            }
        }
    }

    /// A clean stop.
    fn stop(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        let read = machine.clocks.read(self.now);
        if machine.is_live()
            && let Some(process) = machine.process.as_mut()
        {
            process.stop(read, &mut machine.rng);
            self.after(host);
        }
        self.end(host);
    }

    fn resume(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        let Some(since) = machine.suspended.take() else { return };
        machine.clocks.sleep(self.now.since(since));
        machine.scheduled = Mono::NEVER;
        self.tell_truth(host);
        self.relink(host);
        if self.machines[host].is_live() {
            self.turn(host);
        }
        if self.machines[host].starts_on_resume {
            self.start(host);
        }
    }

    fn disk(&mut self, host: HostId, disk: Disk) {
        let at = self.now;
        let machine = &mut self.machines[host];
        match disk {
            Disk::Lose => machine.disk = machine::Disk::blank(&mut machine.rng),
            Disk::Save => machine.saved = Some(machine.disk.clone()),
            Disk::Restore => match machine.saved.clone() {
                Some(saved) => machine.disk = saved,
                None => self.impossible(host, "has no state directory that was saved"),
            },
            Disk::CopyOf(other) => self.machines[host].disk = self.machines[other].disk.clone(),
            Disk::Snapshot => {
                let memories = self.oracle.memories(host);
                machine.snapshot = machine.process.as_ref().map(|process| Snapshot {
                    detector: process.snapshot(),
                    clocks: machine.clocks,
                    rng: machine.rng.clone(),
                    disk: machine.disk.clone(),
                    cards: machine.cards.clone(),
                    memories,
                    at,
                });
            }
            Disk::GoOnFrom { of, fresh } => self.go_on_from(host, of, fresh),
        }
    }

    /// A virtual machine goes on from a snapshot: same memory, same keys, same addresses until somebody renumbers it,
    /// and clocks that know nothing of the time between.
    fn go_on_from(&mut self, copy: HostId, of: HostId, fresh: bool) {
        let Some(snapshot) = &self.machines[of].snapshot else {
            return self.impossible(of, "has no snapshot of a process that ran");
        };
        let (detector, mut clocks) = (snapshot.detector.snapshot(), snapshot.clocks);
        let (disk, cards, at) = (snapshot.disk.clone(), snapshot.cards.clone(), snapshot.at);
        let memories = snapshot.memories.clone();
        let rng = if fresh { self.rng.fork() } else { snapshot.rng.clone() };
        clocks.stand_still(self.now.since(at));
        self.end(copy);
        let machine = &mut self.machines[copy];
        machine.next_index = cards.iter().map(|c| c.index + 1).max().unwrap_or(machine.next_index);
        (machine.disk, machine.clocks, machine.rng, machine.cards) = (disk, clocks, rng, cards);
        machine.process = Some(detector);
        self.oracle.goes_on(self.now, copy, &memories);
        self.tell_truth(copy);
        self.turn(copy);
    }

    fn clock(&mut self, host: HostId, clock: Clock) {
        let (at, clocks) = (self.now, &mut self.machines[host].clocks);
        match clock {
            Clock::Step(ms) => clocks.step(at, ms),
            Clock::Stop => clocks.stop(at),
            Clock::Unset => clocks.unset(at),
            Clock::SetRight => clocks.set_right(),
        }
    }

    fn network(&mut self, net: Net) {
        match net {
            Net::Lose(loss, sort) => self.network.lose(loss, sort),
            Net::Heal => self.network.heal(),
            Net::Deafen(hearers, speakers) => self.network.deafen(&hearers, &speakers),
            Net::Split(a, b) => {
                self.network.deafen(&a, &b);
                self.network.deafen(&b, &a);
            }
            Net::Delay(least, most) => self.network.set_delay(least, most),
            Net::Twice(share) => self.network.set_twice(share),
            Net::Reflect(after, copies) => self.network.reflector = Some(Reflector { after, copies }),
            Net::StopReflecting => self.network.reflector = None,
            Net::Relay(a, b) => self.network.relays.push((a, b)),
        }
    }

    /// Of a host's first license.
    fn paper(&mut self, host: HostId, paper: Paper) {
        let machine = &mut self.machines[host];
        let Some(terms) = machine.terms.first_mut() else {
            return self.impossible(host, "has no license any more");
        };
        match paper {
            Paper::Release => return self.release(host),
            Paper::Standby(standby) => terms.standby = standby,
            Paper::Seats(seats) => terms.seats = seats,
        }
        let (terms, read) = (terms.clone(), machine.clocks.read(self.now));
        if let Some(process) = machine.process.as_mut() {
            process.relicense(read, &mut machine.rng, &terms);
        }
        self.truth.set_seats(self.now, terms.license, terms.seats);
        self.tell_truth(host);
        self.after(host);
    }

    fn release(&mut self, host: HostId) {
        let machine = &mut self.machines[host];
        let license = machine.terms.remove(0).license;
        let read = machine.clocks.read(self.now);
        if let Some(process) = machine.process.as_mut() {
            process.release(read, &mut machine.rng, license);
        }
        self.tell_truth(host);
        self.after(host);
    }

    /// What the story says cannot be done.  Of faults laid over one another one may have taken what the next one needs.
    fn impossible(&mut self, host: HostId, why: &str) {
        if !self.scenario.is_composed() {
            let name = &self.scenario.hosts[host].name;
            self.oracle.find(self.now, &format!("what the story says of {name} cannot be: it {why}"));
        }
    }

    /// Whether the cards are there that this is done to.
    fn has_cards_for(&mut self, host: HostId, link: Link) -> bool {
        let cards = |host: HostId| self.machines[host].cards.len();
        let bare = match link {
            Link::PassAddressTo(other) | Link::SameAddressAs(other) => {
                [host, other].into_iter().find(|h| cards(*h) == 0)
            }
            // The one that such a fault brought went with a snapshot from before: the other stays.
            Link::DropCard if self.scenario.is_composed() => (cards(host) < 2).then_some(host),
            Link::AddCard(_) | Link::Lose | Link::Back | Link::Mute | Link::Unmute => None,
            _ => (cards(host) == 0).then_some(host),
        };
        if let Some(bare) = bare {
            self.impossible(bare, "has lost its last card");
        }
        bare.is_none()
    }

    fn link(&mut self, host: HostId, link: Link) {
        if !self.has_cards_for(host, link) {
            return;
        }
        self.addresses += 1;
        let taken = u64::from(self.addresses);
        let machine = &mut self.machines[host];
        match link {
            Link::Renumber => self.renumber(host),
            Link::NewPrefix => self.take_prefix(host),
            Link::PassAddressTo(other) => {
                let passed = machine.cards[0].addresses.clone();
                self.renumber(host);
                let addresses = passed.into_iter().filter(|(ip, _)| ip.is_ipv4()).map(|(ip, _)| (ip, taken));
                let kept = &mut self.machines[other].cards[0].addresses;
                kept.retain(|(ip, _)| ip.is_ipv6());
                kept.extend(addresses);
                self.relink(other);
            }
            Link::SameAddressAs(other) => {
                let same =
                    self.machines[other].cards[0].addresses.iter().map(|(ip, _)| (*ip, taken)).collect();
                self.machines[host].cards[0].addresses = same;
            }
            Link::AddAddress(ip) => machine.cards[0].addresses.push((ip, taken)),
            Link::DropAddress(ip) => machine.cards[0].addresses.retain(|(a, _)| *a != ip),
            Link::Move(segment) => {
                machine.cards.remove(0);
                self.add_card(host, segment);
            }
            Link::AddCard(segment) => self.add_card(host, segment),
            Link::DropCard => {
                machine.cards.pop();
            }
            Link::SwapCard => {
                let segment = machine.cards.remove(0).segment;
                self.add_card(host, segment);
            }
            Link::Lose => machine.cards.iter_mut().for_each(|c| c.linked = false),
            Link::Back => machine.cards.iter_mut().for_each(|c| c.linked = true),
            Link::Mute => machine.mute = true,
            Link::Unmute => machine.mute = false,
        }
        self.relink(host);
    }

    /// Another IPv4 address of the first card; its IPv6 link-local one comes from the card and stays.
    fn renumber(&mut self, host: HostId) {
        let segment = self.machines[host].cards[0].segment;
        let fresh = self.new_addresses(segment);
        let addresses = &mut self.machines[host].cards[0].addresses;
        addresses.retain(|(ip, _)| ip.is_ipv6());
        addresses.extend(fresh.into_iter().filter(|(ip, _)| ip.is_ipv4()));
    }

    /// A global IPv6 address of another prefix: nothing on this protocol's wire comes from it.
    fn take_prefix(&mut self, host: HostId) {
        let address = self.new_global();
        let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let addresses = &mut self.machines[host].cards[0].addresses;
        addresses.retain(|(ip, _)| ip.is_ipv4() || link_local(ip));
        addresses.push(address);
    }
}
