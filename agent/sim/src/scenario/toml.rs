//! A scenario as its TOML file says it: words only.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::{Bond, CryptoKind, Family, Guard, Temper};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) title: String,
    pub(super) length: String,
    /// For the reader only.
    #[serde(default)]
    #[allow(dead_code, reason = "a note is for whoever reads the file")]
    pub(super) note: String,
    #[serde(default)]
    pub(super) crypto: CryptoKind,
    #[serde(default)]
    pub(super) long: bool,
    pub(super) seeds_at_most: Option<u64>,
    #[serde(default)]
    pub(super) settings: SettingsPart,
    #[serde(default)]
    pub(super) segment: BTreeMap<String, SegmentPart>,
    #[serde(default)]
    pub(super) nat: Vec<NatPart>,
    #[serde(default)]
    pub(super) license: BTreeMap<String, LicensePart>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    #[serde(default)]
    pub(super) host: Vec<HostPart>,
    #[serde(default)]
    pub(super) truth: Vec<(String, String)>,
    #[serde(default)]
    pub(super) story: Vec<(String, String)>,
    #[serde(default)]
    pub(super) must_not_accuse: bool,
    pub(super) must_detect: Option<DetectPart>,
    pub(super) must_resolve: Option<String>,
    #[serde(default)]
    pub(super) must_say: Vec<(String, String, String)>,
    /// Datagrams a host, over the whole length.
    pub(super) must_send_at_most: Option<u64>,
    #[serde(default)]
    pub(super) guards: Vec<Guard>,
    pub(super) compose: Option<ComposePart>,
    #[serde(default)]
    pub(super) fault: Vec<FaultPart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct SettingsPart {
    pub(super) interval: Option<String>,
    pub(super) confirm_after: Option<String>,
    pub(super) expect_peers: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct SegmentPart {
    pub(super) ip: Family,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NatPart {
    pub(super) inside: String,
    pub(super) outside: String,
    /// The host inside that port 626 of the outer address leads to.
    pub(super) publish: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LicensePart {
    pub(super) product: String,
    pub(super) serial: String,
    pub(super) seats: u16,
    pub(super) standbys: u16,
    pub(super) group: String,
    /// Every host that names it gets one of its own.
    pub(super) each: bool,
}

impl Default for LicensePart {
    fn default() -> LicensePart {
        let product = "xsvr".to_owned();
        LicensePart {
            product,
            serial: String::new(),
            seats: 1,
            standbys: 0,
            group: String::new(),
            each: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HostPart {
    pub(super) name: String,
    pub(super) count: Option<usize>,
    #[serde(default)]
    pub(super) licenses: Vec<String>,
    #[serde(default)]
    pub(super) on: Vec<String>,
    #[serde(default)]
    pub(super) bond: Bond,
    #[serde(default)]
    pub(super) standby: bool,
    #[serde(default)]
    pub(super) temper: Temper,
    #[serde(default)]
    pub(super) peers: Vec<IpAddr>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DetectPart {
    pub(super) within: String,
    pub(super) most_within: Option<String>,
    pub(super) confirm: Option<String>,
    pub(super) after: Option<String>,
    pub(super) class: Option<String>,
    pub(super) hosts: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ComposePart {
    pub(super) faults: (usize, usize),
    pub(super) from: String,
    pub(super) until: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FaultPart {
    pub(super) name: String,
    pub(super) story: Vec<(String, String)>,
}

/// A file of faults.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Faults {
    pub(super) fault: Vec<FaultPart>,
}
