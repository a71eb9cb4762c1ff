//! Server and client over a real socket, the server in a small loop of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Events, Poll, Token};
use serde_json::{Value, json};
use serialnumberd_core::Product;

use super::client::Client;
use super::protocol::{CheckAnswer, Form, MAX_REQUEST_LINE, Request};
use super::server::{ControlCounters, Incoming, MAX_CLIENTS, Server};
use super::{Access, EventView};
use crate::clock;

/// Nothing below takes as long; only a broken test waits for it.
const LONG: Duration = Duration::from_secs(20);

/// What a test tells the loop to do.
enum Order {
    Tell(Value),
    Access(Access),
    Counters(mpsc::Sender<ControlCounters>),
}

/// A loop around a server: answers status with `{}`, check at once, probe by an event, reload with an
/// error, and leaves at stop.
struct Loop {
    _dir: tempfile::TempDir,
    path: PathBuf,
    orders: mpsc::Sender<Order>,
    waker: mio::Waker,
    thread: Option<JoinHandle<()>>,
}

impl Loop {
    fn start() -> Loop {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let mut poll = Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), Token(1)).unwrap();
        let mut server = Server::bind(&path, Access::new(&[], &[]), poll.registry(), Token(10)).unwrap();
        server.publish().unwrap();
        let (orders, inbox) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut events = Events::with_capacity(16);
            loop {
                let wait = server.has_backlog().then_some(Duration::ZERO);
                poll.poll(&mut events, wait).unwrap();
                for event in &events {
                    server.ready(event.token(), event.is_readable(), event.is_write_closed());
                }
                for incoming in server.turn() {
                    if !answer(&mut server, &incoming) {
                        return server.close("the agent ends");
                    }
                }
                for order in inbox.try_iter() {
                    obey(&mut server, order);
                }
            }
        });
        Loop { _dir: dir, path, orders, waker, thread: Some(thread) }
    }

    fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
        self.waker.wake().unwrap();
    }

    fn counters(&self) -> ControlCounters {
        let (tx, rx) = mpsc::channel();
        self.order(Order::Counters(tx));
        rx.recv_timeout(LONG).unwrap()
    }

    fn client(&self) -> Client {
        Client::connect(std::slice::from_ref(&self.path)).unwrap()
    }

    fn raw(&self) -> BufReader<UnixStream> {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut raw = BufReader::new(stream);
        assert_eq!(line(&mut raw), json!({"proto": 1}));
        raw
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.client().ask::<Value>(&Request::Stop, Duration::ZERO).unwrap();
        self.thread.take().unwrap().join().unwrap();
        assert!(!self.path.exists());
    }
}

fn answer(server: &mut Server, incoming: &Incoming) -> bool {
    let result = match &incoming.request {
        Request::Status | Request::Evidence { .. } | Request::Stop => Ok(json!({})),
        Request::Check { product, .. } => {
            Ok(json!({"product": product.as_str(), "verdict": "allow", "state": "clear"}))
        }
        Request::Reload => Err("line 7 is wrong".to_owned()),
        Request::Probe { .. } => {
            server.tell(Form::View, || EventView { event: "tick".to_owned(), ..EventView::default() });
            Ok(json!({"products": []}))
        }
        Request::Claim(_) => {
            server.holds(incoming.client);
            Ok(json!({}))
        }
        Request::Release { .. } => Ok(json!({})),
        Request::Watch { .. } => panic!("the server answers watch itself"),
    };
    server.reply(incoming.client, incoming.id, &result);
    incoming.request != Request::Stop
}

fn obey(server: &mut Server, order: Order) {
    match order {
        Order::Tell(event) => server.tell(Form::View, || event),
        Order::Access(access) => server.set_access(access).unwrap(),
        Order::Counters(tx) => tx.send(server.counters()).unwrap(),
    }
}

fn line(raw: &mut BufReader<UnixStream>) -> Value {
    let mut text = String::new();
    raw.read_line(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text:?}"))
}

fn send(raw: &BufReader<UnixStream>, text: &str) {
    raw.get_ref().write_all(text.as_bytes()).unwrap();
}

