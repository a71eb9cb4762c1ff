//! Own mode: claims, verdicts, events, the control socket and the end.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serialnumberd::embed::{Delivery, Dispatched, Embedded, Kind, Mode, Verdict};
use serialnumberd::record::Body;
use serialnumberd_core::{Event, ResolvedCause, State};
use serialnumberd_plugin::abi::{SLND_EV_RESOLVED, SLND_EV_STATE, slnd_ev_bit};

use crate::home::{Home, LONG, check, is, now, step, until};

#[test]
fn two_agents_in_one_process_find_each_other_and_part() {
    let homes = [Home::new("127.0.8.1"), Home::new("127.0.8.2")];
    let mut agents = vec![homes[0].embedded(&["127.0.8.2"]), homes[1].embedded(&["127.0.8.1"])];
    agents[0].want_events(slnd_ev_bit(SLND_EV_RESOLVED));
    agents.iter_mut().for_each(|agent| agent.start().expect("it starts"));
    let fds: Vec<_> = agents.iter().map(Embedded::fd).collect();
    let handles: Vec<_> = agents.iter().map(Embedded::handle).collect();
    // From another thread, as programs do.
    std::thread::scope(|scope| {
        handles.iter().for_each(|handle| {
            scope.spawn(|| handle.claim("xsvr", "SHARED-1", 1).expect("claimed"));
        });
    });
    let wished = check(&handles[0]);
    assert_eq!((wished.verdict, wished.state), (Verdict::ABSTAIN, State::Probing));
    until("both have it confirmed, and warn", &mut agents, |_| {
        handles.iter().all(|h| is(h, State::Duplicate) && check(h).verdict == Verdict::WARN)
    });
    let counts = handles[0].counts();
    assert_eq!((counts.claims, counts.conflicts, counts.mode), (1, 1, Some(Mode::Own)));
    assert!(counts.received > 0 && counts.sent > 0 && counts.connected, "{counts:?}");
    assert_eq!(fds, agents.iter().map(Embedded::fd).collect::<Vec<_>>(), "the descriptor is for life");
    handles[1].release("xsvr").expect("released");
    until("the goodbye resolves it", &mut agents, |_| {
        is(&handles[0], State::Clear) && check(&handles[0]).verdict == Verdict::ALLOW
    });
    let told = std::iter::from_fn(|| agents[0].poll_delivery());
    let resolved: Vec<_> = told
        .map(|delivery| match delivery {
            Delivery::Event { record, decide: false } => match &record.body {
                Body::Engine(Event::Resolved { cause, .. }) => *cause,
                other => panic!("not wanted: {other:?}"),
            },
            other => panic!("not asked, not lost: {other:?}"),
        })
        .collect();
    assert_eq!(resolved, [ResolvedCause::Goodbye], "not by silence or by expiry");
    assert_eq!(handles[1].check("xsvr").expect_err("released").kind, Kind::Invalid);
    for (home, other) in [(0, 1), (1, 0)] {
        assert!(homes[home].lines.contain(&homes[home].path("state")), "each has a log of its own");
        assert!(!homes[home].lines.contain(&homes[other].path("state")), "and only that");
    }
}

#[test]
fn an_end_says_goodbye_however_it_comes() {
    let homes = [Home::new("127.0.8.3"), Home::new("127.0.8.4")];
    let mut agents = vec![homes[0].started(&["127.0.8.4"])];
    let handle = agents[0].handle();
    handle.claim("xsvr", "SHARED", 1).expect("claimed");
    for how in [Embedded::shut_down as fn(Embedded), drop] {
        let second = homes[1].started(&["127.0.8.3"]);
        second.handle().claim("xsvr", "SHARED", 1).expect("claimed");
        agents.push(second);
        until("the conflict is known", &mut agents, |_| is(&handle, State::Conflict));
        let second = agents.pop().expect("two");
        let of_second = second.handle();
        how(second);
        assert_eq!(of_second.check("xsvr").expect_err("it ended").kind, Kind::Closed);
        assert_eq!(of_second.claim("other", "X", 1).expect_err("it ended").kind, Kind::Closed);
        assert_eq!(of_second.wait("xsvr", LONG).expect_err("it ended").kind, Kind::Closed);
        // Its lifetime would be 3 s.
        let began = now();
        until("the goodbye is heard", &mut agents, |_| is(&handle, State::Clear));
        assert!(now().since(began) < Duration::from_secs(2), "it expired instead");
    }
}

