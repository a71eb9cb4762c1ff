//! The committed header as compilers see it: clean in every language it promises, the same layout and numbers as
//! in Rust, and both as the golden table says, whose rows are true for ever.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serialnumberd_plugin::abi;

const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/// Compiler and what it is called with.
const LANGUAGES: [(&str, &str, &str); 6] = [
    ("gcc", "c", "-std=c11"),
    ("gcc", "c", "-std=c17"),
    ("g++", "c++", "-std=c++17"),
    ("clang", "c", "-std=c11"),
    ("clang", "c", "-std=c17"),
    ("clang++", "c++", "-std=c++17"),
];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The Debian package of a compiler.
fn package_of(compiler: &str) -> &str {
    if compiler == "clang++" { "clang" } else { compiler }
}

fn compile(compiler: &str, args: &[&str], source: &Path, out: &Path) {
    let output = Command::new(compiler)
        .args(WARNINGS)
        .args(args)
        .arg("-I")
        .arg(package().join("../include"))
        .arg(source)
        .arg("-o")
        .arg(out)
        .output()
        .unwrap_or_else(|e| panic!("{compiler}: {e}: apt-get install {}", package_of(compiler)));
    assert!(
        output.status.success(),
        "{compiler} {args:?} {}:\n{}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn run(program: &Path) -> String {
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{} failed", program.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn compiles_cleanly_in_every_language() {
    for (compiler, language, standard) in LANGUAGES {
        let out = scratch(&format!("every_macro-{compiler}{standard}.so"));
        let source = package().join("tests/c/every_macro.c");
        compile(compiler, &["-x", language, standard, "-shared", "-fPIC"], &source, &out);
        let bytes = std::fs::read(&out).unwrap();
        let manifest = b"abi=1.0\nid=every-macro\nversion=1.0\nwants=verdict\n\0";
        assert!(bytes.windows(manifest.len()).any(|w| w == manifest), "{compiler}{standard}: no manifest");
    }
}

/// The example is what authors copy: short, and without a warning, whatever they turn on.
#[test]
fn the_example_is_short_and_clean() {
    let source = package().join("../examples/plugin_minimal.c");
    let lines = std::fs::read_to_string(&source).unwrap().lines().count();
    assert!(lines <= 60, "a whole plugin in at most 60 lines of C, not {lines}");
    for (compiler, _, standard) in LANGUAGES.into_iter().filter(|l| l.1 == "c") {
        let out = scratch(&format!("minimal-{compiler}{standard}.so"));
        compile(compiler, &[standard, "-shared", "-fPIC"], &source, &out);
    }
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let program = scratch("decide");
    let no_format_warnings = ["-std=c11", "-Wno-format-truncation"];
    compile("gcc", &no_format_warnings, &package().join("tests/c/decide.c"), &program);
    for line in run(&program).lines() {
        let n: Vec<usize> = line.split(' ').map(|w| w.parse().unwrap()).collect();
        let (width, lead, kept) = (n[0], n[1], n[2]);
        assert_eq!(kept, lead + (1015 - lead) / width * width, "{width}-byte characters after {lead} others");
    }
}

macro_rules! rows {
    ($($type:ident { $($field:ident),* $(,)? })*) => {{
        use abi::*;
        let mut rows: Vec<(String, String, usize)> = Vec::new();
        $(
            let name = stringify!($type);
            rows.push((format!("sizeof {name}"), format!("sizeof({name})"), size_of::<$type>()));
            $(
                let field = stringify!($field);
                let offset = core::mem::offset_of!($type, $field);
                rows.push((format!("offset {name}.{field}"), format!("offsetof({name}, {field})"), offset));
                let size = serialnumberd_plugin::slnd_end!($type, $field) - offset;
                rows.push((format!("size {name}.{field}"), format!("sizeof((({name} *)0)->{field})"), size));
            )*
        )*
        rows
    }};
}

/// What is compared, the C expression for it, and Rust's value.
fn layout_rows() -> Vec<(String, String, usize)> {
    rows! {
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

/// The whole table as Rust sees it.
fn table() -> String {
    let mut table = String::new();
    for (name, _, value) in layout_rows() {
        writeln!(table, "{name} {value}").unwrap();
    }
    for (name, value) in abi::CONSTANTS {
        writeln!(table, "value {name} {value}").unwrap();
    }
    writeln!(table, "layout SLND_LAYOUT {}", abi::SLND_LAYOUT).unwrap();
    writeln!(table, "text SLND_PLUGIN_ENTRY {}", abi::SLND_PLUGIN_ENTRY.to_str().unwrap()).unwrap();
    writeln!(table, "text SLND_SECTION {}", abi::SLND_SECTION).unwrap();
    writeln!(table, "text SLND_NOTE_NAME {}", abi::SLND_NOTE_NAME).unwrap();
    writeln!(table, "value SLND_NOTE_TYPE {}", abi::SLND_NOTE_TYPE).unwrap();
    table
}

/// A C program that prints the same table as C sees it.
fn table_in_c() -> String {
    let mut c = String::from("#include <serialnumberd/plugin.h>\nint main(void) {\n");
    for (name, expression, _) in layout_rows() {
        writeln!(c, "  printf(\"{name} %zu\\n\", {expression});").unwrap();
    }
    for (name, _) in abi::CONSTANTS {
        writeln!(c, "  printf(\"value {name} %lld\\n\", (long long){name});").unwrap();
    }
    writeln!(c, "  printf(\"layout SLND_LAYOUT %llu\\n\", (unsigned long long)SLND_LAYOUT);").unwrap();
    for name in ["SLND_PLUGIN_ENTRY", "SLND_SECTION", "SLND_NOTE_NAME"] {
        writeln!(c, "  printf(\"text {name} %s\\n\", {name});").unwrap();
    }
    writeln!(c, "  printf(\"value SLND_NOTE_TYPE %d\\n\", SLND_NOTE_TYPE);\n  return 0;\n}}").unwrap();
    c
}

#[test]
fn rust_and_c_agree_with_the_golden_table() {
    let golden = package().join("tests/golden/abi-1.0.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, table()).unwrap();
    }
    let golden = std::fs::read_to_string(&golden).unwrap_or_default();
    let rust: BTreeSet<String> = table().lines().map(str::to_owned).collect();
    for row in golden.lines() {
        assert!(rust.contains(row), "a row of ABI 1.0 is no longer true in Rust: {row}");
    }
    assert_eq!(golden, table(), "new rows: add them with BLESS=1; before a release only");
    for (compiler, language, standard) in LANGUAGES {
        let source = scratch(&format!("table-{compiler}{standard}.c"));
        std::fs::write(&source, table_in_c()).unwrap();
        let program = scratch(&format!("table-{compiler}{standard}"));
        compile(compiler, &["-x", language, standard], &source, &program);
        assert_eq!(run(&program), golden, "{compiler} {standard} sees another ABI");
    }
}

/// The table is whole: a field that nobody compares could move.
#[test]
fn every_field_and_every_number_is_in_the_table() {
    let header = std::fs::read_to_string(package().join("../include/serialnumberd/types.h")).unwrap();
    let rows: BTreeSet<String> = layout_rows().into_iter().map(|(name, _, _)| name).collect();
    let mut fields = 0;
    for part in ["values.rs", "events.rs", "host.rs", "plugin.rs"] {
        let source = std::fs::read_to_string(package().join("src/abi").join(part)).unwrap();
        let mut of = String::new();
        for line in source.lines() {
            if let Some(rest) = line.strip_prefix("pub struct ") {
                of = rest.trim_end_matches(" {").to_owned();
            } else if let Some((field, _)) = line.strip_prefix("    pub ").and_then(|l| l.split_once(':')) {
                assert!(rows.contains(&format!("offset {of}.{field}")), "{of}.{field} is not in the table");
                assert!(header.contains(field), "{of}.{field} is not in types.h");
                fields += 1;
            }
        }
    }
    assert_eq!(fields, rows.iter().filter(|r| r.starts_with("offset ")).count());

    let known: BTreeSet<&str> = abi::CONSTANTS.iter().map(|(name, _)| *name).collect();
    // What is no number, or compared by itself.
    let others = "SLND_PLUGIN_ENTRY SLND_EV_BIT SLND_HAS SLND_EV_HAS SLND_AT SLND_EVENT SLND_LAYOUT \
                  SLND_PLUGIN_EXPORT SLND_PLUGIN_HEAD SLND_OPTION_HEAD SLND_SECTION SLND_NOTE_NAME \
                  SLND_NOTE_TYPE SLND_PLUGIN_DEFINE";
    let header = std::fs::read_to_string(package().join("../include/serialnumberd/plugin.h")).unwrap();
    for line in header.lines().filter_map(|l| l.strip_prefix("#define SLND_")) {
        let name = format!("SLND_{}", line.split([' ', '(']).next().unwrap());
        let compared = known.contains(name.as_str()) || others.split(' ').any(|o| o == name);
        assert!(compared || name.ends_with('_'), "{name} is in plugin.h, but not in src/abi/constants.rs");
    }
}
