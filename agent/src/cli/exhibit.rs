//! What checked evidence shows, for people and as JSON: what is proved, and what is only its recorder's word.

use serde_json::{Value, json};
use serialnumberd_core::evidence::{Answerer, Exchange, Findings};
use serialnumberd_core::wire::Datagram;
use serialnumberd_core::{Installation, Standard, crypto};

use crate::evidence::Case;
use crate::status::rfc3339;
use crate::text::{Cell, Palette, Tone, clean, count, moment, table, wrap};

/// Pairs beyond this are counted, not listed: the file has them all.
const LISTED: usize = 16;

/// How far it was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Signatures, nonces, claim, times and seats.
    WithoutSerial,
    /// Also the claim id and every MAC.
    WithSerial {
        /// How many datagrams name the group that was asked for; `None` if none was.
        of_group: Option<usize>,
    },
}

/// The page of `show` and `verify`.
pub(super) fn render(palette: Palette, case: &Case, found: &Findings, checked: Checked) -> String {
    let e = &case.exhibit;
    let mut text = format!(
        "{}: {}\n",
        palette.paint(Tone::Strong, &format!("evidence {}", e.id)),
        palette.paint(Tone::Good, "verified")
    );
    text.push_str(&wrap("  ", 2, &finding(case, found)));
    let mut section = |title: &str, body: String| {
        text.push_str(&format!("\n{}\n{body}", palette.paint(Tone::Strong, title)));
    };
    section("Who asked, and recorded this", party(&case.host, &e.recorder, &recorded(case)));
    section("Who answered", answerers(found).iter().map(|(a, rounds)| answerer(a, rounds)).collect());
    section("Questions and answers", pairs(palette, case));
    let list = |points: Vec<String>| points.iter().map(|p| wrap("  - ", 4, p)).collect::<String>();
    section("What is proved", list(proved(case, found, checked)));
    section("What is only the recorder's word", list(believed(found)));
    section("What this does not say", list(open_questions(checked)));
    text
}

fn finding(case: &Case, found: &Findings) -> String {
    let e = &case.exhibit;
    let ended = match case.ended {
        Some((at, cause)) => format!(", ended {} ({cause})", moment(&rfc3339(at))),
        None => String::new(),
    };
    let mut text = format!(
        "{} of {} (class {}, claim {}), declared {}{ended}.",
        case.stage,
        e.product,
        e.class,
        e.claim,
        moment(&rfc3339(case.declared_ms)),
    );
    for (number, round) in found.rounds.iter().enumerate() {
        let others = count(round.together.len().try_into().unwrap_or(u64::MAX), "other instance");
        let apart = match found.rounds.first() {
            Some(first) if number > 0 => {
                let ms = round.asked_ms.saturating_sub(first.asked_ms);
                format!(", {}.{} s later", ms / 1000, ms % 1000 / 100)
            }
            _ => String::new(),
        };
        text.push_str(&format!(
            " Round {}{apart}: {others} answered the recorder, and together they take {} where the license has {}.",
            number + 1,
            count(round.taken.try_into().unwrap_or(u64::MAX), "seat"),
            round.seats,
        ));
    }
    text
}

fn recorded(case: &Case) -> String {
    format!("serialnumberd {}, conflict {}, coverage {}", clean(&case.version), case.conflict, case.coverage)
}

/// A host with its key, which is 64 digits long and is to be compared with another host's.
fn party(host: &str, key: &Installation, more: &str) -> String {
    let name = if host.is_empty() { "(a host that does not tell its name)".to_owned() } else { clean(host) };
    format!("  {name}: {more}\n    installation {key}\n")
}

/// Each instance once, with the rounds in which it counts.
fn answerers(found: &Findings) -> Vec<(Answerer, Vec<usize>)> {
    let mut all: Vec<(Answerer, Vec<usize>)> = Vec::new();
    for (number, round) in found.rounds.iter().enumerate() {
        for answerer in &round.together {
            match all.iter_mut().find(|(a, _)| a.instance == answerer.instance) {
                Some((_, rounds)) => rounds.push(number + 1),
                None => all.push((*answerer, vec![number + 1])),
            }
        }
    }
    all
}

fn answerer(answerer: &Answerer, rounds: &[usize]) -> String {
    let numbers: Vec<String> = rounds.iter().map(usize::to_string).collect();
    let role = if answerer.standby { ", waits as standby" } else { "" };
    let plural = if rounds.len() == 1 { "" } else { "s" };
    let more = format!("round{plural} {}, boot {}{role}", numbers.join(" and "), answerer.instance.boot);
    party(answerer.host.as_str(), &answerer.instance.installation, &more)
}

