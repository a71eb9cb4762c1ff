//! `explain`: the whole story of one license, for who has to do something about it.

use std::io::Write as _;
use std::time::Duration;

use super::args::ExplainArgs;
use super::mending::advice;
use super::output::{Ending, standard};
use super::status::{coverage_tone, state_tone, verdict_tone, verdict_word, when};
use crate::control::protocol::Request;
use crate::paths::Environment;
use crate::status::{ClaimStatus, ConflictStatus, HolderStatus, Status};
use crate::text::{Cell, Palette, Tone, clean, count, relative, table, time_key, wrap};

/// Holders and evidence beyond this are counted, not listed: `status --json` has them all.
const LISTED: usize = 16;

pub(super) fn explain(args: &ExplainArgs, environment: &Environment) -> Ending {
    let status: Status = args.control.connect(environment)?.ask(&Request::Status, Duration::ZERO)?;
    let product = args.product.as_str();
    let claim =
        status.claims.iter().find(|c| c.product == product).ok_or_else(|| not_held(&status, product))?;
    let (mut out, palette) = standard();
    out.write_all(render(palette, &status, claim).as_bytes())?;
    Ok(0)
}

fn not_held(status: &Status, product: &str) -> String {
    let held: Vec<&str> = status.claims.iter().map(|c| c.product.as_str()).collect();
    let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
    format!(
        "this agent holds no license of {product}; held are: {held}; a [[license]] in the configuration, or a program that claims it, adds one"
    )
}

pub(super) fn render(palette: Palette, status: &Status, claim: &ClaimStatus) -> String {
    let now = &status.agent.now;
    let mut text = format!(
        "{}: {} since {}, verdict {}\n",
        palette.paint(Tone::Strong, &clean(&claim.product)),
        palette.paint(state_tone(&claim.state), &clean(&claim.state)),
        when(&claim.state_since, now),
        palette.paint(verdict_tone(&claim.verdict), &clean(&verdict_word(claim)))
    );
    text.push_str(&wrap("  ", 2, &finding(claim)));
    if let Some(claimants) = claim.claimants() {
        text.push_str(&wrap("  ", 2, &format!("On this host it is claimed by {claimants}.")));
    }
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n{}\n{body}", palette.paint(Tone::Strong, title)));
        }
    };
    section("Verdict", verdict(claim, now));
    section("Holders, in the order of (since, key)", holders(palette, claim, now));
    section("Evidence", claim.conflict.as_ref().map(|c| evidence(palette, claim, c)).unwrap_or_default());
    section("What this host can hear", coverage(palette, claim, now));
    section("What happens next", next(palette, claim, now));
    section("In the directory", directory(status, claim));
    section("What to do", advice(status, claim).iter().map(|a| wrap("  - ", 4, a)).collect());
    section("What nobody can know", limits());
    text
}

/// Where all of this can be read over the network; nothing if it cannot.
fn directory(status: &Status, claim: &ClaimStatus) -> String {
    let directory = &status.directory;
    if !directory.trouble.is_empty() {
        return wrap("  ", 2, &format!("{}.", clean(&directory.trouble)));
    }
    if !directory.enabled {
        return String::new();
    }
    let allow: Vec<String> = directory.allow.iter().map(|network| clean(network)).collect();
    let who = if allow.is_empty() { "nobody".to_owned() } else { allow.join(", ") };
    let text = format!(
        "NetInfo clients read this at /serialnumbers/{}-{} of tag {} on port {} of this host, as does `serialnumberd \
         directory`; let in are {who}.",
        clean(&claim.product),
        clean(&claim.claim),
        clean(&directory.tag),
        directory.port
    );
    wrap("  ", 2, &text)
}

