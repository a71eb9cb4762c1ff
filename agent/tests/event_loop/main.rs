//! Agents in a foreign loop: nothing but `fd` in poll(2), `timeout` and `dispatch(1)`, on loopback addresses.
//!
//! What the loop leaves behind without saying so is found here: the driver never turns an agent that did not ask
//! for it.  Times are the protocol's shortest; every wait has a bound.

mod claims;
mod directory;
mod home;
mod recording;
#[path = "../plugins/rig.rs"]
mod rig;

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use home::{Home, LONG, claim, license, now, state, step, until};
use rig::Rig;
use serialnumberd::event_loop::{Agent, Dispatched};
use serialnumberd::record::{Body, Record, Verdict};
use serialnumberd::status::Status;
use serialnumberd_core::{Event, ResolvedCause};

#[test]
fn two_agents_in_a_foreign_loop_find_each_other_and_part() {
    let homes = [Home::new("127.0.7.1"), Home::new("127.0.7.2")];
    for (home, peer) in homes.iter().zip(["127.0.7.2", "127.0.7.1"]) {
        home.write(&format!("port = 62710\npeers = [\"{peer}\"]"), &license("xsvr", "SHARED"));
    }
    let mut agents: Vec<Agent> = homes.iter().map(Home::start).collect();
    let fds: Vec<_> = agents.iter().map(Agent::fd).collect();
    until("both know of the conflict", &mut agents, |a| {
        a.iter_mut().all(|a| ["conflict", "duplicate"].contains(&state(a, "xsvr").as_str()))
    });
    until("both have it confirmed, and warn", &mut agents, |a| {
        a.iter_mut().all(|a| {
            claim(&a.status(), "xsvr").is_some_and(|c| c.state == "duplicate" && c.verdict == "warn")
        })
    });
    assert_eq!(fds, agents.iter().map(Agent::fd).collect::<Vec<_>>(), "the descriptor is for life");
    let gone = agents.pop().expect("two");
    gone.shut_down();
    let last = &mut agents;
    until("the goodbye resolves it", last, |a| {
        claim(&a[0].status(), "xsvr").is_some_and(|c| c.state == "clear" && c.verdict == "allow")
    });
    let records: Vec<_> = std::iter::from_fn(|| last[0].poll_record()).collect();
    let resolved: Vec<_> = records
        .iter()
        .filter_map(|r| match r.body {
            Body::Engine(Event::Resolved { cause, .. }) => Some(cause),
            _ => None,
        })
        .collect();
    assert_eq!(resolved, [ResolvedCause::Goodbye], "not by silence or by expiry");
    let seqs: Vec<u64> = records.iter().map(|r| r.seq).collect();
    assert!(seqs.len() > 5 && seqs.windows(2).all(|w| w[1] == w[0] + 1), "{seqs:?}");
}

#[test]
fn a_burst_is_taken_in_whole_a_batch_at_a_time() {
    let home = Home::new("127.0.7.3");
    home.write("port = 62710\nlegacy = \"off\"", "");
    let mut agents = [home.start()];
    until("it rests", &mut agents, |a| a[0].timeout() != Some(Duration::ZERO));
    let sender = UdpSocket::bind("127.0.7.4:0").expect("a socket");
    for burst in 1..=5u64 {
        (0..250).for_each(|_| assert_eq!(sender.send_to(b"nonsense", "127.0.7.3:62710").expect("sent"), 8));
        assert_eq!(agents[0].dispatch(1).expect("dispatched"), Dispatched::More, "it says what it leaves");
        let mut turns = 1;
        while agents[0].timeout() == Some(Duration::ZERO) {
            agents[0].dispatch(0).expect("dispatched");
            turns += 1;
        }
        let counters = agents[0].status().counters;
        assert_eq!(counters.received + counters.kernel_drops, burst * 250, "nothing is stranded");
        assert!((4..=20).contains(&turns), "{turns} turns");
    }
}

