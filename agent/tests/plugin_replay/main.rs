//! `serialnumberd plugin replay`: a real incident, played into plugins.

#[path = "../plugins/builder.rs"]
mod builder;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

fn incident() -> PathBuf {
    recordings().join("duplicate.slr")
}

fn replay(recording: &Path, plugin: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_serialnumberd"));
    program.args(["plugin", "replay"]).arg(recording).arg(plugin).args(arguments).env_remove("RUST_LOG");
    program.output().expect("the program runs")
}

fn played(recording: &Path, plugin: &Path, arguments: &[&str]) -> String {
    let output = replay(recording, plugin, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn build(source: &str, defines: &[&str], dir: &Path) -> PathBuf {
    let file = dir.join("plugin.so");
    builder::build(source, defines, &file);
    file
}

#[test]
fn the_policy_says_in_each_mode_what_it_said_before() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let policy = dir.path().join("policy.so");
    builder::build_from(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/policy"), &[], &policy);
    for (name, options) in [
        ("observe", vec!["mode=observe"]),
        ("strict", vec!["mode=strict"]),
        ("seniority", vec!["mode=seniority"]),
        // Ten seconds after the second proof, between two records: the recording's clock decides that, not this one.
        ("grace", vec!["mode=strict", "grace=10s"]),
        ("at-once", vec!["mode=seniority", "act_on=conflict", "action=limit"]),
    ] {
        let options: Vec<&str> = options.iter().flat_map(|option| ["--option", *option]).collect();
        let found = played(&incident(), &policy, &options);
        assert_eq!(found, played(&incident(), &policy, &options), "{name}: the same each time");
        let file = recordings().join(format!("{name}.verdicts"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &found).expect("written");
        }
        let arguments = [&options[..], &["--expect", file.to_str().expect("UTF-8")]].concat();
        let output = replay(&incident(), &policy, &arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{name}; BLESS=1 writes it anew: {said}");
        assert!(said.ends_with("lines, all as expected\n"), "{said}");
    }
}

#[test]
fn what_differs_is_shown_and_ends_with_1() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let echo = build("echo", &[], dir.path());
    let text = played(&incident(), &echo, &[]);
    let expected = dir.path().join("expected");
    let changed = text.replacen(" warn ", " deny ", 1);
    fs::write(&expected, format!("# of today\n\n{changed}")).expect("written");
    let output = replay(&incident(), &echo, &["--expect", expected.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[1].starts_with("  expected: ") && lines[1].contains(" deny "), "{said}");
    assert!(lines[2].starts_with("  found:    ") && lines[2].contains(" warn "), "{said}");
    let missing = replay(&incident(), &echo, &["--expect", "/nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn a_plugin_is_told_what_was_recorded_at_the_time_when_it_happened() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let echo = build("echo", &["STRAYS"], dir.path());
    let text = played(&incident(), &echo, &[]);
    let duplicates: Vec<&str> = text.lines().filter(|line| line.contains(" duplicate ")).collect();
    // DECIDE and REPLAY; the time that a verdict is awaited; a clock that stands at the event.
    assert_eq!(
        duplicates,
        [
            "5 xsvr warn duplicate flags=3 stage=1 n=2 first=venus on lo wait=50000000 now-mono=0",
            "14 xsvr warn duplicate flags=3 stage=2 n=2 first=venus on lo wait=50000000 now-mono=0",
        ]
    );
    // Its timer of 2 s, from the header's time on; the claim is known from there, but the plugin names it only once it
    // was told of one.
    let ticks: Vec<&str> = text.lines().filter(|line| line.contains(" tick ")).collect();
    assert!(ticks[0].starts_with("@2.000 xsvr limit tick flags=1 real=17954872"), "{ticks:?}");
    let at = |line: &&str| line.split('.').next().expect("a time")[1..].parse::<u64>().expect("seconds");
    let times: Vec<u64> = ticks.iter().map(at).collect();
    assert_eq!(times, (1..=times.len() as u64).map(|n| 2 * n).collect::<Vec<_>>());
    assert!(times.len() > 8);
}

#[test]
fn a_plugin_that_wakes_itself_for_ever_comes_to_the_end_all_the_same() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let echo = build("echo", &["WAKES_FOR_EVER"], dir.path());
    let text = played(&incident(), &echo, &[]);
    assert!(text.lines().last().expect("verdicts").contains("state flags=3"), "{text}");
}

#[test]
fn without_the_permission_nobody_is_asked() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let echo = build("echo", &["STRAYS"], dir.path());
    assert_eq!(played(&incident(), &echo, &["--grant", "raw"]), "");
}

#[test]
fn a_gap_is_told_and_what_does_not_work_is_a_sentence() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let echo = build("echo", &[], dir.path());
    let text = fs::read_to_string(incident()).expect("read");
    let gap: Vec<&str> = text.lines().filter(|line| !line.contains("\"seq\":15,")).collect();
    let file = dir.path().join("gap.slr");
    fs::write(&file, gap.join("\n") + "\n").expect("written");
    let found = played(&file, &echo, &[]);
    assert!(found.contains(" xsvr deny lost 15-15 count=1\n"), "{found}");
    assert!(!played(&incident(), &echo, &[]).contains("lost"));

    let failing = build("bad", &["FAILS"], dir.path());
    let found = played(&incident(), &failing, &[]);
    assert!(found.contains("5 - failed its on_events failed (-1)\n"), "{found}");
    for (recording, arguments, part) in [
        (Path::new("/nowhere.slr"), vec![], "/nowhere.slr: cannot be opened"),
        (Path::new("/etc/hostname"), vec![], "/etc/hostname: is no recording"),
        (&incident(), vec!["--option", "mode=x"], "it has no option \"mode\""),
        (&incident(), vec!["--grant", "verdikt"], "did you mean \"verdict\"?"),
    ] {
        let output = replay(recording, &failing, &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_recording_has_a_header_and_no_serial() {
    let text = fs::read_to_string(incident()).expect("read");
    let header: Value = serde_json::from_str(text.lines().next().expect("a header")).expect("JSON");
    assert_eq!(header["slr"], 1);
    assert_eq!(header["claims"][0]["product"], "xsvr");
    assert!(text.contains("\"stage\":\"duplicate\"") && text.contains("\"cause\":\"goodbye\""));
    // What both were given.
    assert!(!text.contains("0123456789ABCDEF"));
}
