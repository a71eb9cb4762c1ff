//! The document of `status --json`: what an agent says of itself, and what `explain` tells from it.
//!
//! Words are the protocol's lower-case ones and times are RFC 3339 in UTC, both as text, so that an
//! older client shows what a newer agent says.  Every field has a default for the same reason.  This
//! file knows neither engine nor socket.

mod convert;
mod time;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use convert::tests::{SECOND, other_holder};
pub use convert::{InterfaceNames, interface};
pub use time::{parse_rfc3339, rfc3339, wall_ms, wall_time};

use crate::text::clean;

/// The whole document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The agent itself.
    pub agent: AgentStatus,
    /// What is licensed on this host.
    pub claims: Vec<ClaimStatus>,
    /// Claims heard but not held here; empty without `observe = true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryEntry>,
    /// The loaded plugins, in the configuration's order.
    pub plugins: Vec<PluginStatus>,
    /// The directory.
    pub directory: DirectoryStatus,
    /// What became of every datagram.
    pub counters: Counters,
}

/// The agent itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentStatus {
    /// Its version.
    pub version: String,
    /// Its installation's public key, 64 hex digits.
    pub installation: String,
    /// Its boot id, 16 hex digits.
    pub boot: String,
    /// How many times the installation was started.
    pub runs: u64,
    /// The host's name.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// When this document was made: what "ago" and "in" count from.
    pub now: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Its UDP port.
    pub port: u16,
    /// Its state directory.
    pub state_dir: String,
    /// Whether it keeps an inventory of claims that are not held here.
    pub observe: bool,
    /// `off`, `listen` or `answer`.
    pub legacy: String,
    /// What ails it, in sentences; empty if nothing does.
    pub health: Vec<String>,
}

/// A claim held or probed for here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimStatus {
    /// What is licensed.
    pub product: String,
    /// Its claim id, 32 hex digits.
    pub claim: String,
    /// `probing`, `clear`, `suspected`, `conflict` or `duplicate`.
    pub state: String,
    /// Since when it is in this state.
    pub state_since: String,
    /// `abstain`, `allow`, `warn`, `limit` or `deny`.
    pub verdict: String,
    /// Why, for people.
    pub reason: String,
    /// Since when this verdict is in force.
    pub verdict_since: String,
    /// A verdict has been asked for and not yet given.
    pub verdict_pending: bool,
    /// What each plugin that is asked says.
    pub opinions: Vec<Opinion>,
    /// How many instances may hold it; 0 is unlimited.
    pub seats: u16,
    /// How many holders are known, this agent included.
    pub heard: u32,
    /// How many of those are proved, this agent included.
    pub proved: u32,
    /// Its fail-over group; empty is none.
    pub group: String,
    /// `active` or `standby`: this host's role.
    pub role: String,
    /// How many STANDBY holders of the group take no seat.
    pub standbys: u16,
    /// Who on this host holds it: the configuration, programs, or both.  What the first one says is in force.
    pub held_by: Vec<ClaimantStatus>,
    /// Since when this installation holds it.
    pub since: Option<String>,
    /// Its holders in the protocol's order, this agent among them.
    pub holders: Vec<HolderStatus>,
    /// The table of holders is full: there are more than these.
    pub holders_full: bool,
    /// What this agent can hear.
    pub coverage: CoverageStatus,
    /// The conflict, if there is one.
    pub conflict: Option<ConflictStatus>,
    /// What happens next by itself, soonest first.
    pub next: Vec<NextStep>,
}

impl ClaimStatus {
    /// The holders other than this agent.
    pub fn others(&self) -> impl Iterator<Item = &HolderStatus> {
        self.holders.iter().filter(|holder| !holder.is_self)
    }

    /// Who on this host holds it, for people: `the configuration and httpd (pid 42)`.  `None` if that goes without
    /// saying, as the configuration alone does.
    #[must_use]
    pub fn claimants(&self) -> Option<String> {
        /// Who wants all of them finds them in the JSON.
        const SHOWN: usize = 4;
        if self.held_by.iter().all(|claimant| claimant.kind == "configuration") {
            return None;
        }
        let mut names: Vec<String> = self.held_by.iter().take(SHOWN).map(ClaimantStatus::name).collect();
        let more = self.held_by.len().saturating_sub(SHOWN);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        let last = names.pop().unwrap_or_default();
        Some(if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) })
    }
}

/// Who on this host holds a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimantStatus {
    /// `configuration` or `program`.
    pub kind: String,
    /// The program's name, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its process id, as the kernel says; `None` if it is in a container that the agent cannot see into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

