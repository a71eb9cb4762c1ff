//! The classic text format on the wire: who may ask, who is answered, and how often.

use core::net::SocketAddr;
use core::time::Duration;

use crate::bucket::{Bucket, Rate};
use crate::event::words;
use crate::limits::{CLASSIC_REFILL_S, CLASSIC_SOURCE, CLASSIC_TOTAL, QUERY_EVENT_EVERY};
use crate::verify::Sources;
use crate::{Arrival, Interface, Mono};
use core::net::IpAddr;

const SOURCE_RATE: Rate = Rate { size: CLASSIC_SOURCE, refill: Duration::from_secs(CLASSIC_REFILL_S as u64) };
const TOTAL_RATE: Rate = Rate::per_second(CLASSIC_TOTAL);

words!(
    /// What to do with classic texts.
    #[derive(Default)]
    Legacy {
        /// Ignore them.
        Off = "off",
        /// Turn them into `query` events and counters.
        #[default]
        Listen = "listen",
        /// Answer queries for products held here, too.
        Answer = "answer",
    }
);

/// Limits on classic texts.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    total: Bucket,
    sources: Sources,
    told: Option<Mono>,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        Desk { total: Bucket::FULL, sources: Sources::default(), told: None }
    }

    /// Whether `source` may be answered now.
    pub(crate) fn may_answer(&mut self, now: Mono, source: SocketAddr) -> bool {
        self.sources.take(now, source.ip(), SOURCE_RATE) && self.total.take(now, TOTAL_RATE, 0)
    }

    /// Whether a `query` event may be made now: at most one a second.
    pub(crate) fn may_tell(&mut self, now: Mono) -> bool {
        let due = self.told.is_none_or(|at| now.since(at) >= QUERY_EVENT_EVERY);
        if due {
            self.told = Some(now);
        }
        due
    }
}

/// Whether the source lies in a prefix of the interface on which it came: the TTL proves nothing here, since the
/// known scanner sends any.
pub(crate) fn is_on_link(arrival: &Arrival<'_>, interfaces: &[Interface]) -> bool {
    let here = interfaces.iter().filter(|i| i.index == arrival.interface);
    here.flat_map(|i| &i.addresses).any(|(own, prefix)| match (own, arrival.source.ip()) {
        (IpAddr::V4(own), IpAddr::V4(source)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(*prefix).min(32)).unwrap_or(0);
            own.to_bits() & mask == source.to_bits() & mask
        }
        (IpAddr::V6(own), IpAddr::V6(source)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(*prefix).min(128)).unwrap_or(0);
            own.to_bits() & mask == source.to_bits() & mask
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec};

    #[test]
    fn only_sources_within_a_prefix_of_the_arrival_interface_are_on_link() {
        let interfaces = [Interface {
            index: 2,
            name: String::from("eth0"),
            addresses: vec![("10.1.2.3".parse().unwrap(), 24), ("fe80::1".parse().unwrap(), 64)],
        }];
        let on_link = |source: &str, interface| {
            let arrival = Arrival {
                bytes: &[],
                truncated: false,
                source: source.parse().unwrap(),
                destination: IpAddr::V4(core::net::Ipv4Addr::BROADCAST),
                interface,
                ttl: Some(41),
            };
            is_on_link(&arrival, &interfaces)
        };
        assert!(on_link("10.1.2.200:40000", 2) && on_link("[fe80::99]:626", 2));
        assert!(
            !on_link("10.1.3.200:40000", 2)
                && !on_link("10.1.2.200:40000", 3)
                && !on_link("[2001:db8::1]:626", 2)
        );
    }
}
