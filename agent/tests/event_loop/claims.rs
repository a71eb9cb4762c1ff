//! Claims that programs hold beside the configuration: who is told what when they come and go.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::Value;
use serialnumberd::control::protocol::{Form, Request, hello_line, request_line};
use serialnumberd::event_loop::{Agent, ClaimRequest, Owner, Terms};
use serialnumberd::record::{Body, line};
use serialnumberd_core::{ClaimKeys, Event, Product, ResolvedCause, Serial, Standard};

use crate::home::{Home, claim, license, state, step, until};
use crate::rig::Rig;

fn request(product: &str, serial: &str) -> ClaimRequest {
    let product = Product::new(product).expect("a product");
    let serial = Serial::new(serial).expect("a serial number");
    ClaimRequest {
        product,
        keys: ClaimKeys::derive::<Standard>(&product, &serial),
        terms: Terms { seats: 1, ..Terms::default() },
        program: "httpd".to_owned(),
    }
}

fn xsvr() -> Product {
    Product::new("xsvr").expect("a product")
}

fn resolved(agent: &mut Agent) -> Vec<ResolvedCause> {
    let causes = std::iter::from_fn(|| agent.poll_record()).filter_map(|r| match r.body {
        Body::Engine(Event::Resolved { cause, .. }) => Some(cause),
        _ => None,
    });
    causes.collect()
}

fn in_conflict(agents: &mut [Agent]) -> bool {
    agents.iter_mut().all(|a| ["conflict", "duplicate"].contains(&state(a, "xsvr").as_str()))
}

#[test]
fn what_a_program_holds_is_found_and_what_it_lets_go_says_goodbye() {
    let homes = [Home::new("127.0.7.17"), Home::new("127.0.7.18")];
    homes[0].write("port = 62710\npeers = [\"127.0.7.18\"]", &license("xsvr", "SHARED"));
    homes[1].write("port = 62710\npeers = [\"127.0.7.17\"]", "");
    let mut agents: Vec<Agent> = homes.iter().map(Home::start).collect();
    until("it is clear", &mut agents, |a| state(&mut a[0], "xsvr") == "clear");
    let id = agents[1].hold(Owner::Program, request("xsvr", "SHARED")).expect("held");
    assert_eq!(claim(&agents[0].status(), "xsvr").expect("held").claim, id.to_string());
    until("both know of the conflict", &mut agents, in_conflict);
    agents[1].let_go(Owner::Program, xsvr()).expect("let go");
    until("the goodbye resolves it", &mut agents, |a| state(&mut a[0], "xsvr") == "clear");
    assert_eq!(resolved(&mut agents[0]), [ResolvedCause::Goodbye]);
    assert_eq!(state(&mut agents[1], "xsvr"), "not held");
    let twice = agents[1].let_go(Owner::Program, xsvr()).expect_err("let go already");
    assert_eq!(twice, "xsvr is not claimed by this program");
}

#[test]
fn a_reload_changes_what_the_configuration_holds_and_nothing_else() {
    let home = Home::new("127.0.7.19");
    home.write("port = 62710", &license("xsvr", "SHARED"));
    let mut agents = [home.start()];
    agents[0].hold(Owner::Program, request("xsvr", "SHARED")).expect("shared");
    agents[0].hold(Owner::Program, request("fcsrv", "OTHER")).expect("held");
    until("both are clear", &mut agents, |a| {
        state(&mut a[0], "xsvr") == "clear" && state(&mut a[0], "fcsrv") == "clear"
    });
    let reload = |a: &mut [Agent], tables: &str| {
        home.write("port = 62710", tables);
        a[0].wake().reload();
        step(a);
        step(a);
    };

    reload(&mut agents, "");
    assert_eq!(["xsvr", "fcsrv"].map(|p| state(&mut agents[0], p)), ["clear", "clear"]);

    reload(&mut agents, &(license("xsvr", "SHARED") + "group = \"pair\"\nstandby = true\n"));
    until("the configuration's role is in force", &mut agents, |a| {
        claim(&a[0].status(), "xsvr").is_some_and(|c| c.role == "standby" && c.verdict == "deny")
    });
    reload(&mut agents, "");
    until("the program's is in force again", &mut agents, |a| {
        claim(&a[0].status(), "xsvr")
            .is_some_and(|c| c.role == "active" && c.group.is_empty() && c.verdict == "allow")
    });

    reload(&mut agents, &license("xsvr", "NEW"));
    let status = agents[0].status();
    let ids: Vec<_> = status.claims.iter().map(|c| (c.product.as_str(), c.claim.clone())).collect();
    assert_eq!(
        ids,
        [("xsvr", request("xsvr", "NEW").keys.id().to_string())],
        "it claimed otherwise, and lost all"
    );
    let refused =
        agents[0].hold(Owner::Program, request("xsvr", "SHARED")).expect_err("configured otherwise");
    assert!(refused.contains("with another serial number, by the configuration"), "{refused}");
}