impl ClaimantStatus {
    fn name(&self) -> String {
        let name = match (self.kind.as_str(), &self.program) {
            ("configuration", _) => "the configuration".to_owned(),
            (_, Some(program)) => clean(program),
            (kind, None) => format!("a {}", clean(kind)),
        };
        self.pid.map_or_else(|| name.clone(), |pid| format!("{name} (pid {pid})"))
    }
}

/// What one plugin says of a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Opinion {
    /// The plugin's id.
    pub plugin: String,
    /// Its verdict.
    pub verdict: String,
    /// Its reason.
    pub reason: String,
    /// Whether it counts (`require`) or is only shown (`advise`).
    pub counted: bool,
}

/// A holder of a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HolderStatus {
    /// Its installation's public key, 64 hex digits.
    pub installation: String,
    /// Its boot id, 16 hex digits.
    pub boot: String,
    /// Its host's name, empty if it does not tell.
    pub host: String,
    /// From where it was last heard; `None` for this agent.
    pub address: Option<String>,
    /// On which interface; `None` for this agent.
    pub interface: Option<String>,
    /// It is this agent.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// `active` or `standby`.
    pub role: String,
    /// Its fail-over group, or the group's digest in hex if it is another; empty is none.
    pub group: String,
    /// Seats as its license states them.
    pub seats: u16,
    /// Its steady interval in seconds.
    pub interval_s: u16,
    /// How many times it was started; a hint.
    pub runs: u64,
    /// Since when it says to hold the claim; `None` is unknown.
    pub since: Option<String>,
    /// It knows the serial.
    pub verified: bool,
    /// It answered a question of mine in the current conflict's rounds, or in the last round.
    pub proved: bool,
    /// It left a whole round unanswered.
    pub silent: bool,
    /// It is beyond the seats.
    pub over: bool,
    /// When it was first heard; for this agent, since it claims.
    pub first_heard: String,
    /// When it was last heard.
    pub last_heard: String,
    /// When it last answered a question of mine.
    pub last_proved: Option<String>,
}

/// What this agent can hear, in sum and on each interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoverageStatus {
    /// `good`, `none-heard`, `one-way` or `blind`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// How many other installations are heard.
    pub peers: u32,
    /// Why, for people; empty if `good` or `none-heard`.
    pub why: String,
    /// The same of each interface.
    pub interfaces: Vec<InterfaceStatus>,
}

/// What one interface can hear.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// The kernel's index of it.
    pub index: u32,
    /// `good`, `none-heard`, `one-way` or `blind`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// How many other installations are heard on it.
    pub peers: u32,
    /// Why, for people; empty if `good` or `none-heard`.
    pub why: String,
}

/// A conflict that is not resolved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConflictStatus {
    /// Numbers this agent's conflicts from 1.
    pub id: u64,
    /// `copy`, `clone` or `split-brain`.
    pub class: String,
    /// `conflict` or `duplicate`.
    pub stage: String,
    /// When it was first proved.
    pub since: String,
    /// When it was proved again; `None` before stage `duplicate`.
    pub confirmed: Option<String>,
    /// The evidence's id, 32 hex digits.
    pub evidence: String,
    /// The evidence: questions of mine and the signed answers to them, oldest first.
    pub pairs: Vec<EvidencePair>,
}

/// A question that this agent asked, and a signed answer to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidencePair {
    /// Tag of the datagram that asked, 32 hex digits.
    pub question: String,
    /// Tag of the datagram that answered, 32 hex digits.
    pub answer: String,
    /// Who answered: its installation's public key, 64 hex digits.
    pub installation: String,
    /// Its boot id, 16 hex digits.
    pub boot: String,
    /// When the question was sent.
    pub asked: String,
    /// When the answer came.
    pub answered: String,
    /// From which address.
    pub address: String,
    /// On which interface.
    pub interface: String,
    /// 1 for the round that declared the conflict, 2 for the one that confirmed it.
    pub round: u32,
}

/// Something that this agent will do by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NextStep {
    /// When.
    pub at: String,
    /// What, for people, e.g. `all holders heard are asked again`.
    pub what: String,
}

/// A claim that is heard but not held here: unverified, since only a serial's owner can verify.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InventoryEntry {
    /// What is licensed, as the datagram says.
    pub product: String,
    /// Its claim id, 32 hex digits.
    pub claim: String,
    /// Who says so.
    pub holder: HolderStatus,
}

