//! The manual pages of the plugin interface: filled in from the headers, complete, and about nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::pages::{Sources, bold, compare, lint, unknown, unsaid};
use super::parse::{items, macros};
use super::{header, package, table};

const PAGES: [&str; 2] = ["serialnumberd-plugin.3", "serialnumberd-plugin.7"];

fn page(name: &str) -> PathBuf {
    package().join("man").join(name)
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rules in the comment of plugin.h, one a line.
fn rules(plugin_h: &str) -> String {
    let (_, after) = plugin_h.split_once("Rules,").expect("plugin.h states the rules");
    let lines = after.lines().skip(1).map(|line| line.trim_start_matches(" *")).take_while(|l| !l.is_empty());
    let all = lines.fold(String::new(), |all, line| match line.trim_start() {
        rule if rule.starts_with('R') && line.starts_with("  R") => format!("{all}\n{rule}"),
        more => format!("{all} {more}"),
    });
    all.trim_start().to_owned()
}

fn sources() -> Sources {
    let (types_h, plugin_h) = (header("types.h"), header("plugin.h"));
    let values = table::values().into_iter().map(|(name, value, _)| (name, value)).collect();
    let texts = [
        ("example", read(page("example.c"))),
        ("life-cycle", read(page("life-cycle.txt"))),
        ("rules", rules(&plugin_h)),
    ];
    Sources {
        items: [items(&types_h), items(&plugin_h)].concat(),
        macros: macros(&plugin_h),
        values,
        texts: BTreeMap::from(texts),
    }
}

fn fill(name: &str) -> String {
    sources().fill(&read(page(&format!("{name}.in"))))
}

#[test]
fn pages_are_what_templates_and_headers_say() {
    for name in PAGES {
        compare(&page(name), &fill(name));
        lint(&page(name));
    }
}

#[test]
fn all_that_the_headers_declare_is_in_the_pages_and_nothing_else() {
    let sources = sources();
    let texts = [header("types.h"), header("plugin.h")].concat();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let known: BTreeSet<&str> = texts.split(|c| !is_word(c)).filter(|word| !word.ends_with('_')).collect();
    for name in PAGES {
        assert_eq!(unknown(&fill(name), &known), [""; 0], "{name} names what is in no header");
    }
    assert_eq!(unsaid(&[&fill("serialnumberd-plugin.3")], &sources.names()), [""; 0], "in no page");
}

/// Keys of the configuration and words of the command line, too: what is shown as a name exists.
#[test]
fn what_a_page_shows_as_a_name_exists() {
    let root = package().join("..");
    let options = read(root.join("agent/src/cli/args.rs")).to_lowercase().replace('_', "-");
    let texts =
        [header("types.h"), header("plugin.h"), read(root.join("examples/serialnumberd.toml")), options];
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let known: BTreeSet<&str> = texts.iter().flat_map(|text| text.split(|c| !is_part(c))).collect();
    for name in PAGES {
        let shown = bold(&read(page(&format!("{name}.in"))));
        let invented: Vec<&String> = shown.iter().filter(|word| !known.contains(word.as_str())).collect();
        assert!(shown.len() > 5 && invented.is_empty(), "{name} shows names of nothing: {invented:?}");
    }
}

#[test]
fn the_picture_has_every_slot() {
    let picture = read(page("life-cycle.txt"));
    let sources = sources();
    let plugin = sources.items.iter().find(|item| item.name == "slnd_plugin").expect("it is declared");
    // Extensions are asked for at any time.
    for slot in plugin.fields.iter().filter(|f| f.is_callable() && f.name != "get_extension") {
        assert!(
            picture.split([' ', '\n']).any(|word| word == slot.name),
            "{} is not in the picture",
            slot.name
        );
    }
}

#[test]
fn what_a_page_should_not_say_and_what_it_leaves_out_is_found() {
    let known = BTreeSet::from(["slnd_kv", "SLND_E_FAIL", "on_events"]);
    let page = "\\fBslnd_kv\\fR, SLND_E_*; \\fBslnd_kw\\fR\nSLND_F_*";
    assert_eq!(unknown(page, &known), ["SLND_F_*", "slnd_kw"]);
    assert_eq!(unsaid(&[page], &known), ["SLND_E_FAIL", "on_events"]);
}
