//! From a scenario's file to the model: the whole, and what must be so of it.  `parts` reads its tables; what happens
//! when it is played is the world's.

use std::collections::BTreeSet;
use std::time::Duration;

use serialnumberd_core::Mono;

use super::limits::{LENGTH, check_load};
use super::parts::{self, Names};
use super::sentence::deed;
use super::slots::Cast;
use super::span::{moment, span, written};
use super::toml::File;
use super::{Compose, Saying, Scenario, Step};

/// Reads a scenario called `name`.
///
/// # Errors
/// A sentence that says where in the file what is wrong: its line if the form is, else the key.
pub(crate) fn read(name: &str, text: &str) -> Result<Scenario, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    let length = span(&file.length).map_err(of("length"))?;
    if length.is_zero() || length > LENGTH {
        return Err(format!(
            "length: {length:?} cannot be played; write more than 0 s and at most two years"
        ));
    }
    let segments = parts::segments(&file)?;
    let mut licenses = parts::licenses(&file);
    let hosts = parts::hosts(&file, &segments, &mut licenses)?;
    parts::check_licenses(&licenses)?;
    let names = Names::of(&hosts, &segments, &licenses);
    let scenario = Scenario {
        name: name.to_owned(),
        title: file.title.clone(),
        length,
        crypto: file.crypto,
        long: file.long,
        seeds_at_most: file.seeds_at_most,
        settings: parts::settings(&file.settings).map_err(of("settings"))?,
        nats: parts::nats(&file.nat, &names).map_err(of("nat"))?,
        truth: each("truth", &file.truth, |line| parts::truth(line, &names))?,
        story: story(&file, names.cast(), length)?,
        must_not_accuse: file.must_not_accuse,
        must_resolve: file.must_resolve.as_deref().map(span).transpose().map_err(of("must-resolve"))?,
        must_say: each("must-say", &file.must_say, |line| parts::saying(line, &names))?,
        must_send_at_most: file.must_send_at_most,
        must_detect: (file.must_detect.as_ref())
            .map(|part| parts::detect(part, &names))
            .transpose()
            .map_err(of("must-detect"))?,
        compose: (file.compose.as_ref())
            .map(|part| parts::compose(part, &file.fault, &names))
            .transpose()
            .map_err(of("compose"))?,
        guards: file.guards,
        segments,
        licenses,
        hosts,
    };
    check(&scenario)?;
    check_load(&scenario)?;
    Ok(scenario)
}

/// Puts the key before a sentence.
fn of(key: &str) -> impl Fn(String) -> String {
    move |sentence| format!("{key}: {sentence}")
}

/// Reads each line of a list; says in which one something is wrong.
fn each<T, L: std::fmt::Debug>(
    key: &str,
    lines: &[L],
    read: impl Fn(&L) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    lines.iter().map(|line| read(line).map_err(|e| format!("{key}, {line:?}: {e}"))).collect()
}

fn story(file: &File, cast: Cast<'_>, length: Duration) -> Result<Vec<Step>, String> {
    let step = |(at, sentence): &(String, String)| {
        let at = moment(at)?;
        if at > Mono(0).after(length) {
            return Err(after(at, length));
        }
        Ok(Step { at, deed: deed(sentence, cast)? })
    };
    let mut story = each("story", &file.story, step)?;
    story.sort_by_key(|s| s.at);
    Ok(story)
}

fn after(at: Mono, length: Duration) -> String {
    let end = written(Mono(0).after(length));
    format!("{} is after the end; write a time up to {end}, or a greater length", written(at))
}

/// Refuses what would show nothing.
fn check(scenario: &Scenario) -> Result<(), String> {
    let composed = scenario.is_composed();
    let end = Mono(0).after(scenario.length);
    let late = scenario.must_say.iter().map(|s: &Saying| s.at).find(|at| *at > end);
    let twice = doubled(&scenario.hosts.iter().map(|h| h.name.as_str()).collect::<Vec<_>>());
    let says_something = scenario.must_not_accuse || scenario.must_detect.is_some() || composed;
    let composed_late = scenario.compose.as_ref().map(|c: &Compose| c.until).filter(|at| *at > end);
    let wrongs = [
        twice.map(|name| format!("host: two hosts are called \"{name}\"; give each a name of its own")),
        scenario.story.is_empty().then(|| "it has no story: say at least who starts, and when".to_owned()),
        (!says_something).then(|| {
            "it says neither must-not-accuse nor must-detect, so nothing would be shown by it".to_owned()
        }),
        (scenario.truth.is_empty() && !composed)
            .then(|| "it has no truth: say how many holders there are, and from when on".to_owned()),
        (scenario.seeds_at_most == Some(0))
            .then(|| "seeds-at-most: 0 would never play it; write 1 or more".to_owned()),
        late.map(|at| format!("must-say: {}", after(at, scenario.length))),
        composed_late.map(|at| format!("compose, until: {}", after(at, scenario.length))),
    ];
    wrongs.into_iter().flatten().next().map_or(Ok(()), Err)
}

fn doubled<'a>(names: &[&'a str]) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.iter().copied().find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests;
