//! The command line: reads it, and runs the command.
//!
//! Owns the words of `--help`, the text that commands print, and the exit codes.  What the agent itself does,
//! `run` and `demo`, is given to [`dispatch`] as functions.

mod args;
mod ask;
mod check;
mod configuration;
mod directory;
mod evidence;
mod exhibit;
mod explain;
#[cfg(test)]
mod man;
mod mending;
mod output;
mod plugin;
mod query;
mod replay;
mod run;
mod status;
#[cfg(test)]
mod tests;
mod validate;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;

use crate::config::Config;
use crate::paths::Environment;
use crate::status::Status;
use crate::text::Palette;
use args::{Arguments, Command};
use output::{Ending, exit_code};

/// The two commands that are an agent.
#[derive(Clone, Copy, Debug)]
pub struct Commands {
    /// Runs an agent until it is stopped; it may record to a file.
    pub run: fn(Config, Option<&Path>) -> Result<(), String>,
    /// Shows three agents in one process; searches the policy plugin in these directories.
    pub demo: fn(&[PathBuf]) -> Result<(), String>,
}

/// Runs the command that `arguments` name, the program's own name first.
#[must_use]
pub fn dispatch(arguments: impl IntoIterator<Item = OsString>, commands: Commands) -> ExitCode {
    match Arguments::try_parse_from(arguments) {
        Ok(parsed) => exit_code(run_command(parsed.command, commands)),
        Err(error) => {
            // Help goes to stdout and is no failure; printing fails only where nobody reads.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// What `status` and `explain` print of a document where there are no colors: the pages that show people what
/// strangers said on the network.
#[must_use]
pub fn pages(status: &Status) -> Vec<String> {
    let palette = Palette::default();
    let told = status.claims.iter().map(|claim| explain::render(palette, status, claim));
    std::iter::once(status::render(palette, status)).chain(told).collect()
}

fn run_command(command: Command, commands: Commands) -> Ending {
    let environment = Environment::of_this_process();
    match command {
        Command::Run(args) => run::run(args, &environment, commands.run),
        Command::Check(args) => check::check(&args, &environment),
        Command::Status(args) => status::status(&args, &environment),
        Command::Explain(args) => explain::explain(&args, &environment),
        Command::Watch(args) => watch::watch(&args, &environment),
        Command::Probe(args) => ask::probe(&args, &environment),
        Command::Reload(args) => ask::reload(&args, &environment),
        Command::Stop(args) => ask::stop(&args, &environment),
        Command::Evidence(command) => evidence::evidence(&command, &environment),
        Command::Query(args) => query::query(&args),
        Command::Directory(command) => directory::directory(&command),
        Command::Plugin(command) => plugin::plugin(&command, &environment),
        Command::Config(command) => configuration::configuration(&command, &environment),
        Command::PluginChild => crate::plugin::run_child().map(|()| 0).map_err(output::Failure::Sentence),
        Command::Demo(args) => run::demo(&args, commands.demo),
    }
}
