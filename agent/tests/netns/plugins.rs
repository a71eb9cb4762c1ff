//! Plugins in the running agent: the C example, its verdict, and one that sleeps.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::agent::{Agent, Config, repository};
use crate::clock::{Watch, ms, pass, s, throughout, within};
use crate::detection::in_duplicate;
use crate::lan::Lan;
use crate::wire::Tap;

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

fn example(into: &Path) -> PathBuf {
    cc(&repository().join("examples/plugin_minimal.c"), into)
}

/// The number of events of a kind that a plugin got, by its status.
fn delivered(agent: &Agent, id: &str) -> u64 {
    agent.status().plugin(id)["delivered"].as_u64().expect("delivered")
}

#[test]
fn the_c_example_is_told_of_everything_it_asked_for() {
    let lan = Lan::new(2);
    let plugin = example(lan.hosts[0].dir.path());
    let source = std::fs::read_to_string(repository().join("examples/plugin_minimal.c")).expect("readable");
    assert!(source.lines().count() <= 60, "{} lines", source.lines().count());
    let config = Config::xsvr().plugin(plugin.to_str().expect("UTF-8"), "");
    let (a, mut b) = in_duplicate(&lan, &config);
    b.stop(s(3));
    a.reaches("clear", s(2));
    for kind in ["announcement", "duplicate", "resolved", "state", "tick"] {
        within(s(3), &format!("it logs {kind}"), || a.log().contains(kind).then_some(()));
    }
    assert!(delivered(&a, "minimal") > 5);
}

#[test]
fn the_c_examples_verdict_decides_with_the_grant_and_not_without() {
    let lan = Lan::new(2);
    let plugin = example(lan.hosts[0].dir.path());
    let plugin = plugin.to_str().expect("UTF-8");
    let granted = "verdict = \"require\"\ngrant = [\"verdict\"]";
    let (a, b) = in_duplicate(&lan, &Config::xsvr().plugin(plugin, granted));
    let with = a.decides(5, s(1));
    println!("with the grant: {with}");
    drop((a, b));
    let lan = Lan::new(2);
    let (a, _b) = in_duplicate(&lan, &Config::xsvr().plugin(plugin, ""));
    // The host's own: report, never stop a healthy server.
    a.decides(3, s(1));
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
  .struct_size = sizeof plugin, .abi_major = SLND_ABI_MAJOR, .abi_minor = SLND_ABI_MINOR, .layout = SLND_LAYOUT,
  .id = "sleeper", .name = "sleeper", .version = "1", .description = "sleeps", .vendor = "", .url = "",
  .events = ~UINT64_C(0), .queue_hint = 1,
  .create = create, .on_events = on_events, .destroy = destroy,
};
SLND_PLUGIN_DEFINE(plugin, "sleeper", "1", "")
"#;

#[test]
fn a_sleeping_plugin_costs_the_loop_nothing() {
    let lan = Lan::new(3);
    let host = &lan.hosts[0];
    let source = host.dir.path().join("sleeper.c");
    std::fs::write(&source, SLEEPER).expect("the source");
    let plugin = cc(&source, host.dir.path());
    let config = Config::xsvr().set("stop_timeout", "2s");
    let mut agent = host.agent(&config.clone().plugin(plugin.to_str().expect("UTF-8"), ""));
    agent.reaches("clear", s(4));
    // Somebody else, whose announcements fill the sleeper's ring.
    let _other = lan.hosts[1].agent(&config);
    let tap = Tap::new(&lan.hosts[2]);
    within(s(9), "stalled is shown", || {
        (agent.status().plugin("sleeper")["health"] == "stalled").then_some(())
    });
    tap.all(ms(50));
    let heard = tap.all(s(4)).len();
    assert!(heard >= 5, "two agents announce every second, only {heard} heard in 4 s");
    let took = Watch::start();
    throughout(s(1), || {
        let look = Watch::start();
        agent.status();
        if look.elapsed() < ms(500) { Ok(()) } else { Err(format!("an answer took {:?}", look.elapsed())) }
    });
    println!("answered for {:?}", took.elapsed());
    flood_until_lost(&agent, &tap);
    let (_, took) = agent.stop(s(4));
    assert!(took < s(3), "shut down in {took:?} with stop_timeout 2 s");
}

/// A holder's announcements, said again and again, are no events: real ones fill the ring, by restarting.
fn flood_until_lost(agent: &Agent, _tap: &Tap) {
    within(s(60), "LOST is counted", || {
        for _ in 0..64 {
            agent.ask(&["probe", "xsvr"]);
        }
        pass(ms(100));
        (agent.status().plugin("sleeper")["lost"].as_u64()? > 0).then_some(())
    });
}

#[test]
fn a_late_policy_keeps_the_last_verdict() {
    let lan = Lan::new(2);
    let host = &lan.hosts[0];
    let source = host.dir.path().join("sleeper.c");
    let text = SLEEPER
        .replace("\"1\", \"\")", "\"1\", \"verdict\")")
        .replace(".events", ".wants = SLND_PERM_VERDICT, .events");
    std::fs::write(&source, text).expect("the source");
    let plugin = cc(&source, host.dir.path());
    let granted = "verdict = \"require\"\ngrant = [\"verdict\"]";
    let config = Config::xsvr().plugin(plugin.to_str().expect("UTF-8"), granted);
    let a = host.agent(&config);
    let b = lan.hosts[1].agent(&Config::xsvr());
    a.reaches("duplicate", s(9));
    b.reaches("duplicate", s(3));
    let code = a.check().0;
    assert_ne!(code, 5, "a dead policy never turns into a DENY by itself");
}
