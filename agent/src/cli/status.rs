//! `status`: what the agent knows, on one page.

use std::io::Write as _;
use std::time::Duration;

use super::args::StatusArgs;
use super::output::{Ending, standard};
use crate::control::protocol::Request;
use crate::paths::Environment;
use crate::status::{ClaimStatus, Counters, HolderStatus, InventoryEntry, PluginStatus, Status};
use crate::text::{Cell, Palette, Tone, clean, count, moment, relative, span, table, wrap};

pub(super) fn status(args: &StatusArgs, environment: &Environment) -> Ending {
    let mut agent = args.control.connect(environment)?;
    let (mut out, palette) = standard();
    if args.json {
        // As the agent says it: a newer one may say more than this client knows.
        let document: serde_json::Value = agent.ask(&Request::Status, Duration::ZERO)?;
        let text = serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?;
        writeln!(out, "{text}")?;
    } else {
        let status: Status = agent.ask(&Request::Status, Duration::ZERO)?;
        out.write_all(render(palette, &status).as_bytes())?;
    }
    Ok(0)
}

pub(super) fn verdict_tone(verdict: &str) -> Tone {
    match verdict {
        "allow" => Tone::Good,
        "warn" | "limit" => Tone::Caution,
        "deny" => Tone::Bad,
        _ => Tone::Plain,
    }
}

pub(super) fn state_tone(state: &str) -> Tone {
    match state {
        "clear" => Tone::Good,
        "suspected" => Tone::Caution,
        "conflict" | "duplicate" => Tone::Bad,
        _ => Tone::Plain,
    }
}

