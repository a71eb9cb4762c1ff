//! A plugin's options: its table, and what the configuration says checked against it.
//!
//! Owns types, ranges, defaults and redaction; reading the table out of the descriptor is
//! [`super::descriptor`]'s.  A secret's value appears in no message, no `Debug`, no status.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::PluginError;
use super::limits::OPTION_VALUE_MAX;
use crate::nearest::hint;

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptionKind {
    /// Any text.
    String,
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// A span of time, as `"90s"`.
    Duration,
    /// An absolute path.
    Path,
    /// One of the choices.
    Enum,
}

impl OptionKind {
    /// What people call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OptionKind::String => "a string",
            OptionKind::Int => "a whole number",
            OptionKind::Bool => "true or false",
            OptionKind::Duration => "a duration such as \"90s\"",
            OptionKind::Path => "an absolute path",
            OptionKind::Enum => "one of its choices",
        }
    }
}

/// One row of a plugin's options table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionSpec {
    /// Its key in `[plugin.options]`.
    pub name: String,
    /// What its value is.
    pub kind: OptionKind,
    /// As one would write it in the configuration; `None` if there is none.
    pub default: Option<String>,
    /// One sentence for people.
    pub help: String,
    /// It must be given.
    pub required: bool,
    /// It is never shown.
    pub secret: bool,
    /// A reload may change it.
    pub reloadable: bool,
    /// Least and greatest allowed; a duration's in nanoseconds.
    pub range: Option<(i64, i64)>,
    /// The words of an [`OptionKind::Enum`].
    pub choices: Vec<String>,
    /// The unit of an [`OptionKind::Int`], for people.
    pub unit: Option<String>,
}

/// One option with the value that is in force, as the plugin gets it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: Zeroizing<String>,
    pub(super) secret: bool,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret { "(secret)" } else { self.value.as_str() };
        write!(f, "{} = {value:?}", self.name)
    }
}

/// All options of a plugin that have a value, in the order of its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings(pub(super) Vec<Setting>);

impl Settings {
    /// A plugin's own message without the secrets that it may quote.
    pub(super) fn redact(&self, message: &str) -> String {
        redact(message, &[self])
    }
}

/// A plugin's own message without the secrets of any of these settings: while it takes new ones, it may quote both.
pub(super) fn redact(message: &str, settings: &[&Settings]) -> String {
    let all = settings.iter().flat_map(|settings| &settings.0);
    let mut secrets: Vec<&str> =
        all.filter(|s| s.secret && !s.value.is_empty()).map(|s| s.value.as_str()).collect();
    // The longest first: of one that begins with another the rest would stay.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(message.to_owned(), |text, secret| text.replace(secret, "(secret)"))
}

/// A table that contradicts itself is a defect of the plugin, found before its options are used.
pub(super) fn check_table(plugin: &str, table: &[OptionSpec]) -> Result<(), PluginError> {
    for (index, spec) in table.iter().enumerate() {
        let defect = |what: String| {
            PluginError::of_option(plugin, &spec.name, format!("a defect of its options table: {what}"))
        };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !spec.name.bytes().all(plain) || !spec.name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(defect(format!("\"{}\" is no name: [a-z][a-z0-9_]*", spec.name.escape_debug())));
        }
        if table[..index].iter().any(|other| other.name == spec.name) {
            return Err(defect(format!("\"{}\" stands in it twice", spec.name)));
        }
        if (spec.kind == OptionKind::Enum) == spec.choices.is_empty() {
            return Err(defect(format!(
                "choices belong to ENUM options, and to each one: \"{}\"",
                spec.name
            )));
        }
        if spec.range.is_some_and(|(min, max)| min > max) {
            return Err(defect(format!("the least value of \"{}\" is above the greatest", spec.name)));
        }
        if let Some(default) = &spec.default {
            from_text(spec, default)
                .map_err(|what| defect(format!("the default of \"{}\" {what}", spec.name)))?;
        }
    }
    Ok(())
}

/// Checks `[plugin.options]` against the table; what is not given gets its default.  With `texts`, as a program gives
/// them, a text may stand for any kind of value.
pub(super) fn resolve(
    plugin: &str,
    table: &[OptionSpec],
    given: &toml::Table,
    texts: bool,
) -> Result<Settings, PluginError> {
    if let Some(unknown) = given.keys().find(|key| table.iter().all(|spec| spec.name != **key)) {
        let known = hint(unknown, table.iter().map(|spec| spec.name.as_str()));
        let what = format!("it has no option \"{}\": {known}", unknown.escape_debug());
        return Err(PluginError::of_option(plugin, unknown, what));
    }
    let mut settings = Vec::new();
    for spec in table {
        let wrong = |what: String| {
            PluginError::of_option(plugin, &spec.name, format!("its option \"{}\" {what}", spec.name))
        };
        let value = match (given.get(&spec.name), &spec.default) {
            (Some(toml::Value::String(text)), _) if texts => from_text(spec, text).map_err(wrong)?,
            (Some(value), _) => from_toml(spec, value).map_err(wrong)?,
            (None, _) if spec.required => {
                return Err(wrong(format!("is required: add {} under [plugin.options]", example(spec))));
            }
            (None, Some(default)) => from_text(spec, default).map_err(wrong)?,
            (None, None) => continue,
        };
        settings.push(Setting { name: spec.name.clone(), value: Zeroizing::new(value), secret: spec.secret });
    }
    Ok(Settings(settings))
}

