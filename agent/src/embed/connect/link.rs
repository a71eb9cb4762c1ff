//! The connection to the agent on this host, from looking for it to losing it and finding it again.
//!
//! One turn reads, looks at the time, asks and writes; nothing waits, and time is an argument.  An agent that answers
//! nothing for [`PATIENCE`] is as good as none.  Knows nothing of the board nor of who wants events.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde_json::Value;
use serialnumberd_core::{Event, Mono, Product};

use super::back_off::{self, BackOff};
use super::ledger::{Ledger, Question};
use super::stream::Stream;
use crate::control::client::{PATIENCE, miss};
use crate::control::protocol::{Form, Line, Request, answer_line, hello_line, request_line};
use crate::record::line::{LineError, ReadRecord, RecordLine};
use crate::record::{Body, Record};

/// After this silence the agent is asked, so that one that hangs is found.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Questions open at once: the agent allows one client 64.
const OPEN_QUESTIONS: usize = 16;
/// What may wait to be written: the open questions take a tenth of it, the rest is for refusals.
const MAX_OUTPUT: usize = 64 * 1024;

/// The connection, and all that is to outlive it.
pub(in crate::embed) struct Link {
    /// Where agents are looked for, best first.
    places: Vec<PathBuf>,
    /// Level-triggered, over the connection, if there is one.
    epoll: Epoll,
    state: State,
    back_off: BackOff,
    pub(super) ledger: Ledger,
    records: VecDeque<ReadRecord>,
    /// Records that the agent left out since this program did not read them.
    lost: u64,
    /// Why there is no agent, for people.
    trouble: Option<String>,
    /// There was one, and it did not let this program in.
    is_refused: bool,
}

enum State {
    /// Nobody is there; looked for again then.
    Away(Mono),
    Here(Box<Session>),
}

/// One connection.
struct Session {
    stream: Stream,
    path: PathBuf,
    greeted: bool,
    began: Mono,
    /// When something was heard last.
    heard: Mono,
    last_id: u64,
    /// By the ids of their requests; the greeting is 0.
    questions: BTreeMap<u64, (Question, Mono)>,
    /// The number of the last event, to see what is missing.
    seq: Option<u64>,
    /// Polling also tells of room to write.
    awaits_room: bool,
}

/// Why a connection ended.
struct Parting {
    why: String,
    /// Until then it was known what the agent thinks.
    known: Mono,
    /// It did not let this program in.
    is_refusal: bool,
}

impl Parting {
    fn new(why: String, known: Mono) -> Parting {
        Parting { why, known, is_refusal: false }
    }
}

