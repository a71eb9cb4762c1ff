//! The configuration: one strict reading of the file into valid values.
//!
//! Owns the names of the file, their defaults, their limits and the sentences about their mistakes.  It
//! opens the configuration and the serial files and nothing else; whoever holds a [`Config`] checks nothing again.

mod agent;
mod directory;
mod document;
mod license;
mod load;
mod plugin;
mod problem;
pub(crate) mod regular;
mod reload;
mod sandbox;
mod serial;
#[cfg(test)]
mod tests;
mod value;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serialnumberd_core::Product;

pub use agent::LONGEST_STOP;
pub(crate) use license::check_group;
pub use problem::{ConfigError, Problem};
pub use serial::SerialText;
pub use serialnumberd_core::Legacy;

pub use crate::plugin::{Isolation, Sandbox, VerdictUse};

use crate::paths::Profile;

/// The file that `config init` prints: every key with its default and what it is for.
pub const TEMPLATE: &str = include_str!("../../../examples/serialnumberd.toml");

/// A whole configuration, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it came from; `None` if from the command line alone.
    pub path: Option<PathBuf>,
    /// Whose defaults it started from.
    pub profile: Profile,
    /// `[agent]`.
    pub agent: AgentConfig,
    /// `[directory]`.
    pub directory: DirectoryConfig,
    /// `[[license]]`, in the file's order; no product twice.
    pub licenses: Vec<LicenseConfig>,
    /// `[[plugin]]`, in the file's order.
    pub plugins: Vec<PluginConfig>,
    /// `--plugin-dir`: where plugins are searched first; empty from a file.
    pub plugin_dirs: Vec<PathBuf>,
    /// The program that runs plugins in processes of their own where `plugin_helper` names none: this one, if it is
    /// `serialnumberd`; a program that embeds an agent has none.
    pub own_program: Option<PathBuf>,
    /// What is allowed but unwise; to be logged by whoever uses the configuration.
    pub warnings: Vec<Problem>,
}

/// `[agent]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// Where keys, run counter and evidence are kept.
    pub state_dir: PathBuf,
    /// The control socket.
    pub control: PathBuf,
    /// The UDP port of announcements.
    pub port: u16,
    /// Which interfaces fit: names, or patterns with `*` and `?`.
    pub interfaces: Vec<String>,
    /// The steady interval between announcements; whole seconds, 1 s to 1 h as in the datagram.
    pub interval: Duration,
    /// How much later a second round must confirm a conflict; 1 s to 1 h.
    pub confirm_after: Duration,
    /// What becomes of the classic text format.
    pub legacy: Legacy,
    /// Keep an inventory of claims that are not held here.
    pub observe: bool,
    /// Where plugins named without a folder are searched, after `--plugin-dir`.
    pub plugin_dir: Option<PathBuf>,
    /// The program that plugins in processes of their own run in.
    pub plugin_helper: Option<PathBuf>,
    /// How long a stop waits for plugins.
    pub stop_timeout: Duration,
    /// What a late or dead policy leaves in force.
    pub on_policy_failure: OnPolicyFailure,
    /// Take datagrams of the announcement protocol only with TTL 255.
    pub on_link_only: bool,
    /// Users who may use the control socket, beside root and the agent's own.
    pub control_uids: Vec<u32>,
    /// Groups whose members may use the control socket.
    pub control_gids: Vec<u32>,
    /// Fewer peers heard than this is coverage `blind`.
    pub expect_peers: u32,
    /// Tell the host's name in announcements.
    pub announce_host: bool,
    /// Bind this address only.
    pub address: Option<IpAddr>,
    /// Who gets unicast copies of every ANNOUNCE and GOODBYE.
    pub peers: Vec<SocketAddr>,
}

