//! `plugin replay`: the verdicts of a plugin on a recording, printed or compared.

use std::io::{self, Write as _};
use std::path::Path;

use super::args::PluginReplayArgs;
use super::output::{Ending, FAILURE, standard};
use super::plugin;
use crate::logging;
use crate::paths::Environment;
use crate::plugin::replay::{Cause, Player, Said, replay};
use crate::record::Verdict;
use crate::recording::Recording;
use crate::text::clean;

/// Differences that are shown: the others follow from them more often than not.
const SHOWN: usize = 5;

pub(super) fn run(args: &PluginReplayArgs, environment: &Environment) -> Ending {
    logging::start();
    let expected = args.expect.as_deref().map(expected).transpose()?;
    let file = plugin::locate(&args.file, &args.search, environment)?;
    let mut recording = Recording::open(&args.recording).map_err(|e| e.to_string())?;
    let setting = &args.setting;
    let player = Player { file, grant: setting.grant.clone(), options: setting.option.clone() };
    let (mut out, _) = standard();
    let (mut found, mut unwritten) = (Vec::new(), Ok(()));
    replay(&player, &mut recording, &mut |said| {
        let text = line(&said);
        if expected.is_some() {
            found.push(text);
        } else if unwritten.is_ok() {
            unwritten = writeln!(out, "{text}");
        }
    })?;
    unwritten?;
    let Some(expected) = expected else { return Ok(0) };
    let differences = differences(&expected, &found);
    if differences.is_empty() {
        writeln!(out, "{} lines, all as expected", found.len())?;
        return Ok(0);
    }
    out.write_all(differences.as_bytes())?;
    Ok(FAILURE)
}

fn expected(path: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|e: io::Error| format!("{} cannot be read: {e}", path.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// One line for what a plugin said, without anything that a terminal would obey.
pub(super) fn line(said: &Said) -> String {
    match said {
        Said::Verdict { cause, product, decision } => {
            let verdict = match Verdict::of_word(decision.verdict.as_str()) {
                Some(known) if known == decision.verdict => known.to_string(),
                _ => format!("{}({})", decision.verdict, decision.verdict.0),
            };
            clean(&format!("{} {product} {verdict} {}", because(*cause), decision.reason))
                .trim_end()
                .to_owned()
        }
        Said::Failed { cause, what } => clean(&format!("{} - failed {what}", because(*cause))),
    }
}

fn because(cause: Cause) -> String {
    match cause {
        Cause::Asked(seq) => seq.to_string(),
        Cause::Itself(ns) => format!("@{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1_000),
    }
}

/// The first lines that differ; empty if none does.
pub(super) fn differences(expected: &[String], found: &[String]) -> String {
    let at = |lines: &[String], n: usize| lines.get(n).cloned().unwrap_or_else(|| "nothing more".to_owned());
    let differ = |n: &usize| expected.get(*n) != found.get(*n);
    let all: Vec<usize> = (0..expected.len().max(found.len())).filter(differ).collect();
    let mut text = String::new();
    for n in all.iter().take(SHOWN) {
        let (number, wanted, got) = (n + 1, at(expected, *n), at(found, *n));
        text.push_str(&format!("verdict {number}\n  expected: {wanted}\n  found:    {got}\n"));
    }
    if all.len() > SHOWN {
        text.push_str(&format!("and {} more differ\n", all.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use serialnumberd_core::Product;

    use super::*;
    use crate::record::Decision;

    #[test]
    fn a_line_says_why_what_and_on_what() {
        let said = |cause, verdict, reason: &str| {
            let (product, reason) = (Product::new("xsvr").unwrap(), reason.to_owned());
            line(&Said::Verdict { cause, product, decision: Decision { verdict, reason } })
        };
        assert_eq!(said(Cause::Asked(17), Verdict::DENY, "2 hosts"), "17 xsvr deny 2 hosts");
        assert_eq!(
            said(Cause::Itself(3_600_012_345_678), Verdict(350), "a\nb\x1b[2J"),
            "@3600.012 xsvr deny(350) a b [2J"
        );
        assert_eq!(said(Cause::Asked(1), Verdict::ABSTAIN, ""), "1 xsvr abstain");
        let failed = Said::Failed { cause: Cause::Asked(9), what: "its on_events failed (-1)".to_owned() };
        assert_eq!(line(&failed), "9 - failed its on_events failed (-1)");
    }

    #[test]
    fn the_first_differences_are_shown() {
        let lines = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(differences(&lines("a b"), &lines("a b")), "");
        assert_eq!(
            differences(&lines("a b"), &lines("a c d")),
            "verdict 2\n  expected: b\n  found:    c\nverdict 3\n  expected: nothing more\n  found:    d\n"
        );
        assert!(
            differences(&lines("1 2 3 4 5 6 7"), &lines("a b c d e f g")).ends_with("and 2 more differ\n")
        );
    }
}
