//! Manual pages from templates: what a header says is filled in, and nothing that it does not say stays in.
//!
//! A line of a template that begins with `@` is replaced:
//!
//! | line | by |
//! |---|---|
//! | `@struct NAME` | what the struct is for, and its fields |
//! | `@fields NAME`, `@slots NAME` | its fields: those that are data, those that are functions |
//! | `@function NAME` | a function: declaration and text |
//! | `@type NAME` | a typedef: declaration and text |
//! | `@constants PREFIX...` | the constants whose names begin so, with their values |
//! | `@macro NAME` | a macro with parameters |
//! | `@threads STRUCT CALLER` | rows of a table: its slots, who calls them and on which thread |
//! | `@threads functions` | rows of a table: all functions with a thread tag |
//! | `@text NAME` | the text with that name of [`Sources::texts`] |
//! | `@prose NAME` | such a text, filled |
//! | `@list NAME` | such a text as a list: of each line the first word, and the rest |

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{Item, Kind, Macro};
use super::roff::{declaration, prose, verbatim};

/// Thread tags, and what a table says of them.
const THREADS: [(&str, &str); 4] = [
    ("[worker]", "the instance\\(aqs own"),
    ("[any]", "any"),
    ("[one]", "one at a time"),
    ("[signal]", "any, also in a signal handler"),
];

/// What pages are made of.
pub struct Sources {
    pub items: Vec<Item>,
    pub macros: Vec<Macro>,
    /// The constants' values.
    pub values: BTreeMap<String, i128>,
    /// Whatever is taken over line by line.
    pub texts: BTreeMap<&'static str, String>,
}

impl Sources {
    fn item(&self, name: &str) -> &Item {
        self.items.iter().find(|item| item.name == name).unwrap_or_else(|| panic!("the header has no {name}"))
    }

    fn constants(&self, prefixes: &str) -> String {
        let constants = self.macros.iter().filter(|m| prefixes.split(' ').any(|p| m.name.starts_with(p)));
        let entries: Vec<String> = constants
            .filter_map(|one| {
                let value = self.values.get(&one.name)?.to_string().replace('-', "\\-");
                assert!(!one.doc.is_empty(), "{} has no comment", one.name);
                Some(format!(".TP 32\n\\fB{}\\fR ({value})\n{}\n", one.name, prose(&one.doc)))
            })
            .collect();
        assert!(!entries.is_empty(), "the header has no constant {prefixes}...");
        // A table rather than paragraphs: no gap but before the first.
        format!("{}.PD 0\n{}.PD\n", entries[0], entries[1..].concat())
    }

    fn text(&self, name: &str) -> &str {
        self.texts.get(name).unwrap_or_else(|| panic!("there is no text {name}"))
    }

    /// Rows of a table: each slot of a struct, who calls it, and where; or each function, and where.
    fn threads(&self, of: &str) -> String {
        let thread = |item: &Item| {
            let tag = item.doc.split(' ').next().unwrap_or_default();
            THREADS.iter().find(|(known, _)| *known == tag).map(|(_, thread)| *thread)
        };
        let Some((name, caller)) = of.split_once(' ') else {
            let functions = self.items.iter().filter(|item| item.kind == Kind::Function);
            return functions.filter_map(|f| Some(format!("{}\t{}\n", f.name, thread(f)?))).collect();
        };
        let slots = self.item(name).fields.iter().filter(|field| field.is_callable());
        let row =
            |slot: &Item| format!("{}\t{caller}\t{}\n", slot.name, thread(slot).expect("a slot has a tag"));
        slots.map(row).collect()
    }

    fn directive(&self, line: &str) -> String {
        let (directive, name) = line.split_once(' ').unwrap_or((line, ""));
        match directive {
            "struct" => {
                let of = self.item(name);
                format!(".PP\n{}\n{}", prose(&of.doc), of.fields.iter().map(entry).collect::<String>())
            }
            "fields" => self.item(name).fields.iter().filter(|f| !f.is_callable()).map(entry).collect(),
            "slots" => self.item(name).fields.iter().filter(|f| f.is_callable()).map(entry).collect(),
            "function" | "type" => entry(self.item(name)),
            "constants" => self.constants(name),
            "macro" => {
                let one = self.macros.iter().find(|m| m.name == name).expect("the header has that macro");
                assert!(!one.doc.is_empty(), "{name} has no comment");
                let value =
                    if one.value.starts_with('"') { format!(" {}", one.value) } else { String::new() };
                format!(".TP\n\\fB{}{}\\fR{value}\n{}\n", one.name, one.parameters, prose(&one.doc))
            }
            "threads" => self.threads(name),
            "list" => {
                let lines = self.text(name).lines().filter_map(|line| line.split_once(' '));
                lines.map(|(tag, text)| format!(".TP 5\n\\fB{tag}\\fR\n{}\n", prose(text))).collect()
            }
            "prose" => format!("{}\n", prose(self.text(name))),
            "text" => format!("{}\n", verbatim(self.text(name))),
            _ => panic!("@{line}: no such directive"),
        }
    }

