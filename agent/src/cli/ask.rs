//! `probe`, `reload` and `stop`: short questions with short answers.

use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::args::{ControlArgs, ProbeArgs};
use super::output::{Ending, standard};
use crate::config::LONGEST_STOP;
use crate::control::protocol::{ReloadAnswer, Request};
use crate::paths::Environment;

/// A reload derives the keys of new licenses, 30 ms each and 64 at most, and waits for plugins.
const RELOAD_TAKES: Duration = Duration::from_secs(30);

pub(super) fn probe(args: &ProbeArgs, environment: &Environment) -> Ending {
    let mut agent = args.control.connect(environment)?;
    let _: Value = agent.ask(&Request::Probe { product: args.product }, Duration::ZERO)?;
    let (mut out, _) = standard();
    let what = args.product.map_or("all licenses".to_owned(), |product| product.to_string());
    writeln!(out, "probing {what}; `serialnumberd watch` shows what comes of it")?;
    Ok(0)
}

pub(super) fn reload(args: &ControlArgs, environment: &Environment) -> Ending {
    let answer: ReloadAnswer = args.connect(environment)?.ask(&Request::Reload, RELOAD_TAKES)?;
    let (mut out, _) = standard();
    for warning in &answer.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(out, "reloaded")?;
    Ok(0)
}

pub(super) fn stop(args: &ControlArgs, environment: &Environment) -> Ending {
    // The answer comes when all plugins have stopped.
    let _: Value = args.connect(environment)?.ask(&Request::Stop, LONGEST_STOP)?;
    let (mut out, _) = standard();
    writeln!(out, "stopped")?;
    Ok(0)
}