#[test]
fn an_idle_agent_asks_for_no_turn_and_a_wake_from_elsewhere_is_one() {
    let home = Home::new("127.0.7.5");
    home.write("port = 62710", "");
    let mut agents = [home.start()];
    until("it rests", &mut agents, |a| a[0].timeout() != Some(Duration::ZERO));
    let turns = |a: &mut Agent| a.status().counters.more["turns"];
    let before = turns(&mut agents[0]);
    assert!(agents[0].timeout().is_none_or(|t| t > Duration::from_secs(1)), "{:?}", agents[0].timeout());
    assert_eq!(turns(&mut agents[0]), before);
    let wake = agents[0].wake();
    let other = std::thread::spawn(move || wake.stop());
    step(&mut agents);
    other.join().expect("it rang");
    assert_eq!(agents[0].dispatch(1).expect("dispatched"), Dispatched::Stopping);
}

#[test]
fn a_plugin_sees_that_a_holder_has_gone_though_nothing_else_changes() {
    let rig = Rig::new();
    let library = rig.build("bad", "bad.so", &["READS_HOLDERS", "OFTEN"]);
    let mut homes = ["127.0.7.14", "127.0.7.15", "127.0.7.16"].map(Home::new);
    // Nobody expires while this lasts; the third one stays, so that coverage does not change either.
    homes.iter_mut().for_each(|home| home.interval = "5m");
    let keys = |peers: &str| format!("port = 62710\npeers = [{peers}]");
    let two = |product| license(product, product) + "seats = 2\n";
    let plugin = format!("[[plugin]]\npath = \"{}\"\ngrant = [\"holders\"]\n", library.display());
    homes[0].write(&keys("\"127.0.7.15\", \"127.0.7.16\""), &(two("xsvr") + &two("fcsrv") + &plugin));
    homes[1].write(&keys("\"127.0.7.14\""), &two("xsvr"));
    homes[2].write(&keys("\"127.0.7.14\""), &two("fcsrv"));
    let mut agents: Vec<Agent> = homes.iter().map(Home::start).collect();
    let trace = homes[0].path("state/plugins/bad/trace");
    let sees = |n: &str| {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        text.lines().rfind(|line| line.starts_with("holders")).is_some_and(|line| line.contains(n))
    };
    let pair = |s: &Status, product| claim(s, product).is_some_and(|c| c.state == "clear" && c.heard == 2);
    until("each pair knows of each other", &mut agents, |a| {
        let all: Vec<Status> = a.iter_mut().map(Agent::status).collect();
        pair(&all[0], "xsvr") && pair(&all[0], "fcsrv") && pair(&all[1], "xsvr") && pair(&all[2], "fcsrv")
    });
    until("the plugin sees both", &mut agents, |_| sees("n=2"));
    while agents[0].poll_record().is_some() {}
    agents.remove(1).shut_down();
    until("the plugin sees one", &mut agents, |_| sees("n=1"));
    let records: Vec<_> = std::iter::from_fn(|| agents[0].poll_record()).collect();
    let touches = |r: &Record| matches!(&r.body, Body::State { product, .. } if product.as_str() == "xsvr");
    assert!(!records.iter().any(|r| touches(r)), "it stays clear: {records:?}");
}

