//! `licensed_httpd`: what each verdict does to those who only see HTTP.

use nix::sys::signal::Signal;

use crate::daemon::Daemon;
use crate::http::{Reply, ask};
use crate::program::Program;
use crate::site::Site;
use crate::{site, start, start_checked};

const FILE: &str = "licensed_httpd.c";
const FIRST: &str = "this license is in use on another host, too; this one was first\n";
const LATER: &str = "this license is in use on another host, which was first\n";
const OVER: &str = "this license is in use on another host, and the grace is over\n";

fn own(site: &Site, grace: &str) -> Vec<String> {
    let mut arguments = site.own();
    arguments.extend(["--listen", "0", "--grace", grace].map(str::to_owned));
    arguments
}

/// The port that it says it listens on.
fn port(server: &Program) -> u16 {
    let line = server.await_line("http://127.0.0.1:");
    let port = line.trim_end_matches('/').rsplit(':').next().expect("a port");
    port.parse().unwrap_or_else(|_| panic!("no port: {line}"))
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned() }
}

/// Reads and writes go through, with this before the document.
fn works(port: u16, banner: &str, document: &str) {
    assert_eq!(ask(port, "PUT", document), reply(204, ""));
    assert_eq!(ask(port, "GET", ""), reply(200, &format!("{banner}{document}")));
}

#[test]
fn a_server_wears_a_banner_the_later_one_is_read_only_and_then_stops() {
    let sites = site::pair(31);
    let first = start_checked(FILE, &own(&sites[0], "1h"));
    let first_port = port(&first);
    works(first_port, "", "as long as nobody else is there\n");

    let second = start(FILE, &own(&sites[1], "1h"));
    let second_port = port(&second);
    assert_eq!(ask(second_port, "POST", "before it was known\n"), reply(204, ""));
    first.await_line("xsvr: WARN: ");
    works(first_port, FIRST, "with a banner\n");
    second.await_line("xsvr: LIMIT: ");
    assert_eq!(ask(second_port, "GET", ""), reply(200, &format!("{LATER}before it was known\n")));
    for method in ["PUT", "POST"] {
        assert_eq!(ask(second_port, method, "too late\n"), reply(403, LATER));
    }
    assert_eq!(ask(second_port, "DELETE", ""), reply(405, "GET, HEAD, PUT or POST\n"));
    second.stop(Signal::SIGTERM);
    first.await_line("xsvr: ALLOW: ");
    works(first_port, "", "alone again\n");

    // The same again, but the grace is short.
    let second = start_checked(FILE, &own(&sites[1], "1s"));
    let second_port = port(&second);
    second.await_line("xsvr: DENY: ");
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let found = ask(second_port, method, "");
        assert_eq!(found, reply(503, if method == "HEAD" { "" } else { OVER }), "{method}");
    }
    first.stop(Signal::SIGINT);
    second.await_line("xsvr: ALLOW: ");
    assert_eq!(ask(second_port, "GET", "").status, 200);
    second.stop(Signal::SIGTERM);
}

#[test]
fn a_server_obeys_the_agent_of_its_host() {
    let sites = site::pair(32);
    let agent = Daemon::start(&sites[0], &crate::policy());
    let mut arguments = sites[0].connected();
    arguments.extend(["--listen", "0"].map(str::to_owned));
    let server = start_checked(FILE, &arguments);
    let port = port(&server);
    works(port, "", "allowed\n");
    let other = Daemon::start(&sites[1], &sites[1].license());
    server.await_line("xsvr: DENY: ");
    assert_eq!(ask(port, "GET", ""), reply(503, "2 hosts use the license of xsvr: stop one\n"));
    drop(other);
    server.await_line("xsvr: ALLOW: ");
    works(port, "", "allowed again\n");
    // Nobody can say any more: the last verdict stays.
    drop(agent);
    works(port, "", "as long as nothing else is known\n");
    server.stop(Signal::SIGTERM);
}