/// The directory on 658.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectoryStatus {
    /// Whether it is served.
    pub enabled: bool,
    /// Its UDP and TCP port.
    pub port: u16,
    /// The domain's tag.
    pub tag: String,
    /// How many directories the tree has that was served last.
    pub directories: u64,
    /// Who may come: networks, or `on-link`.
    pub allow: Vec<String>,
    /// TCP connections that are open.
    pub connections: u64,
    /// Calls answered.
    pub calls: u64,
    /// `off`, `register` or `embedded`.
    pub portmapper: String,
    /// Why it is not served, or not found, for people; empty if all is well.
    pub trouble: String,
    /// Connections taken in.
    pub accepted: u64,
    /// Connections closed at once, since their peer may not come.
    pub refused: u64,
    /// Connections closed for others: the table was full, or their peer had its share.
    pub gave_way: u64,
    /// Connections closed since nothing moved on them.
    pub timed_out: u64,
    /// Datagrams received.
    pub datagrams: u64,
    /// Datagrams left unanswered: too long, or their sender may not come.
    pub datagrams_refused: u64,
}

/// A loaded plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginStatus {
    /// Its id, from its manifest.
    pub id: String,
    /// Its file.
    pub path: String,
    /// Its version.
    pub version: String,
    /// `thread` or `process`.
    pub isolation: String,
    /// The process that it runs in now, if it has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How often its process ended without having been asked to.
    pub crashes: u64,
    /// What of its process's sandbox is in force, and what is not, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sandbox: Vec<String>,
    /// `ignore`, `advise` or `require`.
    pub verdict: String,
    /// `ok`, `slow`, `stalled`, `restarting`, `quarantined` or `failed`.
    pub health: String,
    /// Why, for people; empty if `ok`.
    pub why: String,
    /// How many events it was handed.
    pub delivered: u64,
    /// How many it lost because its queue was full.
    pub lost: u64,
    /// How many wait in its queue.
    pub queued: u64,
    /// What it may do, in the words of `grant`.
    pub granted: Vec<String>,
    /// How many calls into it failed, panics included.
    pub errors: u64,
    /// What the latest failure said.
    pub last_error: Option<String>,
    /// How many of its verdicts came too late.
    pub late: u64,
    /// The longest call so far, in milliseconds.
    pub longest_call_ms: u64,
    /// What it measures itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// Its own status, whatever it makes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

/// What became of every datagram.  `received` is the sum of all fates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Datagrams received.
    pub received: u64,
    /// Each of them by what became of it.
    pub fates: BTreeMap<String, u64>,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that could not be sent.
    pub send_errors: u64,
    /// Datagrams that the kernel dropped since the receive buffer was full.
    pub kernel_drops: u64,
    /// Whatever else is counted, by name.
    #[serde(flatten)]
    pub more: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_names_of_the_document() {
        let status = Status {
            claims: vec![ClaimStatus { holders: vec![HolderStatus::default()], ..ClaimStatus::default() }],
            counters: Counters { more: BTreeMap::from([("rounds".to_owned(), 3)]), ..Counters::default() },
            plugins: vec![PluginStatus::default()],
            ..Status::default()
        };
        let json = serde_json::to_value(&status).unwrap();
        for pointer in [
            "/agent/version",
            "/agent/installation",
            "/agent/uptime_s",
            "/agent/port",
            "/claims/0/product",
            "/claims/0/claim",
            "/claims/0/state",
            "/claims/0/verdict",
            "/claims/0/reason",
            "/claims/0/seats",
            "/claims/0/since",
            "/claims/0/conflict",
            "/claims/0/holders/0/installation",
            "/claims/0/holders/0/boot",
            "/claims/0/holders/0/host",
            "/claims/0/holders/0/address",
            "/claims/0/holders/0/interface",
            "/claims/0/holders/0/self",
            "/claims/0/holders/0/proved",
            "/claims/0/holders/0/over",
            "/claims/0/holders/0/first_heard",
            "/claims/0/holders/0/last_heard",
            "/claims/0/coverage/state",
            "/claims/0/coverage/peers",
            "/claims/0/coverage/interfaces",
            "/plugins/0/id",
            "/plugins/0/path",
            "/plugins/0/health",
            "/plugins/0/delivered",
            "/plugins/0/lost",
            "/counters/received",
            "/counters/fates",
            "/counters/sent",
            "/counters/rounds",
        ] {
            assert!(json.pointer(pointer).is_some(), "{pointer} is missing");
        }
        assert_eq!(serde_json::from_value::<Status>(json).unwrap(), status);
    }

    #[test]
    fn an_older_or_newer_agent_is_understood() {
        let status: Status = serde_json::from_str(r#"{"agent":{"port":626,"new":[1]},"other":{}}"#).unwrap();
        assert_eq!(status.agent.port, 626);
    }
}
