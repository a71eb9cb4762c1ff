//! `[[plugin]]`: what is loaded, what it may do, and its options as written.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::document::{Document, Section};
use super::value::{list, text, word};
use super::{Isolation, Permission, PluginConfig, PluginOption, VerdictMode};

/// Each has a thread and a ring of its own.
const MOST: usize = 32;

/// Reads all `[[plugin]]` entries.
pub(super) fn read_all(document: &Document<'_>, entries: Vec<(DeTable<'_>, usize)>) -> Vec<PluginConfig> {
    if let Some((_, start)) = entries.get(MOST) {
        document.error(*start, format!("at most {MOST} [[plugin]] entries"));
    }
    entries
        .into_iter()
        .filter_map(|(table, start)| read(Section::new(document, "[[plugin]]", table, start)))
        .collect()
}

fn read(mut section: Section<'_, '_>) -> Option<PluginConfig> {
    let (line, _) = section.document.position(section.start());
    let s = &mut section;
    let path = s.require("path", "path = \"libslnd_policy.so\"", |v| plugin_path(&text(v)?));
    let mut isolation = Isolation::default();
    s.set(
        "isolation",
        &mut isolation,
        word(&[("thread", Isolation::Thread), ("process", Isolation::Process)]),
    );
    let modes =
        [("ignore", VerdictMode::Ignore), ("advise", VerdictMode::Advise), ("require", VerdictMode::Require)];
    let verdict = s.take_at("verdict", word(&modes));
    let mut grant = Vec::new();
    s.set("grant", &mut grant, |v| {
        let mut grant = list(word(&Permission::WORDS))(v)?;
        grant.sort();
        grant.dedup();
        Ok(grant)
    });
    if let Some((VerdictMode::Advise | VerdictMode::Require, offset)) = verdict
        && !grant.contains(&Permission::Verdict)
    {
        s.document.error(
            offset,
            "`verdict` in [[plugin]]: to be asked, the plugin needs the grant: add grant = [\"verdict\"]",
        );
    }
    let options = s.take_value("options").map(|v| read_options(s.document, v)).unwrap_or_default();
    section.finish();
    let verdict = verdict.map_or(VerdictMode::Ignore, |(mode, _)| mode);
    Some(PluginConfig { path: path?, isolation, verdict, grant, options, line })
}

/// Absolute, or one bare name: anything else would depend on where the agent was started.
fn plugin_path(written: &str) -> Result<PathBuf, String> {
    let path = Path::new(written);
    let mut components = path.components();
    let bare = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    if path.is_absolute() || (bare && !written.contains('/')) {
        return Ok(path.to_owned());
    }
    Err(format!(
        "\"{written}\" is neither absolute nor the bare name of a file in the plugin directory; write one of the two"
    ))
}

fn read_options(document: &Document<'_>, options: Spanned<DeValue<'_>>) -> Vec<PluginOption> {
    let start = options.span().start;
    let DeValue::Table(table) = options.into_inner() else {
        document.error(start, "`options` in [[plugin]]: expected the table [plugin.options]");
        return Vec::new();
    };
    let mut options: Vec<PluginOption> =
        table.into_iter().filter_map(|(key, value)| read_option(document, &key, value)).collect();
    options.sort_by_key(|option| (option.line, option.column));
    options
}

fn read_option(
    document: &Document<'_>,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: Spanned<DeValue<'_>>,
) -> Option<PluginOption> {
    let offset = key.span().start;
    let (line, column) = document.position(offset);
    match toml::Value::deserialize(ValueDeserializer::from(value)) {
        Ok(value) => Some(PluginOption { key: key.get_ref().to_string(), value, line, column }),
        Err(e) => {
            document.error(offset, format!("`{}` in [plugin.options]: {}", key.get_ref(), e.message()));
            None
        }
    }
}

impl Permission {
    /// All of them, by the words of `grant`.
    pub const WORDS: [(&'static str, Permission); 5] = [
        ("verdict", Permission::Verdict),
        ("announce", Permission::Announce),
        ("holders", Permission::Holders),
        ("raw", Permission::Raw),
        ("directory", Permission::Directory),
    ];

    /// The word of `grant`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Permission::WORDS.iter().find(|(_, p)| *p == self).map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PluginOption {
    /// Without the value: only the plugin's own table says which options are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.key, self.line)
    }
}
