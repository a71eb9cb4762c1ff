//! From the words of a scenario's file to the model.  What happens when they are played is the world's.

use serialnumberd_core::{Class, Mono, Settings};

use super::sentence::{Cast, deed, hosts};
use super::span::{moment, span};
use super::toml::{
    ComposePart, DetectPart, FaultPart, Faults, File, HostPart, LicensePart, NatPart, SettingsPart,
};
use super::{
    Bond, Compose, Detect, Family, Fault, HostPlan, LicensePlan, Nat, Saying, Scenario, SegmentPlan, Temper,
    TruthLine, Word,
};

/// What a scenario composes that names no faults of its own.
const USUAL_FAULTS: &str = include_str!("../../faults.toml");
const LAN: &str = "lan";
const LICENSE: &str = "xsvr";

/// Reads a scenario called `name`.
///
/// # Errors
/// A sentence that says where in the file what is wrong.
pub(crate) fn read(name: &str, text: &str) -> Result<Scenario, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    let segments = segments(&file);
    let mut licenses = licenses(&file);
    let plans = plans(&file, &segments, &mut licenses)?;
    let names: Vec<String> = plans.iter().map(|h| h.name.clone()).collect();
    let segment_names: Vec<String> = segments.iter().map(|s| s.name.clone()).collect();
    let cast = Cast { hosts: &names, segments: &segment_names };
    let mut story = Vec::new();
    for (at, sentence) in &file.story {
        story.push(super::Step { at: moment(at)?, deed: deed(sentence, cast)? });
    }
    story.sort_by_key(|s| s.at);
    let detect = file.must_detect.as_ref().map(|d| detect(d, &names)).transpose()?;
    let scenario = Scenario {
        name: name.to_owned(),
        title: file.title.clone(),
        length: span(&file.length)?,
        crypto: file.crypto,
        long: file.long,
        seeds_at_most: file.seeds_at_most,
        settings: settings(&file.settings)?,
        nats: nats(&file.nat, &names, &segment_names)?,
        segments,
        truth: file.truth.iter().map(|t| truth(t, &licenses)).collect::<Result<_, _>>()?,
        licenses,
        hosts: plans,
        story,
        must_not_accuse: file.must_not_accuse,
        must_resolve: file.must_resolve.as_deref().map(span).transpose()?,
        must_say: file.must_say.iter().map(|s| saying(s, &names)).collect::<Result<_, _>>()?,
        must_send_at_most: file.must_send_at_most,
        guards: file.guards,
        compose: file.compose.map(|c| compose(&c, &file.fault)).transpose()?,
        must_detect: detect,
    };
    let says_something =
        scenario.must_not_accuse || scenario.must_detect.is_some() || scenario.compose.is_some();
    if !says_something {
        return Err(
            "it says neither must-not-accuse nor must-detect, so nothing would be shown by it".to_owned()
        );
    }
    if scenario.truth.is_empty() && scenario.compose.is_none() && !scenario.long {
        return Err("it has no truth: say how many holders there are, and from when on".to_owned());
    }
    Ok(scenario)
}

fn segments(file: &File) -> Vec<SegmentPlan> {
    let mut segments: Vec<SegmentPlan> =
        file.segment.iter().map(|(name, part)| SegmentPlan { name: name.clone(), ip: part.ip }).collect();
    if !file.segment.contains_key(LAN) {
        segments.insert(0, SegmentPlan { name: LAN.to_owned(), ip: Family::default() });
    }
    segments
}

