//! Agents that are kept from running for 10 s (SIGSTOP), as a starved or paused machine keeps them.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::accusation::{FOUND, all_accuse, nobody_accused, one_too_many};
use crate::agent::{Agent, Config};
use crate::clock::{Watch, pass, s, throughout, within};
use crate::lan::{Families, Lan};
use crate::wire::{Tap, WANT, field};

/// How long they stand still.
const FROZEN: Duration = s(10);
/// The interval of these agents, and by when one that is heard no more is gone: 3.3 of them.
const INTERVAL: Duration = s(2);
const GONE: Duration = Duration::from_millis(6600);

/// So many seats at the interval of these tests.
fn seats(n: u16) -> Config {
    Config::seats(n).set("interval", "2s")
}

/// Stops an agent for 10 s, in which `meanwhile` happens.
fn freeze<T>(agent: &Agent, meanwhile: impl FnOnce() -> T) -> T {
    agent.signal(Signal::SIGSTOP);
    let watch = Watch::start();
    let what = meanwhile();
    pass(FROZEN.saturating_sub(watch.elapsed()));
    agent.signal(Signal::SIGCONT);
    what
}

#[test]
fn a_frozen_agent_that_goes_on_asks_afresh_and_nobody_is_accused() {
    let lan = Lan::of(4, Families::V4);
    let [a, b] = [0, 1].map(|n| lan.hosts[n].agent(&seats(2)));
    nobody_accused(&[&a, &b], s(2));
    let tap = Tap::new(&lan.hosts[3]);
    freeze(&a, || nobody_accused(&[&b], s(9)));
    let installation = a.status().0["agent"]["installation"].clone();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let asks = |d: &&Vec<u8>| hex(&d[field::INSTALLATION]) == installation && d[field::FLAGS] & WANT != 0;
    let asked = tap.all(s(3)).iter().filter(asks).count();
    assert!(asked >= 3, "only {asked} questions in a burst: {}", a.log());
    assert_eq!(a.log().matches("this agent was kept from running").count(), 1, "{}", a.log());
    nobody_accused(&[&a, &b], s(2));
    one_too_many(&lan.hosts[2], &[&a, &b], &seats(2), FOUND);
}

#[test]
fn who_came_and_went_while_an_agent_was_frozen_is_not_accused_by_what_it_left_in_the_queue() {
    let lan = Lan::new(2);
    let a = lan.hosts[0].agent(&seats(1));
    nobody_accused(&[&a], s(2));
    freeze(&a, || {
        let mut b = lan.hosts[1].agent(&seats(1));
        nobody_accused(&[&b], s(4));
        b.kill();
    });
    within(s(3), "it hears now what was said then", || a.log().contains("announcement xsvr").then_some(()));
    nobody_accused(&[&a], GONE + s(1));
    a.reaches("clear", GONE);
    one_too_many(&lan.hosts[1], &[&a], &seats(1), FOUND);
}

#[test]
fn a_duplicate_whose_holder_is_frozen_lasts_until_it_expires_and_is_found_again() {
    let lan = Lan::new(2);
    let a = lan.hosts[0].agent(&seats(1));
    nobody_accused(&[&a], s(0));
    let b = one_too_many(&lan.hosts[1], &[&a], &seats(1), FOUND);
    for agent in [&a, &b] {
        agent.reaches("duplicate", FOUND);
    }
    freeze(&b, || {
        // It was last heard up to an interval and a tenth ago.
        throughout(GONE - INTERVAL - s(1), || match a.status().state("xsvr") {
            "duplicate" => Ok(()),
            other => Err(format!("{other} before the expiry")),
        });
        a.reaches("clear", FOUND);
        assert!(a.log().contains("resolved (expired)"), "{}", a.log());
    });
    for agent in [&a, &b] {
        within(FOUND, "found again", || {
            let state = agent.status().state("xsvr").to_owned();
            matches!(state.as_str(), "conflict" | "duplicate").then_some(())
        });
    }
    all_accuse(&[&a, &b], FOUND);
}
