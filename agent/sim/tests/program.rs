//! The program as its users meet it: what it lists, what it says of what is wrong, and how it ends.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

use slnd_sim::{Guard, Scenario, play};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_slnd-sim")).args(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it speaks UTF-8")
}

/// A scenario of a test's own; the file goes with the directory.
struct File {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn file(toml: &str) -> File {
    let dir = tempfile::tempdir().expect("there is room for a scenario");
    let path = dir.path().join("own.toml");
    std::fs::write(&path, toml).expect("there is room for a scenario");
    File { _dir: dir, path }
}

fn run_file(toml: &str, more: &[&str]) -> Output {
    let file = file(toml);
    let path = file.path.to_str().expect("temporary paths are text");
    run(&[&["run", "--file", path], more].concat())
}

/// Two hosts with one license for twenty minutes, and what must be shown by it.
fn copied(must: &str) -> String {
    format!(
        "title = \"a copy\"\nlength = \"20 min\"\nhosts = [\"a\", \"b\"]\n\
         truth = [[\"0 s\", \"2 holders\"]]\nstory = [[\"0 s\", \"a and b start\"]]\n{must}\n"
    )
}

#[test]
fn list_has_a_line_for_each_of_at_least_45_scenarios() {
    let listed = text(&run(&["list"]).stdout);
    let names: BTreeSet<&str> = listed.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(names.len(), listed.lines().count(), "a name each");
    assert!(names.len() >= 45, "{}", names.len());
    assert!(listed.lines().all(|l| l.contains("must-") || l.contains("as the truth says")), "{listed}");
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    let shipped = Scenario::shipped().expect("the shipped scenarios are right");
    for name in ["copied-license", "composition", "late-twice-and-out-of-order", "live-snapshot-same-entropy"]
    {
        let scenario = shipped.iter().find(|s| s.name == name).expect("it is shipped");
        let digest = |seed| play(scenario, seed).expect("it can be played").digest;
        assert_eq!(digest(7), digest(7), "{name}");
        assert_ne!(digest(7), digest(8), "{name}");
    }
}

#[test]
fn every_defense_has_a_scenario_that_guards_it() {
    let shipped = Scenario::shipped().expect("the shipped scenarios are right");
    let guarded: BTreeSet<Guard> = shipped.iter().flat_map(|s| s.guards.iter().copied()).collect();
    assert_eq!(guarded.len(), 8, "{guarded:?}");
}

#[test]
fn what_is_not_as_it_must_be_is_found_and_the_program_fails() {
    for (must, finding) in [
        ("must-not-accuse = true", "nobody must be accused here"),
        ("must-detect = { within = \"1 ms\" }", "found it after"),
        ("must-detect = { within = \"2 s\", confirm = \"60 s\" }", "confirmed it after"),
        ("must-detect = { within = \"2 s\", class = \"clone\" }", "it is \"clone\""),
        (
            "must-detect = { within = \"2 s\" }\nmust-say = [[\"5 min\", \"a\", \"blind\"]]",
            "it must say blind",
        ),
        ("must-detect = { within = \"2 s\" }\nmust-send-at-most = 3", "3 were allowed"),
    ] {
        let output = run_file(&copied(must), &[]);
        assert_eq!(output.status.code(), Some(1), "{must}");
        assert!(text(&output.stdout).contains(finding), "{must}: {}", text(&output.stdout));
    }
    let right =
        run_file(&copied("must-detect = { within = \"2 s\", confirm = \"93 s\", class = \"copy\" }"), &[]);
    assert_eq!(right.status.code(), Some(0), "{}", text(&right.stdout));
}

#[test]
fn what_only_many_runs_show_is_found() {
    let slow = copied("must-detect = { within = \"2 s\", most-within = \"1 ms\" }");
    let output = run_file(&slow, &["--seeds", "20"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("of 40 hosts one in twenty found it after"),
        "{}",
        text(&output.stdout)
    );
    let few = run_file(&slow, &["--seeds", "5"]);
    assert_eq!(few.status.code(), Some(0), "ten hosts may all be unlucky");
}

#[test]
fn a_truth_that_is_not_so_is_found() {
    let wrong = copied("must-detect = { within = \"2 s\" }").replace("2 holders", "1 holder");
    let output = run_file(&wrong, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("but the scenario's truth says 1 to 1"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn who_accuses_for_too_long_is_found() {
    let killed = copied("must-detect = { within = \"2 s\" }\nmust-resolve = \"5 s\"")
        .replace("2 holders", "1 to 2 holders")
        .replace("\"a and b start\"]", "\"a and b start\"], [\"5 min\", \"b is killed\"]");
    let output = run_file(&killed, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("after it was over"), "{}", text(&output.stdout));
}

#[test]
fn of_faults_laid_over_one_another_the_guilty_one_is_left() {
    let composed = "title = \"faults\"\nlength = \"1 h\"\nhosts = [\"a\", \"b\", \"c\"]\nmust-not-accuse = true\n\
        story = [[\"0 s\", \"a starts\"]]\n\
        [compose]\nfaults = [4, 4]\nfrom = \"5 min\"\nuntil = \"10 min\"\n\
        [[fault]]\nname = \"innocent\"\nstory = [[\"0 s\", \"A gets another address\"]]\n\
        [[fault]]\nname = \"guilty\"\nstory = [[\"0 s\", \"a, b and c start\"]]\n";
    let output = run_file(composed, &["--seeds", "20", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let failures = shown[0]["failures"].as_array().expect("a list").clone();
    assert!(failures.len() > 10, "most of 20 compositions have the guilty one: {}", failures.len());
    for failure in failures {
        let left = failure["composition"].as_str().expect("it was composed");
        assert!(left.starts_with("guilty:") && !left.contains("innocent"), "{left}");
    }
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    for (toml, sentence) in [
        (copied("must-detect = { within = \"soon\" }"), "\"soon\" is no time"),
        (copied("must-detect = { within = \"1 s\" }\nmust-dance = true"), "unknown field `must-dance`"),
        (copied(""), "neither must-not-accuse nor must-detect"),
        (
            copied("must-not-accuse = true").replace("a and b start", "a and c start"),
            "there is no host \"c\"",
        ),
        (
            copied("must-not-accuse = true").replace("a and b start", "a and b dance"),
            "none of the simulator's sentences",
        ),
        (copied("must-not-accuse = true").replace("2 holders", "two holders"), "\"two holders\" is no truth"),
    ] {
        let output = run_file(&toml, &[]);
        assert_eq!(output.status.code(), Some(2), "{toml}");
        let said = text(&output.stderr);
        assert!(
            said.starts_with("slnd-sim: /") && said.contains("/own.toml: ") && said.contains(sentence),
            "{said}"
        );
    }
    let nobody = run(&["run", "no-such-scenario"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody.stderr).contains("there is no scenario \"no-such-scenario\""));
}