#[test]
fn a_reload_takes_licenses_away_and_adds_them_or_changes_nothing() {
    let homes = [Home::new("127.0.7.6"), Home::new("127.0.7.7")];
    let peers = ["port = 62710\npeers = [\"127.0.7.7\"]", "port = 62710\npeers = [\"127.0.7.6\"]"];
    homes[0].write(peers[0], &license("xsvr", "SHARED"));
    homes[1].write(peers[1], &(license("xsvr", "SHARED") + &license("fcsrv", "OTHER")));
    let mut agents: Vec<Agent> = homes.iter().map(Home::start).collect();
    until("the conflict is known to both", &mut agents, |a| {
        a.iter_mut().all(|a| ["conflict", "duplicate"].contains(&state(a, "xsvr").as_str()))
    });
    let held = |a: &mut Agent| a.status().claims.into_iter().map(|c| c.claim).collect::<Vec<_>>();
    let before = held(&mut agents[1]);

    homes[1].write(peers[1], &(license("xsvr", "NEW") + "seets = 2\n"));
    agents[1].wake().reload();
    step(&mut agents);
    step(&mut agents);
    assert_eq!(held(&mut agents[1]), before, "a bad file changes nothing");

    homes[1].write(peers[1], &(license("xsvr", "NEW") + &license("third", "THIRD")));
    agents[1].wake().reload();
    until("the new licenses are held", &mut agents, |a| {
        state(&mut a[1], "third") == "clear" && state(&mut a[1], "xsvr") == "clear"
    });
    assert_eq!(state(&mut agents[1], "fcsrv"), "not held");
    assert!(held(&mut agents[1]).iter().all(|c| !before.contains(c)), "another serial is another claim");
    assert_eq!(state(&mut agents[0], "xsvr"), "clear", "the old serial was given up with a goodbye");
}

#[test]
fn a_policy_that_sleeps_denies_only_if_it_counts_and_that_is_wanted() {
    let rig = Rig::new();
    let library = rig.build("bad", "bad.so", &["SLEEPS"]);
    for (address, worth, wish, expected) in [
        ("127.0.7.8", "require", "keep", "allow"),
        ("127.0.7.9", "require", "deny", "deny"),
        ("127.0.7.10", "advise", "deny", "allow"),
    ] {
        let home = Home::new(address);
        let plugin = format!(
            "[[plugin]]\npath = \"{}\"\nverdict = \"{worth}\"\ngrant = [\"verdict\", \"announce\", \"holders\"]\n",
            library.display()
        );
        let keys = format!("port = 62710\non_policy_failure = \"{wish}\"");
        home.write(&keys, &(license("xsvr", "ALONE") + &plugin));
        let mut agents = [home.start()];
        until("a verdict is given", &mut agents, |a| {
            claim(&a[0].status(), "xsvr").is_some_and(|c| c.state == "clear" && !c.verdict_pending)
        });
        let status = agents[0].status();
        let found = claim(&status, "xsvr").expect("it is held");
        assert_eq!(found.verdict, expected, "{worth}, {wish}: {}", found.reason);
        assert_eq!(status.plugins[0].late, 1);
        let (began, [agent]) = (now(), agents);
        agent.shut_down();
        assert!(now().since(began) < Duration::from_secs(2), "an abandoned plugin holds nobody up");
    }
}

