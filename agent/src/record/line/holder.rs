//! A holder in the words of a record's line.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serialnumberd_core::{BootId, HolderView, Installation, Instance, Mono, PeerRole};

use super::reading::{address, at_most, is_not, known};
use super::{INTERFACE_NAME_MAX, is_false, is_zero};
use crate::hex;
use crate::status::InterfaceNames;

/// Longest name of a host, and of a fail-over group or its digest in hex: those of datagrams and configuration.
const NAME_MAX: usize = 64;

/// A holder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HolderLine {
    installation: String,
    boot: String,
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    flowinfo: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    interface_index: u32,
    #[serde(default, rename = "self", skip_serializing_if = "is_false")]
    is_self: bool,
    role: String,
    group: String,
    seats: u16,
    interval_s: u16,
    runs: u64,
    since_ms: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    verified: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    proved: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    silent: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    over: bool,
    first_heard_ns: u64,
    last_heard_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_proved_ns: Option<u64>,
}

impl HolderLine {
    pub(crate) fn of(view: &HolderView, names: InterfaceNames<'_>) -> HolderLine {
        let named = |name: &String| !name.is_empty() && name.len() <= INTERFACE_NAME_MAX;
        HolderLine {
            installation: view.instance.installation.to_string(),
            boot: view.instance.boot.to_string(),
            host: view.host.clone(),
            address: view.from.map(|from| from.to_string()),
            flowinfo: view.from.as_ref().map_or(0, flowinfo),
            interface: if view.interface == 0 { None } else { names(view.interface).filter(named) },
            interface_index: view.interface,
            is_self: view.is_self,
            role: view.role.as_str().to_owned(),
            group: view.group.clone(),
            seats: view.seats,
            interval_s: view.interval_s,
            runs: view.runs,
            since_ms: view.since_ms,
            verified: view.verified,
            proved: view.proved,
            silent: view.silent,
            over: view.over,
            first_heard_ns: view.first_heard.0,
            last_heard_ns: view.last_heard.0,
            last_proved_ns: view.last_proved.map(|at| at.0),
        }
    }

    /// The holder; notes what its interface is called.
    pub(crate) fn read(self, interfaces: &mut BTreeMap<u32, String>) -> Result<HolderView, String> {
        at_most(self.host.len(), NAME_MAX, "host", "bytes")?;
        at_most(self.group.len(), NAME_MAX, "group", "bytes")?;
        if let Some(name) = self.interface {
            at_most(name.len(), INTERFACE_NAME_MAX, "interface", "bytes")?;
            if self.interface_index == 0 {
                return Err("its `interface` has no `interface_index`".to_owned());
            }
            interfaces.insert(self.interface_index, name);
        }
        let from = self.address.map(|text| address(&text, self.flowinfo, "address")).transpose()?;
        let installation = hex::read(&self.installation).map(Installation);
        Ok(HolderView {
            instance: Instance {
                installation: installation.ok_or_else(|| is_not("installation", "64 hex digits"))?,
                boot: hex::read(&self.boot).map(BootId).ok_or_else(|| is_not("boot", "16 hex digits"))?,
            },
            from,
            interface: self.interface_index,
            host: self.host,
            group: self.group,
            role: known(Some(&self.role), "role", PeerRole::of_word)?,
            interval_s: self.interval_s,
            seats: self.seats,
            runs: self.runs,
            since_ms: self.since_ms,
            first_heard: Mono(self.first_heard_ns),
            last_heard: Mono(self.last_heard_ns),
            last_proved: self.last_proved_ns.map(Mono),
            is_self: self.is_self,
            verified: self.verified,
            proved: self.proved,
            silent: self.silent,
            over: self.over,
        })
    }
}

/// What the text of an address does not tell.
pub(super) fn flowinfo(address: &SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) => v6.flowinfo(),
    }
}
