//! Verdicts in words for people: who, why, what happens when, what to do.

use std::time::{Duration, UNIX_EPOCH};

use serialnumberd_plugin::{Class, Verdict};

use crate::facts::{Claim, Conflict, Party};
use crate::rules::{Mode, Rules};
use crate::verdict::{Grace, Sight, Stance};

/// The last Unix millisecond that RFC 3339 can write: the end of the year 9999.
const RFC3339_END_MS: u64 = 253_402_300_799_999;

/// A point in time as people read it, RFC 3339 in UTC.
pub(crate) fn time(unix_ms: u64) -> String {
    if unix_ms == 0 || unix_ms > RFC3339_END_MS {
        return "an unknown time".to_owned();
    }
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string()
}

/// What is to be said of the claim itself.
pub(crate) fn of_claim(rules: &Rules, claim: &Claim, stance: Stance, grace: Grace) -> String {
    let product = &claim.product;
    match (stance, &claim.conflict) {
        (Stance::Suspected, _) => format!(
            "More hosts were heard with the license of {product} than it has seats, but they do not answer: nothing is \
             proved, and this host goes on."
        ),
        (Stance::Unknown | Stance::Free, _) | (_, None) => {
            format!("No other host is known to use the license of {product} beyond its seats.")
        }
        (_, Some(conflict)) => format!(
            "{} {} {}",
            who(product, conflict),
            consequence(rules, conflict, stance, grace),
            advice(product, conflict)
        ),
    }
}

/// Who holds the claim, and how that is known.
fn who(product: &str, conflict: &Conflict) -> String {
    let n = conflict.n_others + 1;
    let own = match conflict.own.as_ref().map_or(0, |p| p.since_ms) {
        0 => "this one".to_owned(),
        since => format!("this one (since {})", time(since)),
    };
    let mut others: Vec<String> = conflict.others.iter().map(name).collect();
    if conflict.n_others > others.len() {
        others.push(format!("{} more", conflict.n_others - others.len()));
    }
    let proved = if conflict.confirmed { "proved twice" } else { "proved once" };
    let all = others.join("; ");
    match conflict.class {
        Class::Clone => format!(
            "The installation on this host was copied: {n} runs with one key use the license of {product}, {own} and \
             {all}; {proved}."
        ),
        Class::SplitBrain => {
            format!("{n} members of one fail-over group serve {product} at once, {own} and {all}; {proved}.")
        }
        _ => {
            let seats = match conflict.seats {
                1 => "has one seat".to_owned(),
                seats => format!("has {seats} seats"),
            };
            format!("The license of {product} {seats}, and {n} hosts use it, {own} and {all}; {proved}.")
        }
    }
}

fn name(party: &Party) -> String {
    let mut name =
        if party.host.is_empty() { "a nameless host".to_owned() } else { format!("\"{}\"", party.host) };
    if let Some(address) = party.address {
        name.push_str(&format!(" at {address}"));
    }
    if !party.interface.is_empty() {
        name.push_str(&format!(" on {}", party.interface));
    }
    if party.since_ms != 0 {
        name.push_str(&format!(" (since {})", time(party.since_ms)));
    }
    name
}

/// What happens, and when.
fn consequence(rules: &Rules, conflict: &Conflict, stance: Stance, grace: Grace) -> String {
    let action = if rules.action == Verdict::LIMIT { "limited" } else { "denied" };
    match (stance, grace) {
        (Stance::Waiting, _) => waiting(rules, conflict, action),
        (Stance::Watched, _) => "Mode observe: nothing is stopped.".to_owned(),
        (Stance::Within, _) => {
            format!("Mode seniority: this host is within the seats and goes on, later ones are {action}.")
        }
        (Stance::Placeless, _) => "Mode seniority: this host's place in the order is not known.".to_owned(),
        (_, Grace::Until(end)) => {
            format!("{}: it is {action} from {} on, unless that ends before.", why(rules), time(end))
        }
        (_, Grace::Over) if rules.grace.is_zero() => format!("{}: it is {action}.", why(rules)),
        (_, Grace::Over) => {
            format!("{}, and the grace of {} is used up: it is {action}.", why(rules), span(rules.grace))
        }
    }
}

fn waiting(rules: &Rules, conflict: &Conflict, action: &str) -> String {
    let then = match (rules.mode, &conflict.own) {
        (Mode::Observe, _) => "people are warned, and nothing is stopped".to_owned(),
        (Mode::Seniority, Some(own)) if !own.over => {
            format!("this host goes on, and later ones are {action}")
        }
        _ if rules.grace.is_zero() => format!("this host is {action}"),
        _ => format!("this host is {action} after a grace of {}", span(rules.grace)),
    };
    format!("This host goes on; once it is proved again, {then}.")
}

fn why(rules: &Rules) -> &'static str {
    match rules.mode {
        Mode::Seniority => "Mode seniority: this host is beyond the seats",
        _ => "Mode strict: every one of them is restricted",
    }
}

fn span(d: Duration) -> String {
    humantime::format_duration(d).to_string()
}

/// What people can do.
fn advice(product: &str, conflict: &Conflict) -> String {
    match conflict.class {
        Class::Clone => {
            "On the copy, remove the state directory of serialnumberd and give it a license of its own."
                .to_owned()
        }
        Class::SplitBrain => "Make all of them but one a standby.".to_owned(),
        _ => format!("Stop {product} on the hosts beyond the seats, or get a license for each."),
    }
}

/// What is to be said of blindness, if anything.
pub(crate) fn of_sight(rules: &Rules, sight: Sight, when_blind: Verdict) -> Option<String> {
    let outcome = match when_blind {
        Verdict::DENY => "it is denied",
        Verdict::WARN => "it goes on, with this warning",
        _ => "it goes on",
    };
    let advice = "See the interfaces in `serialnumberd status`.";
    match sight {
        Sight::Clear => None,
        Sight::Dimmed(since, at) if rules.when_blind == Verdict::DENY && rules.mode != Mode::Observe => {
            Some(format!(
                "This host cannot hear others since {}, and is denied from {} on, unless that ends before. {advice}",
                time(since),
                time(at)
            ))
        }
        Sight::Dimmed(since, _) => {
            Some(format!("This host cannot hear others since {}. {advice}", time(since)))
        }
        Sight::Blind(since) => {
            Some(format!("This host cannot hear others since {}: {outcome}. {advice}", time(since)))
        }
    }
}