/// The state in plain words.
fn finding(claim: &ClaimStatus) -> String {
    let seats = match claim.seats {
        0 => "any number of hosts may use it".to_owned(),
        1 => "one may use it".to_owned(),
        n => format!("{n} may use it"),
    };
    let class = match claim.conflict.as_ref().map_or("", |c| c.class.as_str()) {
        "copy" => " It is a copy: another installation uses the same serial.",
        "clone" => " It is a clone: two machines run with one installation's key.",
        "split-brain" => " It is a split brain: two hosts of one fail-over group serve at once.",
        _ => "",
    };
    let instances = |n: usize| count(u64::try_from(n).unwrap_or(u64::MAX), "other instance");
    let heard = claim.others().count();
    let proved = match claim.others().filter(|h| h.proved).count() {
        1 => format!(
            "This host and another instance hold this serial, and {seats}. The other one answered, signed with its \
             own key, a question that this host had asked seconds before: that is the proof."
        ),
        n => format!(
            "This host and {} hold this serial, and {seats}. Each of them answered, signed with its own key, a \
             question that this host had asked seconds before: that is the proof.",
            instances(n)
        ),
    };
    match claim.state.as_str() {
        "probing" => "The agent asks whether anybody else holds this serial: it has just started, or has reason to ask afresh.".to_owned(),
        "clear" if heard == 0 => {
            format!("Nobody else holds this serial as far as this host can hear, and {seats}.")
        }
        "clear" => {
            format!("This host and {} hold this serial, and {seats}: nothing is wrong.", instances(heard))
        }
        "suspected" => format!(
            "This host and {} hold this serial as far as was heard, and {seats}; but not all of them answered when \
             asked. That is no proof: it may be a host that died, a replay, or a link that works one way only.",
            instances(heard)
        ),
        "conflict" => format!("{proved}{class} A second round will confirm it, or not."),
        "duplicate" => format!("{proved} A second round, later, confirmed it.{class}"),
        other => {
            format!("The state \"{other}\" is newer than this client; `serialnumberd status --json` has it.")
        }
    }
}

fn verdict(claim: &ClaimStatus, now: &str) -> String {
    let since = match claim.verdict_since.as_str() {
        "" => String::new(),
        since => format!(" since {}", when(since, now)),
    };
    let line = match (claim.verdict.as_str(), claim.reason.as_str()) {
        ("abstain" | "", _) => "None yet: `check` answers \"still probing\".".to_owned(),
        (_, "") => format!("{}{since}", verdict_word(claim)),
        (_, reason) => format!("{}{since}: {reason}", verdict_word(claim)),
    };
    let mut text = wrap("  ", 2, &line);
    if claim.verdict_pending {
        text.push_str(&wrap(
            "  ",
            2,
            "A new verdict has been asked for and is awaited; until then this one holds.",
        ));
    }
    for opinion in &claim.opinions {
        let worth = if opinion.counted { "counts" } else { "is only shown" };
        let reason = match opinion.reason.as_str() {
            "" => String::new(),
            reason if reason == claim.reason => String::new(),
            reason => format!(": {reason}"),
        };
        let said = opinion.verdict.to_uppercase();
        text.push_str(&wrap(
            "  ",
            4,
            &format!("Plugin {} says {said}, which {worth}{reason}", opinion.plugin),
        ));
    }
    text
}

fn holders(palette: Palette, claim: &ClaimStatus, now: &str) -> String {
    let mut text = String::new();
    let rows: Vec<Vec<Cell>> = claim
        .holders
        .iter()
        .take(LISTED)
        .enumerate()
        .map(|(i, holder)| {
            let (tone, seat) = seat(claim, holder);
            let name = Cell::of(Tone::Strong, holder.name());
            vec![Cell::plain((i + 1).to_string()), name, Cell::plain(place(holder)), Cell::of(tone, seat)]
        })
        .collect();
    for (line, holder) in table(palette, 2, &rows).lines().zip(&claim.holders) {
        let since = holder.since.as_deref().map_or("an unknown time".to_owned(), |since| when(since, now));
        let key = holder.installation.get(..16).unwrap_or(&holder.installation);
        let detail = format!("holds it since {since}{}; installation {key}", proof(holder, now));
        text.push_str(&format!("{line}\n{}", wrap("     ", 5, &detail)));
    }
    let unlisted = claim.holders.len().saturating_sub(LISTED);
    if unlisted > 0 || claim.holders_full {
        let many = if claim.holders_full { "and more than " } else { "and " };
        text.push_str(&format!(
            "  {many}{unlisted} more; `serialnumberd status --json` lists what is kept\n"
        ));
    }
    text
}

fn place(holder: &HolderStatus) -> String {
    match (holder.ip(), holder.interface.as_deref()) {
        (Some(ip), Some(interface)) => format!("{ip} on {interface}"),
        (Some(ip), None) => ip.to_owned(),
        _ => String::new(),
    }
}

