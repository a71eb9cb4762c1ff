//! What a release said is true for ever: a table for each minor, every row of which still holds.

use std::fmt::Write as _;

use super::compilers::{LANGUAGES, MACHINES, compile, freestanding, scratch};
use super::table::table;
use super::{bless, package};
use serialnumberd_plugin::abi::{SLND_ABI_MAJOR, SLND_ABI_MINOR};

/// The first line of a table to which rows may still be added.  At a release it becomes `released in VERSION`, and
/// whatever is added after that takes the next SLND_ABI_MINOR and a table of its own.
const OPEN: &str = "not released yet";

/// The committed table of a minor.
fn golden(minor: u16) -> Option<String> {
    std::fs::read_to_string(golden_path(minor)).ok()
}

fn golden_path(minor: u16) -> std::path::PathBuf {
    package().join(format!("tests/golden/abi-{SLND_ABI_MAJOR}.{minor}.txt"))
}

/// A row that a later table may say with a greater number: the row without its number, and that.
fn growing(row: &str) -> Option<(&str, u64)> {
    let (said, size) = row.rsplit_once(' ')?;
    (said.starts_with("struct ") && said.ends_with(" GROWS")).then_some((said, size.parse().ok()?))
}

/// The rows of a table that a later one does not keep.
fn broken<'a>(earlier: &'a str, later: &str) -> Vec<&'a str> {
    let keeps = |row: &str| {
        later.lines().any(|now| match (growing(row), growing(now)) {
            (Some((said, least)), Some((still, size))) => said == still && size >= least,
            _ => row == now,
        })
    };
    let rows = earlier.lines().skip(1).filter(|row| !row.starts_with("value SLND_ABI_MINOR "));
    rows.filter(|row| !keeps(row)).collect()
}

#[test]
fn what_was_released_is_what_rust_says() {
    let now = table().join("\n") + "\n";
    let is_open = golden(SLND_ABI_MINOR).is_none_or(|golden| golden.starts_with(OPEN));
    if bless() && is_open {
        std::fs::write(golden_path(SLND_ABI_MINOR), format!("{OPEN}\n{now}")).unwrap();
    }
    for minor in 0..=SLND_ABI_MINOR {
        let table = golden(minor).expect("the table of every release is kept");
        let gone = broken(&table, &now).join("\n");
        assert!(gone.is_empty(), "rows of ABI {SLND_ABI_MAJOR}.{minor} are no longer true:\n{gone}");
    }
    let newest = golden(SLND_ABI_MINOR).unwrap_or_default();
    let new: Vec<&str> = now.lines().filter(|row| !newest.lines().any(|known| known == *row)).collect();
    let remedy =
        if is_open { "BLESS=1 adds them" } else { "it is released: they take the next SLND_ABI_MINOR" };
    let new = new.join("\n");
    assert!(new.is_empty(), "not in the table of ABI {SLND_ABI_MAJOR}.{SLND_ABI_MINOR} ({remedy}):\n{new}");
}

#[test]
fn a_table_may_grow_but_not_change() {
    let earlier = "released in 1.0.0\nstruct a GROWS 8\nstruct b FROZEN 8\nfield a.x 0 8 - int x\nvalue SLND_ABI_MINOR 0 int\n";
    let grown = "not yet\nstruct a GROWS 16\nstruct b FROZEN 8\nfield a.x 0 8 - int x\nfield a.y 8 8 - int y\nvalue SLND_ABI_MINOR 1 int\n";
    assert_eq!(broken(earlier, grown), [""; 0]);
    for (from, to) in [
        ("struct a GROWS 16", "struct a GROWS 4"),
        ("struct a GROWS 16", "struct a FROZEN 8"),
        ("struct b FROZEN 8", "struct b FROZEN 16"),
        ("field a.x 0 8 - int x", "field a.x 0 8 - unsigned x"),
        ("field a.x 0 8 - int x", "field a.x 8 8 - int x"),
    ] {
        let changed = grown.replace(from, to);
        assert_eq!(broken(earlier, &changed).len(), 1, "{to} goes unnoticed");
    }
}

const PROLOGUE: &str = r#"#include <serialnumberd/plugin.h>
#ifdef __cplusplus
#include <type_traits>
#define FIELD_IS(type, field, T) std::is_same<decltype(type::field), T>::value
#define VALUE_IS(v, T) std::is_same<decltype(v), T>::value
#define CHECK static_assert
#else
#define FIELD_IS(type, field, T) _Generic(&((type *)0)->field, T *: 1, default: 0)
#define VALUE_IS(v, T) _Generic((v), T: 1, default: 0)
#define CHECK _Static_assert
#endif
"#;