#[test]
fn an_agent_may_end_while_its_program_holds_a_delivery() {
    let home = Home::new("127.0.8.5");
    let mut embedded = home.embedded(&[]);
    embedded.want_events(slnd_ev_bit(SLND_EV_STATE));
    embedded.start().expect("it starts");
    embedded.handle().claim("xsvr", "ALONE", 1).expect("claimed");
    let mut agents = [embedded];
    let mut first = None;
    until("something is told", &mut agents, |a| {
        first = first.take().or_else(|| a[0].poll_delivery());
        first.is_some()
    });
    let [embedded] = agents;
    drop(embedded);
    let Some(Delivery::Event { record, .. }) = first else { panic!("an event") };
    assert!(matches!(&record.body, Body::State { product, .. } if product.as_str() == "xsvr"));
    // The place is free again at once.
    drop(home.started(&[]));
}

#[test]
fn another_serial_replaces_the_claim_and_the_same_one_changes_nothing() {
    let home = Home::new("127.0.8.6");
    let mut agents = [home.started(&[])];
    let handle = agents[0].handle();
    handle.claim("xsvr", "ONE", 1).expect("claimed");
    until("it is clear", &mut agents, |_| is(&handle, State::Clear));
    handle.claim("xsvr", " o-n e", 1).expect("the same, spelled otherwise");
    assert!(is(&handle, State::Clear), "it stays what it is");
    step(&mut agents);
    assert!(is(&handle, State::Clear), "it is not probed for anew");
    handle.release("xsvr").expect("released");
    handle.claim("xsvr", "TWO", 1).expect("claimed before the release was even seen");
    assert!(is(&handle, State::Probing), "the old verdict is not the new claim's");
    step(&mut agents);
    assert!(is(&handle, State::Probing), "and stays none");
    assert!(check(&handle).reason.starts_with("still probing"), "{}", check(&handle).reason);
    until("the new one is clear", &mut agents, |_| is(&handle, State::Clear));
    assert_eq!(handle.counts().claims, 1);
    let status = agents[0].status_json().expect("a document");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["claims"].as_array().map(Vec::len), Some(1));
    assert!(!status.to_string().contains("TWO"), "no serial is told");
}

#[test]
fn a_refused_claim_is_told_by_check_and_can_be_taken_back() {
    let home = Home::new("127.0.8.7");
    let mut embedded = home.embedded(&[]);
    embedded.set("license.xsvr.serial", "CONFIGURED").expect("set");
    embedded.start().expect("it starts");
    let handle = embedded.handle();
    assert!(is(&handle, State::Probing), "it is claimed from the start");
    handle.claim("fcsrv", "OTHER", 1).expect("claimed");
    handle.claim("xsvr", "ANOTHER", 1).expect("queued");
    let mut agents = [embedded];
    until("it is refused", &mut agents, |_| handle.check("xsvr").is_err());
    let refused = handle.check("xsvr").expect_err("refused");
    assert_eq!(refused.kind, Kind::Denied);
    assert!(refused.sentence.contains("with another serial number, by the configuration"), "{refused}");
    assert_eq!(handle.wait("xsvr", LONG).expect_err("refused"), refused, "there is nothing to wait for");
    until("the configuration's is clear", &mut agents, |a| {
        a[0].status_json().is_ok_and(|text| !text.contains("\"probing\""))
    });
    assert_eq!(handle.check("xsvr").expect_err("it is still refused"), refused);
    handle.release("xsvr").expect("taken back");
    until("the configuration's is shown again", &mut agents, |_| {
        handle.check("xsvr").is_ok_and(|answer| answer.state == State::Clear)
    });
    assert_eq!(handle.counts().claims, 2);
}

#[test]
fn wrong_claims_are_refused_where_they_are_made() {
    let home = Home::new("127.0.8.8");
    let embedded = home.embedded(&[]);
    let handle = embedded.handle();
    for (product, serial, seats, part) in [
        ("X", "1", 1, "a-z"),
        ("", "1", 1, "1 to 31"),
        ("x", "", 1, "empty"),
        ("x", "\u{e4}", 1, "outside ASCII"),
        ("x", "1", 65536, "more than 65535"),
    ] {
        let refused = handle.claim(product, serial, seats).expect_err(part);
        assert_eq!(refused.kind, Kind::Invalid);
        assert!(refused.sentence.contains(part), "{refused}");
    }
    assert_eq!(handle.release("x").expect_err("nothing is held").kind, Kind::Invalid);
    (0..64).for_each(|n| handle.claim(&format!("p{n}"), "S", 1).expect("queued before the start"));
    assert_eq!(handle.claim("p64", "S", 1).expect_err("one too many").kind, Kind::NoMemory);
    assert_eq!(handle.claim("p63", "S", 2), Ok(()), "it has its place");
}