/// Whether a running plugin may be given `new` in place of `old`.
pub(super) fn check_reload(
    plugin: &str,
    table: &[OptionSpec],
    old: &Settings,
    new: &Settings,
) -> Result<(), PluginError> {
    let value = |settings: &Settings, name: &str| {
        settings.0.iter().find(|setting| setting.name == name).map(|setting| setting.value.clone())
    };
    match table.iter().find(|spec| !spec.reloadable && value(old, &spec.name) != value(new, &spec.name)) {
        None => Ok(()),
        Some(spec) => Err(PluginError::of_option(
            plugin,
            &spec.name,
            format!("its option \"{}\" cannot change while the agent runs: restart the agent", spec.name),
        )),
    }
}

fn example(spec: &OptionSpec) -> String {
    let value = match spec.kind {
        OptionKind::String => "\"...\"".to_owned(),
        OptionKind::Int => spec.range.map_or(1, |(min, _)| min).to_string(),
        OptionKind::Bool => "true".to_owned(),
        OptionKind::Duration => "\"90s\"".to_owned(),
        OptionKind::Path => "\"/...\"".to_owned(),
        OptionKind::Enum => format!("\"{}\"", spec.choices.first().map_or("", String::as_str)),
    };
    format!("{} = {value}", spec.name)
}

fn from_toml(spec: &OptionSpec, value: &toml::Value) -> Result<String, String> {
    match (spec.kind, value) {
        (OptionKind::Int, toml::Value::Integer(number)) => integer(spec, *number),
        (OptionKind::Bool, toml::Value::Boolean(flag)) => Ok(flag.to_string()),
        (
            OptionKind::String | OptionKind::Duration | OptionKind::Path | OptionKind::Enum,
            toml::Value::String(text),
        ) => from_text(spec, text),
        (kind, other) => Err(format!("must be {}, found: {}", kind.as_str(), other.type_str())),
    }
}

fn from_text(spec: &OptionSpec, text: &str) -> Result<String, String> {
    let found = || if spec.secret { "(secret)".to_owned() } else { format!("\"{}\"", text.escape_debug()) };
    let not = |kind: OptionKind| format!("must be {}, found: {}", kind.as_str(), found());
    if text.contains('\0') {
        return Err("must not contain a NUL".to_owned());
    }
    if text.len() > OPTION_VALUE_MAX {
        return Err(format!("is longer than {OPTION_VALUE_MAX} bytes"));
    }
    match spec.kind {
        OptionKind::String => Ok(text.to_owned()),
        OptionKind::Int => integer(spec, text.parse().map_err(|_| not(spec.kind))?),
        OptionKind::Bool if matches!(text, "true" | "false") => Ok(text.to_owned()),
        OptionKind::Path if text.starts_with('/') => Ok(text.to_owned()),
        OptionKind::Bool | OptionKind::Path => Err(not(spec.kind)),
        OptionKind::Duration => duration(spec, humantime::parse_duration(text).map_err(|_| not(spec.kind))?),
        OptionKind::Enum if spec.choices.iter().any(|choice| choice == text) => Ok(text.to_owned()),
        OptionKind::Enum => {
            let hint = hint(text, spec.choices.iter().map(String::as_str));
            let hint = if spec.secret { format!("known are {}", spec.choices.join(", ")) } else { hint };
            Err(format!("cannot be {}: {hint}", found()))
        }
    }
}

fn integer(spec: &OptionSpec, number: i64) -> Result<String, String> {
    match spec.range {
        Some((min, max)) if !(min..=max).contains(&number) => {
            let unit = spec.unit.as_ref().map_or(String::new(), |unit| format!(" {unit}"));
            let found = if spec.secret { String::new() } else { format!(", found: {number}") };
            Err(format!("must be between {min} and {max}{unit}{found}"))
        }
        _ => Ok(number.to_string()),
    }
}

