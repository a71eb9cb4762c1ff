//! Connect mode against the real thing: an agent that serves its control socket, and clients of it.

use std::time::Duration;

use serialnumberd::embed::{Embedded, Handle, Kind, Mode, Verdict};
use serialnumberd_core::State;

use crate::home::{Home, check, is, step, until};

/// An agent that programs can connect to.
fn agent(home: &Home, peers: &[&str]) -> Embedded {
    let mut embedded = home.embedded(peers);
    embedded.set("control", &home.path("control.sock")).expect("control");
    embedded.start().expect("it starts");
    embedded
}

/// A program beside it.
fn program(home: &Home, mode: Mode) -> (Embedded, Handle) {
    let mut embedded = Embedded::new(None).expect("made");
    embedded.set_mode(mode).expect("before the start");
    embedded.set("control", &home.path("control.sock")).expect("control");
    embedded.start().expect("it starts");
    let handle = embedded.handle();
    (embedded, handle)
}

fn mode(handle: &Handle) -> Option<Mode> {
    handle.counts().mode
}

#[test]
fn a_program_claims_at_the_agent_of_its_host_and_its_end_is_a_goodbye() {
    let (here, there) = (Home::new("127.0.8.101"), Home::new("127.0.8.102"));
    let other = there.started(&["127.0.8.101"]);
    let other_handle = other.handle();
    other_handle.claim("xsvr", "SHARED", 1).expect("claimed");
    let agent = agent(&here, &["127.0.8.102"]);
    let (program, handle) = program(&here, Mode::Connect);
    handle.claim("xsvr", "SHARED", 1).expect("claimed");
    let mut all = [other, agent, program];
    until("both sides know it is a duplicate", &mut all, |_| {
        is(&handle, State::Duplicate) && is(&other_handle, State::Duplicate)
    });
    until("the verdict has come", &mut all, |_| check(&handle).verdict == Verdict::WARN);
    let answer = check(&handle);
    assert!(answer.connected && answer.age == Duration::ZERO, "{answer:?}");
    let counts = handle.counts();
    assert_eq!((counts.claims, counts.conflicts, counts.mode), (1, 1, Some(Mode::Connect)));
    assert_eq!(counts.state, Some(State::Duplicate));
    let [other, agent, program] = all;
    assert!(program.handle().check("fcsrv").is_err_and(|e| e.kind == Kind::Invalid));
    program.shut_down();
    let mut rest = [other, agent];
    until("the goodbye resolves it", &mut rest, |_| is(&other_handle, State::Clear));
    assert!(here.lines.contain("xsvr: released by"), "it was the agent's doing");
}

#[test]
fn an_agent_that_is_restarted_gets_the_claim_again_and_meanwhile_the_verdict_grows_old() {
    let home = Home::new("127.0.8.103");
    let first = agent(&home, &[]);
    let (program, handle) = program(&home, Mode::Connect);
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let mut both = [program, first];
    until("it is allowed", &mut both, |_| check(&handle).verdict == Verdict::ALLOW);
    let [program, first] = both;
    first.shut_down();
    let mut alone = [program];
    until("the agent is missed", &mut alone, |_| !check(&handle).connected);
    until("the verdict grows old", &mut alone, |_| check(&handle).age > Duration::from_millis(300));
    assert_eq!((check(&handle).verdict, check(&handle).state), (Verdict::ALLOW, State::Clear));
    let second = agent(&home, &[]);
    let second_handle = second.handle();
    let [program] = alone;
    let mut both = [program, second];
    until("it is found again", &mut both, |_| check(&handle).connected && second_handle.counts().claims == 1);
    until("the verdict is of now", &mut both, |_| {
        let answer = check(&handle);
        assert_eq!(answer.verdict, Verdict::ALLOW, "never less known than before");
        answer.age == Duration::ZERO
    });
}

#[test]
fn auto_is_a_client_where_an_agent_is_and_an_agent_where_there_is_none() {
    let home = Home::new("127.0.8.104");
    let mut own = home.embedded(&[]);
    own.set("control", &home.path("control.sock")).expect("control");
    own.set_mode(Mode::Auto).expect("before the start");
    own.start().expect("it starts");
    assert_eq!(mode(&own.handle()), Some(Mode::Own));
    // The one that asks at its start is answered by one that must turn.
    let stop = own.handle();
    let turning = std::thread::spawn(move || {
        while own.turn(64).expect("it turns") != serialnumberd::embed::Dispatched::Stopping {}
        own
    });
    let (program, handle) = program(&home, Mode::Auto);
    assert_eq!(mode(&handle), Some(Mode::Connect));
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let mut program = [program];
    until("it is allowed", &mut program, |_| check(&handle).verdict == Verdict::ALLOW);
    let status: serde_json::Value =
        serde_json::from_str(&program[0].status_json().expect("the agent's")).expect("JSON");
    assert_eq!(status["claims"][0]["held_by"][0]["pid"], std::process::id());
    stop.stop();
    turning.join().expect("it turned").shut_down();
    until("the agent is missed", &mut program, |_| !check(&handle).connected);
    assert_eq!(mode(&handle), Some(Mode::Connect), "it stays what it is");
    assert!(program[0].status_json().is_err_and(|e| e.sentence.contains("no agent answers at")));
}

