//! The committed header as compilers see it: clean in every language it promises, the same layout, numbers and
//! signatures as in Rust, and as the golden table says, whose rows are true for ever.

mod rig;

// The library is none of Rust's: what the header is generated from is compiled into this test instead.
#[path = "../src/constants.rs"]
#[allow(dead_code, reason = "the table is what is looked at")]
mod constants;
#[path = "../src/types.rs"]
#[allow(dead_code, reason = "only the layouts are looked at")]
mod types;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rig::{LANGUAGES, compile, header, include, package, run, scratch, succeed};
use types::{slnd_claim_info, slnd_config, slnd_status_info};

macro_rules! rows {
    ($($type:ident { $($field:ident),* $(,)? })*) => {{
        let mut rows: Vec<(String, String, usize)> = Vec::new();
        $(
            let name = stringify!($type);
            rows.push((format!("sizeof {name}"), format!("sizeof({name})"), size_of::<$type>()));
            let mut end = 0;
            $(
                let field = stringify!($field);
                let offset = core::mem::offset_of!($type, $field);
                assert_eq!(offset, end, "{name}.{field} comes after padding");
                rows.push((format!("offset {name}.{field}"), format!("offsetof({name}, {field})"), offset));
                end = serialnumberd_plugin::slnd_end!($type, $field);
                let size = format!("sizeof((({name} *)0)->{field})");
                rows.push((format!("size {name}.{field}"), size, end - offset));
            )*
            assert_eq!(end, size_of::<$type>(), "{name} has padding at its end");
        )*
        rows
    }};
}

/// What is compared, the C expression for it, and Rust's value.
fn layout_rows() -> Vec<(String, String, usize)> {
    rows! {
        slnd_config {
            struct_size, flags, port, zero16, mode, interfaces, announce_ns, expire_ns, events, on_events, on_log, user
        }
        slnd_status_info {
            struct_size, state, rx, tx, rx_malformed, claims, conflicts, lost_events, plugins, plugins_stalled, mode,
            connected
        }
        slnd_claim_info { struct_size, state, verdict, connected, age_ns }
    }
}

/// The whole table as Rust sees it.
fn table() -> String {
    let mut table = String::new();
    for (name, _, value) in layout_rows() {
        writeln!(table, "{name} {value}").unwrap();
    }
    for (name, value) in constants::CONSTANTS {
        writeln!(table, "value {name} {value}").unwrap();
    }
    table
}

/// A C program that prints the same table as C sees it.
fn table_in_c() -> String {
    let mut c =
        String::from("#include <serialnumberd/serialnumberd.h>\n#include <stdio.h>\nint main(void) {\n");
    for (name, expression, _) in layout_rows() {
        writeln!(c, "  printf(\"{name} %zu\\n\", {expression});").unwrap();
    }
    for (name, _) in constants::CONSTANTS {
        writeln!(c, "  printf(\"value {name} %lld\\n\", (long long){name});").unwrap();
    }
    writeln!(c, "  return 0;\n}}").unwrap();
    c
}

#[test]
fn rust_and_c_agree_with_the_golden_table() {
    let golden = package().join("tests/golden/embed-1.0.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, table()).unwrap();
    }
    let golden = std::fs::read_to_string(&golden).unwrap_or_default();
    let rust: BTreeSet<String> = table().lines().map(str::to_owned).collect();
    for row in golden.lines() {
        assert!(rust.contains(row), "a row of version 1.0 is no longer true in Rust: {row}");
    }
    assert_eq!(golden, table(), "new rows: add them with BLESS=1; before a release only");
    for (compiler, language, standard) in LANGUAGES {
        let source = scratch(&format!("table-{compiler}{standard}.c"));
        std::fs::write(&source, table_in_c()).unwrap();
        let program = scratch(&format!("table-{compiler}{standard}"));
        compile(compiler, &["-x", language, standard], &source, &program);
        assert_eq!(run(&program), golden, "{compiler} {standard} sees another layout");
    }
}

/// The table is whole: a field that nobody compares could move, a number could change.
#[test]
fn every_field_and_every_number_is_in_the_table() {
    let rows: BTreeSet<String> = layout_rows().into_iter().map(|(name, _, _)| name).collect();
    let source = std::fs::read_to_string(package().join("src/types.rs")).unwrap();
    let (mut of, mut fields) = (String::new(), 0);
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("pub struct ") {
            of = rest.trim_end_matches(" {").to_owned();
        } else if let Some((field, _)) = line.strip_prefix("    pub ").and_then(|l| l.split_once(':')) {
            assert!(rows.contains(&format!("offset {of}.{field}")), "{of}.{field} is not in the table");
            fields += 1;
        }
    }
    assert_eq!(fields, rows.iter().filter(|r| r.starts_with("offset ")).count());

    let known: BTreeSet<&str> = constants::CONSTANTS.iter().map(|(name, _)| *name).collect();
    // What is no number, or compared with the package's version.
    let others = "SLND_VERSION_MAJOR SLND_VERSION_MINOR SLND_VERSION_PATCH SLND_VERSION_NUMBER SLND_API";
    for line in
        std::fs::read_to_string(header()).unwrap().lines().filter_map(|l| l.strip_prefix("#define SLND_"))
    {
        let name = format!("SLND_{}", line.split([' ', '(']).next().unwrap());
        let compared = known.contains(name.as_str()) || others.split(' ').any(|o| o == name);
        assert!(compared, "{name} is in the header, but not in src/constants.rs");
    }
}

/// One assert for the signature of each function: a changed one has the same name and links all the same.
#[test]
fn every_signature_is_asserted_and_every_consumer_is_clean() {
    let source = package().join("tests/c/every_function.c");
    let text = std::fs::read_to_string(&source).unwrap();
    let header = std::fs::read_to_string(header()).unwrap();
    for declaration in header.split("SLND_API").skip(1) {
        let Some(name) = declaration.split('(').next().and_then(|line| line.rsplit([' ', '*']).next()) else {
            continue;
        };
        if name.starts_with("slnd_") {
            assert!(text.contains(&format!("SIGNATURE({name},")), "{name}: its signature is not asserted");
        }
    }
    for (compiler, language, standard) in LANGUAGES {
        let object = scratch(&format!("every_function-{compiler}{standard}.o"));
        compile(compiler, &["-x", language, standard, "-c"], &source, &object);
    }
}

/// Other processors, and no C library at all: only the compiler's own headers are needed.
#[test]
fn the_header_is_freestanding_on_every_promised_processor() {
    for target in ["x86_64-linux-gnu", "aarch64-linux-gnu", "riscv64-linux-gnu"] {
        let args =
            ["-std=c11", "-fsyntax-only", "-ffreestanding", "-DSLND_NO_STDIO", "-Wall", "-Werror", "-x", "c"];
        succeed(
            std::process::Command::new("clang")
                .arg(format!("--target={target}"))
                .args(args)
                .arg("-I")
                .arg(include())
                .arg(header()),
        );
    }
}
