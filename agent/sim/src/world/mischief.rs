//! What strangers do: they hear everything and send what they like, but have no license.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::World;
use super::network::{Frame, PORT, everybody};
use super::queue::Due;
use crate::scenario::HostId;
use crate::scenario::deed::Mischief;

/// Where strangers sit: in the range of the first segment.
const ADDRESS: [u8; 4] = [10, 0, 255, 1];
/// Between what is repeated.
const PACE: Duration = Duration::from_secs(1);
/// Where a datagram's kind stands.
const AT_KIND: usize = 4;
/// Of the host's newest datagrams so many: what is older says goodbye below a sequence that was heard since.
const GOODBYES: usize = 3;
/// GOODBYE.
const GOODBYE: u8 = 3;

impl World<'_> {
    pub(super) fn mischief(&mut self, mischief: &Mischief) {
        match mischief {
            Mischief::Replay(host) => {
                for (n, frame) in (0u32..).zip(self.said(*host)) {
                    let again = Frame { from: None, ..(*frame).clone() };
                    self.queue.push(self.now.after(PACE * n), Due::Frame(Rc::new(again)));
                }
            }
            Mischief::Flood { of, each_second, during } => self.flood(*of, *each_second, *during),
            Mischief::Goodbye(host) => {
                for frame in self.said(*host).into_iter().rev().take(GOODBYES) {
                    let mut bytes = frame.bytes.to_vec();
                    bytes[AT_KIND] = GOODBYE;
                    self.throw(&frame, frame.source, bytes);
                }
            }
            Mischief::Malformed(host) => {
                for (n, frame) in self.said(*host).into_iter().enumerate() {
                    let mut bytes = frame.bytes.to_vec();
                    match n % 4 {
                        0 => bytes.truncate(self.rng.usize(..bytes.len())),
                        1 => bytes.resize(self.rng.usize(321..2000), 0xa5),
                        2 => {
                            let bit = self.rng.usize(..bytes.len() * 8);
                            bytes[bit / 8] ^= 1 << (bit % 8);
                        }
                        _ => self.rng.fill(&mut bytes),
                    }
                    self.throw(&frame, frame.source, bytes);
                }
            }
            Mischief::Spoof(host) => {
                for frame in self.said(*host) {
                    let bytes = frame.bytes.to_vec();
                    self.throw(&frame, SocketAddr::new(IpAddr::from(ADDRESS), PORT), bytes);
                }
            }
        }
    }

    /// What a host sent, as far as it is remembered, the newest last.
    fn said(&self, host: HostId) -> Vec<Rc<Frame>> {
        self.tape.iter().filter(|(who, _)| *who == host).map(|(_, frame)| Rc::clone(frame)).collect()
    }

    fn throw(&mut self, like: &Frame, source: SocketAddr, bytes: Vec<u8>) {
        let frame = Frame {
            segment: like.segment,
            from: None,
            source,
            destination: everybody(source.is_ipv6()),
            ttl: 255,
            bytes: bytes.into(),
        };
        self.queue.push(self.now, Due::Frame(Rc::new(frame)));
    }

    /// The host's newest datagram with other contents each time: it names the claim, and its MAC is wrong.
    fn flood(&mut self, of: HostId, each_second: u32, during: Duration) {
        let Some(like) = self.said(of).pop() else { return };
        let gap = Duration::from_secs(1) / each_second.max(1);
        let many = u32::try_from(during.as_nanos() / gap.as_nanos().max(1)).unwrap_or(u32::MAX);
        for n in 0..many {
            let mut bytes = like.bytes.to_vec();
            // Everything behind the claim id.
            self.rng.fill(&mut bytes[24..]);
            let source = SocketAddr::new(IpAddr::from(ADDRESS), PORT);
            let frame = Frame {
                from: None,
                source,
                destination: everybody(false),
                bytes: bytes.into(),
                ..(*like).clone()
            };
            self.queue.push(self.now.after(gap * n), Due::Frame(Rc::new(frame)));
        }
    }
}
