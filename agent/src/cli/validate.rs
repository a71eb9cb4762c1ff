//! `plugin check`: what the validator found, for people, as JSON and as TAP.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use super::args::{PluginCheckArgs, PluginTrialArgs};
use super::output::{Ending, FAILURE, Failure, standard};
use super::plugin;
use crate::logging;
use crate::paths::Environment;
use crate::plugin::check::{self, Finding, Outcome, Request};
use crate::text::{Palette, Tone, clean, count, wrap};

/// The check itself could not be run.
const NOT_RUN: u8 = 2;

pub(super) fn check(args: &PluginCheckArgs, environment: &Environment) -> Ending {
    let interrupted = Arc::new(AtomicUsize::new(0));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let number = usize::try_from(signal).unwrap_or(0);
        flag::register_usize(signal, Arc::clone(&interrupted), number)
            .map_err(|e| format!("signals cannot be received: {e}"))?;
    }
    let ending = try_all(args, environment, &interrupted);
    // All that it made is gone by now: ends as if the signal had not been received.
    if let Some(signal) = i32::try_from(interrupted.load(Ordering::Acquire)).ok().filter(|n| *n != 0) {
        low_level::emulate_default_handler(signal)?;
    }
    match ending {
        // Neither passed nor failed.
        Err(Failure::Sentence(sentence)) => {
            logging::failure(&sentence);
            Ok(NOT_RUN)
        }
        ending => ending,
    }
}

fn try_all(args: &PluginCheckArgs, environment: &Environment, interrupted: &AtomicUsize) -> Ending {
    let file = plugin::locate(&args.file, &args.search, environment)?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(|e| format!("there is no randomness: {e}; name a --seed"))?,
    };
    let program =
        std::env::current_exe().map_err(|e| format!("this program does not know its own file: {e}"))?;
    let request = Request {
        file: file.clone(),
        program,
        seed,
        grant: args.setting.grant.clone(),
        options: args.setting.option.clone(),
    };
    let (mut out, palette) = standard();
    let is_text = !args.json && !args.tap;
    if is_text {
        out.write_all(head(&file, seed).as_bytes())?;
    }
    // Shown as they come: the whole takes seconds.
    let mut unwritten = Ok(());
    let findings = check::check(&request, interrupted, |finding| {
        if is_text && unwritten.is_ok() {
            unwritten = out.write_all(line(palette, finding).as_bytes()).and_then(|()| out.flush());
        }
    });
    unwritten?;
    let findings = findings?;
    let text = match (args.json, args.tap) {
        (true, _) => format!("{:#}\n", document(&file, seed, &findings)),
        (_, true) => tap(&file, seed, &findings),
        _ => sum(palette, &findings),
    };
    out.write_all(text.as_bytes())?;
    Ok(if findings.iter().any(has_failed) { FAILURE } else { 0 })
}

pub(super) fn trial(args: &PluginTrialArgs) -> Ending {
    check::child(&args.folder)?;
    Ok(0)
}

fn has_failed(finding: &Finding) -> bool {
    matches!(finding.outcome, Outcome::Failed { .. })
}

pub(super) fn head(file: &Path, seed: u64) -> String {
    format!("{}, {} checks, seed {seed}\n", clean(&file.display().to_string()), check::checks())
}

/// One check as people read it.
pub(super) fn line(palette: Palette, finding: &Finding) -> String {
    let (tone, word, text) = match &finding.outcome {
        Outcome::Passed { note } => (Tone::Good, "passed ", note.clone()),
        Outcome::Skipped { why } => (Tone::Faint, "skipped", why.clone()),
        Outcome::Failed { rule, what, mend } => (Tone::Bad, "FAILED ", failure(rule, what, mend)),
    };
    let name = finding.name;
    // Laid out without colors, which have no width; the first word alone gets one.
    let wrapped = wrap(&format!("  {word}  {name:<12}"), 23, &text);
    wrapped.replacen(word.trim_end(), &palette.paint(tone, word.trim_end()), 1)
}

fn failure(rule: &str, what: &str, mend: &str) -> String {
    let mend = if mend.is_empty() { String::new() } else { format!(". To mend it: {mend}") };
    format!("{rule}: {what}{mend}")
}

pub(super) fn sum(palette: Palette, findings: &[Finding]) -> String {
    let number = |is: fn(&Finding) -> bool| findings.iter().filter(|f| is(f)).count();
    let failed = number(has_failed);
    let skipped = number(|f| matches!(f.outcome, Outcome::Skipped { .. }));
    let passed = findings.len() - failed - skipped;
    let seconds: f64 = findings.iter().map(|f| f.took.as_secs_f64()).sum();
    let (tone, word) = if failed > 0 { (Tone::Bad, "it failed") } else { (Tone::Good, "it passed") };
    let checks = count(u64::try_from(failed).unwrap_or(0), "check");
    let verdict = if failed > 0 { format!("{word} {checks}") } else { word.to_owned() };
    format!(
        "{}: {passed} passed, {failed} failed, {skipped} skipped in {seconds:.1} s\n",
        palette.paint(tone, &verdict)
    )
}

/// The whole as JSON.
pub(super) fn document(file: &Path, seed: u64, findings: &[Finding]) -> Value {
    let checks: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let took_ms = u64::try_from(finding.took.as_millis()).unwrap_or(u64::MAX);
            let mut all = json!({"name": finding.name, "title": finding.title, "took_ms": took_ms});
            let more = match &finding.outcome {
                Outcome::Passed { note } => json!({"outcome": "passed", "note": note}),
                Outcome::Skipped { why } => json!({"outcome": "skipped", "why": why}),
                Outcome::Failed { rule, what, mend } => {
                    json!({"outcome": "failed", "rule": rule, "what": what, "mend": mend})
                }
            };
            if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
                all.extend(more);
            }
            all
        })
        .collect();
    let passed = !findings.iter().any(has_failed);
    json!({"plugin": file.display().to_string(), "seed": seed, "passed": passed, "checks": checks})
}

/// The whole as the Test Anything Protocol, version 14.
pub(super) fn tap(file: &Path, seed: u64, findings: &[Finding]) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", findings.len());
    text.push_str(&format!("# {}, seed {seed}\n", tap_text(&file.display().to_string())));
    for (n, finding) in (1..).zip(findings) {
        let what = format!("{n} - {}: {}", finding.name, tap_text(finding.title));
        match &finding.outcome {
            Outcome::Passed { .. } => text.push_str(&format!("ok {what}\n")),
            Outcome::Skipped { why } => text.push_str(&format!("ok {what} # SKIP {}\n", tap_text(why))),
            Outcome::Failed { rule, what: did, mend } => {
                text.push_str(&format!("not ok {what}\n  ---\n"));
                for (key, value) in [("rule", rule), ("what", did), ("mend", mend)] {
                    // A JSON string is a YAML string.
                    text.push_str(&format!("  {key}: {}\n", Value::from(clean(value))));
                }
                text.push_str("  ...\n");
            }
        }
    }
    text
}

/// Without what TAP would read as a directive.
fn tap_text(text: &str) -> String {
    clean(text).replace('\\', "\\\\").replace('#', "\\#")
}
