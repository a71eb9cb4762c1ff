//! Which evidence is to be kept, and when it is written: as soon as a conflict is told, and again when more of it is.
//!
//! One file at a time, and each at most once in [`SPACING`] unless its stage rose or its conflict ended: what happens
//! meanwhile goes into the next writing.  What the disk refuses is tried again, and holds nothing up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serialnumberd_core::{Coverage, Event, EvidenceId, Mono, Now, ResolvedCause, Stage};

use super::{Agent, host_name};
use crate::evidence::{Case, Done};
use crate::status::wall_ms;

/// Holders that come and go change a conflict's evidence several times a second; a file of 500 has 1.7 MiB.
const SPACING: Duration = Duration::from_secs(10);
/// A disk that refused is asked again.
const RETRY: Duration = Duration::from_secs(60);
/// Ended conflicts that wait for the disk.  Each claim has at most one that has not ended.
const ENDED: usize = 64;

/// A conflict whose evidence is kept.
#[derive(Debug)]
struct Open {
    conflict: u64,
    stage: Stage,
    coverage: Coverage,
    /// When it was declared, and the clocks then: all of its times are told by them, so that none of them jumps.
    declared: Now,
    ended: Option<(Mono, ResolvedCause)>,
    /// Its conflict goes on, or at least with others.
    live: bool,
    /// From when on it is to be written; `None` if the disk has all of it.
    due: Option<Mono>,
    written: Option<Mono>,
}

/// The conflicts of this run whose evidence is not all on the disk, or may yet grow.
#[derive(Debug, Default)]
pub(super) struct Filing {
    open: BTreeMap<EvidenceId, Open>,
    /// What is being written.
    writing: Option<EvidenceId>,
    /// Why the disk refuses, for the status.
    trouble: Option<String>,
}

impl Filing {
    /// When there is something to write.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let idle = self.writing.is_none();
        self.open.values().filter(|_| idle).filter_map(|o| o.due).min()
    }

    /// What ails it, in a sentence.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// A conflict is told of, for the first time or again.
    fn tell(&mut self, id: EvidenceId, mut told: Open) {
        // Somebody else took the conflict over: what was proved before stands, and grows no more.
        for (_, other) in self.open.iter_mut().filter(|(i, o)| **i != id && o.conflict == told.conflict) {
            other.live = false;
        }
        if let Some(before) = self.open.get(&id).filter(|o| o.conflict == told.conflict) {
            (told.declared, told.written) = (before.declared, before.written);
            if told.stage == before.stage {
                told.due = told.due.max(before.written.map(|at| at.after(SPACING)));
            }
        }
        self.open.insert(id, told);
        self.forget();
    }

    fn resolve(&mut self, conflict: u64, now: Mono, cause: ResolvedCause) {
        for open in self.open.values_mut().filter(|o| o.conflict == conflict && o.live) {
            (open.live, open.ended, open.due) = (false, Some((now, cause)), Some(now));
        }
        self.forget();
    }

    /// Drops what grows no more and is on the disk, and the oldest of what the disk does not take.
    fn forget(&mut self) {
        let writing = self.writing;
        self.open.retain(|id, o| o.live || o.due.is_some() || writing == Some(*id));
        let ended = self.open.iter().filter(|(_, o)| !o.live).map(|(id, o)| (o.declared.boot, *id));
        let ended: BTreeSet<_> = ended.collect();
        for (_, id) in ended.iter().take(ended.len().saturating_sub(ENDED)) {
            log::warn!("evidence {id} is given up: the disk has refused it for too long");
            self.open.remove(id);
        }
    }

    /// What became of a writing.
    fn settle(&mut self, id: EvidenceId, result: Result<(), String>, now: Mono) {
        self.writing = None;
        let Some(open) = self.open.get_mut(&id) else { return };
        match result {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    log::info!("evidence is kept again");
                }
            }
            Err(sentence) => {
                open.due = Some(now.after(RETRY));
                if self.trouble.as_ref() != Some(&sentence) {
                    log::warn!("{sentence}");
                    self.trouble = Some(sentence);
                }
            }
        }
        self.forget();
    }
}

