//! `config check` and `config init`.

use std::io::Write as _;

use super::args::{ConfigCheckArgs, ConfigCommand};
use super::output::{Ending, Failure, standard};
use crate::config::{Config, TEMPLATE};
use crate::paths::{Environment, Profile};
use crate::text::count;

pub(super) fn configuration(command: &ConfigCommand, environment: &Environment) -> Ending {
    match command {
        ConfigCommand::Init => {
            standard().0.write_all(TEMPLATE.as_bytes())?;
            Ok(0)
        }
        ConfigCommand::Check(args) => check(args, environment),
    }
}

fn check(args: &ConfigCheckArgs, environment: &Environment) -> Ending {
    let profile = if args.unprivileged { Profile::Unprivileged } else { Profile::System };
    let config = Config::load(&args.file, profile, environment)
        .map_err(|errors| Failure::Sentence(errors.to_string()))?;
    let config = Config { plugin_dirs: args.plugin_dir.clone(), ..config }.of_own_program();
    config.check_plugins().map_err(|problem| Failure::Sentence(problem.to_string()))?;
    let (mut out, _) = standard();
    for warning in &config.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let counted = |n: usize, what: &str| count(u64::try_from(n).unwrap_or(u64::MAX), what);
    writeln!(
        out,
        "{}: good: {}, {}",
        args.file.display(),
        counted(config.licenses.len(), "license"),
        counted(config.plugins.len(), "plugin")
    )?;
    Ok(0)
}