#[test]
fn a_policy_decides_on_what_a_program_claims() {
    let (rig, home) = (Rig::new(), Home::new("127.0.7.20"));
    let library = rig.build("good", "policy.so", &["DECIDES"]);
    let plugin = format!(
        "[[plugin]]\npath = \"{}\"\nverdict = \"require\"\ngrant = [\"verdict\"]\n",
        library.display()
    );
    home.write("port = 62710", &plugin);
    let mut agents = [home.start()];
    let verdict = |a: &mut [Agent]| claim(&a[0].status(), "xsvr").map(|c| c.verdict);
    for _ in 0..2 {
        agents[0].hold(Owner::Program, request("xsvr", "ALONE")).expect("held");
        assert_eq!(verdict(&mut agents).as_deref(), Some("abstain"), "nothing is known of earlier");
        until("the policy has decided", &mut agents, |a| verdict(a).as_deref() == Some("warn"));
        agents[0].let_go(Owner::Program, xsvr()).expect("let go");
        step(&mut agents);
    }
}

#[test]
fn plugins_may_do_something_about_what_is_held_and_only_that() {
    let (rig, home) = (Rig::new(), Home::new("127.0.7.21"));
    let library = rig.build("bad", "bad.so", &["ANNOUNCES", "OFTEN"]);
    // Held all the time, so that the loop turns every second whatever the plugin may do.
    home.write(
        "port = 62710",
        &format!(
            "{}[[plugin]]\npath = \"{}\"\ngrant = [\"announce\"]\n",
            license("other", "OTHER"),
            library.display()
        ),
    );
    let mut agents = [home.start()];
    let trace = home.path("state/plugins/bad/trace");
    let answered = |status: &str| {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        text.lines().rfind(|line| line.starts_with("announce")) == Some(status)
    };
    for _ in 0..2 {
        until("nothing is held", &mut agents, |_| answered("announce -3"));
        agents[0].hold(Owner::Program, request("xsvr", "ALONE")).expect("held");
        until("it is held", &mut agents, |_| answered("announce 0"));
        agents[0].let_go(Owner::Program, xsvr()).expect("let go");
    }
}

/// A program at the control socket of an agent.
struct Client {
    stream: UnixStream,
    text: String,
    last_id: u64,
}

impl Client {
    fn new(home: &Home) -> Client {
        let mut stream = UnixStream::connect(home.path("control.sock")).expect("it answers");
        stream.write_all(&hello_line()).expect("written");
        stream.set_nonblocking(true).expect("set");
        Client { stream, text: String::new(), last_id: 0 }
    }

    fn send(&mut self, request: &Request) {
        self.last_id += 1;
        self.stream.write_all(&request_line(self.last_id, request)).expect("written");
    }

    /// The next line, if one has come.
    fn line(&mut self) -> Option<Value> {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = self.stream.read(&mut bytes) {
            self.text += std::str::from_utf8(&bytes[..n]).expect("JSON is UTF-8");
        }
        let (line, rest) = self.text.split_once('\n')?;
        let line = serde_json::from_str(line).expect("a line is JSON");
        self.text = rest.to_owned();
        Some(line)
    }

    /// Asks, and lets the agents turn until the answer is there; what comes before it is passed over.
    fn ask(&mut self, agents: &mut [Agent], request: &Request) -> Result<Value, String> {
        self.send(request);
        let (id, mut answer) = (self.last_id, None);
        until("an answer", agents, |_| {
            let mut lines = std::iter::from_fn(|| self.line());
            answer = lines.find(|l| l["id"] == id);
            answer.is_some()
        });
        let answer = answer.expect("it came");
        answer["error"].as_str().map_or_else(|| Ok(answer["ok"].clone()), |e| Err(e.to_owned()))
    }

    fn claims(&mut self, agents: &mut [Agent], product: &str, serial: &str) -> Result<Value, String> {
        self.ask(agents, &Request::Claim(request(product, serial)))
    }
}

fn held_by(agent: &mut Agent) -> Option<String> {
    claim(&agent.status(), "xsvr").map(|c| c.claimants().unwrap_or_else(|| "the configuration".to_owned()))
}

#[test]
fn a_client_claims_and_when_it_is_gone_the_other_host_hears_a_goodbye() {
    let homes = [Home::new("127.0.7.22"), Home::new("127.0.7.23")];
    homes[0].write("port = 62710\npeers = [\"127.0.7.23\"]", &license("xsvr", "SHARED"));
    homes[1].write("port = 62710\npeers = [\"127.0.7.22\"]", "");
    let mut agents: Vec<Agent> = homes.iter().map(Home::start).collect();
    let mut client = Client::new(&homes[1]);
    let answer = client.claims(&mut agents, "xsvr", "SHARED").expect("held");
    assert_eq!(answer["claim"], request("xsvr", "SHARED").keys.id().to_string());
    assert_eq!(held_by(&mut agents[1]), Some(format!("httpd (pid {})", std::process::id())));
    until("both know of the conflict", &mut agents, in_conflict);
    drop(client);
    until("the goodbye resolves it", &mut agents, |a| state(&mut a[0], "xsvr") == "clear");
    assert_eq!(resolved(&mut agents[0]), [ResolvedCause::Goodbye]);
    assert_eq!(state(&mut agents[1], "xsvr"), "not held");
}

