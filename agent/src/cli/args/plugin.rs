//! The words of `plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PluginCommand {
    /// List the plugins in the plugin directories; no code of theirs is run
    List(PluginListArgs),
    /// Describe one plugin and its options; the file is loaded for it
    Info(PluginInfoArgs),
    /// Try a plugin against every rule of the ABI, in processes of its own
    Check(PluginCheckArgs),
    /// Play a recording into a plugin, and print its verdicts
    Replay(PluginReplayArgs),
    /// One trial of `check`, in the process that it is to be run in
    #[command(hide = true)]
    Trial(PluginTrialArgs),
}

const PLUGIN_CHECK_EXAMPLES: &str = "\
Exit codes:
  0  it passed every check   1  it failed one, named with its rule   2  it could not be run

Each check runs the plugin in a process of its own, with limits of time and memory: events lie
before pages that may not be touched, hosts are older and newer, permissions are denied, a thousand
instances come and go. No agent needs to run. Only what the plugin itself does reaches the network.

What chance draws comes from a seed, which is printed; --seed draws the same again.

Examples:
  serialnumberd plugin check ./libgate.so
  serialnumberd plugin check ./libgate.so --option token=x --grant verdict --tap";

#[derive(Debug, Args)]
#[command(after_help = PLUGIN_CHECK_EXAMPLES)]
pub(in crate::cli) struct PluginCheckArgs {
    /// Its file, or its name in a plugin directory
    pub(in crate::cli) file: PathBuf,
    /// Draw what an earlier run drew
    #[arg(long, value_name = "N")]
    pub(in crate::cli) seed: Option<u64>,
    /// Print one JSON document
    #[arg(long, conflicts_with = "tap")]
    pub(in crate::cli) json: bool,
    /// Print TAP version 14, as test harnesses read it
    #[arg(long)]
    pub(in crate::cli) tap: bool,
    #[command(flatten)]
    pub(in crate::cli) setting: PluginSettingArgs,
    #[command(flatten)]
    pub(in crate::cli) search: PluginListArgs,
}

/// How a plugin is set up without a configuration file.
#[derive(Debug, Args)]
pub(in crate::cli) struct PluginSettingArgs {
    /// Grant these permissions only, not all that it asks for; may be repeated
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    pub(in crate::cli) grant: Option<Vec<String>>,
    /// Set one of its options; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(in crate::cli) option: Vec<(String, String)>,
}

const REPLAY_EXAMPLES: &str = "\
Prints a line for each verdict: the number of the record that asked (or @ and the seconds since
the recording began, where the plugin decided by itself), product, verdict and reason. The plugin's
clock is the recording's, its state directory is empty at first, and it is told that this is a
replay. What is printed is the same each time, but for plugins with threads of their own.

Exit codes: 0  played, and as expected   1  not as expected, or a failure   2  wrong usage

Examples:
  serialnumberd run -c serialnumberd.toml --record incident.slr
  serialnumberd plugin replay incident.slr libslnd_policy.so --option mode=strict > strict.verdicts
  serialnumberd plugin replay incident.slr ./libmine.so --expect strict.verdicts";

#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXAMPLES)]
pub(in crate::cli) struct PluginReplayArgs {
    /// The recording
    pub(in crate::cli) recording: PathBuf,
    /// The plugin's file, or its name in a plugin directory
    pub(in crate::cli) file: PathBuf,
    /// Compare with these lines; empty ones and # comments do not count
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) expect: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) setting: PluginSettingArgs,
    #[command(flatten)]
    pub(in crate::cli) search: PluginListArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PluginTrialArgs {
    /// Where the trial's job lies
    pub(in crate::cli) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PluginListArgs {
    /// Search here first; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) plugin_dir: Vec<PathBuf>,
    /// Search in the plugin_dir of this configuration, not in the system's
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PluginInfoArgs {
    /// Its file, or its name in a plugin directory
    pub(in crate::cli) file: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) search: PluginListArgs,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, as in mode=strict")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
