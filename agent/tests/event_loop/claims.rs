//! Claims that a program holds beside the configuration's: who is told what when they come and go.

use serialnumberd::event_loop::{Agent, ClaimRequest, Owner, Terms};
use serialnumberd::record::Body;
use serialnumberd_core::{ClaimKeys, Event, Product, ResolvedCause, Serial, Standard};

use crate::home::{Home, claim, license, state, step, until};
use crate::rig::Rig;

pub fn request(product: &str, serial: &str) -> ClaimRequest {
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

pub fn resolved(agent: &mut Agent) -> Vec<ResolvedCause> {
    let causes = std::iter::from_fn(|| agent.poll_record()).filter_map(|r| match r.body {
        Body::Engine(Event::Resolved { cause, .. }) => Some(cause),
        _ => None,
    });
    causes.collect()
}

pub fn in_conflict(agents: &mut [Agent]) -> bool {
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
