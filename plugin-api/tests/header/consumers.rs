//! Those who include the headers: clean in every language and on every machine that they promise.

use std::path::Path;
use std::process::Command;

use super::compilers::{LANGUAGES, MACHINES, build, freestanding, scratch};
use super::parse::macros;
use super::{header, package};

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
        build(compiler, &["-x", language, standard, "-shared", "-fPIC"], &source, &out);
        let bytes = std::fs::read(&out).unwrap();
        let manifest = b"abi=1.0\nid=every-macro\nversion=1.0\nwants=verdict\n\0";
        assert!(bytes.windows(manifest.len()).any(|w| w == manifest), "{compiler}{standard}: no manifest");
    }
}

/// The examples are what authors copy: short, and without a warning, whatever they turn on.
#[test]
fn the_examples_are_short_and_clean() {
    for (name, most_lines) in [("../examples/plugin_minimal.c", 60), ("man/example.c", 45)] {
        let source = package().join(name);
        let lines = std::fs::read_to_string(&source).unwrap().lines().count();
        assert!(
            lines <= most_lines,
            "{name}: a whole plugin in at most {most_lines} lines of C, not {lines}"
        );
        for (compiler, _, standard) in LANGUAGES.into_iter().filter(|l| l.1 == "c") {
            let out = scratch(&format!("example-{compiler}{standard}.so"));
            build(compiler, &[standard, "-shared", "-fPIC"], &source, &out);
        }
    }
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let program = scratch("decide");
    let no_format_warnings = ["-std=c11", "-Wno-format-truncation"];
    build("gcc", &no_format_warnings, &package().join("tests/c/decide.c"), &program);
    for line in run(&program).lines() {
        let n: Vec<usize> = line.split(' ').map(|w| w.parse().unwrap()).collect();
        let (width, lead, kept) = (n[0], n[1], n[2]);
        assert_eq!(kept, lead + (1015 - lead) / width * width, "{width}-byte characters after {lead} others");
    }
}

/// What every_macro.c does not use, no compiler has looked at.
#[test]
fn every_macro_has_a_consumer() {
    let consumer = std::fs::read_to_string(package().join("tests/c/every_macro.c")).unwrap();
    let plugin_h = header("plugin.h");
    let calls = macros(&plugin_h).into_iter().filter(|m| !m.parameters.is_empty()).map(|m| m.name);
    let helpers = ["slnd_logf", "slnd_decide"].map(str::to_owned);
    for name in calls.chain(helpers) {
        assert!(
            plugin_h.contains(&name) && consumer.contains(&format!("{name}(")),
            "{name} is not in every_macro.c"
        );
    }
}

#[test]
fn the_headers_need_no_c_library() {
    let source = scratch("alone.c");
    std::fs::write(&source, "#include <serialnumberd/plugin.h>\nextern slnd_plugin plugin;\n").unwrap();
    for machine in MACHINES {
        freestanding(machine, &source).unwrap();
    }
    for machine in ["i686-linux-gnu", "x86_64-linux-gnux32", "arm-linux-gnueabihf"] {
        let refusal = freestanding(machine, &source).unwrap_err();
        assert!(refusal.contains("major 1 is for 64-bit ELF systems"), "{machine}: {refusal}");
    }
}
