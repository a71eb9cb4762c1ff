//! The tables of a scenario's file: each read by itself, and refused with a sentence that says what to write instead.

use std::net::SocketAddr;

use serialnumberd_core::limits::INTERVAL_S;
use serialnumberd_core::{Class, Mono, Product, Serial, Settings};

use super::compose::{letters, victims, with_names};
use super::limits::{FAULTS, HOSTS, PLACES};
use super::sentence::deed;
use super::slots::{self, Cast, place};
use super::span::{moment, span};
use super::toml::{
    ComposePart, DetectPart, FaultPart, Faults, File, HostPart, LicensePart, NatPart, SettingsPart,
};
use super::{
    Bond, Compose, Detect, Family, Fault, HostPlan, LicensePlan, Nat, Saying, SegmentPlan, Temper, TruthLine,
    Word,
};

/// What a scenario composes that names no faults of its own.
const USUAL_FAULTS: &str = include_str!("../../faults.toml");
const LAN: &str = "lan";
const LICENSE: &str = "xsvr";
/// Where an agent's peers listen.
const PORT: u16 = 626;

/// What may be named.
pub(super) struct Names {
    hosts: Vec<String>,
    segments: Vec<String>,
    licenses: Vec<String>,
}

impl Names {
    pub(super) fn of(hosts: &[HostPlan], segments: &[SegmentPlan], licenses: &[LicensePlan]) -> Names {
        Names {
            hosts: hosts.iter().map(|h| h.name.clone()).collect(),
            segments: segments.iter().map(|s| s.name.clone()).collect(),
            licenses: licenses.iter().map(|l| l.name.clone()).collect(),
        }
    }

    pub(super) fn cast(&self) -> Cast<'_> {
        Cast { hosts: &self.hosts, segments: &self.segments }
    }
}

/// Refuses a name that no sentence could name.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name == "everybody" || !name.chars().all(plain) {
        return Err(format!(
            "{what}: \"{name}\" is no name; write letters of ASCII, digits, \"-\", \"_\" and \".\""
        ));
    }
    Ok(())
}

pub(super) fn segments(file: &File) -> Result<Vec<SegmentPlan>, String> {
    let mut segments: Vec<SegmentPlan> =
        file.segment.iter().map(|(name, part)| SegmentPlan { name: name.clone(), ip: part.ip }).collect();
    if !file.segment.contains_key(LAN) {
        segments.insert(0, SegmentPlan { name: LAN.to_owned(), ip: Family::default() });
    }
    if segments.len() > PLACES {
        return Err(format!("segment: {} are too many; write at most {PLACES}", segments.len()));
    }
    segments.iter().try_for_each(|s| check_name("segment", &s.name))?;
    Ok(segments)
}

pub(super) fn licenses(file: &File) -> Vec<LicensePlan> {
    let plan = |(name, part): (&String, &LicensePart)| LicensePlan {
        name: name.clone(),
        product: part.product.clone(),
        serial: if part.serial.is_empty() { name.clone() } else { part.serial.clone() },
        seats: part.seats,
        standbys: part.standbys,
        group: part.group.clone(),
        each: part.each,
    };
    let mut licenses: Vec<LicensePlan> = file.license.iter().map(plan).collect();
    if licenses.is_empty() {
        licenses.push(plan((&LICENSE.to_owned(), &LicensePart::default())));
    }
    licenses
}

/// Refuses products and serials that no agent would take.
pub(super) fn check_licenses(licenses: &[LicensePlan]) -> Result<(), String> {
    for license in licenses {
        let name = &license.name;
        Product::new(&license.product)
            .map_err(|e| format!("license.{name}, product \"{}\": {e}", license.product))?;
        Serial::new(&license.serial)
            .map_err(|e| format!("license.{name}, serial \"{}\": {e}", license.serial))?;
    }
    Ok(())
}

/// The license that a host without another word holds.
fn usual(licenses: &[String]) -> usize {
    licenses.iter().position(|l| l == LICENSE).unwrap_or(0)
}

