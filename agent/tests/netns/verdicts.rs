//! What the licensed software is told: `check`'s exit codes and reasons, in each mode of the policy.

use crate::agent::{Agent, Config, binary};
use crate::clock::{pass, s, throughout, within};
use crate::detection::{in_conflict, in_duplicate};
use crate::lan::Lan;
use crate::namespace::command;

/// `check`'s exit codes.
const ALLOW: i32 = 0;
const FAILURE: i32 = 1;
const USAGE: i32 = 2;
const WARN: i32 = 3;
const LIMIT: i32 = 4;
const DENY: i32 = 5;
const PROBING: i32 = 6;

/// The verdict follows the state by a batch to the plugin and back: 50 ms, and a busy machine.
const SOON: std::time::Duration = s(3);

/// Both verdicts once a duplicate is established, under one policy.
fn verdicts_of_a_duplicate(options: &str) -> (Agent, Agent, Lan) {
    let lan = Lan::new(2);
    let (a, b) = in_duplicate(&lan, &Config::xsvr().policy(options));
    (a, b, lan)
}

#[test]
fn a_host_alone_is_still_probing_and_then_allowed() {
    let lan = Lan::new(1);
    let config = Config::xsvr().policy("mode = \"strict\"");
    let agent = lan.hosts[0].launch("agent", &config, command(binary()));
    let ((first, _), _) =
        within(s(5), "an answer", || Some(agent.check()).filter(|(code, _)| *code != FAILURE));
    assert_eq!(first, PROBING);
    agent.decides(ALLOW, s(3));
}

#[test]
fn no_agent_is_a_failure_and_bad_usage_is_usage() {
    let lan = Lan::new(1);
    let mut agent = lan.hosts[0].agent(&Config::xsvr());
    let unknown = agent.check_product("nosuch");
    assert_eq!(unknown.0, FAILURE, "{}", unknown.1);
    assert_eq!(agent.ask(&["check"]).status.code(), Some(USAGE));
    agent.stop(s(3));
    let gone = agent.check();
    assert_eq!(gone.0, FAILURE, "{}", gone.1);
    assert_eq!(gone.1.trim().lines().count(), 1, "one sentence: {}", gone.1);
}

#[test]
fn wait_outlasts_the_probing() {
    let lan = Lan::new(1);
    let agent = lan.hosts[0].launch("agent", &Config::xsvr(), command(binary()));
    within(s(5), "the agent answers", || agent.try_status());
    let waited = agent.ask(&["check", "xsvr", "--wait"]);
    assert_eq!(waited.status.code(), Some(ALLOW));
    let quiet = agent.ask(&["check", "xsvr", "--quiet"]);
    assert_eq!((quiet.status.code(), quiet.stdout.len()), (Some(ALLOW), 0));
}

#[test]
fn observe_warns_and_never_more() {
    let (a, b, _lan) = verdicts_of_a_duplicate("mode = \"observe\"");
    for agent in [&a, &b] {
        let reason = agent.decides(WARN, SOON);
        assert!(reason.contains("10.0.0.") || reason.contains("fe80"), "names who: {reason}");
    }
    throughout(s(2), || match a.check().0 {
        WARN => Ok(()),
        code => Err(format!("check exits {code}")),
    });
}

#[test]
fn strict_denies_every_holder() {
    let (a, b, _lan) = verdicts_of_a_duplicate("mode = \"strict\"");
    a.decides(DENY, SOON);
    b.decides(DENY, SOON);
}

#[test]
fn a_policy_in_a_process_denies_as_well_and_survives_its_own_end() {
    let lan = Lan::new(2);
    let config = Config::xsvr().policy("mode = \"strict\"").in_processes();
    let (a, b) = in_duplicate(&lan, &config);
    a.decides(DENY, SOON);
    b.decides(DENY, SOON);
    let policy = |agent: &Agent| agent.status().plugin("policy").clone();
    let pid = policy(&a)["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a process");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .expect("killed");
    within(s(3), "the crash is seen", || (policy(&a)["crashes"] == 1).then_some(()));
    // What was decided stays, and the next process comes to the same.
    assert_eq!(a.check().0, DENY);
    within(s(5), "it runs again", || (policy(&a)["health"] == "ok").then_some(()));
    within(s(5), "it was asked anew", || policy(&a)["delivered"].as_u64().filter(|delivered| *delivered > 0));
    assert_eq!((a.check().0, b.check().0), (DENY, DENY));
    assert!(!a.log().contains("verdict warn"), "it never wavered");
}