/// A table as assertions in C11 and C++17, so that a machine is asked without being there to run anything.
fn assertions(table: &str) -> String {
    let (mut outside, mut inside) =
        (PROLOGUE.to_owned(), String::from("void rows(void);\nvoid rows(void) {\n"));
    for row in table.lines().skip(1) {
        let words: Vec<&str> = row.splitn(6, ' ').collect();
        let holds = match words[..] {
            ["struct", name, "FROZEN", size] => format!("sizeof({name}) == {size}"),
            ["struct", name, _, size] => format!("sizeof({name}) >= {size}"),
            ["value", "SLND_ABI_MINOR", least, ..] => format!("SLND_ABI_MINOR >= {least}"),
            ["value", name, value, c_type] => format!("{name} == {value} && VALUE_IS({name}, {c_type})"),
            ["field", name, offset, size, _, declaration] => {
                // The declaration makes a type of the field's own name, in a block of its own.
                let (of, field) = name.split_once('.').unwrap();
                writeln!(inside, "  {{ typedef {declaration};").unwrap();
                format!(
                    "offsetof({of}, {field}) == {offset} && sizeof((({of} *)0)->{field}) == {size} && \
                     FIELD_IS({of}, {field}, {field})"
                )
            }
            ["type", name, ..] => {
                // Two declarations of one variable must agree.
                let (before, after) = row.rsplit_once(name).unwrap();
                let of = before.split_once(name).unwrap().1;
                writeln!(outside, "extern {name} a_{name};\nextern{of}a_{name}{after};").unwrap();
                continue;
            }
            // Compared in Rust: text is no constant to a C compiler, and macros are what the consumers use.
            ["text" | "macro", ..] => continue,
            _ => panic!("a row of a form that nobody checks: {row}"),
        };
        let end = if words[0] == "field" { " }" } else { "" };
        writeln!(inside, "  CHECK({holds}, {row:?});{end}").unwrap();
    }
    outside + &inside + "}\n"
}

#[test]
fn what_was_released_holds_in_every_language_and_on_every_machine() {
    for minor in 0..=SLND_ABI_MINOR {
        let table = golden(minor).expect("the table of every release is kept");
        let source = scratch(&format!("abi-{minor}.c"));
        std::fs::write(&source, assertions(&table)).unwrap();
        for (compiler, language, standard) in LANGUAGES {
            compile(compiler, &["-x", language, standard, "-fsyntax-only"], &source).unwrap();
        }
        for machine in MACHINES {
            freestanding(machine, &source).unwrap();
        }
    }
}

/// A compiler that never complains would prove nothing.
#[test]
fn a_row_that_does_not_hold_is_seen() {
    let table = golden(SLND_ABI_MINOR).unwrap();
    for (row, changed) in [
        ("struct slnd_str FROZEN 16", "struct slnd_str FROZEN 24"),
        ("struct slnd_holder GROWS 176", "struct slnd_holder GROWS 184"),
        ("field slnd_event.flags 6 2 - uint16_t flags", "field slnd_event.flags 6 2 - int16_t flags"),
        ("field slnd_id16.b 0 16 - uint8_t b[16]", "field slnd_id16.b 0 16 - char b[16]"),
        ("field slnd_kv.value 16", "field slnd_kv.value 24"),
        (
            "(*log)(struct slnd_host_ctx *ctx, slnd_level level,",
            "(*log)(struct slnd_host_ctx *ctx, slnd_kind level,",
        ),
        ("(*stop)(void *state)", "(*stop)(const void *state)"),
        ("value SLND_E_FAIL -1 slnd_status", "value SLND_E_FAIL -2 slnd_status"),
        ("value SLND_PERM_RAW 8 slnd_perms", "value SLND_PERM_RAW 8 slnd_level"),
        ("type slnd_kind uint16_t slnd_kind", "type slnd_kind uint32_t slnd_kind"),
    ] {
        assert!(table.contains(row), "{row} is in the table");
        let source = scratch("abi-changed.c");
        std::fs::write(&source, assertions(&table.replacen(row, changed, 1))).unwrap();
        // A static assertion shows its row; a type is compared by two declarations of one variable.
        let shown = changed.strip_prefix("type ").map_or(changed, |_| "a_slnd_kind");
        let complaints = [
            compile("gcc", &["-std=c11", "-fsyntax-only"], &source),
            compile("g++", &["-x", "c++", "-std=c++17", "-fsyntax-only"], &source),
            freestanding("aarch64-linux-gnu", &source),
        ];
        for complaint in complaints {
            let complaint = complaint.unwrap_err();
            assert!(complaint.contains(shown), "not about {changed}: {complaint}");
        }
    }
}