impl Agent {
    /// Notes what an event means for the evidence.
    pub(super) fn note_evidence(&mut self, event: &Event) {
        match *event {
            Event::Duplicate { conflict_id, evidence, stage, coverage, .. } => {
                let told = Open {
                    conflict: conflict_id,
                    stage,
                    coverage,
                    declared: self.now,
                    ended: None,
                    live: true,
                    due: Some(self.now.boot),
                    written: None,
                };
                self.filing.tell(evidence, told);
            }
            Event::Resolved { conflict_id, cause, .. } => {
                self.filing.resolve(conflict_id, self.now.boot, cause);
            }
            _ => {}
        }
    }

    /// Takes in what the archivist did, and has it write what is due.
    pub(super) fn file_evidence(&mut self) {
        while let Some(done) = self.archivist.poll() {
            match done {
                Done::Written(id, result) => {
                    for dropped in result.iter().flatten() {
                        log::info!("evidence {dropped} was dropped: newer ones need its room");
                    }
                    let folder = self.archivist.shelf().folder().display();
                    let result = result.map(|_| ()).map_err(|e| {
                        format!("evidence cannot be kept in {folder}: {e}; what is kept already stays, and this is tried every minute")
                    });
                    self.filing.settle(id, result, self.now.boot);
                }
                Done::Answered(asker, answer) => self.reply(asker, &answer),
            }
        }
        let due = |o: &Open| o.due.filter(|at| *at <= self.now.boot);
        let next = self.filing.open.iter().filter_map(|(id, o)| Some((due(o)?, *id))).min();
        if let Some((_, id)) = next.filter(|_| self.filing.writing.is_none()) {
            self.write_evidence(id);
        }
    }

    fn write_evidence(&mut self, id: EvidenceId) {
        let case = self.case(id);
        let live = self.filing.open.iter().filter(|(_, o)| o.live).map(|(id, _)| *id).collect();
        let Some(open) = self.filing.open.get_mut(&id) else { return };
        (open.due, open.written) = (None, Some(self.now.boot));
        self.filing.writing = Some(id);
        // Without a case the engine has dropped it for newer ones: what the disk has is all there will be.
        let begun = case.map_or(Err(None), |case| self.archivist.write(case, live).map_err(Some));
        match begun {
            Ok(()) => {}
            Err(None) => self.filing.settle(id, Ok(()), self.now.boot),
            Err(Some(sentence)) => self.filing.settle(id, Err(sentence), self.now.boot),
        }
    }

