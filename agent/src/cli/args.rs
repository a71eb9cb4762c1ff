//! The words of the command line.

mod directory;
mod plugin;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serialnumberd_core::{EvidenceId, Product};

use crate::control::client::Client;
use crate::evidence::id_of_text;
use crate::paths::Environment;

pub(super) use directory::{DirectoryCommand, DirectoryFindArgs, DirectoryPathArgs, DirectoryServer};
pub(super) use plugin::{
    PluginCheckArgs, PluginCommand, PluginInfoArgs, PluginListArgs, PluginReplayArgs, PluginTrialArgs,
};

const EXAMPLES: &str = "\
Examples:
  serialnumberd demo                              see it work, without root and without files
  serialnumberd config init > serialnumberd.toml  a commented configuration to start from
  serialnumberd run -c serialnumberd.toml         the agent, in the foreground
  serialnumberd check xsvr --wait                 may the licensed software run?
  serialnumberd explain xsvr                      who holds this license too, and what to do

Exit codes:
  0  done; check: ALLOW        3  check: WARN   (run, and tell people)
  1  no agent, or a failure    4  check: LIMIT  (run restricted)
  2  wrong usage               5  check: DENY   (do not run)
                               6  check: still probing, ask again

Environment: RUST_LOG=debug logs more; NO_COLOR=1 prints no colors.";

/// Finds two servers on one LAN that use the same serial number
#[derive(Debug, Parser)]
#[command(name = "serialnumberd", version, after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the agent in the foreground; it logs to stderr or to the journal
    Run(RunArgs),
    /// May the licensed software run? The exit code is the answer
    Check(CheckArgs),
    /// What the agent knows: claims, coverage, plugins, counters
    Status(StatusArgs),
    /// The whole story of one license: who holds it, how that is known, what to do
    Explain(ExplainArgs),
    /// Print events as they come
    Watch(WatchArgs),
    /// Announce and ask again now
    Probe(ProbeArgs),
    /// Read the configuration again, as SIGHUP does, and tell what is wrong with it
    Reload(ControlArgs),
    /// Say goodbye on the network and end
    Stop(ControlArgs),
    /// List, show, export and verify the evidence of conflicts
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Ask a host in the classic text format of the original
    Query(QueryArgs),
    /// Read a NetInfo directory, of this host's agent or of any server
    #[command(subcommand)]
    Directory(DirectoryCommand),
    /// List and describe plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Check a configuration, or print one to start from
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Runs a plugin for an agent; started by agents only
    #[command(hide = true)]
    PluginChild,
    /// Three agents in one process on loopback: a duplicate found, told and resolved
    Demo(DemoArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  serialnumberd run -c /etc/serialnumberd/serialnumberd.toml
  serialnumberd run --product xsvr --serial-file ./xsvr.serial --unprivileged

Port 626 takes root or CAP_NET_BIND_SERVICE; the agent never changes its user. Under systemd use
examples/serialnumberd.service. SIGHUP reads the configuration again; SIGTERM and SIGINT say
goodbye on the network and end.

--unprivileged keeps the state in $XDG_STATE_HOME/serialnumberd and the control socket in
$XDG_RUNTIME_DIR/serialnumberd, also where the file spells out the system's port and places;
other values of the file stay. Agents on port 626 do not hear those on 62626.

--record keeps the newest 32 to 64 MiB: FILE.slr, and FILE.slr.1 with what was before. Names and
addresses of hosts are in it. When the disk is full the agent goes on, and the recording has a gap.";

#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["config", "product"]))]
pub(super) struct RunArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", conflicts_with = "serial_file")]
    pub(super) config: Option<PathBuf>,
    /// The product to claim without a file; takes --serial-file
    #[arg(long, value_name = "PRODUCT", value_parser = product, requires = "serial_file")]
    pub(super) product: Option<Product>,
    /// The file that holds the product's serial number (mode 0600)
    #[arg(long, value_name = "FILE", requires = "product")]
    pub(super) serial_file: Option<PathBuf>,
    /// An ordinary user's port 62626 and places, instead of the system's
    #[arg(long)]
    pub(super) unprivileged: bool,
    /// Search plugins here first; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) plugin_dir: Vec<PathBuf>,
    /// Record what plugins are told, for plugin replay; no serial is in it
    #[arg(long, value_name = "FILE.slr")]
    pub(super) record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ControlArgs {
    /// The agent's control socket [default: in /run, then $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "PATH")]
    pub(super) control: Option<PathBuf>,
}

impl ControlArgs {
    /// Connects to the agent.
    pub(super) fn connect(&self, environment: &Environment) -> Result<Client, String> {
        Client::connect(&self.places(environment))
    }

    /// Where to look for the agent, best first.
    pub(super) fn places(&self, environment: &Environment) -> Vec<PathBuf> {
        self.control.clone().map_or_else(|| environment.control_candidates(), |path| vec![path])
    }
}

const CHECK_EXAMPLES: &str = "\
Exit codes:
  0  ALLOW   3  WARN   4  LIMIT   5  DENY   6  still probing
  1  no agent or a failure   2  usage

--wait alone is --wait=10s. It waits for an agent that is still starting, too: where none runs and
none comes, the whole wait goes by before the check fails.

Examples:
  serialnumberd check xsvr --wait
  serialnumberd check xsvr -q
  case $? in 0|3) start;; 4) start --read-only;; *) exit 1;; esac";

