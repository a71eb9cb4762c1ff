//! The ABI as a table, one row for each thing that may never change: the numbers from Rust, the C declarations from
//! the headers.
//!
//! | row | |
//! |---|---|
//! | `type NAME DECLARATION` | a name for another type |
//! | `struct NAME FROZEN\|GROWS SIZE` | |
//! | `field STRUCT.NAME OFFSET SIZE TAGS DECLARATION` | tags are thread and REQUIRED, or `-` |
//! | `value NAME NUMBER TYPE` | |
//! | `text NAME TEXT` | |
//! | `macro NAME(PARAMETERS)` | |

use serialnumberd_plugin::abi;

use super::header;
use super::parse::{Item, Kind, items, macros};

macro_rules! layouts {
    ($($type:ident { $($field:ident),* $(,)? })*) => {{
        use abi::*;
        vec![$((stringify!($type), size_of::<$type>(), vec![$({
            let offset = core::mem::offset_of!($type, $field);
            (stringify!($field), offset, serialnumberd_plugin::slnd_end!($type, $field) - offset)
        }),*])),*]
    }};
}

/// A struct: its name and size; of each field the name, offset and size.
type Layout = (&'static str, usize, Vec<(&'static str, usize, usize)>);

fn layouts() -> Vec<Layout> {
    layouts! {
        slnd_str { ptr, len }
        slnd_addr { family, zero, port, scope_id, ip }
        slnd_id16 { b }
        slnd_error { code, zero, message }
        slnd_kv { key, value }
        slnd_decision { verdict, zero, reason }
        slnd_event { struct_size, kind, flags, seq, mono_ns, real_ns }
        slnd_holder {
            struct_size, flags, public_key, boot_id, from, ifindex, interval_s, host, group, transport, ifname,
            since_ms, first_heard_ns, last_heard_ns, last_proved_ns
        }
        slnd_ev_announcement { h, product, claim, holder, raw, raw_len, zero }
        slnd_ev_duplicate {
            h, product, claim, evidence, conflict_id, stage, conflict_class, seats, coverage, holders, n_holders,
            holder_stride, deadline_ns
        }
        slnd_ev_resolved { h, product, claim, conflict_id, cause, zero }
        slnd_ev_state {
            h, product, claim, old_state, state, coverage, zero, verdict, zero2, reason, deadline_ns
        }
        slnd_ev_query { h, product, from, text, text_len }
        slnd_ev_tick { h, timer_id, overruns }
        slnd_ev_lost { h, first_seq, last_seq, count, by_kind }
        slnd_host {
            struct_size, abi_major, abi_minor, ctx, name, version, granted, state_dir, log, log_enabled, now_ns,
            is_worker_thread, get_extension, timer, wake, decide, announce, holders, metric
        }
        slnd_option {
            struct_size, value_type, flags, zero, name, default_value, help, min, max, choices, unit
        }
        slnd_plugin {
            struct_size, abi_major, abi_minor, layout, id, name, version, description, vendor, url, wants,
            wants_if_granted, events, queue_hint, batch_max, options, n_options, option_stride, create, configure,
            start, on_events, status, stop, destroy, flush, get_extension
        }
    }
}

/// The tags with which a comment begins.
fn tags(field: &Item) -> String {
    let (thread, rest) = match field.doc.split_once(' ') {
        Some((tag @ ("[any]" | "[worker]"), rest)) => (tag, rest),
        _ => ("", &*field.doc),
    };
    assert_eq!(
        field.is_callable(),
        !thread.is_empty(),
        "{}: a slot, and only a slot, has a thread tag",
        field.name
    );
    let required = if rest.starts_with("REQUIRED. ") { "REQUIRED" } else { "" };
    let tags = format!("{required}{thread}");
    if tags.is_empty() { "-".to_owned() } else { tags }
}

/// FROZEN or GROWS, as the comment of a struct begins.
fn growth(of: &Item) -> &str {
    let word = of.doc.split([' ', ',', '.']).next().unwrap_or_default();
    assert!(["FROZEN", "GROWS"].contains(&word), "{}: say whether it is FROZEN or GROWS", of.name);
    word
}