#[test]
fn what_comes_too_early_or_too_late_is_refused() {
    let home = Home::new("127.0.8.9");
    let mut embedded = home.embedded(&[]);
    assert_eq!(embedded.timeout(), None);
    for early in
        [embedded.dispatch(1).map(drop), embedded.turn(1).map(drop), embedded.status_json().map(drop)]
    {
        let refused = early.expect_err("not started");
        assert!(refused.kind == Kind::Invalid && refused.sentence.contains("not started"), "{refused}");
    }
    embedded.no_plugins();
    assert_eq!(embedded.add_plugin("/p.so", &[]).expect_err("none at all").kind, Kind::Denied);
    embedded.start().expect("it starts");
    for late in [
        embedded.set("port", "1"),
        embedded.set_mode(Mode::Auto),
        embedded.add_plugin("/p.so", &[]),
        embedded.start(),
    ] {
        let refused = late.expect_err("it has started");
        assert!(refused.kind == Kind::Invalid && refused.sentence.contains("has started"), "{refused}");
    }
}

#[test]
fn a_failed_start_can_be_mended() {
    let home = Home::new("127.0.8.10");
    let mut embedded = home.embedded(&[]);
    embedded.set("state_dir", "/proc/no/such/place").expect("a path");
    let refused = embedded.start().expect_err("no state directory");
    assert!(refused.kind == Kind::Fail && refused.sentence.contains("/proc/no/such/place"), "{refused}");
    embedded.set("state_dir", &home.path("state")).expect("a path");
    embedded.start().expect("it starts");
}

#[test]
fn an_idle_agent_asks_for_no_turn_and_the_bell_is_one() {
    let home = Home::new("127.0.8.11");
    let mut agents = [home.started(&[])];
    // A bell that was heard is silent.
    agents[0].handle().claim("xsvr", "ALONE", 1).expect("claimed");
    agents[0].handle().release("xsvr").expect("released");
    step(&mut agents);
    until("it rests", &mut agents, |a| a[0].timeout() != Some(Duration::ZERO));
    let mut polled = [PollFd::new(agents[0].as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut polled, PollTimeout::ZERO), Ok(0), "there is nothing to do");
    assert!(agents[0].timeout().is_none_or(|t| t > Duration::from_millis(500)), "{:?}", agents[0].timeout());
    // Not by the timeout: `turn` returns since the bell rings.
    let (handle, began) = (agents[0].handle(), now());
    handle.stop();
    assert_eq!(agents[0].turn(1), Ok(Dispatched::Stopping));
    assert_eq!(agents[0].turn(1), Ok(Dispatched::Stopping), "a stop is not forgotten");
    assert!(now().since(began) < Duration::from_millis(500));
    // Nobody turns it any more: what it would answer grows old, and nobody would announce a claim.
    assert_eq!(handle.claim("xsvr", "ALONE", 1).expect_err("it is to end").kind, Kind::Closed);
    assert_eq!(handle.check("xsvr").expect_err("it is to end").kind, Kind::Closed);
}

#[test]
fn a_control_socket_is_served_where_one_was_set_and_clients_that_leave_kill_nobody() {
    let home = Home::new("127.0.8.12");
    let mut embedded = home.embedded(&[]);
    embedded.set("control", &home.path("control.sock")).expect("set");
    embedded.start().expect("it starts");
    let mut agents = [embedded];
    let connect = || UnixStream::connect(home.path("control.sock")).expect("it answers");
    let mut client = connect();
    client.write_all(b"{\"proto\":1}\n{\"id\":1,\"request\":\"reload\"}\n").expect("written");
    client.set_nonblocking(true).expect("set");
    let mut text = String::new();
    until("the reload is answered", &mut agents, |_| {
        let mut bytes = [0; 1024];
        let n = client.read(&mut bytes).unwrap_or(0);
        text += &String::from_utf8_lossy(&bytes[..n]);
        text.contains("\"id\":1")
    });
    assert!(text.contains("there is no file to read again"), "{text}");
    // Answers to who has gone: a write that raised SIGPIPE would end this process.
    for _ in 0..8 {
        let mut gone = connect();
        gone.write_all(b"{\"proto\":1}\n{\"id\":1,\"request\":\"status\"}\n").expect("written");
        drop(gone);
        step(&mut agents);
    }
    let mut last = connect();
    last.write_all(b"{\"proto\":1}\n{\"id\":1,\"request\":\"stop\"}\n").expect("written");
    let began = now();
    while agents[0].turn(1).expect("turned") != Dispatched::Stopping {
        assert!(now().since(began) < LONG, "the stop is taken in");
    }
    drop(agents);
    assert!(!home.dir.path().join("control.sock").exists());
}
