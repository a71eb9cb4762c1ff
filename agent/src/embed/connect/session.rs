//! One connection to an agent, from the greeting to its end: what is asked and what is heard.
//!
//! It decides when it is of no use any more, and says why; what follows is not its matter.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use serde_json::Value;
use serialnumberd_core::{Event, Mono, Product};

use super::back_off;
use super::ledger::{Ledger, Question};
use super::stream::Stream;
use crate::control::client::PATIENCE;
use crate::control::protocol::{Form, Line, Request, answer_line, hello_line, request_line};
use crate::record::line::{LineError, ReadRecord, RecordLine};
use crate::record::{Body, Record};

/// After this silence the agent is asked, so that one that hangs is found.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Questions open at once: the agent allows one client 64.
const OPEN_QUESTIONS: usize = 16;
/// What may wait to be written: the open questions take a tenth of it, the rest is for refusals.
const MAX_OUTPUT: usize = 64 * 1024;

/// What the agent told.
#[derive(Default)]
pub(super) struct Heard {
    /// Records of this program's own claims, and of none.
    pub(super) records: VecDeque<ReadRecord>,
    /// Records that the agent left out since this program did not read them.
    pub(super) lost: u64,
}

/// One connection.
pub(super) struct Session {
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
pub(super) struct Parting {
    pub(super) why: String,
    /// Until then it was known what the agent thinks.
    pub(super) known: Mono,
    /// It did not let this program in.
    pub(super) is_refusal: bool,
}

impl Parting {
    fn new(why: String, known: Mono) -> Parting {
        Parting { why, known, is_refusal: false }
    }
}

impl Session {
    pub(super) fn new(stream: Stream, path: PathBuf, now: Mono) -> Session {
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

    /// Reads, asks and writes.
    ///
    /// # Errors
    /// Why the connection is of no use any more.
    pub(super) fn turn(
        &mut self,
        now: Mono,
        epoll: &Epoll,
        ledger: &mut Ledger,
        heard: &mut Heard,
    ) -> Result<(), Parting> {
        self.read(now, ledger, heard)?;
        self.ask(now, ledger)?;
        self.settle(now, epoll)
    }

    /// When [`Session::turn`] has something to do by time alone.
    pub(super) fn deadline(&self, ledger: &Ledger) -> Mono {
        let open = self.questions.values().map(|(_, until)| *until).min();
        let heartbeat = if ledger.is_empty() { Mono::NEVER } else { self.heard.after(HEARTBEAT) };
        // While a question is open, its time is what counts.
        open.unwrap_or(heartbeat).min(ledger.retry().unwrap_or(Mono::NEVER))
    }

    /// The agent has greeted.
    pub(super) fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// It has greeted, and this is not the beginning of a series of failures.
    pub(super) fn is_proven(&self, now: Mono) -> bool {
        self.greeted && now.since(self.began) >= back_off::LONGEST
    }

    /// Ends the connection, if need be also for a forked child that has inherited it.
    pub(super) fn end(self, epoll: &Epoll) {
        // Closing would not be enough: the child's copy keeps it in the epoll.
        let _ = epoll.delete(&self.stream);
        self.stream.end();
    }

    fn put(&mut self, question: Question, request: &Request, now: Mono) {
        self.last_id += 1;
        self.stream.push(request_line(self.last_id, request));
        self.questions.insert(self.last_id, (question, now.after(PATIENCE)));
    }

    fn broke(&self, e: &std::io::Error, now: Mono) -> Parting {
        Parting::new(format!("the connection to the agent at {} broke: {e}", self.path.display()), now)
    }

    fn read(&mut self, now: Mono, ledger: &mut Ledger, heard: &mut Heard) -> Result<(), Parting> {
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
                Line::Event(event) => self.take_event(event, ledger, heard),
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
    fn take_event(&mut self, event: Value, ledger: &mut Ledger, heard: &mut Heard) {
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
            heard.lost += missing;
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
            heard.records.push_back(read);
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

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
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

pub(super) fn product_of(record: &Record) -> Option<Product> {
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
