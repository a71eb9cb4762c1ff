//! The manual pages of the plugin interface: filled in from the headers, complete, and about nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::pages::{Sources, compare, lint, unknown, unsaid};
use super::parse::{items, macros};
use super::{header, package, table};

const PAGES: [&str; 1] = ["serialnumberd-plugin.3"];

fn page(name: &str) -> PathBuf {
    package().join("man").join(name)
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources() -> Sources {
    let (types_h, plugin_h) = (header("types.h"), header("plugin.h"));
    let values = table::values().into_iter().map(|(name, value, _)| (name, value)).collect();
    let texts = [("example", read(page("example.c")))];
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

#[test]
fn what_a_page_should_not_say_and_what_it_leaves_out_is_found() {
    let known = BTreeSet::from(["slnd_kv", "SLND_E_FAIL", "on_events"]);
    let page = "\\fBslnd_kv\\fR, SLND_E_*; \\fBslnd_kw\\fR\nSLND_F_*";
    assert_eq!(unknown(page, &known), ["SLND_F_*", "slnd_kw"]);
    assert_eq!(unsaid(&[page], &known), ["SLND_E_FAIL", "on_events"]);
}