impl Link {
    /// A link that looks for an agent in its first turn.  `seed` varies its pauses.
    ///
    /// # Errors
    /// If the kernel gives no descriptor.
    pub(super) fn new(places: Vec<PathBuf>, seed: u64, now: Mono) -> Result<Link, String> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|e| format!("no epoll descriptor can be made: {e}"))?;
        Ok(Link {
            places,
            epoll,
            state: State::Away(now),
            back_off: BackOff::new(seed),
            ledger: Ledger::default(),
            records: VecDeque::new(),
            lost: 0,
            trouble: None,
            is_refused: false,
        })
    }

    /// Does what is due.
    pub(super) fn turn(&mut self, now: Mono) {
        if let State::Away(retry) = self.state
            && retry <= now
        {
            self.look_for_an_agent(now);
        }
        if let State::Here(session) = &mut self.state {
            if session.greeted && now.since(session.began) >= back_off::LONGEST {
                self.back_off.reset();
                self.trouble = None;
            }
            let outcome = session.read(now, &mut self.ledger, &mut self.records, &mut self.lost);
            let outcome = outcome
                .and_then(|()| session.ask(now, &mut self.ledger))
                .and_then(|()| session.settle(now, &self.epoll));
            if let Err(parting) = outcome {
                self.part(now, parting);
            }
        }
    }

    /// When [`Link::turn`] has something to do by time alone.
    pub(super) fn deadline(&self) -> Mono {
        match &self.state {
            State::Away(retry) => *retry,
            State::Here(session) => {
                let heartbeat = (!self.ledger.is_empty()).then(|| session.heard.after(HEARTBEAT));
                let open = session.questions.values().map(|(_, until)| *until).min();
                // While a question is open, its time is what counts.
                let due = [open.or(heartbeat), self.ledger.retry()];
                due.into_iter().flatten().min().unwrap_or(Mono::NEVER)
            }
        }
    }

    /// The next record that the agent told.
    pub(super) fn poll_record(&mut self) -> Option<ReadRecord> {
        self.records.pop_front()
    }

    /// Somebody is there.
    pub(in crate::embed) fn is_there(&self) -> bool {
        matches!(self.state, State::Here(_))
    }

    /// Waits for [`Link::turn`] to have something to do.
    pub(super) fn wait(&self, timeout: EpollTimeout) -> nix::Result<usize> {
        self.epoll.wait(&mut [EpollEvent::empty()], timeout)
    }

    /// Why the agent did not let this program in when it tried last.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| self.is_refused)
    }

    /// An agent is there and has greeted.
    pub(super) fn is_connected(&self) -> bool {
        matches!(&self.state, State::Here(session) if session.greeted)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Why there is no agent.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| !self.is_connected())
    }

    /// Ends: the agent releases what was claimed here, even if a forked child still has the socket.
    pub(super) fn end(self) {
        if let State::Here(session) = self.state {
            session.stream.end();
        }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Here(session) => Some(session.stream.as_fd()),
            State::Away(_) => None,
        }
    }

    fn look_for_an_agent(&mut self, now: Mono) {
        let mut tried = Vec::new();
        self.is_refused = false;
        for path in &self.places {
            let connected = Stream::connect(path).and_then(|stream| {
                self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
                Ok(stream)
            });
            match connected {
                Ok(stream) => {
                    self.ledger.begin();
                    self.state = State::Here(Box::new(Session::new(stream, path.clone(), now)));
                    return;
                }
                Err(e) => {
                    self.is_refused |= e.kind() == ErrorKind::PermissionDenied;
                    tried.push(format!("{} ({})", path.display(), miss(&e)));
                }
            }
        }
        let trouble = format!("no agent answers at {}; it is looked for again and again", tried.join(" or "));
        self.tell(trouble);
        self.state = State::Away(self.back_off.after(now));
    }

    fn part(&mut self, now: Mono, parting: Parting) {
        let State::Here(session) = std::mem::replace(&mut self.state, State::Away(now)) else { return };
        self.is_refused = parting.is_refusal;
        self.state = State::Away(self.back_off.after(now));
        // Closing is not enough where a forked child has it, too.
        let _ = self.epoll.delete(&session.stream);
        session.stream.end();
        self.ledger.lose(parting.known);
        self.tell(parting.why);
    }

    /// Logs a trouble, once for as long as it lasts.
    fn tell(&mut self, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            log::warn!("{trouble}");
            self.trouble = Some(trouble);
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl Session {
    fn new(stream: Stream, path: PathBuf, now: Mono) -> Session {
        let mut session = Session {
            stream,
            path,
            greeted: false,
            began: now,
            heard: now,
            last_id: 0,
            questions: BTreeMap::from([(0, (Question::Greeting, now.after(PATIENCE)))]),
            seq: None,
            awaits_room: false,
        };
        session.stream.push(hello_line());
        session.put(Question::Watch, &Request::Watch { form: Form::Record }, now);
        session
    }

    fn put(&mut self, question: Question, request: &Request, now: Mono) {
        self.last_id += 1;
        self.stream.push(request_line(self.last_id, request));
        self.questions.insert(self.last_id, (question, now.after(PATIENCE)));
    }

    fn broke(&self, e: &std::io::Error, now: Mono) -> Parting {
        Parting::new(format!("the connection to the agent at {} broke: {e}", self.path.display()), now)
    }

    fn read(
        &mut self,
        now: Mono,
        ledger: &mut Ledger,
        records: &mut VecDeque<ReadRecord>,
        lost: &mut u64,
    ) -> Result<(), Parting> {
        let mut lines = Vec::new();
        let goes_on = self.stream.read(|bytes| lines.push(Line::read(bytes)));
        for line in lines {
            self.heard = now;
            let line = line.map_err(|_| self.stranger(now))?;
            match line {
                Line::Hello { proto: 1.. } => {
                    self.greeted = true;
                    self.questions.remove(&0);
                }
                Line::Farewell(why) => {
                    return Err(Parting { why, known: now, is_refusal: !self.greeted });
                }
                _ if !self.greeted => return Err(self.stranger(now)),
                Line::Answer { id, result } => self.take_answer(id, result, now, ledger)?,
                Line::Event(event) => self.take_event(event, ledger, records, lost),
                Line::Request { id, name, .. } => self.refuse(id, &name, now)?,
                Line::Hello { .. } | Line::Unknown => {}
            }
        }
        match goes_on {
            Ok(true) => Ok(()),
            Ok(false) => Err(Parting::new(format!("the agent at {} has gone", self.path.display()), now)),
            Err(e) => Err(self.broke(&e, now)),
        }
    }

    fn stranger(&self, now: Mono) -> Parting {
        let why = format!("what answers at {} does not speak the control protocol", self.path.display());
        Parting { why, known: now, is_refusal: !self.greeted }
    }

    fn take_answer(
        &mut self,
        id: u64,
        result: Result<Value, String>,
        now: Mono,
        ledger: &mut Ledger,
    ) -> Result<(), Parting> {
        let Some((question, _)) = self.questions.remove(&id) else { return Ok(()) };
        let result = result.map_err(|sentence| match question {
            Question::Claim(_) if sentence.starts_with("unknown request") => format!(
                "the agent at {} is of an older version, which takes no claims of programs: update it, or use an \
                 agent of your own",
                self.path.display()
            ),
            _ => sentence,
        });
        ledger.answered(id, question, result, now).map_err(|why| Parting::new(why, now))
    }

    /// What it says is asked for: an answer is of the newest state, whatever records are on their way.
    fn take_event(
        &mut self,
        event: Value,
        ledger: &mut Ledger,
        records: &mut VecDeque<ReadRecord>,
        lost: &mut u64,
    ) {
        let line: Result<RecordLine, _> = serde_json::from_value(event);
        let mut read = match line.map_err(|e| LineError::Wrong(e.to_string())).and_then(RecordLine::read) {
            Ok(read) => read,
            Err(e) => {
                log::debug!("{e}");
                // Of a kind that a newer agent may have: it may mean anything.
                return ledger.doubt(None);
            }
        };
        let missing = self.seq.map_or(0, |seq| read.record.seq.saturating_sub(seq + 1));
        self.seq = Some(read.record.seq);
        if missing > 0 {
            *lost += missing;
            ledger.doubt(None);
        }
        let product = product_of(&read.record);
        if changes(&read.record) {
            ledger.doubt(product);
        }
        // Whoever else claims at this agent is none of this program's business.
        if product.is_none_or(|product| ledger.has(product)) {
            // The agent does not ask this program for its opinion.
            read.record.decide_until_ns = None;
            records.push_back(read);
        }
    }

    /// Requests go both ways; this side answers none.
    fn refuse(&mut self, id: u64, name: &str, now: Mono) -> Result<(), Parting> {
        let sentence = format!("unknown request \"{}\"; this program answers none", name.escape_debug());
        self.stream.push(answer_line(id, &Err(sentence)));
        if self.stream.output() > MAX_OUTPUT {
            return Err(Parting::new(format!("the agent at {} asks without end", self.path.display()), now));
        }
        Ok(())
    }

    fn ask(&mut self, now: Mono, ledger: &mut Ledger) -> Result<(), Parting> {
        let overdue = self.questions.values().any(|(_, until)| *until <= now);
        // What it has said by now may have the answers behind it.
        if overdue && self.heard < now {
            let why = format!(
                "the agent at {} has not answered for {} s; its log may say why",
                self.path.display(),
                PATIENCE.as_secs()
            );
            return Err(Parting::new(why, self.heard));
        }
        if self.questions.is_empty() && self.heard.after(HEARTBEAT) <= now {
            ledger.doubt(None);
        }
        while self.questions.len() < OPEN_QUESTIONS
            && let Some((question, request)) = ledger.next(self.last_id + 1, now)
        {
            self.put(question, &request, now);
        }
        Ok(())
    }

    /// Writes, and has polling tell of what is waited for.
    fn settle(&mut self, now: Mono, epoll: &Epoll) -> Result<(), Parting> {
        self.stream.flush().map_err(|e| self.broke(&e, now))?;
        if (self.stream.output() > 0) != self.awaits_room {
            self.awaits_room = !self.awaits_room;
            let room = if self.awaits_room { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN | room, 0);
            epoll.modify(&self.stream, &mut event).map_err(|e| self.broke(&e.into(), now))?;
        }
        Ok(())
    }
}

/// Whether a record tells of something that a check would answer differently.
fn changes(record: &Record) -> bool {
    match &record.body {
        Body::State { .. } => true,
        Body::Engine(event) => matches!(event, Event::Duplicate { .. } | Event::Resolved { .. }),
        Body::Tick => false,
    }
}

fn product_of(record: &Record) -> Option<Product> {
    match &record.body {
        Body::State { product, .. } => Some(*product),
        Body::Engine(
            Event::Announcement { product, .. }
            | Event::Duplicate { product, .. }
            | Event::Resolved { product, .. }
            | Event::State { product, .. },
        ) => Some(*product),
        Body::Engine(Event::Query { product, .. }) => *product,
        Body::Tick => None,
    }
}