#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(super) struct CheckArgs {
    /// The product, such as xsvr
    #[arg(value_parser = product)]
    pub(super) product: Product,
    /// Wait for the agent and the end of its start-up burst, up to 1m
    #[arg(
        long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
        default_missing_value = "10s", value_parser = wait
    )]
    pub(super) wait: Option<Duration>,
    /// Print no verdict: the exit code is enough
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) control: ControlArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print the whole document as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) control: ControlArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The product, such as xsvr
    #[arg(value_parser = product)]
    pub(super) product: Product,
    #[command(flatten)]
    pub(super) control: ControlArgs,
}

#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// Print each event as one line of JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) control: ControlArgs,
}

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// The product; all of them if left out
    #[arg(value_parser = product)]
    pub(super) product: Option<Product>,
    #[command(flatten)]
    pub(super) control: ControlArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum EvidenceCommand {
    /// List what is kept, the newest conflict first
    List(EvidenceListArgs),
    /// Check one and tell what it shows
    Show(EvidenceShowArgs),
    /// Write one to a file, for whoever is to check it
    Export(EvidenceExportArgs),
    /// Check a file: takes no agent, no network and no serial number
    Verify(EvidenceVerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct EvidenceSource {
    /// Read this state directory, where no agent runs
    #[arg(long, value_name = "DIR", conflicts_with = "control")]
    pub(super) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) control: ControlArgs,
}

#[derive(Debug, Args)]
pub(super) struct EvidenceListArgs {
    /// Print it as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) source: EvidenceSource,
}

#[derive(Debug, Args)]
pub(super) struct EvidenceShowArgs {
    /// Its id, 32 hex digits
    #[arg(value_parser = evidence_id)]
    pub(super) id: EvidenceId,
    /// Print what it shows as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) source: EvidenceSource,
}

#[derive(Debug, Args)]
pub(super) struct EvidenceExportArgs {
    /// Its id, 32 hex digits
    #[arg(value_parser = evidence_id)]
    pub(super) id: EvidenceId,
    /// The file to write, which must not exist; - is standard output
    pub(super) file: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) source: EvidenceSource,
}

const VERIFY_EXAMPLES: &str = "\
Exits with 0 only if the file is as its recorder signed it, both signatures of every pair, nonces,
claim and order of times are right, and the holders shown exceed the seats. With the serial number
it also checks that the claim is that serial's, and that all who spoke knew it.

Examples:
  serialnumberd evidence verify conflict.json
  serialnumberd evidence verify conflict.json --serial-file ./xsvr.serial";

#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(super) struct EvidenceVerifyArgs {
    /// The file; - is standard input
    pub(super) file: PathBuf,
    /// The file that holds the license's serial number
    #[arg(long, value_name = "FILE")]
    pub(super) serial_file: Option<PathBuf>,
    /// The fail-over group that all who name one must name
    #[arg(long, value_name = "NAME", requires = "serial_file")]
    pub(super) group: Option<String>,
    /// Print what it shows as JSON
    #[arg(long)]
    pub(super) json: bool,
}

const QUERY_EXAMPLES: &str = "\
Sends SNQUERY: <address>:<token>:<product> and prints the fields of the answer. An agent answers
only with legacy = \"answer\", and only to who is on its own network.

Example:
  serialnumberd query 192.0.2.7 --product xsvr";

