//! What two hosts found out convinces a third, and stays after both are gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::agent::{Agent, Config, SERIAL, binary, repository};
use crate::clock::{s, within};
use crate::detection::{in_conflict, in_duplicate};
use crate::lan::{Host, Lan};
use crate::namespace::command;

/// The evidence that an agent's status names.
fn id_of(agent: &Agent) -> String {
    let status = agent.status();
    status.claim("xsvr")["conflict"]["evidence"].as_str().expect("a conflict").to_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// What an agent lists; `None` while it has `other` than so many.
fn list(agent: &Agent, many: usize) -> Option<Vec<Value>> {
    let output = agent.ask(&["evidence", "list", "--json"]);
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
    (list.len() == many).then_some(list)
}

/// Has a host without an agent verify a file; what it says is one line.
fn verify(host: &Host, file: &Path, more: &[&str]) -> (bool, String) {
    let mut client = command(binary());
    client.args(["evidence", "verify"]).arg(file).args(more);
    let output = host.ns.output(client);
    (output.status.success(), flat(&output))
}

/// A page without the places where its lines were broken.
fn flat(output: &Output) -> String {
    text(output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn export(agent: &Agent, id: &str, file: &Path) {
    let output = agent.ask(&["evidence", "export", id, file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", text(&output));
}

/// Exports what an agent keeps of its conflict once all of it is written.
fn exported(agent: &Agent, lan: &Lan, name: &str) -> (String, PathBuf) {
    let id = id_of(agent);
    let proved_twice = |l: &Vec<Value>| l[0]["stage"] == "duplicate" && l[0]["id"] == id.as_str();
    within(s(5), "it is written", || list(agent, 1).filter(proved_twice));
    let file = lan.hosts[2].dir.path().join(name);
    export(agent, &id, &file);
    (id, file)
}

#[test]
fn a_third_party_verifies_what_both_sides_recorded() {
    let lan = Lan::new(3);
    let (a, b) = in_duplicate(&lan, &Config::xsvr());
    let third = &lan.hosts[2];
    let serial = third.dir.path().join("serial");
    fs::write(&serial, SERIAL).expect("written");
    fs::set_permissions(&serial, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let keys =
        [&a, &b].map(|agent| agent.status().0["agent"]["installation"].as_str().expect("a key").to_owned());
    let both = [(&a, "a.json"), (&b, "b.json")].map(|(agent, name)| exported(agent, &lan, name));
    for (id, file) in &both {
        let (good, said) = verify(third, file, &[]);
        assert!(good && said.starts_with(&format!("evidence {id}: verified ")), "{said}");
        assert!(keys.iter().all(|key| said.contains(key)), "both keys are named: {said}");
        let (good, said) = verify(third, file, &["--serial-file", serial.to_str().expect("UTF-8")]);
        assert!(good && said.contains("made by somebody who knows it"), "{said}");
        let kept = fs::read_to_string(file).expect("the file");
        for secret in [SERIAL.to_owned(), SERIAL.replace('-', "")] {
            assert!(!kept.contains(&secret), "the serial is in it");
        }
    }
    // One side's pairs in the other's file, signed by nobody.
    let [ours, theirs] = both.map(|(_, file)| fs::read_to_string(file).expect("the file"));
    let pairs = |text: &str| text[text.find("\"first\"").expect("pairs")..].to_owned();
    let swapped = ours.replace(&pairs(&ours), &pairs(&theirs));
    let file = third.dir.path().join("swapped.json");
    fs::write(&file, swapped).expect("written");
    let (good, said) = verify(third, &file, &[]);
    assert!(!good && said.contains("proves nothing: its signature is not that"), "{said}");
}

#[test]
fn evidence_outlasts_its_conflict_and_its_agent() {
    let lan = Lan::new(3);
    let (mut a, mut b) = in_duplicate(&lan, &Config::xsvr());
    let (id, before) = exported(&a, &lan, "before.json");
    b.stop(s(2));
    within(s(5), "its end is written", || list(&a, 1).filter(|l| l[0]["ended"].is_string()));
    a.stop(s(2));
    let state = a.dir.join("state");
    let after = lan.hosts[2].dir.path().join("after.json");
    let mut client = command(binary());
    client.args(["evidence", "export", &id]).arg(&after).arg("--state-dir").arg(&state);
    let output = lan.hosts[0].ns.output(client);
    assert!(output.status.success(), "{}", text(&output));
    for file in [&before, &after] {
        let (good, said) = verify(&lan.hosts[2], file, &[]);
        assert!(good, "{said}");
    }
    let (_, said) = verify(&lan.hosts[2], &after, &[]);
    assert!(said.contains("(goodbye)"), "{said}");
    let again = lan.hosts[0].agent(&Config::xsvr());
    assert_eq!(list(&again, 1).expect("it is there")[0]["id"], id.as_str());
    let shown = again.ask(&["evidence", "show", &id]);
    assert!(shown.status.success() && flat(&shown) == said, "{}", text(&shown));
}

#[test]
fn evidence_of_a_clone_says_what_it_cannot_prove() {
    let lan = Lan::new(3);
    let mut first = lan.hosts[0].agent(&Config::xsvr());
    first.reaches("clear", s(4));
    first.stop(s(2));
    let copy = lan.hosts[1].dir.path().join("agent/state");
    fs::create_dir_all(&copy).expect("a folder");
    for file in ["installation.key", "memory.json"] {
        fs::copy(first.dir.join("state").join(file), copy.join(file)).expect("copied");
    }
    let (a, _b) = in_duplicate(&lan, &Config::xsvr());
    assert_eq!(a.status().class("xsvr"), Some("clone"));
    let (_, file) = exported(&a, &lan, "clone.json");
    let (good, said) = verify(&lan.hosts[2], &file, &[]);
    assert!(good && said.contains("some answers bear the recorder's own key"), "{said}");
}

#[test]
fn a_full_disk_loses_nothing_and_stops_nothing() {
    let lan = Lan::new(2);
    let folder = lan.hosts[0].dir.path().join("agent/state/evidence");
    fs::create_dir_all(&folder).expect("a folder");
    let golden = repository().join("agent/core/tests/golden/evidence.json");
    let kept: Value = serde_json::from_slice(&fs::read(&golden).expect("golden")).expect("JSON");
    let kept = kept["id"].as_str().expect("an id").to_owned();
    // A disk of its own, which goes with the agent; full but for nothing.
    let script = format!(
        "mount -t tmpfs -o size=32k,mode=700 tmpfs {0} && cp {1} {0}/{kept}.json && \
         {{ dd if=/dev/zero of={0}/filler bs=4k 2>/dev/null; exec {2} \"$@\"; }}",
        folder.display(),
        golden.display(),
        binary().display()
    );
    let mut program = command("unshare");
    program.args(["--mount", "--", "sh", "-c", &script, "sh"]);
    let a = lan.hosts[0].launch("agent", &Config::xsvr(), program);
    within(s(5), "the agent answers", || a.try_status());
    a.reaches("clear", s(4));
    let mut b = lan.hosts[1].agent(&Config::xsvr());
    a.reaches("conflict", s(4));
    let ails = || a.status().0["agent"]["health"].as_array().and_then(|h| h.first().cloned());
    let (said, _) = within(s(5), "it says so", ails);
    let said = said.as_str().expect("a sentence");
    assert!(said.contains("evidence cannot be kept in") && said.contains("No space left"), "{said}");
    a.reaches("duplicate", s(8));
    assert_eq!(a.log().matches("evidence cannot be kept").count(), 1, "{}", a.log());
    assert_eq!(list(&a, 1).expect("what was kept stays")[0]["id"], kept.as_str());
    let inside = Path::new("/proc").join(a.pid().to_string()).join("root");
    let filler = folder.join("filler");
    fs::remove_file(inside.join(filler.strip_prefix("/").expect("absolute"))).expect("the filler");
    b.stop(s(2));
    let (now, _) = within(s(5), "it is written after all", || list(&a, 2));
    assert!(now.iter().all(|e| e["flaw"].is_null()), "{now:?}");
    within(s(2), "all is well again", || ails().is_none().then_some(()));
}

#[test]
fn who_asks_for_what_is_not_kept_is_told() {
    let lan = Lan::new(2);
    let (a, _b) = in_conflict(&lan, &Config::xsvr());
    let output = a.ask(&["evidence", "show", &"ab".repeat(16)]);
    assert!(!output.status.success() && text(&output).contains("no evidence abab"), "{}", text(&output));
    let said = text(&a.ask(&["explain", "xsvr"]));
    assert!(said.contains(&format!("serialnumberd evidence export {} FILE", id_of(&a))), "{said}");
}
