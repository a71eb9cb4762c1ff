//! The loop's end of a recording: hands records over, and never waits.
//!
//! The file is written by a thread of its own, since a write takes as long as the disk likes.  What does not fit into its
//! queue is lost to the recording, which shows it as a gap; it is said once.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::Header;
use super::tape::{Interfaces, Tape};
use crate::record::Record;

/// Records that wait for the disk: some seconds of a flood, or half a minute of a large network.
const WAITING: usize = 1024;

enum Job {
    Record(Arc<Record>),
    Interfaces(Arc<Interfaces>),
}

/// See above.
pub(crate) struct Recorder {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// What the thread is to know before the next record.
    untold: Option<Arc<Interfaces>>,
    has_lost: bool,
}

impl Recorder {
    /// Begins a recording.
    ///
    /// # Errors
    /// A sentence, if the file cannot be begun.
    pub(crate) fn start(path: &Path, header: Header) -> Result<Recorder, String> {
        let tape = Tape::begin(path, header)?;
        let (jobs, inbox) = sync_channel(WAITING);
        let thread = Builder::new().name("recorder".to_owned()).spawn(move || work(tape, &inbox));
        let thread = thread.map_err(|e| format!("no thread can be started: {e}"))?;
        Ok(Recorder { jobs: Some(jobs), thread: Some(thread), untold: None, has_lost: false })
    }

    /// The names of the interfaces of the records that follow.
    pub(crate) fn learn(&mut self, names: Interfaces) {
        self.untold = Some(Arc::new(names));
    }

    /// Records one more.
    pub(crate) fn record(&mut self, record: &Arc<Record>) {
        let Some(jobs) = &self.jobs else { return };
        if let Some(names) = self.untold.take()
            && let Err(TrySendError::Full(Job::Interfaces(names))) = jobs.try_send(Job::Interfaces(names))
        {
            self.untold = Some(names);
        }
        if jobs.try_send(Job::Record(Arc::clone(record))).is_err()
            && !std::mem::replace(&mut self.has_lost, true)
        {
            log::warn!(
                "the recording has gaps: the disk is too slow for it, or its thread has died; told once"
            );
        }
    }
}

/// Writes all that waits at once.
fn work(mut tape: Tape, inbox: &Receiver<Job>) {
    let mut records = Vec::new();
    while let Ok(job) = inbox.recv() {
        let mut next = Some(job);
        while let Some(job) = next {
            match job {
                Job::Record(record) => records.push(record),
                Job::Interfaces(names) => {
                    tape.write(&std::mem::take(&mut records));
                    tape.learn(names);
                }
            }
            next = if records.len() < WAITING { inbox.try_recv().ok() } else { None };
        }
        tape.write(&std::mem::take(&mut records));
    }
}

/// What was recorded is written out.
impl Drop for Recorder {
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
    use super::*;
    use crate::record::Body;
    use crate::recording::{Part, Recording};

    fn tick(seq: u64) -> Arc<Record> {
        let body = Body::Tick;
        Arc::new(Record { seq, mono_ns: seq, real_ns: 0, caused_by_self: true, decide_until_ns: None, body })
    }

    #[test]
    fn what_is_recorded_is_there_when_the_recorder_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.slr");
        let header = Header::new(String::new(), 0, Vec::new());
        let mut recorder = Recorder::start(&path, header).unwrap();
        recorder.learn(Interfaces::from([(2, "eth0".to_owned())]));
        for seq in 1..=500 {
            recorder.record(&tick(seq));
        }
        assert!(!recorder.has_lost, "there was room for all");
        drop(recorder);
        let mut recording = Recording::open(&path).unwrap();
        let mut n = 0;
        while let Some(part) = recording.next().unwrap() {
            n += 1;
            assert!(matches!(part, Part::Record(read) if read.record == *tick(n)));
        }
        assert_eq!(n, 500);
    }

    #[test]
    fn a_thread_that_does_not_keep_up_costs_records_and_not_the_loop() {
        let (jobs, inbox) = sync_channel(2);
        let mut recorder = Recorder { jobs: Some(jobs), thread: None, untold: None, has_lost: false };
        recorder.record(&tick(1));
        recorder.learn(Interfaces::new());
        recorder.record(&tick(2));
        assert!(recorder.has_lost, "the names took the last room");
        recorder.learn(Interfaces::new());
        recorder.record(&tick(3));
        assert!(recorder.untold.is_some(), "told with the next record that fits");
        assert!(matches!(inbox.try_recv(), Ok(Job::Record(_))));
        assert!(matches!(inbox.try_recv(), Ok(Job::Interfaces(_))));
        recorder.record(&tick(4));
        assert!(recorder.untold.is_none());
        drop(inbox);
        recorder.record(&tick(5));
    }
}