pub(super) fn hosts(
    file: &File,
    segments: &[SegmentPlan],
    licenses: &mut Vec<LicensePlan>,
) -> Result<Vec<HostPlan>, String> {
    let plain = |name: &String| HostPart {
        name: name.clone(),
        count: None,
        licenses: Vec::new(),
        on: Vec::new(),
        bond: Bond::None,
        standby: false,
        temper: Temper::Honest,
        peers: Vec::new(),
    };
    let names = Names::of(&[], segments, licenses);
    let shorthand: Vec<HostPart> = file.hosts.iter().map(plain).collect();
    let mut plans = Vec::new();
    for part in shorthand.iter().chain(&file.host) {
        check_name("host", &part.name)?;
        let room = HOSTS - plans.len();
        if part.count == Some(0) || part.count.unwrap_or(1) > room {
            let name = &part.name;
            return Err(format!("host \"{name}\", count: write 1 or more, and at most {HOSTS} hosts in all"));
        }
        plans.extend(plans_of(part, &names, licenses).map_err(|e| format!("host \"{}\": {e}", part.name))?);
    }
    if plans.is_empty() {
        return Err("it has no hosts: name some in hosts, or write a [[host]]".to_owned());
    }
    Ok(plans)
}

/// The hosts that one entry stands for.
fn plans_of(
    part: &HostPart,
    names: &Names,
    licenses: &mut Vec<LicensePlan>,
) -> Result<Vec<HostPlan>, String> {
    let places = |what, wanted: &[String], known: &[String]| {
        wanted.iter().map(|name| place(what, name, known)).collect::<Result<Vec<_>, _>>()
    };
    let mut on = places("segment", &part.on, &names.segments)?;
    if on.is_empty() {
        on.push(place("segment", LAN, &names.segments)?);
    }
    let mut held = places("license", &part.licenses, &names.licenses)?;
    if held.is_empty() {
        held.push(usual(&names.licenses));
    }
    let called: Vec<String> = match part.count {
        Some(count) => (1..=count).map(|n| format!("{}{n}", part.name)).collect(),
        None => vec![part.name.clone()],
    };
    let plan = |name: String| HostPlan {
        licenses: held.iter().map(|l| own(licenses, *l, &name)).collect(),
        name,
        on: on.clone(),
        bond: part.bond,
        standby: part.standby,
        temper: part.temper,
        peers: part.peers.iter().map(|ip| SocketAddr::new(*ip, PORT)).collect(),
    };
    Ok(called.into_iter().map(plan).collect())
}

/// The license, or the host's own one of them.
fn own(licenses: &mut Vec<LicensePlan>, license: usize, host: &str) -> usize {
    if !licenses[license].each {
        return license;
    }
    let name = format!("{} of {host}", licenses[license].name);
    licenses.push(LicensePlan {
        serial: format!("{}-{host}", licenses[license].serial),
        name,
        ..licenses[license].clone()
    });
    licenses.len() - 1
}

pub(super) fn settings(part: &SettingsPart) -> Result<Settings, String> {
    let mut settings = Settings { expect_peers: part.expect_peers, ..Settings::default() };
    if let Some(interval) = &part.interval {
        settings.interval = span(interval)?;
        let (least, most) = INTERVAL_S.into_inner();
        let seconds = settings.interval.as_secs_f64();
        if seconds < f64::from(least) || seconds > f64::from(most) {
            return Err(format!("interval: \"{interval}\" is none; write {least} s to {most} s"));
        }
    }
    if let Some(after) = &part.confirm_after {
        settings.confirm_after = span(after)?;
    }
    Ok(settings)
}

pub(super) fn nats(parts: &[NatPart], names: &Names) -> Result<Vec<Nat>, String> {
    if parts.len() > PLACES {
        return Err(format!("{} are too many; write at most {PLACES}", parts.len()));
    }
    let segment = |name: &str| place("segment", name, &names.segments);
    let nat = |part: &NatPart| {
        let publish = part.publish.as_ref().map(|h| place("host", h, &names.hosts)).transpose()?;
        Ok(Nat { inside: segment(&part.inside)?, outside: segment(&part.outside)?, publish })
    };
    parts.iter().map(nat).collect()
}

