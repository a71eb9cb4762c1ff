//! What only a process has: a crash that is survived, a sandbox, an end that nothing is left of.

mod agent;
mod crashes;
mod descriptors;
mod end;
mod lies;
mod sandbox;

use std::sync::Arc;
use std::time::Duration;

use serialnumberd::plugin::{Action, Health, PluginHost, PluginSpec, PluginStatus, VerdictUse};
use serialnumberd::record::{Body, Record};
use serialnumberd_core::Event;

use crate::rig::{Rig, duplicate, eventually, record};

/// A plugin in a process that does what it is told: `tests/plugins/puppet.c`.
struct Puppet {
    rig: Rig,
    host: PluginHost,
    seq: u64,
}

impl Puppet {
    fn new() -> Puppet {
        Puppet::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut PluginSpec)) -> Puppet {
        let rig = Rig::of_processes();
        let mut spec = Puppet::spec(&rig);
        change(&mut spec);
        let host = rig.start(vec![spec]).unwrap_or_else(|error| panic!("{error}"));
        // A restart is to come when the test is ready for it, however busy the machine.
        rig.stop_clock();
        Puppet { rig, host, seq: 0 }
    }

    /// It decides, and has a sandbox that allows nothing.
    fn spec(rig: &Rig) -> PluginSpec {
        let mut spec = rig.spec(rig.build("puppet", "puppet.so", &[]));
        (spec.verdict, spec.grant) = (VerdictUse::Require, vec!["verdict".to_owned()]);
        spec
    }

    fn publish(&mut self, body: Body) -> u64 {
        self.seq += 1;
        self.host.publish(&record(self.seq, body));
        self.seq
    }

    /// Has it do something.
    fn tell(&mut self, text: &str) -> u64 {
        self.publish(query(text))
    }

    /// Has it do something, and waits for the line that it traces then.
    fn does(&mut self, text: &str, line: &str) {
        self.tell(text);
        self.rig.await_line("puppet", line);
    }

    fn ask(&mut self) -> u64 {
        self.seq += 1;
        let record: Arc<Record> = duplicate(self.seq, Some(self.rig.now_ns()));
        self.host.publish(&record);
        self.seq
    }

    fn status(&mut self) -> PluginStatus {
        self.host.status(self.rig.now_ns()).remove(0)
    }

    fn turn(&mut self) -> Vec<Action> {
        self.host.tick(self.rig.now_ns());
        std::iter::from_fn(|| self.host.poll_action()).collect()
    }

    fn until(&mut self, what: &str, mut is_so: impl FnMut(&PluginStatus) -> bool) -> PluginStatus {
        eventually(what, || {
            let _verdicts = self.turn();
            is_so(&self.status())
        });
        self.status()
    }

    fn until_health(&mut self, health: Health) -> PluginStatus {
        self.until(health.as_str(), |status| status.health == health)
    }

    /// From here on it is so much later, and the supervisor takes note of it.
    fn advance(&mut self, span: Duration) {
        self.rig.advance(span);
        self.host.set_claims(self.rig.claims.clone());
    }

    fn pid(&mut self) -> u32 {
        self.status().pid.expect("it runs")
    }
}

fn query(text: &str) -> Body {
    let from = "192.0.2.9:4000".parse().expect("an address");
    Body::Engine(Event::Query { from, product: None, text: text.as_bytes().to_vec() })
}

/// Whether there is such a process, and it is no zombie.
fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}
