//! libserialnumberd(3): filled in from the C header, complete, and about nothing else.

mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use pages::{Sources, bold, compare, lint, unknown, unsaid};
use parse::{items, macros};
use rig::{header, include, package};

#[allow(dead_code, reason = "of the plugin interface's pages, too")]
#[path = "../../../plugin-api/tests/header/pages.rs"]
mod pages;
#[allow(dead_code, reason = "of the plugin interface's pages, too")]
#[path = "../../../plugin-api/tests/header/parse.rs"]
mod parse;
#[path = "../../../plugin-api/tests/header/roff.rs"]
mod roff;

fn page() -> PathBuf {
    package().join("man/libserialnumberd.3")
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The paragraph of the header's first comment that begins so, without that beginning.
fn paragraph(header: &str, beginning: &str) -> String {
    let (comment, _) = header.split_once("*/").expect("the header begins with a comment");
    let lines = comment.lines().map(|line| line.trim_start_matches(" *").trim());
    let text = lines.map(|line| if line.is_empty() { "\n" } else { line }).collect::<Vec<_>>().join(" ");
    let found = text.split('\n').find_map(|paragraph| paragraph.trim().strip_prefix(beginning));
    found.unwrap_or_else(|| panic!("no paragraph begins with {beginning}")).trim().to_owned()
}

/// `1`, `UINT32_C(0x1)`; no expression.
fn number(value: &str) -> Option<i128> {
    let digits = value.trim_start_matches("UINT32_C(").trim_end_matches(')');
    match digits.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

fn sources() -> Sources {
    let header = read(header());
    let macros = macros(&header);
    let values = macros.iter().filter_map(|m| Some((m.name.clone(), number(&m.value)?))).collect();
    let texts = [
        ("example", read(package().join("man/example.c"))),
        ("threads", paragraph(&header, "Threads:")),
        ("statuses", paragraph(&header, "Statuses that any function may answer:")),
        ("notes", format!("The library {}", paragraph(&header, "The library"))),
    ];
    Sources { items: items(&header), macros, values, texts: BTreeMap::from(texts) }
}

fn template() -> String {
    read(page().with_extension("3.in"))
}

#[test]
fn the_page_is_what_template_and_header_say() {
    compare(&page(), &sources().fill(&template()));
    lint(&page());
}

#[test]
fn all_that_the_header_declares_is_in_the_page_and_nothing_else() {
    let sources = sources();
    let page = sources.fill(&template());
    let headers = ["serialnumberd.h", "plugin.h", "types.h"]
        .map(|name| read(include().join("serialnumberd").join(name)));
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let known: BTreeSet<&str> = headers
        .iter()
        .flat_map(|text| text.split(|c| !is_part(c)))
        .filter(|word| !word.ends_with('_'))
        .collect();
    assert_eq!(unknown(&page, &known), [""; 0], "the page names what is in no header");
    assert_eq!(unsaid(&[&page], &sources.names()), [""; 0], "the page leaves out");
    let tables = ["function", "thread"];
    let mut invented = bold(&template());
    invented.retain(|word| !known.contains(word.as_str()) && !tables.contains(&word.as_str()));
    assert!(invented.is_empty(), "the page shows names of nothing: {invented:?}");
}

/// It is what people copy.
#[test]
fn the_example_compiles_without_a_warning() {
    for (compiler, language, standard) in rig::LANGUAGES.into_iter().filter(|l| l.1 == "c") {
        let args = ["-x", language, standard, "-c"];
        rig::compile(compiler, &args, &package().join("man/example.c"), &rig::scratch("example.o"));
    }
}
