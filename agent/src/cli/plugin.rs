//! `plugin list` and `plugin info`; the others are in [`super::validate`] and [`super::replay`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{PluginCommand, PluginInfoArgs, PluginListArgs};
use super::output::{Ending, Failure, standard};
use super::{replay, validate};
use crate::config::{Config, PluginConfig};
use crate::paths::{self, Environment, Profile};
use crate::plugin::{Description, Isolation, Manifest, OptionKind, OptionSpec, Permissions, PluginError};
use crate::text::{Cell, Palette, Tone, clean, table, wrap};

pub(super) fn plugin(command: &PluginCommand, environment: &Environment) -> Ending {
    match command {
        PluginCommand::List(args) => list(args, environment),
        PluginCommand::Info(args) => info(args, environment),
        PluginCommand::Check(args) => validate::check(args, environment),
        PluginCommand::Replay(args) => replay::run(args, environment),
        PluginCommand::Trial(args) => validate::trial(args),
    }
}

/// The directories to search, and the plugins that the configuration loads, if one is named.
fn directories(
    args: &PluginListArgs,
    environment: &Environment,
) -> Result<(Vec<PathBuf>, Vec<PluginConfig>), Failure> {
    let Some(file) = &args.config else {
        let usual = paths::plugin_directories(&args.plugin_dir, Some(Path::new(paths::PLUGIN_DIR)));
        return Ok((usual, Vec::new()));
    };
    let config = Config::load(file, Profile::System, environment)
        .map_err(|errors| Failure::Sentence(errors.to_string()))?;
    let config = Config { plugin_dirs: args.plugin_dir.clone(), ..config };
    Ok((config.plugin_search(), config.plugins))
}

/// A file that calls itself a library, and what its manifest says.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) manifest: Result<Manifest, PluginError>,
    /// An earlier directory has a file of the same name.
    pub(super) hidden: bool,
    /// Where the configuration has it run, if it loads it.
    pub(super) loaded: Option<Isolation>,
}

fn list(args: &PluginListArgs, environment: &Environment) -> Ending {
    let (directories, configured) = directories(args, environment)?;
    let loaded: Vec<(PathBuf, Isolation)> = configured
        .iter()
        .filter_map(|entry| Some((crate::plugin::find(&entry.path, &directories).ok()?, entry.isolation)))
        .collect();
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for directory in &directories {
        for path in libraries(directory) {
            let name: OsString = path.file_name().map(OsString::from).unwrap_or_default();
            let hidden = !names.insert(name);
            let loaded = loaded.iter().find(|(file, _)| *file == path).map(|(_, isolation)| *isolation);
            found.push(Found { manifest: crate::plugin::manifest(&path), path, hidden, loaded });
        }
    }
    let (mut out, palette) = standard();
    out.write_all(render_list(palette, &directories, &found).as_bytes())?;
    Ok(0)
}

/// Files named as shared libraries, sorted; a directory that cannot be read has none.
fn libraries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "so"))
        .collect();
    all.sort();
    all
}

pub(super) fn render_list(palette: Palette, directories: &[PathBuf], found: &[Found]) -> String {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for entry in found {
        let path = entry.path.display().to_string();
        let Ok(manifest) = &entry.manifest else { continue };
        let note = match (entry.hidden, entry.loaded) {
            (true, _) => " (hidden by an earlier one)",
            (false, Some(Isolation::Thread)) => " (loaded, on a thread)",
            (false, Some(Isolation::Process)) => " (loaded, in a process)",
            (false, None) => "",
        };
        rows.push(vec![
            Cell::of(Tone::Strong, &manifest.id),
            Cell::plain(&manifest.version),
            Cell::plain(format!("ABI {}.{}", manifest.abi.0, manifest.abi.1)),
            Cell::plain(wants(manifest.wants)),
            Cell::plain(format!("{path}{note}")),
        ]);
    }
    let searched: Vec<String> = directories.iter().map(|d| d.display().to_string()).collect();
    let mut text = match rows.is_empty() {
        true => format!("no plugin in {}\n", clean(&searched.join(", "))),
        false => table(palette, 0, &rows),
    };
    for error in found.iter().filter_map(|entry| entry.manifest.as_ref().err()) {
        text.push_str(&wrap("", 2, &format!("not usable: {error}")));
    }
    text
}

fn wants(permissions: Permissions) -> String {
    match permissions.names().collect::<Vec<_>>().as_slice() {
        [] => "wants nothing".to_owned(),
        names => format!("wants {}", names.join(", ")),
    }
}