#[test]
fn clients_share_a_serial_number_and_cannot_have_two() {
    let home = Home::new("127.0.7.24");
    home.write("port = 62710", "");
    let mut agents = [home.start()];
    let (mut first, mut second) = (Client::new(&home), Client::new(&home));
    first.claims(&mut agents, "xsvr", "SHARED").expect("held");
    second.claims(&mut agents, "xsvr", "SHARED").expect("shared");
    let refused = second.claims(&mut agents, "fcsrv", "A").and(second.claims(&mut agents, "fcsrv", "B"));
    assert!(refused.expect_err("another serial").contains("by this program itself"));
    let refused = Client::new(&home).claims(&mut agents, "xsvr", "OTHER").expect_err("another serial");
    assert!(
        refused.contains("xsvr is claimed on this host with another serial number, by httpd (pid "),
        "{refused}"
    );
    drop(first);
    until("it goes on for the second", &mut agents, |a| {
        held_by(&mut a[0]).is_some_and(|by| !by.contains(" and ")) && state(&mut a[0], "xsvr") == "clear"
    });
    home.write("port = 62710", &license("other", "OTHER"));
    second.ask(&mut agents, &Request::Reload).expect("reloaded");
    assert_eq!(state(&mut agents[0], "xsvr"), "clear", "a reload is none of its business");
    second.ask(&mut agents, &Request::Release { product: xsvr() }).expect("released");
    assert_eq!(state(&mut agents[0], "xsvr"), "not held");
}

#[test]
fn a_client_cannot_touch_what_the_configuration_holds() {
    let home = Home::new("127.0.7.25");
    home.write("port = 62710", &license("xsvr", "SHARED"));
    let mut agents = [home.start()];
    let mut client = Client::new(&home);
    let release = Request::Release { product: xsvr() };
    let refused = client.ask(&mut agents, &release).expect_err("not its own");
    assert_eq!(refused, "xsvr is not claimed by this program");
    let standby = Terms { seats: 1, group: "pair".to_owned(), standby: true, standbys: 0 };
    let standby = Request::Claim(ClaimRequest { terms: standby, ..request("xsvr", "SHARED") });
    let refused = client.ask(&mut agents, &standby).expect_err("another role");
    assert!(refused.contains("by the configuration, with no fail-over group"), "{refused}");
    client.claims(&mut agents, "xsvr", "SHARED").expect("shared");
    client.ask(&mut agents, &release).expect("its own part");
    assert_eq!(held_by(&mut agents[0]).as_deref(), Some("the configuration"));

    client.claims(&mut agents, "fcsrv", "OURS").expect("held");
    home.write("port = 62710", &(license("xsvr", "SHARED") + &license("fcsrv", "THEIRS")));
    client.send(&Request::Reload);
    let mut lines = Vec::new();
    until("it is told why it is dropped", &mut agents, |_| {
        lines.extend(std::iter::from_fn(|| client.line()));
        lines.iter().any(|l| l.get("id").is_none() && l.get("error").is_some())
    });
    let said = lines.iter().find_map(|l| l["error"].as_str()).expect("a farewell");
    assert_eq!(said, "the configuration now has fcsrv with another serial number");
    let id = claim(&agents[0].status(), "fcsrv").expect("it is held").claim;
    assert_eq!(id, request("fcsrv", "THEIRS").keys.id().to_string());
}

#[test]
fn a_client_that_asks_and_leaves_leaves_nothing_behind() {
    let home = Home::new("127.0.7.26");
    home.write("port = 62710", "");
    let mut agents = [home.start()];
    until("it rests", &mut agents, |a| a[0].timeout() != Some(std::time::Duration::ZERO));
    let mut client = Client::new(&home);
    client.send(&Request::Claim(request("xsvr", "SHARED")));
    drop(client);
    step(&mut agents);
    until("it rests", &mut agents, |a| a[0].timeout() != Some(std::time::Duration::ZERO));
    assert_eq!(state(&mut agents[0], "xsvr"), "not held");
    let counters = agents[0].status().counters.more;
    assert_eq!(counters["control_accepted"], 1, "it came");
}

#[test]
fn a_client_follows_events_as_records() {
    let home = Home::new("127.0.7.27");
    home.write("port = 62710", "");
    let mut agents = [home.start()];
    let mut client = Client::new(&home);
    client.ask(&mut agents, &Request::Watch { form: Form::Record }).expect("watched");
    client.claims(&mut agents, "xsvr", "SHARED").expect("held");
    let mut told = Vec::new();
    until("a verdict is told", &mut agents, |_| {
        let lines = std::iter::from_fn(|| client.line());
        told.extend(lines.filter_map(|l| line::read(&l.get("event")?.to_string()).ok()));
        told.iter().any(|r| matches!(&r.record.body, Body::State { decision, .. } if decision.verdict.as_str() == "allow"))
    });
    let own: Vec<_> = std::iter::from_fn(|| agents[0].poll_record()).collect();
    assert!(told.iter().all(|r| own.iter().any(|o| **o == r.record)), "they are the agent's own");
}
