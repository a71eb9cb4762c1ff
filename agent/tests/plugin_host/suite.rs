//! The suite of bad plugins: on threads of the agent all but those that no process survives, in processes all of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serialnumberd::plugin::{Action, Health, PluginHost, PluginSpec, VerdictUse};
use serialnumberd::record::Body;

use crate::rig::suite::{Bad, Effect, SUITE};
use crate::rig::{CLAIM, Rig, announcement, duplicate, eventually, record};
use crate::{STOP, actions};

/// Starts it, gives it one event of each weight, and lets it end.
fn outlives(rig: &Rig, bad: &Bad, mut host: PluginHost) {
    let before = host.status(rig.now_ns())[0].delivered;
    let records =
        [record(1, Body::Tick), duplicate(2, Some(rig.now_ns())), announcement(3), record(4, Body::Tick)];
    for record in &records {
        host.publish(&Arc::clone(record));
    }
    eventually(bad.name, || {
        host.tick(rig.now_ns());
        actions(&mut host);
        let status = host.status(rig.now_ns()).remove(0);
        status.delivered > before || status.panics >= 3
    });
    if bad.effect == Effect::Fails {
        let status = host.status(rig.now_ns()).remove(0);
        assert!(status.errors > 0, "{}: {status:?}", bad.name);
    }
    assert_eq!(host.stop(STOP), Vec::<String>::new(), "{}", bad.name);
}

fn the_agent_outlives_every_bad_plugin_that_returns(rig: Rig) {
    let returns = |bad: &&Bad| matches!(bad.effect, Effect::Refused | Effect::Fails | Effect::Hidden);
    for bad in SUITE.iter().filter(returns) {
        let mut spec = rig.spec(rig.build_bad(bad));
        (spec.verdict, spec.grant) = (VerdictUse::Require, vec!["verdict".to_owned()]);
        match rig.start(vec![spec]) {
            Ok(host) => {
                assert_ne!(bad.effect, Effect::Refused, "{} was accepted", bad.name);
                outlives(&rig, bad, host);
            }
            Err(error) => {
                assert!(matches!(bad.effect, Effect::Refused | Effect::Fails), "{}: {error}", bad.name);
            }
        }
    }
}

#[test]
fn in_a_process_of_its_own_none_takes_more_than_that() {
    let rig = Rig::of_processes();
    let rest = |bad: &&Bad| matches!(bad.effect, Effect::Kills | Effect::Hangs(_));
    for bad in SUITE.iter().filter(rest) {
        let mut spec = rig.spec(rig.build_bad(bad));
        (spec.verdict, spec.grant) = (VerdictUse::Require, vec!["verdict".to_owned()]);
        spec.state_dir = rig.dir.path().join(bad.name);
        match bad.effect {
            Effect::Hangs(slot @ ("create" | "configure" | "start")) => is_given_up(&rig, spec, slot),
            Effect::Hangs("stop") => {
                let host = rig.start(vec![spec]).expect(bad.name);
                assert_eq!(host.stop(Duration::from_millis(300)), Vec::<String>::new(), "{}", bad.name);
            }
            effect => is_ended(&rig, spec, effect),
        }
    }
}

/// It never starts; the clock moves on once it is in its slot.
fn is_given_up(rig: &Rig, spec: PluginSpec, slot: &str) {
    let (trace, ahead_ns) = (spec.state_dir.join("plugins/fault/trace"), Arc::clone(&rig.ahead_ns));
    let clock = std::thread::spawn(move || {
        eventually("it is in its slot", || trace.exists());
        ahead_ns.fetch_add(11_000_000_000, Ordering::SeqCst);
    });
    let error = rig.start(vec![spec]).err().expect(slot).to_string();
    clock.join().expect("no panic");
    assert!(error.contains("did not return within 10 s"), "{slot}: {error}");
}

/// Its first event ends its process, or it is ended for not coming back.
fn is_ended(rig: &Rig, spec: PluginSpec, effect: Effect) {
    let mut host = rig.start(vec![spec]).expect("it starts");
    // Not to be started again before the test has seen that it is down.
    rig.stop_clock();
    assert_eq!(host.publish(&duplicate(1, Some(rig.now_ns()))), [0]);
    if matches!(effect, Effect::Hangs(_)) {
        eventually("it is in its slot", || host.status(rig.now_ns())[0].present_call.is_some());
        rig.advance(Duration::from_secs(31));
        host.set_claims(rig.claims.clone());
    }
    let mut told = Vec::new();
    eventually("it is gone, and does not answer", || {
        host.tick(rig.now_ns());
        told.extend(actions(&mut host));
        host.status(rig.now_ns())[0].health == Health::Restarting && !told.is_empty()
    });
    assert_eq!(told, [Action::NoAnswer { plugin: 0, claim: CLAIM, seq: 1 }]);
    rig.run_clock();
    assert_eq!(host.stop(STOP), Vec::<String>::new());
}

in_both_modes! {
    the_agent_outlives_every_bad_plugin_that_returns,
}
