//! What the SDK's macro exports, as a file: the symbol, and the manifest, which survives strip.

use std::path::{Path, PathBuf};
use std::process::Command;

// The library is built, as a file too, because this test depends on it.
use slnd_example_rust as _;

fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.with_file_name("libslnd_example_rust.so");
    assert!(library.exists(), "{} is not there", library.display());
    library
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}: apt-get install binutils"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_manifest_is_a_note_and_survives_strip() {
    let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stripped.so");
    let stripped = stripped.to_str().unwrap();
    output("strip", &["-o", stripped, library().to_str().unwrap()]);
    let text = format!("abi=1.0\nid=example-rust\nversion={}\nwants=\n\0", env!("CARGO_PKG_VERSION"));
    let mut note = Vec::new();
    for word in [14, u32::try_from(text.len()).unwrap(), 1] {
        note.extend(word.to_ne_bytes());
    }
    note.extend(b"serialnumberd\0\0\0");
    note.extend(text.as_bytes());
    let file = std::fs::read(stripped).unwrap();
    assert!(file.windows(note.len()).any(|w| w == note), "the note is not in the stripped file");
    let sections = output("readelf", &["--wide", "--sections", stripped]);
    let section =
        sections.lines().find(|l| l.contains(".note.serialnumberd")).expect("a section of that name");
    assert!(section.contains(" NOTE "), "{section}");
}

#[test]
fn one_symbol_is_exported() {
    let library = library();
    let args = ["--dynamic", "--defined-only", "--format=posix", library.to_str().unwrap()];
    let symbols = output("nm", &args);
    let names: Vec<&str> = symbols.lines().filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(names, ["serialnumberd_plugin_v1"]);
}

#[test]
fn where_panics_abort_it_does_not_compile() {
    let output = Command::new(env!("CARGO"))
        .args([
            "check",
            "--quiet",
            "--offline",
            "--lib",
            "--config",
            "profile.dev.panic=\"abort\"",
            "--target-dir",
        ])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("abort"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("a plugin needs panic = \"unwind\""), "{said}");
}
