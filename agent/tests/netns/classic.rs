//! The classic text format, as the known scanner sees it.

use crate::agent::Config;
use crate::clock::s;
use crate::lan::{Host, Lan};
use crate::namespace::command;

/// What `nmap` says of port 626 of the first host.
fn scan(from: &Host, more: &[&str]) -> String {
    let mut nmap = command("nmap");
    nmap.args(["-n", "-Pn", "-sU", "-sV", "-p", "626"]).args(more).arg("10.0.0.1");
    let output = from.ns.output(nmap);
    assert!(output.status.success(), "nmap: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn nmap_names_the_service_when_it_may_be_answered() {
    let lan = Lan::new(2);
    let agent = lan.hosts[0].agent(&Config::xsvr().set("legacy", "answer"));
    agent.reaches("clear", s(4));
    let said = scan(&lan.hosts[1], &[]);
    assert!(said.contains("Mac OS X Server serialnumberd"), "{said}");
}

#[test]
fn nmap_gets_no_answer_by_default() {
    let lan = Lan::new(2);
    let agent = lan.hosts[0].agent(&Config::xsvr());
    agent.reaches("clear", s(4));
    // Without an answer it would go on with the probes of all other services, for two minutes.
    let said = scan(&lan.hosts[1], &["--version-light"]);
    assert!(!said.contains("Mac OS X Server"), "{said}");
    assert!(said.contains("open|filtered"), "no answer and no ICMP refusal: {said}");
    let status = agent.status();
    assert!(status.fate("classic_query") > 0, "it was asked: {}", status.0["counters"]);
    assert_eq!(status.fate("classic_answered"), 0);
}