#[test]
fn what_was_set_is_claimed_and_what_is_refused_is_told() {
    let home = Home::new("127.0.8.105");
    let agent = agent(&home, &[]);
    let agent_handle = agent.handle();
    agent_handle.claim("xsvr", "FIRST", 1).expect("claimed");
    let mut agent = [agent];
    until("it is held", &mut agent, |_| is(&agent_handle, State::Clear));
    let [agent] = agent;
    let mut program = Embedded::new(None).expect("made");
    for (key, value) in [
        ("mode", "connect"),
        ("control", home.path("control.sock").as_str()),
        ("license.fcsrv.serial", "OTHER"),
        ("license.fcsrv.seats", "3"),
    ] {
        program.set(key, value).expect(key);
    }
    // No agent turns while it starts: that must not be waited for.
    let handle = program.handle();
    let turning = std::thread::spawn(move || {
        let mut agent = agent;
        while agent.turn(64).expect("it turns") != serialnumberd::embed::Dispatched::Stopping {}
    });
    program.start().expect("it starts");
    handle.claim("xsvr", "SECOND", 1).expect("wished");
    let mut program = [program];
    until("it is refused", &mut program, |_| handle.check("xsvr").is_err());
    let refused = handle.check("xsvr").expect_err("refused");
    assert!(
        refused.kind == Kind::Denied && refused.sentence.contains("with another serial number, by "),
        "{refused}"
    );
    until("the other one is held", &mut program, |_| {
        handle.check("fcsrv").is_ok_and(|a| a.verdict == Verdict::ALLOW)
    });
    handle.release("xsvr").expect("it may be given up");
    step(&mut program);
    assert!(handle.check("xsvr").is_err_and(|e| e.kind == Kind::Invalid), "it is forgotten");
    agent_handle.stop();
    turning.join().expect("it turned");
}

#[test]
fn without_an_agent_there_is_no_verdict_and_the_reason_says_so() {
    let home = Home::new("127.0.8.106");
    let (program, handle) = program(&home, Mode::Connect);
    handle.claim("xsvr", "ALONE", 1).expect("wished");
    let mut program = [program];
    until("it was looked for", &mut program, |_| check(&handle).reason.contains("no agent answers at"));
    let answer = check(&handle);
    assert!(answer.verdict == Verdict::ABSTAIN && !answer.connected, "{answer:?}");
    assert!(program[0].timeout().is_some(), "it goes on looking");
}

#[test]
fn an_agent_that_lets_nobody_in_is_told_of_at_the_start() {
    use std::io::Write as _;
    for mode in [Mode::Connect, Mode::Auto] {
        let home = Home::new("127.0.8.107");
        let listener = std::os::unix::net::UnixListener::bind(home.path("control.sock")).expect("bound");
        let agent = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("connected");
            stream.write_all(b"{\"error\":\"user 7 may not use this agent\"}\n").expect("said");
        });
        let mut embedded = home.embedded(&[]);
        embedded.set_mode(mode).expect("before the start");
        embedded.set("control", &home.path("control.sock")).expect("control");
        let refused = embedded.start().expect_err("it is not let in");
        assert_eq!(
            (refused.kind, refused.sentence.as_str()),
            (Kind::Denied, "user 7 may not use this agent")
        );
        agent.join().expect("it spoke");
    }
}

#[test]
fn what_was_wished_and_taken_back_before_a_turn_leaves_nothing() {
    let home = Home::new("127.0.8.108");
    let mut agent = agent(&home, &[]);
    let (mut program, of_program) = program(&home, Mode::Connect);
    for (embedded, handle) in [(&mut agent, None), (&mut program, Some(of_program))] {
        let handle = handle.unwrap_or_else(|| embedded.handle());
        handle.claim("never", "A", 1).expect("claimed");
        handle.release("never").expect("it is wished for");
        embedded.dispatch(1).expect("dispatched");
        assert!(handle.check("never").is_err_and(|e| e.kind == Kind::Invalid));
    }
}

#[test]
fn a_claim_that_is_held_and_wished_again_after_another_is_shown() {
    let home = Home::new("127.0.8.109");
    let agent = agent(&home, &[]);
    let (program, handle) = program(&home, Mode::Connect);
    handle.claim("xsvr", "A", 1).expect("claimed");
    let mut both = [agent, program];
    until("it is allowed", &mut both, |_| check(&handle).verdict == Verdict::ALLOW);
    handle.claim("xsvr", "B", 1).expect("claimed");
    handle.claim("xsvr", "A", 1).expect("claimed");
    assert_eq!(check(&handle).verdict, Verdict::ABSTAIN);
    both[1].dispatch(1).expect("dispatched");
    assert_eq!(check(&handle).verdict, Verdict::ALLOW);
}

#[test]
fn an_agent_that_is_too_busy_to_take_a_connection_is_one_that_is_there() {
    let home = Home::new("127.0.8.110");
    let listener = std::os::unix::net::UnixListener::bind(home.path("control.sock")).expect("bound");
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).expect("a number"))
        .expect("listens");
    let crowd = std::os::unix::net::UnixStream::connect(home.path("control.sock")).expect("the last place");
    let (mut program, handle) = program(&home, Mode::Auto);
    assert_eq!(mode(&handle), Some(Mode::Connect), "there must not be two agents");
    drop((crowd, listener));
    program.dispatch(1).expect("dispatched");
}