/// `[directory]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryConfig {
    /// Whether there is a directory; `None` leaves it to whoever starts the agent: on in a program of its own, off in
    /// somebody else's.
    pub enabled: Option<bool>,
    /// The UDP and TCP port.
    pub port: u16,
    /// The domain's tag.
    pub tag: String,
    /// Serve the tag `local`, too, on loopback and its own port.
    pub local: bool,
    /// Answer reads over UDP to on-link peers.
    pub udp_reads: bool,
    /// Who may come.
    pub allow: Vec<Allowed>,
    /// How clients find the port.
    pub portmapper: Portmapper,
    /// A raw dump that is served in place of what the agent knows.
    pub tree: Option<PathBuf>,
}

/// Who may come to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Who is in a network of an interface that the agent uses.
    OnLink,
    /// Who is in this network.
    Network {
        /// Its address; the bits behind the prefix are 0.
        address: IpAddr,
        /// How many of its bits count.
        prefix: u8,
    },
}

/// Whether the first `prefix` bits are equal; addresses of two families never are.
pub(crate) fn same_network(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let prefix = u32::from(prefix);
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= prefix,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= prefix,
        _ => false,
    }
}

impl Allowed {
    /// How the configuration calls the first of them.
    pub const ON_LINK: &str = "on-link";

    /// Whether the bits behind the prefix are 0.
    fn is_whole(self) -> bool {
        match self {
            Allowed::OnLink => true,
            Allowed::Network { address: IpAddr::V4(v4), prefix } => {
                v4.to_bits().trailing_zeros() + u32::from(prefix) >= 32
            }
            Allowed::Network { address: IpAddr::V6(v6), prefix } => {
                v6.to_bits().trailing_zeros() + u32::from(prefix) >= 128
            }
        }
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Allowed::OnLink => f.write_str(Allowed::ON_LINK),
            Allowed::Network { address, prefix } => write!(f, "{address}/{prefix}"),
        }
    }
}

/// How clients find the directory's port (`portmapper`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Portmapper {
    /// They know it.
    #[default]
    Off,
    /// From this host's rpcbind.
    Register,
    /// From the agent itself, on UDP 111.
    Embedded,
}

impl Portmapper {
    /// How the configuration calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Portmapper::Off => "off",
            Portmapper::Register => "register",
            Portmapper::Embedded => "embedded",
        }
    }
}

/// What a late or dead policy leaves in force (`on_policy_failure`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPolicyFailure {
    /// The last verdict.
    #[default]
    Keep,
    /// DENY.
    Deny,
}

/// `[[license]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseConfig {
    /// What is licensed.
    pub product: Product,
    /// Its serial number: a secret.
    pub serial: SerialText,
    /// How many instances may hold it at once; 0 is unlimited.
    pub seats: u16,
    /// Its fail-over group; empty is none.
    pub group: String,
    /// This host waits to take over instead of serving.
    pub standby: bool,
    /// How many STANDBY holders of the group take no seat.
    pub standbys: u16,
}

/// `[[plugin]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// An absolute path, or a bare file name that is searched in the plugin directories.
    pub path: PathBuf,
    /// Where its code runs.
    pub isolation: Isolation,
    /// `[plugin.sandbox]`.
    pub sandbox: Sandbox,
    /// What its verdicts are worth.
    pub verdict: VerdictUse,
    /// Names of what it may do, each a known one.
    pub grant: Vec<String>,
    /// `[plugin.options]`, in the file's order, for the plugin's own table of options to check.
    pub options: Vec<PluginOption>,
    /// The options are texts that a program gave: their types are the plugin's own table's matter.
    pub texts: bool,
    /// Line of its `[[plugin]]` in the file, from 1.
    pub line: usize,
}

/// One line of `[plugin.options]`.
#[derive(Clone, PartialEq)]
pub struct PluginOption {
    /// Its name.
    pub key: String,
    /// Its value, of whatever type the file gives it.
    pub value: toml::Value,
    /// Line of its key in the file, from 1.
    pub line: usize,
    /// Column of its key, in characters, from 1.
    pub column: usize,
}
