//! What it tells: verdicts that exist, texts that end, a status that is JSON and fits into the room that it is given.

use serde_json::{Map, Value};
use serialnumberd_plugin::abi::{
    SLND_VERDICT_ABSTAIN, SLND_VERDICT_ALLOW, SLND_VERDICT_DENY, SLND_VERDICT_LIMIT, SLND_VERDICT_WARN,
    slnd_decision,
};

use super::{passed, started, told};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::spy::{self, Seen};
use crate::plugin::check::subject::Subject;
use crate::plugin::limits::STATUS_MAX;
use crate::plugin::shared::Message;

const VERDICTS: [u32; 5] =
    [SLND_VERDICT_ABSTAIN, SLND_VERDICT_ALLOW, SLND_VERDICT_WARN, SLND_VERDICT_LIMIT, SLND_VERDICT_DENY];

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let granted = bench.granted;
    let mut subject = started(bench, Shape::SAME, granted)?;
    let answers = told(bench, &mut subject)?;
    let asked: Vec<_> = answers.iter().filter(|answer| answer.asked).collect();
    for answer in &asked {
        well_formed(&answer.decision)?;
    }
    for message in subject.messages() {
        if let Message::Decided { decision, .. } = message {
            known(decision.verdict.0, "decide was called with")?;
        }
    }
    let status = match subject.has_status() {
        true => status(bench, &subject)?,
        false => 0,
    };
    subject.stop();
    subject.destroy();
    if let Some((_, function)) = spy::first(Seen::NoText) {
        let what = format!("{function} was called with a text that is no UTF-8, or with an unknown level");
        return Err(Breach::new(
            "texts",
            what,
            "log UTF-8, with a level of SLND_LOG_ERROR to SLND_LOG_DEBUG",
        ));
    }
    passed(format!("{} answers, a status of {status} bytes", asked.len()))
}

fn known(verdict: u32, where_: &str) -> Result<(), Breach> {
    if VERDICTS.contains(&verdict) {
        return Ok(());
    }
    Err(Breach::new(
        "R6",
        format!("{where_} the verdict {verdict}, which there is not"),
        "use SLND_VERDICT_*",
    ))
}

fn well_formed(decision: &slnd_decision) -> Result<(), Breach> {
    known(decision.verdict, "it answered with")?;
    let bytes: Vec<u8> = decision.reason.iter().map(|c| c.to_ne_bytes()[0]).collect();
    let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
    let wrong = match () {
        () if decision.zero != 0 => "the field zero of its decision is not zero",
        () if text.len() == bytes.len() => "the reason of its decision does not end with a NUL",
        () if std::str::from_utf8(text).is_err() => "the reason of its decision is no UTF-8",
        () => return Ok(()),
    };
    Err(Breach::new("slnd_decision", wrong, "fill it in with slnd_decide"))
}

/// Asked with room for nothing, for one byte too few, for just enough and for plenty.
fn status(bench: &mut Bench, subject: &Subject) -> Result<usize, Breach> {
    let wrong = |what: String| {
        Breach::new(
            "status",
            what,
            "set *need to the bytes of one JSON object, and write only if cap suffices",
        )
    };
    let (need, _) = subject.status(bench, 0)?;
    if need > STATUS_MAX {
        return Err(wrong(format!("its status takes {need} bytes; the agent takes {STATUS_MAX}")));
    }
    for cap in [need.saturating_sub(1), need, STATUS_MAX] {
        let (needs_now, room) = subject.status(bench, cap)?;
        if needs_now > cap {
            if room.iter().any(|b| *b != 0xA5) {
                return Err(wrong(format!(
                    "it wrote into a room of {cap} bytes, which it had said is too small"
                )));
            }
            continue;
        }
        let text = room.get(..needs_now).unwrap_or_default();
        if serde_json::from_slice::<Map<String, Value>>(text).is_err() {
            let shown = String::from_utf8_lossy(text.get(..60).unwrap_or(text)).into_owned();
            return Err(wrong(format!("its status is no JSON object: {}", crate::text::clean(&shown))));
        }
    }
    Ok(need)
}
