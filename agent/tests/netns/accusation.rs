//! What an accusation is, and that there was none: read from the whole life of an agent, not from looks at it.

use std::time::Duration;

use crate::agent::{Agent, Config, SERIAL};
use crate::clock::{Watch, s, throughout, within};
use crate::lan::Host;

/// What an agent and its two plugins write when they accuse somebody: the agent's own word, what reached a plugin
/// that only listens, and an enforcement verdict of the one that decides.
const ACCUSES: [&[&str]; 3] = [
    &[": more holders than seats"],
    &["duplicate xsvr stage"],
    &["verdict deny", "verdict limit", "verdict warn"],
];

/// By when a real duplicate is found where datagrams are not lost; the protocol says 2 s, a busy machine the rest.
pub const FOUND: Duration = s(15);

impl Config {
    /// One that accuses as soon as it can: any conflict is DENY at once, and a second plugin writes down what it is
    /// told.
    pub fn sharp() -> Config {
        Config::new().policy("mode = \"strict\"\nact_on = \"conflict\"").plugin("libslnd_example_rust.so", "")
    }

    /// The same with a license of so many seats.
    pub fn seats(n: u16) -> Config {
        Config::sharp().license("xsvr", SERIAL, &format!("seats = {n}"))
    }
}

impl Agent {
    /// The lines of its log in which it or a plugin accused somebody, by who wrote them.
    fn accusations(&self) -> [Vec<String>; 3] {
        let log = self.log();
        ACCUSES.map(|words| {
            log.lines().filter(|line| words.iter().any(|w| line.contains(w))).map(str::to_owned).collect()
        })
    }

    /// That neither it nor a plugin accused anybody since it was started.
    pub fn has_accused_nobody(&self) -> Result<(), String> {
        let accusations = self.accusations().concat();
        if accusations.is_empty() { Ok(()) } else { Err(format!("{:?}: {accusations:#?}", self.dir)) }
    }
}

/// Lets `span` pass, in which and until which none of these may accuse anybody; at its end all of them allow.
pub fn nobody_accused(agents: &[&Agent], span: Duration) {
    throughout(span, || agents.iter().try_for_each(|a| a.has_accused_nobody()));
    for agent in agents {
        let (status, what) = (agent.status(), format!("{:?} allows", agent.dir));
        assert_eq!(status.class("xsvr"), None, "{}", status.claim("xsvr"));
        within(s(5), &what, || (agent.status().verdict("xsvr") == "allow").then_some(()));
        agent.has_accused_nobody().unwrap_or_else(|why| panic!("{why}"));
    }
}

/// Starts on `host` the one agent that is too many beside `others`, and waits until each of them has found the
/// duplicate, says so by all means, and knows all of them; within `bound` of its start.
pub fn one_too_many(host: &Host, others: &[&Agent], config: &Config, bound: Duration) -> Agent {
    let watch = Watch::start();
    let agent = host.agent(config);
    all_accuse(&[&[&agent], others].concat(), bound.saturating_sub(watch.elapsed()));
    println!("found by all {:?} after the start of the one too many", watch.elapsed());
    agent
}

/// Waits until each of these has found, with all others of them, that too many hold the license.
pub fn all_accuse(agents: &[&Agent], bound: Duration) {
    let watch = Watch::start();
    let has_found = |agent: &Agent| {
        let status = agent.status();
        let known = status.holders("xsvr").iter().filter(|h| h["proved"] == true || h["self"] == true);
        known.count() >= agents.len() && agent.accusations().iter().all(|lines| !lines.is_empty())
    };
    for agent in agents {
        let what = format!("{:?} finds the duplicate", agent.dir);
        within(bound.saturating_sub(watch.elapsed()), &what, || has_found(agent).then_some(()));
    }
}
