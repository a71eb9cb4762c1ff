//! `check`: may the licensed software run?  The exit code is the answer, and stands even if nobody reads the text.

use std::io::Write as _;
use std::time::Duration;

use super::args::CheckArgs;
use super::output::{Ending, standard};
use super::status::verdict_tone;
use crate::control::client::Client;
use crate::control::protocol::{CheckAnswer, Request};
use crate::paths::Environment;
use crate::text::{Palette, clean};

/// Exit code of a claim without a verdict.
const PROBING: u8 = 6;

pub(super) fn check(args: &CheckArgs, environment: &Environment) -> Ending {
    let wait = args.wait.unwrap_or_default();
    let (mut agent, left) = Client::connect_within(&args.control.places(environment), wait)?;
    let wait_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
    let request = Request::Check { product: args.product, wait_ms };
    let answer: CheckAnswer = agent.ask(&request, Duration::from_millis(u64::from(wait_ms)))?;
    let code = exit_code(&answer)?;
    if !args.quiet {
        let (mut out, palette) = standard();
        // The answer is the exit code: a full disk or a closed pipe must not turn ALLOW into a failure.
        let _ = writeln!(out, "{}", line(palette, &answer));
    }
    Ok(code)
}

fn exit_code(answer: &CheckAnswer) -> Result<u8, String> {
    Ok(match answer.verdict.as_str() {
        "allow" => 0,
        "warn" => 3,
        "limit" => 4,
        "deny" => 5,
        "abstain" => PROBING,
        other => return Err(format!("the agent answers the verdict \"{}\", which is none", clean(other))),
    })
}

/// Verdict and reason in one line.
fn line(palette: Palette, answer: &CheckAnswer) -> String {
    if answer.verdict == "abstain" {
        let what = "the start-up burst is under way; ask again in a second, or use --wait";
        return format!("{}: still probing: {what}", clean(&answer.product));
    }
    let verdict = palette.paint(verdict_tone(&answer.verdict), &answer.verdict.to_uppercase());
    let reason = match answer.reason.as_str() {
        "" => format!("the license is {}", answer.state),
        reason => reason.to_owned(),
    };
    format!("{}: {verdict}: {}", clean(&answer.product), clean(&reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(verdict: &str, reason: &str) -> CheckAnswer {
        CheckAnswer {
            product: "xsvr".to_owned(),
            state: "clear".to_owned(),
            verdict: verdict.to_owned(),
            reason: reason.to_owned(),
            probing: verdict == "abstain",
        }
    }

    #[test]
    fn each_verdict_has_its_exit_code() {
        for (verdict, code) in [("allow", 0), ("warn", 3), ("limit", 4), ("deny", 5), ("abstain", 6)] {
            assert_eq!(exit_code(&answer(verdict, "")), Ok(code));
        }
        assert!(exit_code(&answer("perhaps", "")).is_err());
    }

    #[test]
    fn verdict_and_reason_are_one_line() {
        let plain = Palette::default();
        assert_eq!(line(plain, &answer("deny", "also on\nalpha")), "xsvr: DENY: also on alpha");
        assert_eq!(line(plain, &answer("allow", "")), "xsvr: ALLOW: the license is clear");
        assert!(line(plain, &answer("abstain", "")).starts_with("xsvr: still probing"));
        let colored = line(Palette { colored: true }, &answer("allow", ""));
        assert_eq!(colored, "xsvr: \x1b[32mALLOW\x1b[0m: the license is clear");
    }
}
