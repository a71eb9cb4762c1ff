//! The thread that writes and reads kept evidence: an fsync takes seconds on a busy disk, and an agent that is kept
//! from its loop for five doubts itself.
//!
//! It is made when there is first something to do, and does one thing after the other, so that whoever asks for evidence
//! that is being written gets it.  What to write is decided by the loop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use serde_json::Value;
use serialnumberd_core::EvidenceId;

use super::file::Signer;
use super::{Case, Shelf, seal};
use crate::control::protocol::{EvidenceList, EvidenceText};
use crate::logging::Scope;

/// Jobs that wait: when more clients than these ask at once, the others are told to ask again.
const WAITING: usize = 64;

/// What is wanted of kept evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What there is.
    List,
    /// The text of one.
    Text(EvidenceId),
}

enum Job<A> {
    Write(Box<Case>, BTreeSet<EvidenceId>),
    Answer(A, Wanted),
}

/// What was done.
#[derive(Debug, PartialEq)]
pub(crate) enum Done<A> {
    /// It is on the disk, and these had to make room; or why not.
    Written(EvidenceId, Result<Vec<EvidenceId>, String>),
    /// The answer to who asked.
    Answered(A, Result<Value, String>),
}

type Bell = Arc<dyn Fn() + Send + Sync>;

/// The loop's end of the thread; `A` says who asked.
pub(crate) struct Archivist<A> {
    shelf: Shelf,
    signer: Signer,
    bell: Bell,
    jobs: Option<SyncSender<Job<A>>>,
    thread: Option<JoinHandle<()>>,
    done: (Sender<Done<A>>, Receiver<Done<A>>),
}

impl<A: Send + 'static> Archivist<A> {
    /// One that signs with `signer` and rings `bell` when something is done.
    pub(crate) fn new(shelf: Shelf, signer: Signer, bell: Bell) -> Archivist<A> {
        Archivist { shelf, signer, bell, jobs: None, thread: None, done: channel() }
    }

    /// Where it keeps things.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Signs and writes a case; [`Done::Written`] tells of it.  `live` are those of conflicts that go on.
    ///
    /// # Errors
    /// A sentence, if it cannot be begun.
    pub(crate) fn write(&mut self, case: Case, live: BTreeSet<EvidenceId>) -> Result<(), String> {
        self.give(Job::Write(Box::new(case), live))
    }

    /// Answers a client; [`Done::Answered`] has the answer.
    ///
    /// # Errors
    /// A sentence, if it cannot be begun.
    pub(crate) fn answer(&mut self, asker: A, wanted: Wanted) -> Result<(), String> {
        self.give(Job::Answer(asker, wanted))
    }

    /// What was done since.
    pub(crate) fn poll(&mut self) -> Option<Done<A>> {
        self.done.1.try_recv().ok()
    }

    fn give(&mut self, job: Job<A>) -> Result<(), String> {
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => self.start()?,
        };
        jobs.try_send(job).map_err(|e| match e {
            TrySendError::Full(_) => "the evidence is busy with other requests; ask again".to_owned(),
            TrySendError::Disconnected(_) => {
                "the thread that keeps evidence has died; restart the agent".to_owned()
            }
        })
    }

    fn start(&mut self) -> Result<&SyncSender<Job<A>>, String> {
        let (jobs, inbox) = sync_channel(WAITING);
        let (shelf, signer) = (self.shelf.clone(), self.signer.clone());
        let (bell, done) = (Arc::clone(&self.bell), self.done.0.clone());
        let work = move || {
            for job in inbox {
                // The loop holds the other end for as long as this thread lives.
                let _ = done.send(perform(&shelf, &signer, job));
                bell();
            }
        };
        let scope = Scope::present();
        let thread = Builder::new().name("evidence".to_owned()).spawn(move || scope.within(work));
        self.thread = Some(thread.map_err(|e| format!("no thread can be started: {e}"))?);
        Ok(self.jobs.insert(jobs))
    }
}

fn perform<A>(shelf: &Shelf, signer: &Signer, job: Job<A>) -> Done<A> {
    match job {
        Job::Write(case, live) => {
            let id = case.exhibit.id;
            let kept = shelf.keep(id, &seal(&case, signer), &live);
            Done::Written(id, kept.map_err(|e| e.to_string()))
        }
        Job::Answer(asker, wanted) => Done::Answered(asker, answer(shelf, wanted)),
    }
}

fn answer(shelf: &Shelf, wanted: Wanted) -> Result<Value, String> {
    match wanted {
        Wanted::List => {
            let list = EvidenceList { evidence: shelf.list()? };
            serde_json::to_value(list).map_err(|e| e.to_string())
        }
        Wanted::Text(id) => {
            let text = String::from_utf8(shelf.read(id)?);
            let text = text.map_err(|_| format!("evidence {id} is damaged: it is no text"))?;
            serde_json::to_value(EvidenceText { text }).map_err(|e| e.to_string())
        }
    }
}

/// What was begun is finished: whoever drops this may give the folder to somebody else.
impl<A> Drop for Archivist<A> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, there is nothing left to wait for.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::evidence::fixture::{case, case_of, signer};

    const LONG: Duration = Duration::from_secs(20);

    fn archivist(shelf: Shelf) -> (Archivist<u64>, Receiver<()>) {
        let (ring, rung) = mpsc::channel();
        let bell = Arc::new(move || ring.send(()).expect("somebody listens"));
        (Archivist::new(shelf, signer(1), bell), rung)
    }

    fn next(archivist: &mut Archivist<u64>, rung: &Receiver<()>) -> Done<u64> {
        rung.recv_timeout(LONG).expect("the bell rings");
        archivist.poll().expect("something was done")
    }

    #[test]
    fn what_is_written_can_be_asked_for_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (mut archivist, rung) = archivist(Shelf::of(dir.path()));
        let id = case().exhibit.id;
        archivist.write(case(), BTreeSet::from([id])).unwrap();
        archivist.answer(7, Wanted::Text(id)).unwrap();
        archivist.answer(8, Wanted::List).unwrap();
        archivist.answer(9, Wanted::Text(EvidenceId::default())).unwrap();
        assert_eq!(next(&mut archivist, &rung), Done::Written(id, Ok(Vec::new())));
        let text = seal(&case(), &signer(1));
        assert_eq!(next(&mut archivist, &rung), Done::Answered(7, Ok(serde_json::json!({"text": text}))));
        let Done::Answered(8, Ok(list)) = next(&mut archivist, &rung) else { panic!("a list") };
        assert_eq!(list["evidence"][0]["id"], id.to_string());
        let Done::Answered(9, Err(sentence)) = next(&mut archivist, &rung) else { panic!("a refusal") };
        assert!(sentence.contains("no evidence 0000"), "{sentence}");
    }

    #[test]
    fn what_was_begun_is_finished_and_refusals_have_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let (mut going, _rung) = archivist(Shelf::of(dir.path()));
        for n in 1..20 {
            going.write(case_of(n), BTreeSet::new()).unwrap();
        }
        drop(going);
        assert_eq!(Shelf::of(dir.path()).list().unwrap().len(), 19);
        std::fs::write(dir.path().join("file"), "").unwrap();
        let (mut nowhere, rung) = archivist(Shelf::of(&dir.path().join("file")));
        nowhere.write(case(), BTreeSet::new()).unwrap();
        let Done::Written(_, Err(sentence)) = next(&mut nowhere, &rung) else { panic!("a refusal") };
        assert!(sentence.contains("Not a directory"), "{sentence}");
    }
}
