//! How directories are shown: as lines for people, as JSON for programs.

use netinfo::tree::{Directory, Property};
use serde_json::{Value, json};

use crate::text::clean;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn texts(values: &[Vec<u8>]) -> Vec<String> {
    values.iter().map(|value| text(value)).collect()
}

/// All names, `alice, al`.
pub(super) fn names(values: &[Vec<u8>]) -> String {
    if values.is_empty() { "(no name)".to_owned() } else { clean(&texts(values).join(", ")) }
}

/// A line for each property, `name: alice, al`.
pub(super) fn property_lines(properties: &[Property]) -> String {
    let line = |p: &Property| format!("{}: {}", clean(&text(&p.name)), clean(&texts(&p.values).join(", ")));
    properties.iter().map(|property| line(property).trim_end().to_owned() + "\n").collect()
}

/// A list, since a name may come twice, and order counts.
pub(super) fn property_list(properties: &[Property]) -> Value {
    let one = |p: &Property| json!({ "name": text(&p.name), "values": texts(&p.values) });
    properties.iter().map(one).collect()
}

/// A directory and all below it.
pub(super) fn tree(directory: &Directory) -> Value {
    let children: Vec<Value> = directory.children.iter().map(tree).collect();
    json!({ "properties": property_list(&directory.properties), "children": children })
}
