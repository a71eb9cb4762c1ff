//! The suite of bad plugins on threads of the agent: all but those that no process survives.

use std::sync::Arc;

use serialnumberd::plugin::{PluginHost, VerdictUse};
use serialnumberd::record::Body;

use crate::rig::suite::{Bad, Effect, SUITE};
use crate::rig::{Rig, announcement, duplicate, eventually, record};
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

in_both_modes! {
    the_agent_outlives_every_bad_plugin_that_returns,
}