fn pairs(palette: Palette, case: &Case) -> String {
    let rounds = [(1, &case.exhibit.first.pairs), (2, &case.exhibit.second.pairs)];
    let all: Vec<(usize, &Exchange)> =
        rounds.iter().flat_map(|(n, r)| r.iter().map(move |e| (*n, e))).collect();
    let rows: Vec<Vec<Cell>> = all.iter().take(LISTED).map(|(round, e)| row(*round, e)).collect();
    let mut text = table(palette, 2, &rows);
    if all.len() > LISTED {
        text.push_str(&format!("  and {} more\n", all.len() - LISTED));
    }
    text
}

fn row(round: usize, e: &Exchange) -> Vec<Cell> {
    let tag = |bytes: &[u8; 320]| crypto::tag::<Standard>(bytes).to_string()[..8].to_owned();
    let host = Datagram::decode(&e.answer[..]).map(|d| d.host).unwrap_or_default();
    vec![
        Cell::plain(format!("round {round}")),
        Cell::plain(moment(&rfc3339(e.answered_ms))),
        Cell::plain(format!("asked {}", tag(&e.question))),
        Cell::plain(format!("answered {}", tag(&e.answer))),
        Cell::plain(format!("{} {} {}", host.as_str(), e.from, e.interface).trim().to_owned()),
    ]
}

fn proved(case: &Case, found: &Findings, checked: Checked) -> Vec<String> {
    let e = &case.exhibit;
    let pairs = count(u64::try_from(e.first.pairs.len() + e.second.pairs.len()).unwrap_or(u64::MAX), "pair");
    let mut points = vec![
        format!(
            "In {pairs} the question is signed with the recorder's key and the answer with that of who answered; \
             both are about this claim."
        ),
        "Each answer names its question by a hash: it was made after it, by somebody who had it. No two questions \
         have one nonce."
            .to_owned(),
        "The file is as its recorder signed it: nobody else has changed, added or removed anything.".to_owned(),
    ];
    if let Checked::WithSerial { of_group } = checked {
        points.push(
            "The claim is that of the serial number given, and all datagrams were made by somebody who knows it."
                .to_owned(),
        );
        if let Some(named) = of_group {
            points
                .push(format!("Of all datagrams {named} name a fail-over group, and that is the one given."));
        }
    }
    if !found.own_key {
        points.push("Who answered is another installation: it has another key.".to_owned());
    }
    points
}

fn believed(found: &Findings) -> Vec<String> {
    let mut points = vec![
        "All times, and with them that the answers came within 10 s and that who answered was there all the while: \
         they fit each other and the order of the questions, but a recorder could make them up."
            .to_owned(),
        "Addresses and interfaces, how many seats its license has, and what it could hear.".to_owned(),
    ];
    if found.own_key {
        points.push(
            "That the other one is another machine: some answers bear the recorder's own key, as those of a clone \
             do, and whoever has that key could have signed both."
                .to_owned(),
        );
    }
    points
}

fn open_questions(checked: Checked) -> Vec<String> {
    let mut points = vec![
        "Which machines these are: a recorder that cheats could have a second key. `serialnumberd status --json` on a \
         host shows which key is its own (`installation`)."
            .to_owned(),
    ];
    if checked == Checked::WithoutSerial {
        points.push(
            "Whether who spoke knew the serial number, and which it is: `serialnumberd evidence verify FILE \
             --serial-file SERIAL` checks that."
                .to_owned(),
        );
    }
    points
}

/// The document of `--json`.
pub(super) fn document(case: &Case, found: &Findings, checked: Checked) -> Value {
    let e = &case.exhibit;
    let rounds: Vec<Value> = found
        .rounds
        .iter()
        .map(|round| {
            let together: Vec<Value> = round.together.iter().map(answerer_document).collect();
            json!({
                "asked": rfc3339(round.asked_ms),
                "answered": rfc3339(round.answered_ms),
                "seats": round.seats,
                "seats_taken": round.taken,
                "together": together,
            })
        })
        .collect();
    json!({
        "verified": true,
        "evidence": e.id.to_string(),
        "product": e.product.to_string(),
        "claim": e.claim.to_string(),
        "class": e.class.to_string(),
        "stage": case.stage.to_string(),
        "conflict": case.conflict,
        "coverage": case.coverage.to_string(),
        "declared": rfc3339(case.declared_ms),
        "ended": case.ended.map(|(at, cause)| json!({"at": rfc3339(at), "cause": cause.to_string()})),
        "recorder": {
            "installation": e.recorder.to_string(),
            "host": case.host,
            "version": case.version,
        },
        "rounds": rounds,
        "own_key": found.own_key,
        "serial_checked": checked != Checked::WithoutSerial,
    })
}

fn answerer_document(answerer: &Answerer) -> Value {
    json!({
        "installation": answerer.instance.installation.to_string(),
        "boot": answerer.instance.boot.to_string(),
        "host": answerer.host.as_str(),
        "standby": answerer.standby,
    })
}