#[test]
fn seniority_keeps_the_first_and_denies_the_later() {
    let (a, b, _lan) = verdicts_of_a_duplicate("mode = \"seniority\"");
    a.decides(ALLOW, SOON);
    let reason = b.decides(DENY, SOON);
    assert!(reason.contains("10.0.0.1") || reason.contains("fe80"), "names who: {reason}");
    assert!(reason.contains("eth0"), "names where: {reason}");
}

#[test]
fn the_verdict_ends_with_the_duplicate() {
    let (a, mut b, _lan) = verdicts_of_a_duplicate("mode = \"strict\"");
    a.decides(DENY, SOON);
    b.stop(s(3));
    a.decides(ALLOW, s(2));
}

#[test]
fn act_on_conflict_does_not_wait_for_the_duplicate() {
    let lan = Lan::new(2);
    let config = Config::xsvr().set("confirm_after", "1h");
    let policy = |act_on: &str| config.clone().policy(&format!("mode = \"strict\"\nact_on = {act_on:?}"));
    let (a, b) = in_conflict(&lan, &policy("conflict"));
    a.decides(DENY, SOON);
    b.decides(DENY, SOON);
    drop((a, b));
    let lan = Lan::new(2);
    let (a, b) = in_conflict(&lan, &policy("duplicate"));
    throughout(s(2), || match (a.check().0, b.check().0) {
        (DENY, _) | (_, DENY) => Err("denied on a mere conflict".to_owned()),
        _ => Ok(()),
    });
}

#[test]
fn grace_runs_once_and_a_restart_does_not_renew_it() {
    let lan = Lan::new(2);
    let config = Config::xsvr().policy("mode = \"strict\"\ngrace = \"12s\"");
    let (a, mut b) = in_duplicate(&lan, &config);
    let reason = b.decides(WARN, SOON);
    println!("in grace: {reason}");
    pass(s(6));
    assert_eq!(b.check().0, WARN);
    b.kill();
    let b = lan.hosts[1].agent(&config);
    b.reaches("duplicate", s(9));
    assert_eq!(b.check().0, WARN, "what is left of the grace");
    // Some 6 s are left; renewed it would be 12.  Each host counts its own time out of conflict.
    b.decides(DENY, s(8));
    a.decides(DENY, s(3));
}

#[test]
fn limit_is_an_action_too() {
    let (a, b, _lan) = verdicts_of_a_duplicate("mode = \"seniority\"\naction = \"limit\"");
    a.decides(ALLOW, SOON);
    b.decides(LIMIT, SOON);
}

#[test]
fn a_blind_host_gets_what_the_policy_says_after_its_time() {
    let lan = Lan::new(1);
    let policy = "mode = \"strict\"\nwhen_blind = \"deny\"\nblind_after = \"2s\"";
    // One peer is expected and none is there.
    let agent = lan.hosts[0].agent(&Config::xsvr().raw("expect_peers", "1").policy(policy));
    agent.reaches("clear", s(4));
    agent.decides(DENY, s(6));
    let by_default = Config::xsvr().raw("expect_peers", "1").raw("port", "6260").policy("mode = \"strict\"");
    let other = lan.hosts[0].agent_in("other", &by_default);
    other.reaches("clear", s(4));
    // The expected peer has an interval and a tenth to be heard.
    let blind = || (other.status().claim("xsvr")["coverage"]["state"] == "blind").then_some(());
    within(s(5), "it is blind", blind);
    assert_eq!(other.check().0, ALLOW);
}

#[test]
fn without_a_policy_a_duplicate_warns() {
    let lan = Lan::new(2);
    let (a, b) = in_duplicate(&lan, &Config::xsvr());
    a.decides(WARN, SOON);
    b.decides(WARN, SOON);
}
