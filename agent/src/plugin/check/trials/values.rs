//! Values that a configuration may have for an option: at the ends of its range, between them, and by chance.
//!
//! All of them legal by the option's own table, since the agent checks before the plugin sees a value.  Paths stay
//! within the trial's folder.

use std::path::Path;

use crate::plugin::check::rng::Rng;
use crate::plugin::options::{OptionKind, OptionSpec};

/// Nanoseconds of a minute.
const MINUTE: i64 = 60_000_000_000;

/// Some legal values, as `configure` gets them.
pub(super) fn of(spec: &OptionSpec, own: &Path) -> Vec<String> {
    let numbers = |fallback: [i64; 4]| match spec.range {
        Some((min, max)) => vec![min, max, min + (max - min) / 2],
        None => fallback.to_vec(),
    };
    let numbers = |fallback| numbers(fallback).iter().map(i64::to_string).collect();
    match spec.kind {
        OptionKind::Bool => vec!["false".to_owned(), "true".to_owned()],
        OptionKind::Enum => spec.choices.clone(),
        OptionKind::Int => numbers([0, 1, -1, i64::MAX]),
        OptionKind::Duration => numbers([0, 1, MINUTE, i64::MAX]),
        OptionKind::Path => {
            ["there", "not/there"].map(|name| own.join(name).to_string_lossy().into_owned()).to_vec()
        }
        OptionKind::String => vec![String::new(), "x".to_owned(), "größe 大".to_owned(), "a".repeat(300)],
    }
}

/// The settings with some of them replaced by chance, in the order of the table.
pub(super) fn by_chance(
    table: &[OptionSpec],
    settings: &[(String, String)],
    own: &Path,
    rng: &mut Rng,
) -> Vec<(String, String)> {
    let of_one = |spec: &OptionSpec| {
        let old = settings.iter().find(|(name, _)| *name == spec.name).map(|(_, value)| value.clone());
        let value = if rng.once_in(2) { old } else { Some(rng.pick(&of(spec, own))) };
        value.map(|value| (spec.name.clone(), value))
    };
    table.iter().filter_map(of_one).collect()
}

/// The settings with these replaced or added, in the order of the table.
pub(super) fn with(
    table: &[OptionSpec],
    settings: &[(String, String)],
    new: &[(String, String)],
) -> Vec<(String, String)> {
    let find = |all: &[(String, String)], name: &str| all.iter().find(|(key, _)| key == name).cloned();
    table.iter().filter_map(|spec| find(new, &spec.name).or_else(|| find(settings, &spec.name))).collect()
}