/// A farewell with these words, and then the end.
fn assert_farewell(raw: &mut BufReader<UnixStream>, words: &str) {
    let farewell = line(raw);
    let sentence = farewell["error"].as_str().unwrap();
    assert!(sentence.contains(words), "{sentence}");
    assert_eq!(farewell.get("id"), None);
    assert_eq!(raw.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn questions_are_answered() {
    let agent = Loop::start();
    let mut client = agent.client();
    let none = Duration::ZERO;
    assert_eq!(client.ask::<Value>(&Request::Status, none), Ok(json!({})));
    let product = Product::new("xsvr").unwrap();
    let answer: CheckAnswer = client.ask(&Request::Check { product, wait_ms: 0 }, none).unwrap();
    assert_eq!((answer.product.as_str(), answer.verdict.as_str(), answer.probing), ("xsvr", "allow", false));
    assert_eq!(client.ask::<Value>(&Request::Reload, none), Err("line 7 is wrong".to_owned()));
}

#[test]
fn watchers_get_events_and_the_end() {
    let agent = Loop::start();
    let mut watch = agent.client().watch().unwrap();
    let mut asker = agent.client();
    let _: Value = asker.ask(&Request::Probe { product: None }, Duration::ZERO).unwrap();
    assert_eq!(watch.next_event().unwrap()["event"], "tick");
    drop(agent);
    assert_eq!(watch.next_event(), Err("the agent ends".to_owned()));
}

#[test]
fn many_requests_in_one_write_are_all_answered_in_order() {
    let agent = Loop::start();
    let mut raw = agent.raw();
    let requests: String =
        (0..2000).map(|id| format!("{{\"id\":{id},\"request\":\"watchdog\"}}\n")).collect();
    let writer = raw.get_ref().try_clone().unwrap();
    let all = format!("{{\"proto\":1}}\n{requests}");
    let sender = std::thread::spawn(move || (&writer).write_all(all.as_bytes()).unwrap());
    for id in 0..2000 {
        let answer = line(&mut raw);
        assert_eq!(answer["id"], id);
        assert!(answer["error"].as_str().unwrap().starts_with("unknown request \"watchdog\""));
    }
    sender.join().unwrap();
}

#[test]
fn half_a_line_waits_for_its_end() {
    let agent = Loop::start();
    let mut raw = agent.raw();
    send(&raw, "{\"proto\":1}\n{\"id\":1,\"requ");
    agent.counters();
    send(&raw, "est\":\"status\"}\n");
    assert_eq!(line(&mut raw), json!({"id": 1, "ok": {}}));
}

#[test]
fn who_ends_its_questions_still_gets_the_answers() {
    let agent = Loop::start();
    let mut raw = agent.raw();
    send(&raw, "{\"proto\":1}\n{\"id\":1,\"request\":\"status\"}\n");
    raw.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(line(&mut raw), json!({"id": 1, "ok": {}}));
    assert_eq!(raw.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn what_is_no_protocol_ends_with_a_sentence() {
    let agent = Loop::start();
    for (text, words) in [
        ("GET / HTTP/1.0\r\n", "one JSON object"),
        ("{\"id\":1,\"request\":\"status\"}\n", "opens with the line {\"proto\":1}"),
        ("{\"proto\":0}\n", "no version 0"),
        ("{\"proto\":1}\n{\"request\":\"status\"}\n", "needs an `id`"),
    ] {
        let mut raw = agent.raw();
        send(&raw, text);
        assert_farewell(&mut raw, words);
    }
}

#[test]
fn a_line_without_end_is_refused() {
    let agent = Loop::start();
    let mut raw = agent.raw();
    // The agent may close before it has taken all of it.
    let _ = raw.get_ref().write_all(&vec![b' '; MAX_REQUEST_LINE + 1]);
    assert_farewell(&mut raw, "at most 65536 bytes");
}

#[test]
fn unknown_lines_answers_and_newer_versions_are_taken() {
    let agent = Loop::start();
    let mut raw = agent.raw();
    send(
        &raw,
        "{\"proto\":7,\"name\":\"new\"}\n{\"hint\":1}\n{\"id\":9,\"ok\":1}\n{\"id\":1,\"request\":\"status\",\"x\":1}\n",
    );
    assert_eq!(line(&mut raw), json!({"id": 1, "ok": {}}));
}

#[test]
fn a_watcher_that_does_not_read_is_dropped_and_counted() {
    let agent = Loop::start();
    let mut slow = agent.client().watch().unwrap();
    let mut good = agent.client().watch().unwrap();
    let event = json!({"text": "x".repeat(100_000)});
    for _ in 0..40 {
        agent.order(Order::Tell(event.clone()));
        assert_eq!(good.next_event().unwrap(), event);
    }
    assert_eq!(agent.counters().slow, 1);
    let ended = (0..40).find_map(|_| slow.next_event().err());
    assert!(ended.is_some_and(|sentence| sentence.contains("gone")));
}

#[test]
fn a_large_answer_to_a_slow_reader_arrives_whole() {
    let agent = Loop::start();
    let mut watch = agent.client().watch().unwrap();
    let event = json!({"text": "x".repeat(5_000_000)});
    agent.order(Order::Tell(event.clone()));
    assert_eq!(agent.counters().slow, 0);
    assert_eq!(watch.next_event().unwrap(), event);
}

#[test]
fn idle_clients_make_room_and_busy_ones_do_not() {
    let agent = Loop::start();
    let mut idle = agent.raw();
    // Half a question is none.
    send(&idle, "{\"proto\":1}\n{\"id\":1,");
    let mut watchers: Vec<_> = (1..MAX_CLIENTS).map(|_| agent.client().watch().unwrap()).collect();
    let last = agent.client().watch().unwrap();
    assert_farewell(&mut idle, "needed the place");
    let refused = Client::connect(std::slice::from_ref(&agent.path)).unwrap_err();
    assert!(refused.contains("serves 64 clients"), "{refused}");
    assert_eq!(agent.counters().refused, 1);
    watchers.pop();
    drop(last);
    // The server learns of the two ends in its own time.
    let began = clock::boottime_ns();
    while let Err(refused) = Client::connect(std::slice::from_ref(&agent.path)) {
        assert!(
            u128::from(clock::boottime_ns() - began) < LONG.as_nanos(),
            "no room for {LONG:?}: {refused}"
        );
    }
}

/// A client that holds a claim.
fn holder(agent: &Loop) -> BufReader<UnixStream> {
    let mut raw = agent.raw();
    let key = "a5".repeat(32);
    send(&raw, "{\"proto\":1}\n");
    send(&raw, &format!("{{\"id\":1,\"request\":\"claim\",\"product\":\"xsvr\",\"key\":\"{key}\"}}\n"));
    assert_eq!(line(&mut raw), json!({"id": 1, "ok": {}}));
    raw
}

#[test]
fn a_client_that_holds_a_claim_misses_events_rather_than_lose_it() {
    let agent = Loop::start();
    let mut slow = holder(&agent);
    send(&slow, "{\"id\":2,\"request\":\"watch\"}\n");
    assert_eq!(line(&mut slow), json!({"id": 2, "ok": {}}));
    for n in 0..40 {
        agent.order(Order::Tell(json!({"n": n, "text": "x".repeat(100_000)})));
    }
    let counters = agent.counters();
    assert!(counters.slow == 0 && counters.lost > 20, "{counters:?}");
    send(&slow, "{\"id\":3,\"request\":\"status\"}\n");
    let told: Vec<Value> = std::iter::repeat_with(|| line(&mut slow)).take_while(|l| l["id"] != 3).collect();
    let numbers: Vec<u64> = told.iter().filter_map(|l| l["event"]["n"].as_u64()).collect();
    assert_eq!(numbers, (0..40 - counters.lost).collect::<Vec<_>>(), "the newest are missing");
    agent.order(Order::Tell(json!({"n": 99})));
    assert_eq!(line(&mut slow)["event"]["n"], 99, "and there is room again");
}

#[test]
fn a_client_that_holds_a_claim_keeps_its_place() {
    let agent = Loop::start();
    let mut holder = holder(&agent);
    let mut idle = agent.raw();
    let _watchers: Vec<_> = (2..MAX_CLIENTS).map(|_| agent.client().watch().unwrap()).collect();
    let _last = agent.client();
    assert_farewell(&mut idle, "needed the place");
    send(&holder, "{\"id\":2,\"request\":\"status\"}\n");
    assert_eq!(line(&mut holder), json!({"id": 2, "ok": {}}));
}

#[test]
fn strangers_are_told_no() {
    let agent = Loop::start();
    let nobody = Access::of_nobody();
    agent.order(Order::Access(nobody));
    agent.counters();
    let refused = Client::connect(std::slice::from_ref(&agent.path)).unwrap_err();
    assert!(refused.contains("may not use this agent"), "{refused}");
    agent.order(Order::Access(Access::new(&[], &[])));
    agent.counters();
}

#[test]
fn a_miss_names_all_places() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    drop(std::os::unix::net::UnixListener::bind(&b).unwrap());
    let sentence = Client::connect(&[a.clone(), b.clone()]).unwrap_err();
    for part in [
        format!("{} (no socket there)", a.display()),
        format!("{} (its agent is dead)", b.display()),
        "serialnumberd run".to_owned(),
        "--control".to_owned(),
    ] {
        assert!(sentence.contains(&part), "{sentence}");
    }
}

#[test]
fn a_client_refuses_what_the_agent_asks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let agent = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut raw = BufReader::new(stream);
        send(&raw, "{\"proto\":1}\n{\"id\":5,\"request\":\"sing\"}\n");
        assert_eq!(line(&mut raw), json!({"proto": 1}));
        assert_eq!(line(&mut raw), json!({"id": 1, "request": "status"}));
        let refusal = line(&mut raw);
        assert_eq!(refusal["id"], 5);
        assert!(refusal["error"].as_str().unwrap().starts_with("unknown request \"sing\""));
        send(&raw, "{\"id\":1,\"ok\":7}\n");
    });
    let mut client = Client::connect(&[path]).unwrap();
    assert_eq!(client.ask::<u32>(&Request::Status, Duration::ZERO), Ok(7));
    agent.join().unwrap();
}

