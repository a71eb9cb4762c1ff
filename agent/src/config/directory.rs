//! `[directory]`: its defaults and its keys.

use std::net::IpAddr;

use super::document::Section;
use super::value::{boolean, list, number16, text, word};
use super::{Allowed, DirectoryConfig, Portmapper};
use crate::paths::{self, Profile};

/// A tag is a part of `host/tag`; the binder's clients take no more.
const LONGEST_TAG: usize = 64;
/// Networks that are let in; each is compared with every peer that comes.
const MOST_NETWORKS: usize = 64;

impl DirectoryConfig {
    /// What holds without a file.
    #[must_use]
    pub fn defaults(profile: Profile) -> DirectoryConfig {
        DirectoryConfig {
            enabled: None,
            port: match profile {
                Profile::System => paths::DIRECTORY_PORT,
                Profile::Unprivileged => paths::UNPRIVILEGED_DIRECTORY_PORT,
            },
            tag: "network".to_owned(),
            local: false,
            udp_reads: true,
            allow: vec![
                Allowed::Network { address: IpAddr::from([127, 0, 0, 0]), prefix: 8 },
                Allowed::Network { address: std::net::Ipv6Addr::LOCALHOST.into(), prefix: 128 },
                Allowed::OnLink,
            ],
            portmapper: Portmapper::Off,
            tree: None,
        }
    }
}

/// Reads `[directory]` over the profile's defaults.
pub(super) fn read(mut section: Section<'_, '_>, profile: Profile) -> DirectoryConfig {
    let mut directory = DirectoryConfig::defaults(profile);
    let s = &mut section;
    s.set("enabled", &mut directory.enabled, |v| boolean(v).map(Some));
    s.set("port", &mut directory.port, number16(1));
    if profile == Profile::Unprivileged && directory.port == paths::DIRECTORY_PORT {
        directory.port = paths::UNPRIVILEGED_DIRECTORY_PORT;
    }
    s.set("tag", &mut directory.tag, tag);
    s.set("local", &mut directory.local, boolean);
    s.set("udp_reads", &mut directory.udp_reads, boolean);
    s.set("allow", &mut directory.allow, |v| {
        let networks = list(allowed)(v)?;
        if networks.len() > MOST_NETWORKS {
            return Err(format!("at most {MOST_NETWORKS} networks; there are {}", networks.len()));
        }
        Ok(networks)
    });
    let portmappers = [Portmapper::Off, Portmapper::Register, Portmapper::Embedded].map(|p| (p.as_str(), p));
    s.set("portmapper", &mut directory.portmapper, word(&portmappers));
    let document = s.document;
    s.set("tree", &mut directory.tree, |v| {
        let written = text(v)?;
        if written.is_empty() {
            Err("a path is not empty".to_owned())
        } else {
            Ok(Some(document.resolve(&written)))
        }
    });
    section.finish();
    directory
}

fn tag(value: &toml::de::DeValue<'_>) -> Result<String, String> {
    let tag = text(value)?;
    let is_good = |c: char| c.is_ascii_graphic() && c != '/';
    if tag.is_empty()
        || tag.len() > LONGEST_TAG
        || !tag.chars().all(is_good)
        || matches!(tag.as_str(), "." | "..")
    {
        return Err(format!(
            "a tag has 1 to {LONGEST_TAG} characters of ASCII without white space and '/', such as \"network\""
        ));
    }
    if tag == "local" {
        return Err("the tag \"local\" is served with `local = true`".to_owned());
    }
    Ok(tag)
}

/// `on-link`, an address, or a network such as `192.0.2.0/24`.
fn allowed(value: &toml::de::DeValue<'_>) -> Result<Allowed, String> {
    let written = text(value)?;
    if written == Allowed::ON_LINK {
        return Ok(Allowed::OnLink);
    }
    let bad = || {
        format!("expected \"on-link\" or a network such as \"192.0.2.0/24\" or \"::1\", found \"{written}\"")
    };
    let (address, prefix) = written.split_once('/').map_or((written.as_str(), None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(longest), |p| p.parse().map_err(|_| bad()))?;
    let network = Allowed::Network { address, prefix };
    if prefix > longest {
        return Err(bad());
    }
    if !network.is_whole() {
        return Err(format!("\"{written}\" has bits behind its prefix: it is one host or a mistake"));
    }
    Ok(network)
}
