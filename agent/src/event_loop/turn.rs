//! One turn of the loop: all input, then time, then consequences, then output.

use std::io::{self, Read};
use std::time::Duration;

use serialnumberd_core::{Mishap, Mono, limits};

use super::start::{DIRECTORY, GENERATION, NETLINK, V4, V6, WAKE};
use super::{Agent, os_entropy};
use crate::clock;
use crate::generation::Generation;
use crate::socket::{Changes, Family, SendError};

/// Datagrams taken in before the clock is read again: 32 full batches, some milliseconds.
pub(super) const DATAGRAMS_PER_TURN: usize = 1024;
/// A change of interfaces comes as several messages: looked at once they are all there.
const SETTLE: Duration = Duration::from_millis(150);

impl Agent {
    /// Waits for readiness and notes what is ready.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.ready, timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        let (mut woken, mut generation) = (false, false);
        for event in &self.ready {
            match event.token() {
                V4 => self.waiting[0] = true,
                V6 => self.waiting[1] = true,
                NETLINK => self.changes_wait = true,
                WAKE => woken = true,
                GENERATION => generation = true,
                token if token >= DIRECTORY => {
                    if let Ok(directory) = &mut self.directory {
                        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                        directory.ready(token, readable, event.is_writable() || event.is_write_closed());
                    }
                }
                token => {
                    if let Some(control) = &mut self.control {
                        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                        control.ready(token, readable, event.is_write_closed());
                    }
                }
            }
        }
        if self.changes_wait {
            self.look_soon();
        }
        if woken {
            self.drain_wake();
        }
        if generation {
            self.generation_changed |= self.generation.as_mut().is_some_and(Generation::drain);
        }
        Ok(())
    }

    fn drain_wake(&self) {
        let mut bytes = [0; 64];
        while (&self.wake_end).read(&mut bytes).is_ok_and(|n| n == bytes.len()) {}
    }

    /// Whether there is work that no readiness will tell of.
    pub(super) fn has_backlog(&self) -> bool {
        self.again
            || self.changes_wait
            || self.waiting[0]
            || self.waiting[1]
            || self.control.as_ref().is_some_and(|c| c.has_backlog())
            || self.directory.as_ref().is_ok_and(|d| d.has_backlog())
    }

    /// When [`Agent::turn`] has something to do by time alone.
    pub(super) fn deadline(&mut self) -> Mono {
        let plugins = self.plugins.next_deadline_ns().map(Mono);
        let verdicts = self.held.values().filter_map(|h| h.verdict.deadline()).min();
        let checks = self.checks.iter().map(|c| c.until).min();
        let directory = self.directory.as_ref().ok().and_then(|d| d.deadline());
        let rest = [plugins, verdicts, checks, directory, self.look_at, self.filing.deadline()]
            .into_iter()
            .flatten()
            .min();
        self.engine.next_deadline().min(rest.unwrap_or(Mono::NEVER))
    }

    pub(super) fn turn(&mut self, max: usize) {
        self.now = clock::now();
        self.counters.turns += 1;
        self.again = false;
        self.look_to_itself();
        if std::mem::take(&mut self.generation_changed) {
            log::warn!(
                "this virtual machine was copied or reverted: a new boot id is taken and all licenses are probed for"
            );
            self.engine.generation_changed(self.now, &mut os_entropy);
        }
        self.receive(max);
        self.serve_control();
        self.serve_directory();
        self.unsettled |= self.plugins.tick(self.now.boot.0);
        self.take_actions();
        self.on_time();
        self.take_events();
        self.file_evidence();
        self.settle_verdicts();
        self.answer_checks();
        self.flush_transmits();
    }

    /// Begins a turn: was this agent itself well since the last one?
    pub(super) fn look_to_itself(&mut self) {
        if let Some(mishap) = self.engine.turn(self.now, &mut os_entropy) {
            log::warn!("{}: open questions are void and all licenses are probed for", told(mishap));
        }
    }

    /// Takes in datagrams, IPv4 and IPv6 in turns, a batch each time and none after `max`.
    fn receive(&mut self, max: usize) {
        let mut taken = 0;
        // With a `max` of 0, too, it gets on: what stays behind would be work that never ends.
        while taken < max.max(1) && (self.waiting[0] || self.waiting[1]) {
            for (place, family) in [(0, Family::V4), (1, Family::V6)] {
                if self.waiting[place] {
                    taken += self.receive_batch(place, family);
                }
            }
        }
        self.taken = taken;
    }

    fn receive_batch(&mut self, place: usize, family: Family) -> usize {
        let taken = match self.sockets.receive(family, &mut self.batch) {
            Ok(taken) => taken,
            Err(e) => {
                log::debug!("receiving {family:?}: {e}");
                0
            }
        };
        for arrival in self.batch.arrivals() {
            let fate = self.engine.handle_datagram(self.now, &mut os_entropy, &arrival);
            self.counters.count(self.now.boot, fate, &arrival);
        }
        // A batch that is not full emptied the socket: the call that would only say so is saved.
        self.waiting[place] = self.batch.is_full();
        taken
    }

    fn on_time(&mut self) {
        let now = self.now.boot;
        if self.look_at.is_some_and(|at| now >= at) {
            self.look_at_links();
        }
        if self.engine.next_deadline() <= now {
            self.engine.handle_time(self.now, &mut os_entropy);
        }
        self.poll_reload();
        self.take_flags();
    }

    /// Takes in what the kernel tells of interfaces; they are looked at once it has told all.
    fn look_soon(&mut self) {
        let changes = match self.monitor.drain() {
            Ok(changes) => changes,
            Err(e) => {
                log::warn!("the kernel's changes to interfaces cannot be read: {e}");
                Changes::default()
            }
        };
        self.changes_wait = changes.more;
        self.routes_changed |= changes.routes;
        if changes.any() && self.look_at.is_none() {
            self.look_at = Some(Mono(clock::boottime_ns()).after(SETTLE));
        }
    }

    /// Sends all that the engine wants sent.
    pub(super) fn flush_transmits(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            let report = self.sockets.transmit(&transmit, self.peers());
            self.counters.transmitted += u64::from(report.sent);
            let failed: Vec<u32> = report.failed.iter().map(|f| f.route.interface).collect();
            for failure in report.failed {
                self.note_failure(&failure);
            }
            if transmit.to == serialnumberd_core::Destination::Everywhere && !self.broken.is_empty() {
                self.note_works(&failed);
            }
        }
    }

    fn note_failure(&mut self, failure: &SendError) {
        let SendError { route, error } = failure;
        if self.counters.count_send_error(self.now.boot) {
            log::warn!("nothing can be sent to {}: {error}; told once a minute", route.to);
        }
        let to_all = match route.to.ip() {
            std::net::IpAddr::V4(ip) => ip.is_broadcast(),
            std::net::IpAddr::V6(ip) => ip.is_multicast(),
        };
        // One peer that cannot be reached says nothing of the link.
        if to_all {
            let why = format!("nothing can be sent: {error}");
            self.again |= !self.broken.contains_key(&route.interface);
            self.broken.insert(route.interface, why);
            self.tell_broken(route.interface);
        }
    }

    fn note_works(&mut self, failed: &[u32]) {
        let works: Vec<u32> = self.broken.keys().filter(|i| !failed.contains(i)).copied().collect();
        for interface in works {
            self.again = true;
            self.broken.remove(&interface);
            self.tell_broken(interface);
        }
    }
}

/// What befell the agent, for whoever wonders why it probes again.
fn told(mishap: Mishap) -> String {
    match mishap {
        Mishap::Stalled => {
            format!("this agent was kept from running for more than {} s", limits::STALL.as_secs())
        }
        Mishap::Resumed => "this machine slept; a new boot id is taken".to_owned(),
        Mishap::ClockStepped => format!(
            "the clock was set by more than {} s, or this machine is a resumed copy; a new boot id is taken",
            limits::CLOCK_STEP_MS / 1000
        ),
    }
}
