//! Segments, and what becomes of a datagram on its way to one receiver.  It knows no protocol: bytes are bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

use crate::scenario::deed::{HostId, Loss, SegmentId, Sort};
use crate::scenario::{Family, Nat, SegmentPlan};

/// Port 626 of everybody.
pub(crate) const PORT: u16 = 626;
/// The IPv6 group of announcements.
pub(crate) const GROUP: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x5e71);
/// From one socket to another on an idle switch.
const LATENCY: Duration = Duration::from_micros(100);

/// A datagram on a segment.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub segment: SegmentId,
    /// The machine, if one sent it, and its card: boxes and strangers are none.
    pub from: Option<(HostId, u32)>,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub ttl: u8,
    pub bytes: Rc<[u8]>,
}

impl Frame {
    pub(crate) fn is_broadcast(&self) -> bool {
        match self.destination.ip() {
            IpAddr::V4(ip) => ip == Ipv4Addr::BROADCAST,
            IpAddr::V6(ip) => ip == GROUP,
        }
    }

    fn is_of(&self, sort: Sort) -> bool {
        match sort {
            Sort::All => true,
            Sort::Broadcast => self.is_broadcast(),
            Sort::Unicast => !self.is_broadcast(),
            Sort::Ipv4 => self.destination.is_ipv4(),
            Sort::Ipv6 => self.destination.is_ipv6(),
        }
    }
}

/// Where a datagram to everybody on a segment goes.
pub(crate) fn everybody(v6: bool) -> SocketAddr {
    let to: IpAddr = if v6 { GROUP.into() } else { Ipv4Addr::BROADCAST.into() };
    SocketAddr::new(to, PORT)
}

/// Some datagrams do not arrive.
#[derive(Clone, Debug)]
struct Rule {
    sort: Sort,
    /// Between these only: who hears, whom.  `None` is everybody.
    between: Option<(Vec<HostId>, Vec<HostId>)>,
    loss: Loss,
    /// Gilbert and Elliott's bad spell, by receiver.
    bad: Vec<bool>,
}

impl Rule {
    fn is_about(&self, frame: &Frame, to: HostId) -> bool {
        let between = self.between.as_ref().is_none_or(|(hearers, speakers)| {
            hearers.contains(&to) && frame.from.is_some_and(|(from, _)| speakers.contains(&from))
        });
        between && frame.is_of(self.sort)
    }

    fn loses(&mut self, to: HostId, rng: &mut Rng) -> bool {
        match self.loss {
            Loss::Even(share) => share >= 1.0 || rng.f64() < share,
            Loss::Bursts { share, length } => {
                if self.bad.len() <= to {
                    self.bad.resize(to + 1, false);
                }
                let leave = 1.0 / length;
                // In balance: share * leave = (1 - share) * enter.
                let enter = share * leave / (1.0 - share);
                let bad = &mut self.bad[to];
                *bad = if *bad { rng.f64() >= leave } else { rng.f64() < enter };
                *bad
            }
        }
    }
}

/// A box that sends every broadcast again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reflector {
    pub after: Duration,
    pub copies: u32,
}

/// An address translator between two segments, without ever forwarding broadcasts.
#[derive(Clone, Debug)]
pub(crate) struct Translator {
    pub plan: Nat,
    pub outer: Ipv4Addr,
    /// Who speaks through which port of the outer address.
    pub ports: Vec<SocketAddr>,
}

/// The first port that a translator gives away.
pub(crate) const FIRST_NAT_PORT: u16 = 20_000;

/// All segments, and what is between them.
#[derive(Debug)]
pub(crate) struct Network {
    pub segments: Vec<SegmentPlan>,
    rules: Vec<Rule>,
    pub reflector: Option<Reflector>,
    pub relays: Vec<(SegmentId, SegmentId)>,
    pub translators: Vec<Translator>,
    delay: (Duration, Duration),
    twice: f64,
    rng: Rng,
}

