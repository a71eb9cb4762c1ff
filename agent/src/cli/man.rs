//! serialnumberd(8) and serialnumberd.toml(5): templates, filled in from the definitions of the command line and from
//! the commented configuration.  `BLESS=1 cargo test` writes them anew, to be reviewed.

use std::path::{Path, PathBuf};

use clap::{Arg, CommandFactory as _};

use super::args::Arguments;
use pages::{compare, lint};
use roff::{escape, prose, verbatim};

#[allow(dead_code, reason = "of the C headers' pages, too")]
#[path = "../../../plugin-api/tests/header/pages.rs"]
mod pages;
#[allow(dead_code, reason = "of the C headers' pages, too")]
#[path = "../../../plugin-api/tests/header/parse.rs"]
mod parse;
#[allow(dead_code, reason = "of the C headers' pages, too")]
#[path = "../../../plugin-api/tests/header/roff.rs"]
mod roff;

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// A help text: paragraphs, and what is indented as it is.
fn help(text: &str) -> String {
    let paragraph = |part: &str| match part.split_once('\n') {
        _ if part.lines().all(|line| !line.starts_with(' ')) => prose(&part.replace('\n', " ")),
        Some((head, lines)) if !head.starts_with(' ') => format!("{}\n.PP\n{}", prose(head), verbatim(lines)),
        _ => verbatim(part),
    };
    text.split("\n\n").map(|part| format!(".PP\n{}\n", paragraph(part))).collect()
}

/// How an argument is written, and what it is.
fn argument(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| bold(&format!("-{short}")));
    let long = arg.get_long().map(|long| bold(&format!("--{long}")));
    let takes_value = arg.get_action().takes_values();
    let names = arg.get_value_names().filter(|_| takes_value).unwrap_or_default();
    let value = names.iter().map(|name| format!("\\fI{name}\\fR")).collect::<Vec<_>>().join(" ");
    let spelled = [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let gap = match (spelled.is_empty() || value.is_empty(), arg.is_require_equals_set()) {
        (true, _) => "",
        (false, true) => "=",
        (false, false) => " ",
    };
    let value = if arg.is_require_equals_set() { format!("[{gap}{value}]") } else { format!("{gap}{value}") };
    let default = arg.get_default_values().iter().map(|d| d.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let default =
        if takes_value && !default.is_empty() { format!(" [default: {default}]") } else { String::new() };
    let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
    format!(".TP\n{spelled}{value}\n{}\n", prose(&(about + &default)))
}

/// Every command, each with its arguments; of nested ones those that do something.
fn commands(command: &clap::Command) -> String {
    let visible = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    let leaf = |sub: &clap::Command| {
        let usage = sub.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let arguments = sub.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_id() != "help");
        let arguments: String = arguments.map(argument).collect();
        let more = sub.get_after_help().map(|text| help(&text.to_string())).unwrap_or_default();
        let name =
            sub.get_bin_name().and_then(|name| name.strip_prefix("serialnumberd ")).unwrap_or_default();
        let usage = roff::declaration(usage);
        format!(".SS {name}\n{usage}\n.PP\n{}.\n{arguments}{more}", prose(&about))
    };
    visible.map(|sub| if sub.has_subcommands() { commands(sub) } else { leaf(sub) }).collect()
}

/// `key = value`, also where it is commented out.
fn key(line: &str) -> Option<&str> {
    let bare = line.strip_prefix("# ").unwrap_or(line);
    let (name, _) = bare.split_once(" = ")?;
    name.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(bare)
}

/// `[table]` or `[[table]]`, also where it is commented out.
fn heading(line: &str) -> Option<&str> {
    let bare = line.strip_prefix("# ").unwrap_or(line);
    (bare.starts_with('[') && bare.ends_with(']')).then_some(bare)
}

/// The commented configuration as a list of keys, without its introduction.
fn keys(configuration: &str) -> String {
    let mut out = String::new();
    let mut text: Vec<&str> = Vec::new();
    let mut lines = configuration.lines().skip_while(|line| heading(line).is_none()).peekable();
    while let Some(line) = lines.next() {
        if let Some(table) = heading(line) {
            out.push_str(&format!(".SS {}\n{}\n", escape(table), prose(&text.join(" "))));
            text.clear();
        } else if let Some(entry) = key(line) {
            let mut entries = vec![entry];
            while let Some(entry) = lines.peek().and_then(|line| key(line)) {
                entries.push(entry);
                lines.next();
            }
            let tags: Vec<String> = entries.iter().map(|entry| tag(entry)).collect();
            out.push_str(&format!(".TP\n{}\n{}\n", tags.join("\n.TQ\n"), prose(&text.join(" "))));
            text.clear();
        } else if let Some(more) = line.strip_prefix("# ") {
            text.push(more);
        }
    }
    // An introduction that nothing follows is a table without text.
    out.lines().filter(|line| !line.is_empty()).fold(String::new(), |out, line| out + line + "\n")
}

fn tag(entry: &str) -> String {
    let (name, value) = entry.split_once(" = ").unwrap_or((entry, ""));
    format!("{} = {}", bold(name), escape(value))
}

fn fill(name: &str) -> String {
    let template = std::fs::read_to_string(page(&format!("{name}.in"))).unwrap();
    let mut command = Arguments::command();
    command.build();
    let filled = template.lines().map(|line| match line {
        "@commands" => commands(&command),
        "@keys" => keys(include_str!("../../../examples/serialnumberd.toml")),
        line => format!("{line}\n"),
    });
    filled.collect()
}

#[test]
fn pages_are_what_templates_and_definitions_say() {
    for name in ["serialnumberd.8", "serialnumberd.toml.5"] {
        compare(&page(name), &fill(name));
        lint(&page(name));
    }
}

/// The keys that the configuration's reader asks for.
fn known_keys() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let source = ["agent.rs", "license.rs", "plugin.rs", "sandbox.rs"]
        .map(|file| std::fs::read_to_string(folder.join(file)).unwrap())
        .concat();
    let asks = [".set(", ".require(", ".take_at(", ".take_value(", "place("];
    let behind = |ask: &str| {
        let rests = source.split(ask).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        rests.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect::<Vec<_>>()
    };
    asks.into_iter().flat_map(behind).collect()
}

#[test]
fn every_key_of_the_configuration_is_in_the_page() {
    let page = fill("serialnumberd.toml.5");
    let keys = known_keys();
    assert!(keys.len() > 30, "only {} keys: are they asked for in another way?", keys.len());
    for key in keys {
        let forms = [format!("\\fB{key}\\fR"), format!("\\fI{key}\\fR"), format!(".{key}]")];
        assert!(forms.iter().any(|form| page.contains(form)), "{key} is not in the page");
    }
}

#[test]
fn a_key_is_found_in_every_form() {
    let text =
        "# About.\n[one]\n# What\n# it is.\n# a = 1\n# b = \"x-y\"\n\n# Each.\n[[two]]\nc_d = [\"*\"]\n";
    assert_eq!(
        keys(text),
        ".SS [one]\n.TP\n\\fBa\\fR = 1\n.TQ\n\\fBb\\fR = \"x\\-y\"\nWhat it is.\n.SS [[two]]\nEach.\n\
         .TP\n\\fBc_d\\fR = [\"*\"]\n"
    );
}