fn duration(spec: &OptionSpec, span: Duration) -> Result<String, String> {
    let ns = i64::try_from(span.as_nanos()).map_err(|_| "must be below 292 years".to_owned())?;
    match spec.range {
        Some((min, max)) if !(min..=max).contains(&ns) => {
            let words = |ns: i64| {
                humantime::format_duration(Duration::from_nanos(u64::try_from(ns).unwrap_or(0))).to_string()
            };
            let found = if spec.secret { String::new() } else { format!(", found: {}", words(ns)) };
            Err(format!("must be between {} and {}{found}", words(min), words(max)))
        }
        _ => Ok(ns.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, kind: OptionKind, default: Option<&str>) -> OptionSpec {
        OptionSpec {
            name: name.to_owned(),
            kind,
            default: default.map(str::to_owned),
            help: String::new(),
            required: false,
            secret: false,
            reloadable: false,
            range: None,
            choices: if kind == OptionKind::Enum { vec!["observe".into(), "strict".into()] } else { vec![] },
            unit: None,
        }
    }

    fn table() -> Vec<OptionSpec> {
        vec![
            spec("mode", OptionKind::Enum, Some("observe")),
            OptionSpec { reloadable: true, ..spec("grace", OptionKind::Duration, Some("0s")) },
            OptionSpec {
                range: Some((1, 9)),
                unit: Some("tries".into()),
                ..spec("retries", OptionKind::Int, None)
            },
            OptionSpec { secret: true, reloadable: true, ..spec("token", OptionKind::String, None) },
            OptionSpec {
                secret: true,
                range: Some((0, 1_000_000_000)),
                ..spec("delay", OptionKind::Duration, None)
            },
            spec("loud", OptionKind::Bool, Some("false")),
            spec("dir", OptionKind::Path, None),
        ]
    }

    fn resolved(text: &str) -> Result<Settings, PluginError> {
        resolve("p", &table(), &text.parse().expect("toml"), false)
    }

    #[test]
    fn defaults_and_canonical_texts() {
        let settings = resolved("grace = \"1m 30s\"\ndir = \"/x\"\ntoken = \"hush\"").expect("fits");
        let pairs: Vec<(&str, &str)> =
            settings.0.iter().map(|s| (s.name.as_str(), s.value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("mode", "observe"),
                ("grace", "90000000000"),
                ("token", "hush"),
                ("loud", "false"),
                ("dir", "/x")
            ]
        );
        assert!(!format!("{settings:?}").contains("hush"));
        assert_eq!(settings.redact("bad token hush"), "bad token (secret)");
        let longer = resolved("token = \"hush2\"").expect("fits");
        assert_eq!(redact("not hush2, hush", &[&settings, &longer]), "not (secret), (secret)");
    }

    #[test]
    fn says_what_does_not_fit() {
        for (text, option, part) in [
            ("mdoe = \"strict\"", "mdoe", "no option \"mdoe\": did you mean \"mode\"?"),
            ("mode = \"strikt\"", "mode", "cannot be \"strikt\": did you mean \"strict\"?"),
            ("grace = 5", "grace", "must be a duration such as \"90s\", found: integer"),
            ("retries = 10", "retries", "must be between 1 and 9 tries, found: 10"),
            ("retries = \"5\"", "retries", "must be a whole number, found: string"),
            ("loud = \"yes\"", "loud", "must be true or false"),
            ("dir = \"x\"", "dir", "must be an absolute path, found: \"x\""),
            ("dir = \"/x\\u0000\"", "dir", "NUL"),
            ("token = 12345", "token", "found: integer"),
            ("delay = \"12345s\"", "delay", "must be between 0s and 1s"),
        ] {
            let error = resolved(text).expect_err(text);
            assert_eq!(error.option(), Some(option));
            assert!(error.to_string().contains(part), "{error}");
            assert!(
                !error.to_string().contains("12345") && !error.to_string().contains("25m 45s"),
                "{error}"
            );
        }
        let needed = [OptionSpec { required: true, range: Some((3, 4)), ..spec("n", OptionKind::Int, None) }];
        let error = resolve("p", &needed, &toml::Table::new(), false).expect_err("required");
        assert!(error.to_string().contains("add n = 3 under [plugin.options]"), "{error}");
    }

    #[test]
    fn a_reload_changes_only_what_may_change() {
        let old = resolved("token = \"a\"").expect("fits");
        let check = |text: &str| check_reload("p", &table(), &old, &resolved(text).expect("fits"));
        assert_eq!(check("token = \"b\"\ngrace = \"5s\""), Ok(()));
        let error = check("token = \"a\"\nmode = \"strict\"").expect_err("not reloadable");
        assert!(error.to_string().contains("restart the agent"), "{error}");
        assert_eq!(check("token = \"a\"\nretries = 1").expect_err("appears").option(), Some("retries"));
    }

    #[test]
    fn a_table_must_be_sound() {
        assert_eq!(check_table("p", &table()), Ok(()));
        let unsound = |spec| check_table("p", &[spec]).expect_err("unsound").to_string();
        assert!(unsound(spec("Mode", OptionKind::Int, None)).contains("is no name"));
        assert!(unsound(spec("n", OptionKind::Int, Some("x"))).contains("the default of \"n\" must be"));
        assert!(
            unsound(OptionSpec { choices: vec![], ..spec("e", OptionKind::Enum, None) }).contains("choices")
        );
        assert!(
            unsound(OptionSpec { range: Some((2, 1)), ..spec("n", OptionKind::Int, None) }).contains("least")
        );
        let twice = [spec("n", OptionKind::Int, None), spec("n", OptionKind::Int, None)];
        assert!(check_table("p", &twice).expect_err("twice").to_string().contains("twice"));
    }
}