    /// A template, filled in.
    pub fn fill(&self, template: &str) -> String {
        let filled = template.lines().map(|line| match line.strip_prefix('@') {
            Some(directive) => self.directive(directive),
            None => format!("{line}\n"),
        });
        let page: String = filled.collect();
        // A heading begins a paragraph by itself.
        let mut after_heading = false;
        let keep = page.lines().filter(|line| {
            let is_idle = after_heading && *line == ".PP";
            after_heading = line.starts_with(".SH ") || line.starts_with(".SS ");
            !is_idle
        });
        keep.fold(String::new(), |page, line| page + line + "\n")
    }

    /// Every name that the header declares: types, fields, functions and macros.
    pub fn names(&self) -> BTreeSet<&str> {
        let items = self.items.iter().flat_map(|item| item.fields.iter().chain([item]));
        items.map(|item| &*item.name).chain(self.macros.iter().map(|m| &*m.name)).collect()
    }
}

/// One declaration with its text, indented below it.
fn entry(item: &Item) -> String {
    let head = match item.kind {
        Kind::Typedef => format!("typedef {}", item.declaration),
        _ => item.declaration.clone(),
    };
    if item.is_callable() || head.len() > 60 {
        format!(".PP\n{}\n.RS 4\n{}\n.RE\n", declaration(&head), prose(&item.doc))
    } else {
        format!(".TP\n\\fB{head}\\fR\n{}\n", prose(&item.doc))
    }
}

/// The words of a page as it is read: without requests and fonts.
fn words(page: &str) -> BTreeSet<String> {
    let mut text = page.lines().filter(|l| !l.starts_with(".\\\"")).collect::<Vec<_>>().join("\n");
    for (roff, plain) in [
        ("\\fB", ""),
        ("\\fI", ""),
        ("\\f(CR", ""),
        ("\\f(CB", ""),
        ("\\fR", ""),
        ("\\-", "-"),
        ("\\&", ""),
        ("\\ ", " "),
    ] {
        text = text.replace(roff, plain);
    }
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '*').map(str::to_owned).collect()
}

/// What a page says that the header does not: words of its form that name nothing.
pub fn unknown(page: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let is_known = |word: &str| match word.strip_suffix('*') {
        Some(prefix) => known.iter().any(|name| name.starts_with(prefix)),
        None => known.contains(word),
    };
    let words = words(page).into_iter();
    words
        .map(|w| w.trim_start_matches('*').to_owned())
        .filter(|w| w.starts_with("slnd_") || w.starts_with("SLND_"))
        .filter(|w| !is_known(w))
        .collect()
}

/// The words that a template shows as names, bold: of the interface, the configuration, the command line.
pub fn bold(template: &str) -> BTreeSet<String> {
    let mut spans: Vec<&str> =
        template.split("\\fB").skip(1).filter_map(|s| s.split("\\fR").next()).collect();
    for line in template.lines() {
        if let Some(all) = line.strip_prefix(".B ") {
            spans.push(all);
        } else if let Some(rest) = line.strip_prefix(".BR ") {
            // The first word, or what stands in quotes, is bold; with a section behind it, it is another page.
            let (first, behind) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            spans.extend((!behind.trim_start().starts_with('(')).then_some(first));
        }
    }
    let plain: Vec<String> = spans.into_iter().map(|span| span.replace("\\-", "-")).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words = plain.iter().flat_map(|span| span.split(|c| !is_part(c)));
    words.map(|word| word.trim_start_matches('-').to_owned()).filter(|word| !word.is_empty()).collect()
}

/// What the header says and no page does.
pub fn unsaid<'a>(pages: &[&str], names: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let said: BTreeSet<String> = pages.iter().flat_map(|page| words(page)).collect();
    let is_said = |name: &str| said.iter().any(|word| word.trim_matches('*') == name);
    names.iter().copied().filter(|name| !is_said(name)).collect()
}

/// Writes pages anew if that is asked for, and compares them with what is committed.
pub fn compare(path: &std::path::Path, page: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, page).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == page, "{} is not what its template and the header say: BLESS=1", path.display());
}

/// What groff and man would complain of.
pub fn lint(path: &std::path::Path) {
    let output = std::process::Command::new("groff")
        .args(["-ww", "-man", "-t", "-Tutf8", "-rLL=80n", "-z"])
        .arg(path)
        .output()
        .unwrap_or_else(|error| panic!("groff: {error}: apt-get install groff"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}:\n{complaints}", path.display());
}
