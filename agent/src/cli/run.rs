//! `run` and `demo`: from the command line to what the agent starts with.

use std::path::{Path, PathBuf};

use super::args::{DemoArgs, RunArgs};
use super::output::{Ending, Failure};
use crate::config::{Config, ConfigError};
use crate::logging;
use crate::paths::{Environment, Profile};

pub(super) fn run(
    args: RunArgs,
    environment: &Environment,
    agent: fn(Config, Option<&Path>) -> Result<(), String>,
) -> Ending {
    logging::start();
    let record = args.record.clone();
    let config = configuration(args, environment).map_err(|e| Failure::Sentence(e.to_string()))?;
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    agent(config, record.as_deref())?;
    Ok(0)
}

fn configuration(args: RunArgs, environment: &Environment) -> Result<Config, ConfigError> {
    let profile = if args.unprivileged { Profile::Unprivileged } else { Profile::System };
    let config = match (args.config, args.product, args.serial_file) {
        (None, Some(product), Some(serial)) => {
            Config::of_one_license(product, &serial, profile, environment)?
        }
        // Clap has seen to it that there is a file in every other case.
        (file, _, _) => Config::load(&file.unwrap_or_default(), profile, environment)?,
    };
    Ok(Config { plugin_dirs: args.plugin_dir, ..config }.of_own_program())
}

pub(super) fn demo(args: &DemoArgs, demo: fn(&[PathBuf]) -> Result<(), String>) -> Ending {
    demo(&args.plugin_dir)?;
    Ok(0)
}
