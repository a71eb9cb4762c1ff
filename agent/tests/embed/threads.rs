//! Other threads beside the loop: none of them waits for it, but who says so.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serialnumberd::embed::{Dispatched, Embedded, Kind, Sink, Verdict};
use serialnumberd_core::State;

use crate::home::{Home, LONG, check, is, now, until};

/// Turns an agent until it is to stop, and ends it.
fn spawn(mut embedded: Embedded) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let _looping = embedded.looping();
        while embedded.turn(usize::MAX).expect("turned") != Dispatched::Stopping {}
    })
}

#[test]
fn a_thread_waits_for_the_verdict_while_a_loop_runs() {
    let home = Home::new("127.0.8.20");
    let embedded = home.started(&[]);
    let handle = embedded.handle();
    assert_eq!(handle.wait("xsvr", LONG).expect_err("not claimed").kind, Kind::Invalid);
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let refused = handle.wait("xsvr", LONG).expect_err("nobody turns it");
    assert_eq!(refused.kind, Kind::Again, "{refused}");
    let thread = spawn(embedded);
    let (mut looped, began) = (handle.wait("xsvr", Duration::ZERO), now());
    while looped.as_ref().is_err_and(|e| e.kind == Kind::Again) {
        assert!(now().since(began) < LONG, "the loop has begun");
        looped = handle.wait("xsvr", Duration::ZERO);
    }
    assert_eq!(looped.expect_err("a probe takes longer").kind, Kind::Timeout);
    let answer = handle.wait("xsvr", LONG).expect("a verdict");
    assert_eq!((answer.verdict, answer.state, answer.age), (Verdict::ALLOW, State::Clear, Duration::ZERO));
    assert!(answer.connected);
    // Who waits when the loop ends is told so.
    handle.claim("fcsrv", "ALONE", 1).expect("claimed");
    let waiter = {
        let handle = handle.clone();
        std::thread::spawn(move || handle.wait("fcsrv", LONG))
    };
    handle.stop();
    thread.join().expect("no panic");
    let told = waiter.join().expect("no panic").expect_err("it ended");
    assert!(matches!(told.kind, Kind::Closed | Kind::Again), "{told}");
    assert_eq!(handle.check("xsvr").expect_err("it ended").kind, Kind::Closed);
}

/// Holds the loop up in the middle of a turn, until it is let go.
struct Dam {
    reached: Sender<()>,
    gate: Mutex<Receiver<()>>,
}

impl Sink for Dam {
    fn log(&self, _level: log::Level, line: &str) {
        if line.contains("claimed by") {
            self.reached.send(()).expect("the test lives");
            self.gate.lock().expect("no panic").recv_timeout(LONG).expect("let go");
        }
    }
}

#[test]
fn nobody_waits_for_a_loop_that_takes_long() {
    let home = Home::new("127.0.8.21");
    let (reached, is_reached) = channel();
    let (open, gate) = channel();
    let mut embedded = Embedded::new(Some(Arc::new(Dam { reached, gate: Mutex::new(gate) }))).expect("made");
    for (key, value) in
        [("mode", "own"), ("state_dir", &home.path("state")), ("port", "62720"), ("address", home.address)]
    {
        embedded.set(key, value).expect(key);
    }
    embedded.start().expect("it starts");
    let handle = embedded.handle();
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let thread = spawn(embedded);
    is_reached.recv_timeout(LONG).expect("the loop is in its turn");
    // Each of these returns now, or the loop, which is let go only afterwards, never goes on.
    assert_eq!(check(&handle).verdict, Verdict::ABSTAIN);
    handle.claim("fcsrv", "ALONE", 1).expect("claimed");
    handle.release("fcsrv").expect("released");
    assert_eq!(handle.counts().claims, 0);
    handle.stop();
    open.send(()).expect("the loop waits");
    drop(open);
    thread.join().expect("no panic");
}

#[test]
fn an_edge_triggered_loop_misses_nothing() {
    let homes = [Home::new("127.0.8.22"), Home::new("127.0.8.23")];
    let mut agents = [homes[0].started(&["127.0.8.23"]), homes[1].started(&["127.0.8.22"])];
    let handles = [agents[0].handle(), agents[1].handle()];
    let outer = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
    for (place, agent) in agents.iter().enumerate() {
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, place as u64);
        outer.add(agent, event).expect("added");
    }
    handles.iter().for_each(|handle| handle.claim("xsvr", "SHARED", 1).expect("claimed"));
    let began = now();
    while !handles.iter().all(|handle| is(handle, State::Duplicate)) {
        assert!(now().since(began) < LONG, "an edge was lost");
        let timeouts: Vec<_> = agents.iter_mut().map(Embedded::timeout).collect();
        let wait = timeouts.iter().flatten().min().copied().unwrap_or(LONG);
        let before = now();
        let mut events = [EpollEvent::empty(); 2];
        let wait = EpollTimeout::try_from(wait.as_micros().div_ceil(1000)).expect("below a month");
        let n = outer.wait(&mut events, wait).expect("waited");
        let waited = now().since(before);
        for (place, agent) in agents.iter_mut().enumerate() {
            let is_ready = events[..n].iter().any(|event| event.data() == place as u64);
            if is_ready || timeouts[place].is_some_and(|t| t <= waited) {
                agent.dispatch(1).expect("dispatched");
            }
        }
    }
}

#[test]
fn an_embedded_agent_may_change_its_thread() {
    let home = Home::new("127.0.8.24");
    let embedded = home.started(&[]);
    let handle = embedded.handle();
    let embedded = std::thread::spawn(move || {
        let mut agents = [embedded];
        agents[0].handle().claim("xsvr", "ALONE", 1).expect("claimed");
        crate::home::step(&mut agents);
        agents
    });
    let mut agents = embedded.join().expect("no panic");
    until("it goes on here", &mut agents, |_| is(&handle, State::Clear));
}