/// `2 holders`, `1 to 2 holders`, `3 holders of site`.
pub(super) fn truth((at, text): &(String, String), names: &Names) -> Result<TruthLine, String> {
    let bad = || format!("\"{text}\" is no truth; write it like \"2 holders\" or \"1 to 2 holders of xsvr\"");
    let (numbers, rest) = text.split_once(" holder").ok_or_else(bad)?;
    let license = match rest.trim_start_matches('s').trim().strip_prefix("of ") {
        Some(name) => place("license", name, &names.licenses)?,
        None => usual(&names.licenses),
    };
    let number = |n: &str| n.trim().parse::<usize>().map_err(|_| bad());
    let (least, most) = match numbers.split_once(" to ") {
        Some((least, most)) => (number(least)?, number(most)?),
        None => (number(numbers)?, number(numbers)?),
    };
    if least > most {
        return Err("write the smaller number first".to_owned());
    }
    Ok(TruthLine { at: moment(at)?, license, least, most })
}

pub(super) fn detect(part: &DetectPart, names: &Names) -> Result<Detect, String> {
    Ok(Detect {
        within: span(&part.within)?,
        most_within: part.most_within.as_deref().map(span).transpose()?,
        confirm: part.confirm.as_deref().map(span).transpose()?,
        after: part.after.as_deref().map(moment).transpose()?.unwrap_or(Mono(0)),
        class: part.class.as_deref().map(class).transpose()?,
        hosts: part.hosts.as_deref().map(|h| slots::hosts(h, &names.hosts)).transpose()?,
    })
}

fn class(word: &str) -> Result<Class, String> {
    let known = || Class::ALL.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", ");
    Class::of_word(word).ok_or_else(|| format!("\"{word}\" is no class; there are {}", known()))
}

pub(super) fn saying((at, who, word): &(String, String, String), names: &Names) -> Result<Saying, String> {
    Ok(Saying { at: moment(at)?, hosts: slots::hosts(who, &names.hosts)?, word: Word::read(word)? })
}

pub(super) fn compose(part: &ComposePart, own: &[FaultPart], names: &Names) -> Result<Compose, String> {
    let (least, most) = part.faults;
    if least == 0 || least > most || most > FAULTS {
        return Err(format!(
            "faults: [{least}, {most}] cannot be drawn; write two numbers from 1 to {FAULTS}, the smaller one first"
        ));
    }
    let (from, until) = (moment(&part.from)?, moment(&part.until)?);
    if from > until {
        return Err("from is after until: write the earlier time in from".to_owned());
    }
    let usual: Faults = toml::from_str(USUAL_FAULTS).map_err(|e| e.to_string())?;
    let faults = if own.is_empty() { &usual.fault } else { own };
    let read = |f: &FaultPart| fault(f, names).map_err(|e| format!("fault \"{}\": {e}", f.name));
    Ok(Compose { least, most, from, until, faults: faults.iter().map(read).collect::<Result<_, _>>()? })
}

/// A fault, of which every sentence can be read, whomever it befalls.
fn fault(part: &FaultPart, names: &Names) -> Result<Fault, String> {
    let victims = victims(&names.hosts);
    let mut story = Vec::new();
    for (after, sentence) in &part.story {
        let (wanted, there) = (letters(sentence), names.hosts.len());
        if wanted > there {
            return Err(format!(
                "\"{sentence}\" is about {wanted} hosts, and there are {there}; name more hosts, or other faults"
            ));
        }
        deed(&with_names(sentence, &victims), names.cast())?;
        story.push((span(after)?, sentence.clone()));
    }
    if story.is_empty() {
        return Err("it has no story".to_owned());
    }
    Ok(Fault { name: part.name.clone(), story })
}