fn info(args: &PluginInfoArgs, environment: &Environment) -> Ending {
    let path = locate(&args.file, &args.search, environment)?;
    let description = crate::plugin::describe(&path).map_err(|e| e.to_string())?;
    let (mut out, palette) = standard();
    out.write_all(render_info(palette, &description).as_bytes())?;
    Ok(0)
}

/// A plugin's file as the command line names it.
pub(super) fn locate(
    file: &Path,
    search: &PluginListArgs,
    environment: &Environment,
) -> Result<PathBuf, Failure> {
    // A file in the working directory is meant before one in the plugin directories.
    let here = Path::new(".").join(file);
    let bare = file.components().count() == 1;
    if bare && here.is_file() {
        return Ok(here);
    }
    let (directories, _) = directories(search, environment)?;
    Ok(crate::plugin::find(file, &directories).map_err(|e| e.to_string())?)
}

pub(super) fn render_info(palette: Palette, d: &Description) -> String {
    let m = &d.manifest;
    let title = format!("{} {}", m.id, m.version);
    let mut text = format!("{}: {}\n", palette.paint(Tone::Strong, &clean(&title)), clean(&d.name));
    text.push_str(&wrap("  ", 2, &d.description));
    let or_none = |names: String| if names.is_empty() { "nothing".to_owned() } else { names };
    let optional = d.wants_if_granted.without(m.wants);
    let mut rows = vec![
        ("file", m.path.display().to_string()),
        ("ABI", format!("{}.{}", m.abi.0, m.abi.1)),
        ("vendor", d.vendor.clone()),
        ("more", d.url.clone()),
        ("needs", or_none(m.wants.to_string())),
        ("can use", or_none(optional.to_string())),
        ("events", d.events.join(", ")),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    let rows: Vec<Vec<Cell>> =
        rows.into_iter().map(|(name, value)| vec![Cell::of(Tone::Faint, name), Cell::plain(value)]).collect();
    text.push_str(&table(palette, 2, &rows));
    text.push_str(&options(palette, &d.options));
    text.push_str(&example(palette, d));
    text
}

fn options(palette: Palette, options: &[OptionSpec]) -> String {
    if options.is_empty() {
        return "\nIt has no options.\n".to_owned();
    }
    let mut text = format!("\n{}\n", palette.paint(Tone::Strong, "[plugin.options]"));
    for option in options {
        let flags: Vec<&str> = [
            (option.required, "required"),
            (option.secret, "secret"),
            (!option.reloadable, "needs a restart"),
        ]
        .into_iter()
        .filter_map(|(is, word)| is.then_some(word))
        .collect();
        let default = match &option.default {
            Some(value) => format!(" = {}", quoted(option.kind, value)),
            None => String::new(),
        };
        let kind = kind(option);
        let flags = if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) };
        text.push_str(&wrap("  ", 6, &format!("{}{default}: {kind}{flags}", option.name)));
        if !option.help.is_empty() {
            text.push_str(&wrap("      ", 6, &option.help));
        }
    }
    text
}

fn quoted(kind: OptionKind, value: &str) -> String {
    match kind {
        OptionKind::Int | OptionKind::Bool => value.to_owned(),
        OptionKind::String | OptionKind::Duration | OptionKind::Path | OptionKind::Enum => {
            format!("\"{value}\"")
        }
    }
}

fn kind(option: &OptionSpec) -> String {
    let range = option.range.map(|(least, most)| match option.kind {
        OptionKind::Duration => {
            let words = |ns: i64| Duration::from_nanos(u64::try_from(ns).unwrap_or(0));
            let shown = |ns: i64| humantime::format_duration(words(ns)).to_string();
            format!(" from {} to {}", shown(least), shown(most))
        }
        _ => format!(" from {least} to {most}"),
    });
    let unit = option.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    match option.kind {
        OptionKind::Enum => option.choices.join(" | "),
        kind => format!("{}{}{unit}", kind.as_str(), range.unwrap_or_default()),
    }
}

/// What to write into the configuration.
fn example(palette: Palette, d: &Description) -> String {
    let m = &d.manifest;
    let name = m.path.file_name().unwrap_or(m.path.as_os_str()).to_string_lossy();
    let mut text = format!(
        "\n{}\n  [[plugin]]\n  path = \"{}\"\n",
        palette.paint(Tone::Strong, "To load it"),
        clean(&name)
    );
    let every = Permissions(m.wants.0 | d.wants_if_granted.0);
    if every.names().any(|name| name == "verdict") {
        text.push_str("  verdict = \"require\"\n");
    }
    if every != Permissions::NONE {
        text.push_str(&format!("  grant = [{every}]\n"));
    }
    text
}