fn struct_rows(of: &Item, (name, size, fields): Layout, rows: &mut Vec<String>) {
    assert_eq!(of.name, name, "the structs are in the order of types.h");
    rows.push(format!("struct {name} {} {size}", growth(of)));
    let known: Vec<&str> = fields.iter().map(|f| f.0).collect();
    let declared: Vec<&str> = of.fields.iter().map(|f| &*f.name).collect();
    assert_eq!(known, declared, "the fields of {name}, compared and in types.h");
    for (field, (field_name, offset, size)) in of.fields.iter().zip(&fields) {
        rows.push(format!("field {name}.{field_name} {offset} {size} {} {}", tags(field), field.declaration));
    }
    let (last, offset, bytes) = fields.last().expect("no struct is empty");
    assert_eq!(offset + bytes, size, "R2: {name} has tail padding, into which a field would fit unnoticed");
    let assertion = match growth(of) {
        "GROWS" => format!("SLND_NO_TAIL_({name}, {last});"),
        _ => format!("SLND_STATIC_ASSERT_(sizeof({name}) == {size}, "),
    };
    assert!(header("plugin.h").contains(&assertion), "plugin.h says {assertion}");
}

/// The C type of a number, from its declaration in Rust.
fn c_type(rust: &str, name: &str) -> String {
    match rust {
        // Bare numbers: the preprocessor pastes them into the manifest.
        _ if name.starts_with("SLND_ABI_") || name == "SLND_NOTE_TYPE" => "int".to_owned(),
        "u16" | "u32" | "u64" => format!("uint{}_t", &rust[1..]),
        typedef => typedef.to_owned(),
    }
}

/// Name, value and C type of every number.
pub fn values() -> Vec<(String, i128, String)> {
    let source = std::fs::read_to_string(super::package().join("src/abi/constants.rs")).unwrap();
    let declared = |name: &str| {
        let line = source.lines().find_map(|l| l.trim().strip_prefix(name)?.strip_prefix(": "));
        line.and_then(|l| l.split(' ').next()).unwrap_or_else(|| panic!("{name} is declared")).to_owned()
    };
    let numbers = abi::CONSTANTS.iter().map(|(name, value)| (*name, *value, declared(name)));
    let note = [("SLND_NOTE_TYPE", i128::from(abi::SLND_NOTE_TYPE), "u32".to_owned())];
    let layout = [("SLND_LAYOUT", i128::from(abi::SLND_LAYOUT), "u64".to_owned())];
    let all = numbers.chain(note).chain(layout);
    all.map(|(name, value, rust)| (name.to_owned(), value, c_type(&rust, name))).collect()
}

/// The table of what the sources say now.
pub fn table() -> Vec<String> {
    let types = items(&header("types.h"));
    let macros = macros(&header("plugin.h"));
    let mut rows = Vec::new();
    for alias in types.iter().filter(|i| i.kind == Kind::Typedef) {
        rows.push(format!("type {} {}", alias.name, alias.declaration));
    }
    let structs: Vec<&Item> = types.iter().filter(|i| i.kind == Kind::Struct).collect();
    let layouts = layouts();
    assert_eq!(structs.len(), layouts.len(), "every struct of types.h is compared");
    for (of, layout) in structs.into_iter().zip(layouts) {
        struct_rows(of, layout, &mut rows);
    }
    let values = values();
    let texts = [
        ("SLND_PLUGIN_ENTRY", abi::SLND_PLUGIN_ENTRY.to_str().unwrap()),
        ("SLND_SECTION", abi::SLND_SECTION),
        ("SLND_NOTE_NAME", abi::SLND_NOTE_NAME),
    ];
    rows.extend(values.iter().map(|(name, value, c_type)| format!("value {name} {value} {c_type}")));
    rows.extend(texts.iter().map(|(name, text)| format!("text {name} \"{text}\"")));
    for one in macros {
        let is_number = values.iter().any(|(name, ..)| *name == one.name);
        match texts.iter().find(|(name, _)| *name == one.name) {
            Some((name, text)) => {
                assert_eq!(one.value, format!("\"{text}\""), "{name} in plugin.h and in Rust")
            }
            None if is_number => {}
            None => rows.push(format!("macro {}{}", one.name, one.parameters)),
        }
    }
    rows
}