pub(super) fn coverage_tone(coverage: &str) -> Tone {
    match coverage {
        "good" => Tone::Good,
        "one-way" => Tone::Caution,
        "blind" => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// `DENY`, or `none yet`.
pub(super) fn verdict_word(claim: &ClaimStatus) -> String {
    match claim.verdict.as_str() {
        "abstain" | "" => "none yet".to_owned(),
        verdict => verdict.to_uppercase(),
    }
}

pub(super) fn render(palette: Palette, status: &Status) -> String {
    let mut text = agent(palette, status);
    text.push_str(&claims(palette, status));
    text.push_str(&inventory(palette, &status.inventory, &status.agent.now));
    text.push_str(&plugins(palette, &status.plugins));
    text.push_str(&counters(palette, &status.counters));
    text
}

fn agent(palette: Palette, status: &Status) -> String {
    let a = &status.agent;
    let title = format!("serialnumberd {} on {}", clean(&a.version), clean(&a.host));
    let mut text = format!(
        "{}, UDP port {}, up {}\n",
        palette.paint(Tone::Strong, &title),
        a.port,
        span(Duration::from_secs(a.uptime_s))
    );
    let key = a.installation.get(..16).unwrap_or(&a.installation);
    text.push_str(&format!("installation {}, started {}\n", clean(key), count(a.runs, "time")));
    for sentence in &a.health {
        text.push_str(&wrap("", 2, &format!("! {sentence}")));
    }
    text
}

fn header(names: &[&str]) -> Vec<Cell> {
    names.iter().map(|name| Cell::of(Tone::Faint, *name)).collect()
}

fn claims(palette: Palette, status: &Status) -> String {
    if status.claims.is_empty() {
        return "\nNo license is claimed here.\n".to_owned();
    }
    let mut rows =
        vec![header(&["PRODUCT", "STATE", "VERDICT", "HOLDERS", "PROVED", "SEATS", "COVERAGE", "SINCE"])];
    for claim in &status.claims {
        let seats = if claim.seats == 0 { "unlimited".to_owned() } else { claim.seats.to_string() };
        rows.push(vec![
            Cell::plain(&claim.product),
            Cell::of(state_tone(&claim.state), &claim.state),
            Cell::of(verdict_tone(&claim.verdict), verdict_word(claim)),
            Cell::plain(claim.heard.to_string()),
            Cell::plain(claim.proved.to_string()),
            Cell::plain(seats),
            Cell::of(coverage_tone(&claim.coverage.state), &claim.coverage.state),
            Cell::plain(relative(&claim.state_since, &status.agent.now)),
        ]);
    }
    let mut text = format!("\n{}", table(palette, 0, &rows));
    for claim in &status.claims {
        if let Some(claimants) = claim.claimants() {
            text.push_str(&wrap("", 2, &format!("{}: claimed by {claimants}", claim.product)));
        }
    }
    let troubled = status.claims.iter().filter(|c| !matches!(c.state.as_str(), "clear" | "probing"));
    for claim in troubled {
        let others: Vec<String> = claim.others().map(HolderStatus::short).collect();
        let who = match others.as_slice() {
            [] => "another instance".to_owned(),
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        };
        let more = format!("{}: also held by {who}; `serialnumberd explain {0}` tells more.", claim.product);
        text.push_str(&wrap("", 2, &more));
    }
    text
}

fn inventory(palette: Palette, entries: &[InventoryEntry], now: &str) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut rows =
        vec![header(&["HEARD (unverified)", "CLAIM", "HOST", "ADDRESS", "INTERFACE", "LAST HEARD"])];
    for entry in entries {
        let holder = &entry.holder;
        rows.push(vec![
            Cell::plain(&entry.product),
            Cell::plain(entry.claim.get(..8).unwrap_or(&entry.claim)),
            Cell::plain(holder.name()),
            Cell::plain(holder.ip().unwrap_or("")),
            Cell::plain(holder.interface.as_deref().unwrap_or("")),
            Cell::plain(relative(&holder.last_heard, now)),
        ]);
    }
    format!("\n{}", table(palette, 0, &rows))
}

fn plugins(palette: Palette, plugins: &[PluginStatus]) -> String {
    if plugins.is_empty() {
        return "\nNo plugin: a duplicate is WARN.\n".to_owned();
    }
    let mut rows = vec![header(&["PLUGIN", "VERSION", "HEALTH", "VERDICT", "DELIVERED", "LOST", "QUEUED"])];
    for plugin in plugins {
        let tone = if plugin.health == "ok" { Tone::Good } else { Tone::Bad };
        rows.push(vec![
            Cell::plain(&plugin.id),
            Cell::plain(&plugin.version),
            Cell::of(tone, &plugin.health),
            Cell::plain(&plugin.verdict),
            Cell::plain(plugin.delivered.to_string()),
            Cell::plain(plugin.lost.to_string()),
            Cell::plain(plugin.queued.to_string()),
        ]);
    }
    let mut text = format!("\n{}", table(palette, 0, &rows));
    for plugin in plugins.iter().filter(|p| p.health != "ok") {
        let said = plugin.last_error.as_deref().filter(|_| plugin.why.is_empty()).unwrap_or(&plugin.why);
        if !said.is_empty() {
            text.push_str(&wrap("", 2, &format!("{}: {said}", plugin.id)));
        }
    }
    for plugin in plugins.iter().filter(|p| p.isolation == "process") {
        text.push_str(&wrap("", 2, &format!("{}: {}", plugin.id, process(plugin))));
    }
    text
}

/// Of a plugin in a process of its own: which, how it is confined, how often it crashed.
fn process(plugin: &PluginStatus) -> String {
    let pid = plugin.pid.map_or("no process now".to_owned(), |pid| format!("process {pid}"));
    let crashes = (plugin.crashes > 0).then(|| format!("crashed {}", count(plugin.crashes, "time")));
    let told: Vec<String> =
        std::iter::once(pid).chain(crashes).chain(plugin.sandbox.iter().cloned()).collect();
    told.join("; ")
}

fn counters(palette: Palette, counters: &Counters) -> String {
    let mut text = format!(
        "\n{}: {} received, {} dropped by the kernel, {} sent, {}\n",
        palette.paint(Tone::Strong, "Datagrams"),
        counters.received,
        counters.kernel_drops,
        counters.sent,
        count(counters.send_errors, "send error"),
    );
    let mut fates: Vec<(&String, &u64)> = counters.fates.iter().filter(|(_, n)| **n > 0).collect();
    fates.sort_by_key(|(name, n)| (std::cmp::Reverse(**n), name.as_str()));
    let listed: Vec<String> = fates.iter().map(|(name, n)| format!("{n} {name}")).collect();
    if !listed.is_empty() {
        text.push_str(&wrap("  received: ", 12, &listed.join(", ")));
    }
    text
}

/// `2026-11-23 15:04:31 UTC (12 s ago)`.
pub(super) fn when(time: &str, now: &str) -> String {
    match relative(time, now).as_str() {
        "" => moment(time),
        relative => format!("{} ({relative})", moment(time)),
    }
}