    /// What is to be written of an evidence.
    fn case(&self, id: EvidenceId) -> Option<Case> {
        let open = self.filing.open.get(&id)?;
        let told = |at| wall_ms(&open.declared, at);
        let name = |index| self.interface_text(index);
        let kept = self.engine.evidence(id)?;
        let host = if self.setup.config.agent.announce_host { host_name() } else { String::new() };
        Some(Case {
            exhibit: kept.exhibit(self.engine.installation(), told, name),
            conflict: open.conflict,
            stage: open.stage,
            coverage: open.coverage,
            declared_ms: open.declared.wall_ms,
            ended: open.ended.map(|(at, cause)| (told(at), cause)),
            host,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// The agent stops: writes what is not written yet.
    pub(super) fn close_evidence(&mut self) {
        let ids: Vec<EvidenceId> =
            self.filing.open.iter().filter(|(_, o)| o.due.is_some()).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.write_evidence(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn id(n: u8) -> EvidenceId {
        EvidenceId([n; 16])
    }

    fn told(conflict: u64, stage: Stage, at_s: u64) -> Open {
        let now = Mono(at_s * S);
        Open {
            conflict,
            stage,
            coverage: Coverage::Good,
            declared: Now { boot: now, awake: now, wall_ms: 0 },
            ended: None,
            live: true,
            due: Some(now),
            written: None,
        }
    }

    /// What the loop does when the time has come.
    fn write(filing: &mut Filing, id: EvidenceId, at_s: u64, result: Result<(), String>) {
        let open = filing.open.get_mut(&id).unwrap();
        (open.due, open.written) = (None, Some(Mono(at_s * S)));
        filing.writing = Some(id);
        assert_eq!(filing.deadline(), None, "one at a time");
        filing.settle(id, result, Mono(at_s * S));
    }

    fn due_s(filing: &Filing) -> Option<u64> {
        filing.deadline().map(|at| at.0 / S)
    }

    #[test]
    fn a_conflict_is_written_at_once_and_then_seldom_but_for_what_matters() {
        let mut filing = Filing::default();
        filing.tell(id(1), told(1, Stage::Conflict, 100));
        assert_eq!(due_s(&filing), Some(100));
        write(&mut filing, id(1), 100, Ok(()));
        assert_eq!(due_s(&filing), None);
        filing.tell(id(1), told(1, Stage::Conflict, 101));
        filing.tell(id(1), told(1, Stage::Conflict, 102));
        assert_eq!(due_s(&filing), Some(110), "more holders came");
        assert_eq!(filing.open[&id(1)].declared.boot, Mono(100 * S), "it was declared once");
        filing.tell(id(1), told(1, Stage::Duplicate, 103));
        assert_eq!(due_s(&filing), Some(103), "the stage rose");
        write(&mut filing, id(1), 103, Ok(()));
        filing.resolve(1, Mono(104 * S), ResolvedCause::Goodbye);
        assert_eq!((due_s(&filing), filing.open.len()), (Some(104), 1));
        write(&mut filing, id(1), 104, Ok(()));
        assert!(filing.open.is_empty(), "the disk has all of it");
    }

    #[test]
    fn who_takes_a_conflict_over_has_a_file_of_his_own() {
        let mut filing = Filing::default();
        filing.tell(id(1), told(1, Stage::Conflict, 100));
        filing.tell(id(2), told(1, Stage::Conflict, 100));
        filing.tell(id(3), told(2, Stage::Conflict, 100));
        assert_eq!(filing.open.values().map(|o| o.live).collect::<Vec<_>>(), [false, true, true]);
        write(&mut filing, id(1), 100, Ok(()));
        filing.resolve(1, Mono(200 * S), ResolvedCause::Expired);
        assert_eq!(filing.open.keys().copied().collect::<Vec<_>>(), [id(2), id(3)]);
        assert!(filing.open[&id(2)].ended.is_some() && filing.open[&id(3)].ended.is_none());
        // The same proofs may found a new conflict of the same round.
        filing.tell(id(2), told(3, Stage::Conflict, 201));
        assert!(filing.open[&id(2)].live && filing.open[&id(2)].ended.is_none());
    }

    #[test]
    fn what_the_disk_refuses_is_tried_again_and_told_once_and_bounded() {
        let mut filing = Filing::default();
        filing.tell(id(1), told(1, Stage::Conflict, 100));
        for at in [100, 160] {
            write(&mut filing, id(1), at, Err("no room".to_owned()));
            assert_eq!((due_s(&filing), filing.trouble()), (Some(at + 60), Some("no room")));
        }
        filing.resolve(1, Mono(161 * S), ResolvedCause::Goodbye);
        write(&mut filing, id(1), 161, Ok(()));
        assert_eq!((filing.trouble(), filing.open.len()), (None, 0));
        for n in 0..100 {
            filing.tell(id(n), told(u64::from(n), Stage::Conflict, u64::from(n)));
            filing.resolve(u64::from(n), Mono(200 * S), ResolvedCause::Goodbye);
        }
        assert_eq!((filing.open.len(), filing.open.contains_key(&id(99))), (ENDED, true));
        assert!(!filing.open.contains_key(&id(35)) && filing.open.contains_key(&id(36)));
    }
}