#[test]
fn a_refused_reload_changes_no_verdict_and_one_that_is_taken_does() {
    let (rig, home) = (Rig::new(), Home::new("127.0.7.13"));
    let libraries =
        [rig.build("good", "policy.so", &["DECIDES"]), rig.build("good", "twin.so", &["ID=\"twin\""])];
    let write = |modes: [&str; 2]| {
        let plugin = |i: usize, more: &str| {
            let (path, mode) = (libraries[i].display(), modes[i]);
            format!("[[plugin]]\npath = \"{path}\"\n{more}[plugin.options]\nmode = \"{mode}\"\n")
        };
        let policy = plugin(0, "verdict = \"require\"\ngrant = [\"verdict\"]\n");
        home.write("port = 62710", &(license("xsvr", "ALONE") + &policy + &plugin(1, "")));
    };
    let verdict = |a: &mut Agent| claim(&a.status(), "xsvr").expect("it is held").verdict;
    let reload = |a: &mut [Agent]| {
        let mut client = UnixStream::connect(home.path("control.sock")).expect("it answers");
        client.write_all(b"{\"proto\":1}\n{\"id\":1,\"request\":\"reload\"}\n").expect("written");
        client.set_nonblocking(true).expect("set");
        let mut text = String::new();
        until("the reload is answered", a, |_| {
            let mut bytes = [0; 1024];
            let n = client.read(&mut bytes).unwrap_or(0);
            text += &String::from_utf8_lossy(&bytes[..n]);
            text.contains("\"id\":1")
        });
        text
    };
    write(["observe", "observe"]);
    let mut agents = [home.start()];
    until("it is clear", &mut agents, |a| {
        state(&mut a[0], "xsvr") == "clear" && verdict(&mut a[0]) == "warn"
    });
    write(["strict", "refused"]);
    let answer = reload(&mut agents);
    assert!(answer.contains("this mode is refused"), "{answer}");
    let trace = || std::fs::read_to_string(home.path("state/plugins/good/trace")).unwrap_or_default();
    until("it is put back and asked anew", &mut agents, |a| {
        let asked =
            trace().lines().skip_while(|l| *l != "reload mode=observe").any(|l| l.starts_with("state "));
        asked && claim(&a[0].status(), "xsvr").is_some_and(|c| !c.verdict_pending && c.verdict == "warn")
    });
    let records: Vec<_> = std::iter::from_fn(|| agents[0].poll_record()).collect();
    let denied =
        |r: &Record| matches!(&r.body, Body::State { decision, .. } if decision.verdict == Verdict::DENY);
    assert!(!records.iter().any(|r| denied(r)), "{records:?}");
    write(["strict", "observe"]);
    let answer = reload(&mut agents);
    assert!(answer.contains("\"ok\""), "{answer}");
    until("the new options decide", &mut agents, |a| verdict(&mut a[0]) == "deny");
}

#[test]
fn clients_that_left_while_they_waited_keep_nobody_out() {
    let home = Home::new("127.0.7.11");
    home.write("port = 62710", &license("xsvr", "ALONE"));
    let mut agents = [home.start()];
    let connect = || UnixStream::connect(home.path("control.sock")).expect("it answers");
    let ask = b"{\"proto\":1}\n{\"id\":1,\"request\":\"check\",\"product\":\"xsvr\",\"wait_ms\":60000}\n";
    let waiting: Vec<UnixStream> = (0..64)
        .map(|_| {
            let mut client = connect();
            client.write_all(ask).expect("written");
            step(&mut agents);
            client
        })
        .collect();
    assert_eq!(state(&mut agents[0], "xsvr"), "probing", "else none of them waits");
    drop(waiting);
    step(&mut agents);
    let mut client = connect();
    step(&mut agents);
    client.set_nonblocking(true).expect("set");
    let mut line = [0; 256];
    let n = client.read(&mut line).expect("an answer is there");
    assert_eq!(&line[..n], b"{\"proto\":1}\n", "{}", String::from_utf8_lossy(&line[..n]));
}

#[test]
fn who_asked_for_a_stop_may_start_the_next_agent_at_once() {
    let home = Home::new("127.0.7.12");
    home.write("port = 62710", &license("xsvr", "ALONE"));
    let mut agents = vec![home.start()];
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let mut client = UnixStream::connect(home.path("control.sock")).expect("it answers");
            client.write_all(b"{\"proto\":1}\n{\"id\":1,\"request\":\"stop\"}\n").expect("written");
            client
        })
        .collect();
    let began = now();
    while agents[0].dispatch(1).expect("dispatched") != Dispatched::Stopping {
        assert!(now().since(began) < LONG, "not within {LONG:?}: the stop is taken in");
    }
    let agent = agents.pop().expect("one");
    let stopper = std::thread::spawn(move || agent.shut_down());
    for mut client in clients {
        client.set_read_timeout(Some(LONG)).expect("set");
        let mut text = String::new();
        while !text.contains("\"id\":1") {
            let mut bytes = [0; 256];
            let n = client.read(&mut bytes).expect("the answer of the stop");
            assert!(n > 0, "both who asked are answered: {text}");
            text += &String::from_utf8_lossy(&bytes[..n]);
        }
        assert!(text.contains("{\"id\":1,\"ok\":{}}"), "{text}");
        drop(home.start());
    }
    stopper.join().expect("it stopped");
}