fn licenses(file: &File) -> Vec<LicensePlan> {
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

fn place(what: &str, name: &str, names: impl Iterator<Item = String>) -> Result<usize, String> {
    let names: Vec<String> = names.collect();
    names
        .iter()
        .position(|n| n == name)
        .ok_or_else(|| format!("there is no {what} \"{name}\"; there are {}", names.join(", ")))
}

/// The license that a host without another word holds.
fn usual(licenses: &[LicensePlan]) -> usize {
    licenses.iter().position(|l| l.name == LICENSE).unwrap_or(0)
}

fn plans(
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
    let shorthand: Vec<HostPart> = file.hosts.iter().map(plain).collect();
    let mut plans: Vec<HostPlan> = Vec::new();
    for part in shorthand.iter().chain(&file.host) {
        let mut on = Vec::new();
        for segment in &part.on {
            on.push(place("segment", segment, segments.iter().map(|s| s.name.clone()))?);
        }
        if on.is_empty() {
            on.push(place("segment", LAN, segments.iter().map(|s| s.name.clone()))?);
        }
        let mut held = Vec::new();
        for license in &part.licenses {
            held.push(place("license", license, licenses.iter().map(|l| l.name.clone()))?);
        }
        if part.licenses.is_empty() {
            held.push(usual(licenses));
        }
        for n in 1..=part.count.unwrap_or(1) {
            let name = if part.count.is_some() { format!("{}{n}", part.name) } else { part.name.clone() };
            plans.push(HostPlan {
                licenses: held.iter().map(|l| own(licenses, *l, &name)).collect(),
                name,
                on: on.clone(),
                bond: part.bond,
                standby: part.standby,
                temper: part.temper,
                peers: part.peers.iter().map(|ip| std::net::SocketAddr::new(*ip, 626)).collect(),
            });
        }
    }
    Ok(plans)
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

fn settings(part: &SettingsPart) -> Result<Settings, String> {
    let mut settings = Settings { expect_peers: part.expect_peers, ..Settings::default() };
    if let Some(interval) = &part.interval {
        settings.interval = span(interval)?;
    }
    if let Some(after) = &part.confirm_after {
        settings.confirm_after = span(after)?;
    }
    Ok(settings)
}

fn nats(parts: &[NatPart], hosts: &[String], segments: &[String]) -> Result<Vec<Nat>, String> {
    let segment = |name: &str| place("segment", name, segments.iter().cloned());
    let nat = |part: &NatPart| {
        let publish = part.publish.as_ref().map(|h| place("host", h, hosts.iter().cloned())).transpose()?;
        Ok(Nat { inside: segment(&part.inside)?, outside: segment(&part.outside)?, publish })
    };
    parts.iter().map(nat).collect()
}

/// `2 holders`, `1 to 2 holders`, `3 holders of site`.
fn truth((at, text): &(String, String), licenses: &[LicensePlan]) -> Result<TruthLine, String> {
    let bad = || format!("\"{text}\" is no truth; write it like \"2 holders\" or \"1 to 2 holders of xsvr\"");
    let (numbers, rest) = text.split_once(" holder").ok_or_else(bad)?;
    let license = match rest.trim_start_matches('s').trim().strip_prefix("of ") {
        Some(name) => place("license", name, licenses.iter().map(|l| l.name.clone()))?,
        None => usual(licenses),
    };
    let number = |n: &str| n.trim().parse::<usize>().map_err(|_| bad());
    let (least, most) = match numbers.split_once(" to ") {
        Some((least, most)) => (number(least)?, number(most)?),
        None => (number(numbers)?, number(numbers)?),
    };
    Ok(TruthLine { at: moment(at)?, license, least, most })
}

fn detect(part: &DetectPart, names: &[String]) -> Result<Detect, String> {
    Ok(Detect {
        within: span(&part.within)?,
        most_within: part.most_within.as_deref().map(span).transpose()?,
        confirm: part.confirm.as_deref().map(span).transpose()?,
        after: part.after.as_deref().map(moment).transpose()?.unwrap_or(Mono(0)),
        class: part.class.as_deref().map(class).transpose()?,
        hosts: part.hosts.as_deref().map(|h| hosts(h, names)).transpose()?,
    })
}

fn class(word: &str) -> Result<Class, String> {
    let known = || Class::ALL.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", ");
    Class::of_word(word).ok_or_else(|| format!("\"{word}\" is no class; there are {}", known()))
}

fn saying((at, who, word): &(String, String, String), names: &[String]) -> Result<Saying, String> {
    Ok(Saying { at: moment(at)?, hosts: hosts(who, names)?, word: Word::read(word)? })
}

fn compose(part: &ComposePart, faults: &[FaultPart]) -> Result<Compose, String> {
    let fault = |f: &FaultPart| {
        let story = f.story.iter().map(|(at, s)| Ok((span(at)?, s.clone())));
        Ok(Fault { name: f.name.clone(), story: story.collect::<Result<_, String>>()? })
    };
    let usual: Faults = toml::from_str(USUAL_FAULTS).map_err(|e| e.to_string())?;
    let faults = if faults.is_empty() { &usual.fault } else { faults };
    let faults: Vec<Fault> = faults.iter().map(fault).collect::<Result<_, String>>()?;
    let (least, most) = part.faults;
    if least > most {
        return Err(format!("compose wants {least} to {most} faults: write the smaller number first"));
    }
    Ok(Compose {
        least: part.faults.0,
        most: part.faults.1,
        from: moment(&part.from)?,
        until: moment(&part.until)?,
        faults,
    })
}