impl Network {
    pub(crate) fn new(segments: &[SegmentPlan], nats: &[Nat], rng: Rng) -> Network {
        let translator = |(n, plan): (usize, &Nat)| Translator {
            plan: plan.clone(),
            outer: Ipv4Addr::new(192, 0, 2, u8::try_from(n + 1).unwrap_or(255)),
            ports: Vec::new(),
        };
        Network {
            segments: segments.to_vec(),
            rules: Vec::new(),
            reflector: None,
            relays: Vec::new(),
            translators: nats.iter().enumerate().map(translator).collect(),
            delay: (LATENCY, LATENCY + LATENCY / 2),
            twice: 0.0,
            rng,
        }
    }

    pub(crate) fn carries(&self, segment: SegmentId, v6: bool) -> bool {
        match self.segments[segment].ip {
            Family::Both => true,
            Family::Ipv4 => !v6,
            Family::Ipv6 => v6,
        }
    }

    pub(crate) fn lose(&mut self, loss: Loss, sort: Sort) {
        self.rules.push(Rule { sort, between: None, loss, bad: Vec::new() });
    }

    /// `hearers` no longer hear `speakers`.
    pub(crate) fn deafen(&mut self, hearers: &[HostId], speakers: &[HostId]) {
        let between = Some((hearers.to_vec(), speakers.to_vec()));
        self.rules.push(Rule { sort: Sort::All, between, loss: Loss::Even(1.0), bad: Vec::new() });
    }

    pub(crate) fn heal(&mut self) {
        self.rules.clear();
    }

    /// Whether anything may be lost.
    pub(crate) fn is_whole(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn set_delay(&mut self, least: Duration, most: Duration) {
        self.delay = (least, most);
    }

    pub(crate) fn set_twice(&mut self, share: f64) {
        self.twice = share;
    }

    /// Whether all receivers get a broadcast at one time: then one entry in the queue does.
    pub(crate) fn is_even(&self) -> bool {
        self.twice == 0.0 && self.delay.1 < Duration::from_millis(1)
    }

    /// How long the next datagram takes.
    pub(crate) fn delay(&mut self) -> Duration {
        let (least, most) = self.delay;
        let room = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
        least + Duration::from_nanos(self.rng.u64(0..=room))
    }

    /// Whether the next datagram comes twice.
    pub(crate) fn comes_twice(&mut self) -> bool {
        self.twice > 0.0 && self.rng.f64() < self.twice
    }

    /// Whether `frame` gets through to `to`.
    pub(crate) fn passes(&mut self, frame: &Frame, to: HostId) -> bool {
        let rng = &mut self.rng;
        // Every rule is asked, so that bursts go on whatever else loses the datagram.
        let losses = self
            .rules
            .iter_mut()
            .filter(|r| r.is_about(frame, to))
            .filter_map(|r| r.loses(to, rng).then_some(()));
        losses.count() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_lost(loss: Loss) -> (f64, f64) {
        let mut rule = Rule { sort: Sort::All, between: None, loss, bad: Vec::new() };
        let mut rng = Rng::with_seed(7);
        let lost: Vec<bool> = (0..200_000).map(|_| rule.loses(0, &mut rng)).collect();
        let many = lost.iter().filter(|l| **l).count();
        let bursts = lost.windows(2).filter(|w| !w[0] && w[1]).count().max(1);
        (many as f64 / lost.len() as f64, many as f64 / bursts as f64)
    }

    #[test]
    fn loss_is_as_much_and_as_long_as_asked_for() {
        let (share, _) = share_lost(Loss::Even(0.3));
        assert!((share - 0.3).abs() < 0.01, "{share}");
        let (share, length) = share_lost(Loss::Bursts { share: 0.3, length: 5.0 });
        assert!((share - 0.3).abs() < 0.02 && (length - 5.0).abs() < 0.2, "{share} {length}");
    }
}
