//! The words of `directory`.

use std::time::Duration;

use clap::{Args, Subcommand};
use netinfo::path::Path;

const EXAMPLES: &str = "\
A path is /users/alice or /users/uid=501; a backslash takes the next character for itself, and /
is the root. Without --tag the server is asked on its directory's own port, 658; with it on the
port of that tag, as its portmapper and binder tell it, or the directory on 658 where there is no
portmapper.

Exit codes: 0  done   1  no such directory, no server, or a failure   2  wrong usage

Examples:
  serialnumberd directory list /machines
  serialnumberd directory read /users/uid=501 --host server.example --tag network
  serialnumberd directory find /services port=25
  serialnumberd directory dump > network.nidump";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DirectoryCommand {
    /// List the directories in a directory: id and names
    List(DirectoryPathArgs),
    /// Print the properties of a directory
    Read(DirectoryPathArgs),
    /// List the directories in a directory that have a value
    Find(DirectoryFindArgs),
    /// Print a directory and all below it in NetInfo's raw form, which `tree =` reads
    Dump(DirectoryPathArgs),
    /// Print what the server says of itself
    Statistics(DirectoryServer),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DirectoryServer {
    /// Name or address of the server
    #[arg(long, value_name = "HOST[:PORT]", default_value = "localhost")]
    pub(in crate::cli) host: String,
    /// The tag of its domain, such as network or local
    #[arg(long, value_name = "TAG")]
    pub(in crate::cli) tag: Option<String>,
    /// How long to wait for each answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = super::wait)]
    pub(in crate::cli) timeout: Duration,
    /// Print it as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct DirectoryPathArgs {
    /// The directory
    #[arg(default_value = "/", value_parser = Path::parse)]
    pub(in crate::cli) path: Path,
    #[command(flatten)]
    pub(in crate::cli) server: DirectoryServer,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct DirectoryFindArgs {
    /// The directory
    #[arg(value_parser = Path::parse)]
    pub(in crate::cli) path: Path,
    /// A property, and one of its values
    #[arg(value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(in crate::cli) what: (String, String),
    #[command(flatten)]
    pub(in crate::cli) server: DirectoryServer,
}

fn key_and_value(written: &str) -> Result<(String, String), String> {
    let (key, value) = written.split_once('=').ok_or("expected KEY=VALUE, such as uid=501")?;
    Ok((key.to_owned(), value.to_owned()))
}