#[test]
fn a_late_reply_reaches_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let mut poll = Poll::new().unwrap();
    let mut server = Server::bind(&path, Access::new(&[], &[]), poll.registry(), Token(0)).unwrap();
    server.publish().unwrap();
    let mut events = Events::with_capacity(16);
    let mut until = |server: &mut Server, done: &mut dyn FnMut(&mut Server) -> bool| {
        while !done(server) {
            poll.poll(&mut events, Some(LONG)).unwrap();
            assert!(!events.is_empty(), "nothing happened for {LONG:?}");
            events
                .iter()
                .for_each(|e| assert!(server.ready(e.token(), e.is_readable(), e.is_write_closed())));
        }
    };
    let ask = |stream: &UnixStream| {
        (&*stream).write_all(b"{\"proto\":1}\n{\"id\":1,\"request\":\"status\"}\n").unwrap();
    };
    let mut asked: Vec<Incoming> = Vec::new();
    let first = UnixStream::connect(&path).unwrap();
    ask(&first);
    until(&mut server, &mut |s| {
        asked.extend(s.turn());
        asked.len() == 1
    });
    server.reply(asked[0].client, 1, &Ok(json!("first")));
    drop(first);
    let second = UnixStream::connect(&path).unwrap();
    ask(&second);
    until(&mut server, &mut |s| {
        asked.extend(s.turn());
        asked.len() == 2
    });
    server.reply(asked[0].client, 1, &Ok(json!("late")));
    server.reply(asked[1].client, 1, &Ok(json!("second")));
    let mut raw = BufReader::new(second);
    assert_eq!(line(&mut raw), json!({"proto": 1}));
    assert_eq!(line(&mut raw), json!({"id": 1, "ok": "second"}));
}
