//! What a client may send to the control socket: a line by itself, and a stream of them to a real server.

use super::{is_sentence, with_folder};
use mio::{Events, Poll, Token};
use serialnumberd::control::Access;
use serialnumberd::control::protocol::{Line, MAX_WAIT_MS, Request, answer_line, request_line};
use serialnumberd::control::server::Server;
use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub fn control(bytes: &[u8]) {
    bytes.split(|b| *b == b'\n').for_each(line);
    stream(bytes);
}

/// Whatever is understood can be written and reads the same; what is not is refused by a sentence.
fn line(bytes: &[u8]) {
    match Line::read(bytes) {
        Ok(Line::Request { id, name, arguments }) => match Request::read(&name, arguments) {
            Ok(request) => {
                assert!(!matches!(request, Request::Check { wait_ms, .. } if wait_ms > MAX_WAIT_MS));
                let Ok(Line::Request { id: again, name, arguments }) =
                    Line::read(&request_line(id, &request))
                else {
                    panic!("{request:?} is no request")
                };
                assert_eq!((again, Request::read(&name, arguments)), (id, Ok(request)));
            }
            Err(sentence) => assert!(is_sentence(&sentence), "{sentence:?}"),
        },
        Ok(Line::Answer { id, result }) => {
            assert_eq!(Line::read(&answer_line(id, &result)), Ok(Line::Answer { id, result }));
        }
        Ok(_) => {}
        Err(sentence) => assert!(is_sentence(&sentence), "{sentence:?}"),
    }
}

/// A server, and the poll that it is registered with.
struct Loop {
    server: Server,
    poll: Poll,
    events: Events,
}

impl Loop {
    fn start(path: &std::path::Path) -> Loop {
        let poll = Poll::new().expect("a poll");
        let mut server = Server::bind(path, Access::new(&[], &[]), poll.registry(), Token(0))
            .expect("the socket can be made");
        server.publish().expect("nobody else is there");
        Loop { server, poll, events: Events::with_capacity(16) }
    }

    /// Turns until nothing is left to do; answers every request.
    fn turn(&mut self) -> usize {
        let mut requests = 0;
        loop {
            self.poll.poll(&mut self.events, Some(Duration::ZERO)).expect("it polls");
            if self.events.is_empty() && !self.server.has_backlog() {
                return requests;
            }
            for event in &self.events {
                self.server.ready(
                    event.token(),
                    event.is_readable() || event.is_read_closed(),
                    event.is_write_closed(),
                );
            }
            for incoming in self.server.turn() {
                assert!(!matches!(incoming.request, Request::Watch { .. }));
                requests += 1;
                self.server.reply(incoming.client, incoming.id, &Ok(serde_json::json!({})));
            }
        }
    }
}

/// The server takes the stream in two pieces, answers in whole lines, and is rid of the client at the end.
fn stream(bytes: &[u8]) {
    thread_local!(static SERVER: RefCell<Option<Loop>> = const { RefCell::new(None) });
    with_folder(|folder| {
        SERVER.with_borrow_mut(|server| {
            let path = folder.join("control.sock");
            let server = server.get_or_insert_with(|| Loop::start(&path));
            let before = server.server.counters();
            let mut client = UnixStream::connect(&path).expect("the server listens");
            client.set_nonblocking(true).expect("a socket");
            let middle = bytes.first().map_or(0, |b| usize::from(*b) % bytes.len());
            let mut requests = 0;
            for piece in [&bytes[..middle], &bytes[middle..]] {
                // One that has been said farewell to may have no room, or nobody left to write to.
                let _ = client.write_all(piece);
                requests += server.turn();
            }
            let mut said = Vec::new();
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = client.read(&mut chunk) {
                said.extend_from_slice(&chunk[..n]);
            }
            drop(client);
            server.turn();
            let after = server.server.counters();
            assert_eq!((after.accepted, after.refused), (before.accepted + 1, before.refused));
            assert_eq!(judge(&said), expected(bytes));
            assert!(requests <= expected(bytes).0);
        });
    });
}

/// How many answers and farewells the server has said; its lines are well-formed and open with its greeting.
fn judge(said: &[u8]) -> (usize, usize) {
    let lines = said.strip_suffix(b"\n").expect("whole lines");
    let lines: Vec<Line> =
        lines.split(|b| *b == b'\n').map(|line| Line::read(line).expect("a line of the protocol")).collect();
    assert!(matches!(lines.first(), Some(Line::Hello { proto: 1 })));
    let count = |kind: fn(&Line) -> bool| lines.iter().filter(|line| kind(line)).count();
    let (answers, farewells) =
        (count(|l| matches!(l, Line::Answer { .. })), count(|l| matches!(l, Line::Farewell(_))));
    assert_eq!(1 + answers + farewells, lines.len(), "nothing else");
    (answers, farewells)
}

/// An answer for each request up to the first line that is none or comes before the greeting, and a farewell for that.
fn expected(bytes: &[u8]) -> (usize, usize) {
    let (mut greeted, mut answers) = (false, 0);
    let complete = bytes.iter().rposition(|b| *b == b'\n').map_or(&[][..], |end| &bytes[..end]);
    let lines = complete.split(|b| *b == b'\n').filter(|_| bytes.contains(&b'\n'));
    for line in lines {
        match Line::read(line) {
            Err(_) | Ok(Line::Hello { proto: 0 }) => return (answers, 1),
            Ok(Line::Hello { .. }) => greeted = true,
            Ok(_) if !greeted => return (answers, 1),
            Ok(Line::Request { .. }) => answers += 1,
            Ok(_) => {}
        }
    }
    (answers, 0)
}
