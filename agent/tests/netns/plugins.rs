//! Plugins in the running agent: the C example, its verdict, and one that sleeps.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::agent::{Config, SERIAL, binary, repository};
use crate::clock::{Watch, ms, pass, s, throughout, within};
use crate::detection::in_duplicate;
use crate::lan::Lan;
use crate::namespace::command;
use crate::wire::{Author, BROADCAST, Tap};

/// Builds a plugin from C by the documented command.
fn cc(source: &Path, into: &Path) -> PathBuf {
    let name = source.file_stem().and_then(|s| s.to_str()).expect("a C file");
    let library = into.join(format!("lib{name}.so"));
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Iinclude"]);
    let output = cc.arg("-o").arg(&library).arg(source).current_dir(repository()).output().expect("cc");
    assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
    library
}

/// The two examples: the same plugin in C, built here, and in Rust, built beside the agent.
fn examples(into: &Path) -> [(&'static str, PathBuf); 2] {
    let source = repository().join("examples/plugin_minimal.c");
    [("minimal", cc(&source, into)), ("example-rust", binary().with_file_name("libslnd_example_rust.so"))]
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn each_example_is_told_of_everything_that_it_asked_for() {
    let lan = Lan::new(3);
    let config = Config::new().license("xsvr", SERIAL, "seats = 2");
    let tell = |n: usize, plugin: &Path| {
        let mut program = command(binary());
        // They tell of a tick only to who debugs them.
        program.env("RUST_LOG", "debug");
        let agent = lan.hosts[n].launch("agent", &config.clone().plugin(text(plugin), ""), program);
        within(s(5), "the agent answers", || agent.try_status());
        agent.reaches("clear", s(4));
        agent
    };
    let [c, rust] = examples(lan.hosts[0].dir.path());
    let told = [(c.0, tell(0, &c.1)), (rust.0, tell(1, &rust.1))];
    let mut third = lan.hosts[2].agent(&config);
    for (_, agent) in &told {
        agent.reaches("duplicate", s(9));
    }
    third.stop(s(3));
    for (id, agent) in &told {
        agent.reaches("clear", s(2));
        for line in ["announcement xsvr", "duplicate xsvr", "resolved xsvr", "state xsvr", "tick"] {
            let what = format!("{id} logs {line}");
            within(s(3), &what, || agent.log().contains(line).then_some(()));
        }
        let plugin = agent.status().plugin(id).clone();
        assert!(plugin["delivered"].as_u64() > Some(5), "{plugin}");
        assert_eq!((&plugin["lost"], &plugin["health"]), (&0.into(), &"ok".into()), "{plugin}");
    }
}

#[test]
fn an_examples_verdict_decides_with_the_grant_and_not_without() {
    for n in 0..2 {
        let lan = Lan::new(2);
        let (id, plugin) = examples(lan.hosts[0].dir.path())[n].clone();
        let granted = "verdict = \"require\"\ngrant = [\"verdict\"]";
        let (a, b) = in_duplicate(&lan, &Config::xsvr().plugin(text(&plugin), granted));
        let reason = a.decides(5, s(3));
        assert!(reason.contains("xsvr"), "{id}'s own words: {reason}");
        drop((a, b));
        let (a, _b) = in_duplicate(&lan, &Config::xsvr().plugin(text(&plugin), ""));
        // The host's own: report, never stop a healthy server.
        a.decides(3, s(3));
    }
}

const SLEEPER: &str = r#"
#include <serialnumberd/plugin.h>
#include <unistd.h>
static slnd_status create(const slnd_host *h, const char *i, void **s, slnd_error *e)
{ (void)h; (void)i; (void)e; *s = (void *)1; return SLND_OK; }
static slnd_status on_events(void *s, const slnd_event *const *ev, size_t n, slnd_decision *out)
{ (void)s; (void)ev; (void)n; (void)out; sleep(60); return SLND_OK; }
static void destroy(void *s) { (void)s; }
static const slnd_plugin plugin = {
  SLND_PLUGIN_HEAD, "sleeper", "Sleeper", "1.0", "Sleeps.", NULL, NULL, WANTS_BITS, 0, ~UINT64_C(0), 1, 0,
  NULL, 0, 0, create, NULL, NULL, on_events, NULL, NULL, destroy, NULL, NULL};
SLND_PLUGIN_DEFINE(plugin, "sleeper", "1.0", "WANTS")
"#;

/// Writes and builds the sleeping plugin; what it `wants` stands in its manifest and in its descriptor.
fn sleeper(into: &Path, wants: &str) -> PathBuf {
    let source = into.join("sleeper.c");
    let bits = if wants.is_empty() { "0" } else { "SLND_PERM_VERDICT" };
    std::fs::write(&source, SLEEPER.replace("WANTS_BITS", bits).replace("WANTS", wants)).expect("the source");
    cc(&source, into)
}

#[test]
fn a_sleeping_plugin_costs_the_loop_nothing() {
    let lan = Lan::new(2);
    let host = &lan.hosts[0];
    let plugin = sleeper(host.dir.path(), "");
    // Any number of holders may be told of, without a round of questions.
    let config = Config::new().license("xsvr", SERIAL, "seats = 0").set("stop_timeout", "2s");
    let mut agent = host.agent(&config.plugin(text(&plugin), ""));
    agent.reaches("clear", s(4));
    let tap = Tap::new(&lan.hosts[1]);
    within(s(9), "stalled is shown", || {
        (agent.status().plugin("sleeper")["health"] == "stalled").then_some(())
    });
    // More announcements than its queue has room for.
    let mut author = Author::of("xsvr", SERIAL);
    for _ in 0..200 {
        tap.send(&author.announcement(), BROADCAST);
        pass(ms(15));
    }
    within(s(2), "LOST is counted", || agent.status().plugin("sleeper")["lost"].as_u64().filter(|n| *n > 0));
    tap.all(ms(50));
    let heard = tap.all(s(4)).len();
    assert!(heard >= 3, "it announces every second, only {heard} heard in 4 s");
    throughout(s(1), || {
        let look = Watch::start();
        agent.status();
        if look.elapsed() < ms(500) { Ok(()) } else { Err(format!("an answer took {:?}", look.elapsed())) }
    });
    let (_, took) = agent.stop(s(4));
    assert!(took < s(3), "shut down in {took:?} with stop_timeout 2 s");
}

#[test]
fn a_sleeping_policy_never_turns_into_a_deny() {
    let lan = Lan::new(2);
    let plugin = sleeper(lan.hosts[0].dir.path(), "verdict");
    let granted = "verdict = \"require\"\ngrant = [\"verdict\"]";
    let a = lan.hosts[0].agent(&Config::xsvr().plugin(text(&plugin), granted));
    let b = lan.hosts[1].agent(&Config::xsvr());
    a.reaches("duplicate", s(9));
    b.reaches("duplicate", s(3));
    throughout(s(1), || match a.check() {
        (5, said) => Err(said),
        _ => Ok(()),
    });
}

#[test]
fn a_license_that_a_reload_takes_away_leaves_the_policy() {
    let lan = Lan::new(1);
    let config = |more: Config| more.license("other", "OTHER-1", "").policy("mode = \"strict\"");
    let agent = lan.hosts[0].agent(&config(Config::xsvr()));
    let judged = || -> Vec<String> {
        let status = agent.status();
        let claims = status.plugin("policy")["detail"]["claims"].as_array().cloned().unwrap_or_default();
        claims.iter().filter_map(|c| c["product"].as_str().map(str::to_owned)).collect()
    };
    within(s(6), "the policy judges both", || (judged().len() == 2).then_some(()));
    config(Config::new()).write(&agent.dir);
    assert!(agent.ask(&["reload"]).status.success(), "{}", agent.log());
    // It looks after 10 s.
    within(s(13), "the policy judges one", || (judged() == ["other"]).then_some(()));
}
