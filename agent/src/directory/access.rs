//! Who may come to the directory, and who is on link.

use std::net::IpAddr;

use serialnumberd_core::Interface;

use crate::config::{Allowed, same_network};

/// What is allowed, and the networks that are on link now.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    allow: Vec<Allowed>,
    /// Interface, address and prefix.
    links: Vec<(u32, IpAddr, u8)>,
}

impl Access {
    pub(super) fn set_allow(&mut self, allow: &[Allowed]) {
        self.allow = allow.to_vec();
    }

    pub(super) fn set_links<'l>(&mut self, links: impl Iterator<Item = &'l Interface>) {
        let all = links
            .flat_map(|link| link.addresses.iter().map(|&(address, prefix)| (link.index, address, prefix)));
        self.links = all.collect();
    }

    /// Whether a peer is let in.
    pub(super) fn admits(&self, peer: IpAddr) -> bool {
        self.allow.iter().any(|allowed| match *allowed {
            Allowed::OnLink => self.is_near(peer),
            Allowed::Network { address, prefix } => same_network(peer, address, prefix),
        })
    }

    /// Whether a peer is this host, or in a network of an interface.
    fn is_near(&self, peer: IpAddr) -> bool {
        peer.is_loopback()
            || self.links.iter().any(|&(_, address, prefix)| same_network(peer, address, prefix))
    }

    /// Whether a datagram's sender is on the link by which it came: a forged address of another link is not.
    pub(super) fn is_on_link(&self, peer: IpAddr, interface: u32) -> bool {
        let is_own = self.links.iter().any(|&(_, address, _)| address == peer);
        peer.is_loopback()
            || is_own
            || self
                .links
                .iter()
                .any(|&(index, address, prefix)| index == interface && same_network(peer, address, prefix))
    }

    /// The networks that are let in, as the property `trusted_networks` has them.
    pub(super) fn networks(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for allowed in &self.allow {
            match allowed {
                Allowed::Network { .. } => all.push(allowed.to_string()),
                Allowed::OnLink => {
                    all.extend(self.links.iter().map(|&(_, address, prefix)| network(address, prefix)))
                }
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|network| seen.insert(network.clone()));
        all
    }
}

fn network(address: IpAddr, prefix: u8) -> String {
    let host_bits = |all: u32| all.saturating_sub(u32::from(prefix));
    let address: IpAddr = match address {
        IpAddr::V4(v4) => {
            let bits = u64::from(v4.to_bits()) >> host_bits(32) << host_bits(32);
            std::net::Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(0)).into()
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits().checked_shr(host_bits(128)).unwrap_or(0);
            std::net::Ipv6Addr::from_bits(bits.checked_shl(host_bits(128)).unwrap_or(0)).into()
        }
    };
    Allowed::Network { address, prefix }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(allow: &[Allowed]) -> Access {
        let mut access = Access::default();
        access.set_allow(allow);
        let link = |index, addresses: &[(&str, u8)]| Interface {
            index,
            name: format!("eth{index}"),
            addresses: addresses
                .iter()
                .map(|(address, prefix)| (address.parse().unwrap(), *prefix))
                .collect(),
        };
        let links = [link(2, &[("10.5.0.1", 24), ("fe80::1", 64)]), link(3, &[("10.6.0.1", 16)])];
        access.set_links(links.iter());
        access
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_is_allowed_comes_in_and_nobody_else() {
        let near = access(&[Allowed::OnLink]);
        for (peer, may) in
            [("10.5.0.9", true), ("10.6.9.9", true), ("10.5.1.9", false), ("fe80::9", true), ("::1", true)]
        {
            assert_eq!(near.admits(ip(peer)), may, "{peer}");
        }
        let one = access(&[Allowed::Network { address: ip("192.0.2.0"), prefix: 24 }]);
        assert!(one.admits(ip("192.0.2.77")) && !one.admits(ip("10.5.0.9")) && !one.admits(ip("127.0.0.1")));
        assert!(!access(&[]).admits(ip("127.0.0.1")));
        assert!(access(&[Allowed::Network { address: ip("0.0.0.0"), prefix: 0 }]).admits(ip("8.8.8.8")));
    }

    #[test]
    fn on_link_is_said_of_the_link_by_which_a_datagram_came() {
        let access = access(&[Allowed::OnLink]);
        assert!(access.is_on_link(ip("10.5.0.9"), 2));
        assert!(!access.is_on_link(ip("10.5.0.9"), 3));
        assert!(!access.is_on_link(ip("10.7.0.9"), 3));
        // This host's own calls come by loopback.
        assert!(access.is_on_link(ip("10.5.0.1"), 1));
    }

    #[test]
    fn the_networks_are_told_whole_and_once() {
        let allow = [Allowed::Network { address: ip("10.6.0.0"), prefix: 16 }, Allowed::OnLink];
        assert_eq!(access(&allow).networks(), ["10.6.0.0/16", "10.5.0.0/24", "fe80::/64"]);
    }
}