fn seat(claim: &ClaimStatus, holder: &HolderStatus) -> (Tone, &'static str) {
    match (claim.seats, holder.role.as_str()) {
        _ if holder.over => (Tone::Bad, "beyond the seats"),
        (_, "standby") => (Tone::Plain, "waits as standby"),
        (0, _) => (Tone::Plain, ""),
        _ => (Tone::Plain, "within the seats"),
    }
}

/// What is known of another holder.
fn proof(holder: &HolderStatus, now: &str) -> String {
    let heard = format!("heard {}", relative(&holder.last_heard, now));
    match (holder.is_self, holder.silent, &holder.last_proved) {
        (true, ..) => String::new(),
        (false, true, _) => format!("; {heard}, silent when asked"),
        (false, false, Some(at)) if holder.proved => format!("; {heard}, proved {}", relative(at, now)),
        _ => format!("; {heard}, not proved"),
    }
}

fn evidence(palette: Palette, claim: &ClaimStatus, conflict: &ConflictStatus) -> String {
    let shown = format!(
        "Conflict {}, class {}, evidence {}: questions of this host and the answers, both signed. The agent keeps \
         the datagrams, for anyone to check.",
        conflict.id, conflict.class, conflict.evidence
    );
    let mut text = wrap("  ", 2, &shown);
    let tag = |tag: &str| tag.get(..8).unwrap_or(tag).to_owned();
    let rows: Vec<Vec<Cell>> = conflict
        .pairs
        .iter()
        .take(LISTED)
        .map(|pair| {
            let instance = |h: &&HolderStatus| h.installation == pair.installation && h.boot == pair.boot;
            let who = claim.holders.iter().find(instance).map_or(String::new(), HolderStatus::name);
            vec![
                Cell::plain(format!("round {}", pair.round)),
                Cell::plain(crate::text::moment(&pair.answered)),
                Cell::plain(format!("asked {}", tag(&pair.question))),
                Cell::plain(format!("answered {}", tag(&pair.answer))),
                Cell::plain(format!("{who} {} {}", pair.address, pair.interface).trim().to_owned()),
            ]
        })
        .collect();
    text.push_str(&table(palette, 2, &rows));
    let unlisted = conflict.pairs.len().saturating_sub(LISTED);
    if unlisted > 0 {
        text.push_str(&format!("  and {unlisted} more\n"));
    }
    let id = clean(&conflict.evidence);
    text.push_str(&format!("  To hand it out:       serialnumberd evidence export {id} FILE\n"));
    text.push_str("  To check such a file: serialnumberd evidence verify FILE\n");
    text
}

fn coverage(palette: Palette, claim: &ClaimStatus, now: &str) -> String {
    let row = |name: &str, state: &str, peers: u32, since: &str| {
        let since = match relative(since, now) {
            now if now == "now" => "since just now".to_owned(),
            ago => format!("for {}", ago.trim_end_matches(" ago")),
        };
        let state = Cell::of(coverage_tone(state), state);
        vec![Cell::plain(name), state, Cell::plain(count(u64::from(peers), "peer")), Cell::plain(since)]
    };
    let c = &claim.coverage;
    let mut rows = vec![row("in all", &c.state, c.peers, &c.since)];
    rows.extend(c.interfaces.iter().map(|i| row(&i.name, &i.state, i.peers, &i.since)));
    let whys = std::iter::once(&c.why).chain(c.interfaces.iter().map(|i| &i.why));
    let mut text = String::new();
    for (line, why) in table(palette, 2, &rows).lines().zip(whys) {
        text.push_str(&format!("{line}\n"));
        if !why.is_empty() {
            text.push_str(&wrap("    ", 4, why));
        }
    }
    text
}

fn next(palette: Palette, claim: &ClaimStatus, now: &str) -> String {
    let mut steps: Vec<_> = claim.next.iter().collect();
    steps.sort_by_key(|step| time_key(&step.at));
    let rows: Vec<Vec<Cell>> = steps
        .iter()
        .map(|step| vec![Cell::plain(relative(&step.at, now)), Cell::plain(&step.what)])
        .collect();
    table(palette, 2, &rows)
}

fn limits() -> String {
    let known = "Copies that never run at the same time are not found; neither is one behind a link that carries \
                 nothing in either direction. A holder's own word for \"since\" is believed for the order only.";
    wrap("  ", 2, known)
}