#[derive(Debug, Args)]
#[command(after_help = QUERY_EXAMPLES)]
pub(super) struct QueryArgs {
    /// Name or address of the host
    pub(super) host: String,
    /// Its UDP port
    #[arg(long, default_value_t = crate::paths::PORT)]
    pub(super) port: u16,
    /// The product to ask for
    #[arg(long, default_value = "xsvr", value_parser = product)]
    pub(super) product: Product,
    /// How long to wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = wait)]
    pub(super) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Read a configuration the way the agent does, plugins and their options included
    Check(ConfigCheckArgs),
    /// Print a commented configuration
    Init,
}

#[derive(Debug, Args)]
pub(super) struct ConfigCheckArgs {
    /// The configuration file
    pub(super) file: PathBuf,
    /// With the places of run --unprivileged
    #[arg(long)]
    pub(super) unprivileged: bool,
    /// Search plugins here first; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) plugin_dir: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Search the policy plugin here first; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) plugin_dir: Vec<PathBuf>,
}

fn product(text: &str) -> Result<Product, String> {
    Product::new(text).map_err(|e| e.to_string())
}

fn evidence_id(text: &str) -> Result<EvidenceId, String> {
    id_of_text(text)
        .ok_or_else(|| "expected 32 hex digits, as `serialnumberd evidence list` shows them".to_owned())
}

/// A duration that somebody waits: 1 ms to 1 min.
pub(super) fn wait(text: &str) -> Result<Duration, String> {
    let duration =
        humantime::parse_duration(text).map_err(|_| "expected a duration such as 500ms or 10s".to_owned())?;
    let most = Duration::from_millis(u64::from(crate::control::protocol::MAX_WAIT_MS));
    if (Duration::from_millis(1)..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err("expected a duration from 1ms to 1m".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Arguments::try_parse_from(line.split(' ')).map(|a| a.command)
    }

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn usage_errors_exit_with_2() {
        for line in [
            "serialnumberd",
            "serialnumberd run",
            "serialnumberd run --product xsvr",
            "serialnumberd run --serial-file f",
            "serialnumberd run -c f --product xsvr --serial-file f",
            "serialnumberd run -c f --serial-file f",
            "serialnumberd check",
            "serialnumberd check XSVR",
            "serialnumberd check xsvr --wait=2m",
            "serialnumberd check xsvr --wait=soon",
            "serialnumberd statsu",
            "serialnumberd plugin info",
            "serialnumberd plugin check",
            "serialnumberd plugin check f --option mode",
            "serialnumberd plugin check f --json --tap",
            "serialnumberd plugin check f --seed x",
            "serialnumberd plugin replay f",
            "serialnumberd config check",
            "serialnumberd evidence",
            "serialnumberd evidence show",
            "serialnumberd evidence show ../../etc/passwd",
            "serialnumberd evidence show ABCDEF01ABCDEF01ABCDEF01ABCDEF01",
            "serialnumberd evidence export 0123456789abcdef0123456789abcdef",
            "serialnumberd evidence list --state-dir d --control c",
            "serialnumberd evidence verify f --group web",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(parse("serialnumberd --help").unwrap_err().exit_code(), 0);
    }

    #[test]
    fn waiting_takes_an_optional_duration() {
        let waits = |line: &str| match parse(line) {
            Ok(Command::Check(args)) => args.wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(waits("serialnumberd check xsvr"), None);
        assert_eq!(waits("serialnumberd check --wait xsvr"), Some(Duration::from_secs(10)));
        assert_eq!(waits("serialnumberd check xsvr --wait=500ms"), Some(Duration::from_millis(500)));
    }

    #[test]
    fn help_teaches_the_exit_codes_within_100_columns() {
        let help = |line: &str| parse(line).unwrap_err().to_string();
        let top = help("serialnumberd --help");
        for part in ["6  check: still probing", "Examples:", "serialnumberd demo", "explain"] {
            assert!(top.contains(part), "{top}");
        }
        let mut command = Arguments::command();
        command.build();
        let subcommands = command.get_subcommands().map(|sub| sub.get_name().to_owned());
        let nested =
            ["plugin list", "plugin info", "plugin check", "plugin replay", "config check", "config init"]
                .map(str::to_owned);
        let of_evidence = ["list", "show", "export", "verify"].map(|name| format!("evidence {name}"));
        let nested = nested.into_iter().chain(of_evidence);
        for name in subcommands.chain(nested).filter(|name| name != "help") {
            let page = help(&format!("serialnumberd {name} --help"));
            assert!(page.contains("Usage: serialnumberd"), "{page}");
            assert!(page.lines().all(|l| l.chars().count() <= 100), "{page}");
        }
        assert!(top.lines().all(|l| l.chars().count() <= 100), "{top}");
    }
}
