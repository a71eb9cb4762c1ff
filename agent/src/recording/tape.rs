//! The file of a recording, as its thread writes it: bounded, whole lines only, and patient with a full disk.
//!
//! Nothing is synced: what a crash of the host takes away are seconds, and a disk that is synced at every record would
//! be worn and slow for all others.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serialnumberd_core::{ClaimId, Event, Mono, limits};

use super::{FILE_MAX, Header};
use crate::clock;
use crate::record::line::{self, Raw, RecordLine};
use crate::record::{Body, Record};
use crate::status::rfc3339;

/// A disk that refused is asked again.
const RETRY: Duration = Duration::from_secs(60);

/// Names of interfaces by index.
pub(super) type Interfaces = BTreeMap<u32, String>;

/// How things stand, to be told in the next file's header.
#[derive(Debug, Default)]
struct Standing(BTreeMap<ClaimId, Stand>);

#[derive(Debug, Default)]
struct Stand {
    state: Option<Arc<Record>>,
    conflict: Option<Arc<Record>>,
}

impl Standing {
    fn note(&mut self, record: &Arc<Record>) {
        match &record.body {
            Body::State { claim, .. } => self.of(*claim).state = Some(Arc::clone(record)),
            Body::Engine(Event::Duplicate { claim, .. }) => {
                self.of(*claim).conflict = Some(Arc::clone(record))
            }
            Body::Engine(Event::Resolved { claim, .. }) => self.of(*claim).conflict = None,
            _ => {}
        }
    }

    fn of(&mut self, claim: ClaimId) -> &mut Stand {
        // As many as an agent can hold; those that it let go are told no more of.
        while self.0.len() >= limits::CLAIMS && !self.0.contains_key(&claim) {
            let newest = |stand: &Stand| stand.state.as_ref().map_or(0, |record| record.seq);
            let Some(oldest) = self.0.iter().min_by_key(|(_, stand)| newest(stand)).map(|(id, _)| *id) else {
                break;
            };
            self.0.remove(&oldest);
        }
        self.0.entry(claim).or_default()
    }

    fn lines(&self, names: &Interfaces) -> Vec<RecordLine> {
        let mut all: Vec<&Arc<Record>> =
            self.0.values().flat_map(|stand| stand.conflict.iter().chain(&stand.state)).collect();
        all.sort_by_key(|record| record.seq);
        let name = |index| names.get(&index).cloned();
        all.into_iter().map(|record| RecordLine::of(record, &name, Raw::Keep)).collect()
    }
}

pub(super) struct Tape {
    path: PathBuf,
    most: u64,
    header: Header,
    standing: Standing,
    names: Arc<Interfaces>,
    /// The file, and how much of it is whole lines; none while the disk refuses.
    file: Option<(File, u64)>,
    again: Option<Mono>,
}

impl Tape {
    /// Begins a recording; an older one of that name becomes `FILE.1`, any other file is left alone.
    pub(super) fn begin(path: &Path, header: Header) -> Result<Tape, String> {
        Tape::begin_with(path, header, FILE_MAX)
    }

    fn begin_with(path: &Path, header: Header, most: u64) -> Result<Tape, String> {
        let fail = |e: io::Error| format!("{} cannot be recorded to: {e}", path.display());
        if path.symlink_metadata().is_ok() {
            if !is_recording(path).map_err(fail)? {
                return Err(format!(
                    "{} exists and is no recording: name another file, or remove it",
                    path.display()
                ));
            }
            fs::rename(path, older(path)).map_err(fail)?;
        }
        let file = Some(create(path, &header).map_err(fail)?);
        let (names, standing) = (Arc::default(), Standing::default());
        Ok(Tape { path: path.to_owned(), most, header, standing, names, file, again: None })
    }

    pub(super) fn learn(&mut self, names: Arc<Interfaces>) {
        self.names = names;
    }

    /// Writes some records.
    pub(super) fn write(&mut self, records: &[Arc<Record>]) {
        let mut text = String::new();
        for record in records {
            text.push_str(&line::write(record, &|index| self.names.get(&index).cloned(), Raw::Keep));
            text.push('\n');
        }
        let written = self.append(text.as_bytes());
        for record in records {
            self.standing.note(record);
        }
        if let Err(e) = written {
            log::warn!(
                "{}: nothing more can be recorded: {e}; tried again every {} s, and what happens meanwhile is missing",
                self.path.display(),
                RETRY.as_secs()
            );
            self.file = None;
            self.again = Some(now().after(RETRY));
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.again.is_some_and(|at| now() < at) {
            return Ok(());
        }
        if self.file.as_ref().is_none_or(|(_, length)| *length + size(bytes) > self.most) {
            self.turn()?;
        }
        if self.again.take().is_some() {
            log::info!("{}: records are written again", self.path.display());
        }
        let Some((file, length)) = &mut self.file else { return Ok(()) };
        if let Err(e) = file.write_all(bytes) {
            // Half a line is of no use.  If it cannot be cut off either, whoever reads the file passes over it.
            let _ = file.set_len(*length);
            return Err(e);
        }
        *length += size(bytes);
        Ok(())
    }

    /// Begins the next file; the present one becomes the older.
    fn turn(&mut self) -> io::Result<()> {
        self.file = None;
        match fs::rename(&self.path, older(&self.path)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let standing = self.standing.lines(&self.names);
        let now = clock::now();
        let (started, mono_ns) = (rfc3339(now.wall_ms), now.boot.0);
        let header = Header { started, mono_ns, standing, ..self.header.clone() };
        self.file = Some(create(&self.path, &header)?);
        Ok(())
    }
}

fn now() -> Mono {
    Mono(clock::boottime_ns())
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// Never through a link, and never over what is there: another program may have put it there meanwhile.
fn create(path: &Path, header: &Header) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let line = header.line();
    if let Err(e) = file.write_all(line.as_bytes()) {
        // An empty file would be taken for somebody else's.
        let _ = fs::remove_file(path);
        return Err(e);
    }
    Ok((file, size(line.as_bytes())))
}

/// Whether a file begins as a recording does.
fn is_recording(path: &Path) -> io::Result<bool> {
    const BEGINS: &[u8] = b"{\"slr\":";
    let mut file =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    file.seek(SeekFrom::Start(0))?;
    let mut begins = Vec::new();
    file.take(size(BEGINS)).read_to_end(&mut begins)?;
    Ok(begins == BEGINS)
}

#[cfg(test)]
mod tests {
    use serialnumberd_core::{Coverage, Product, ResolvedCause, State};

    use super::*;
    use crate::record::{Decision, Verdict};
    use crate::recording::{Part, Recording};

    fn state(seq: u64, claim: u8) -> Arc<Record> {
        let body = Body::State {
            product: Product::new("xsvr").unwrap(),
            claim: ClaimId([claim; 16]),
            old: State::Clear,
            new: State::Conflict,
            coverage: Coverage::Good,
            decision: Decision { verdict: Verdict::WARN, reason: "r".repeat(100) },
        };
        Arc::new(Record {
            seq,
            mono_ns: seq,
            real_ns: seq,
            caused_by_self: false,
            decide_until_ns: None,
            body,
        })
    }

    fn resolved(seq: u64, claim: u8) -> Arc<Record> {
        let product = Product::new("xsvr").unwrap();
        let cause = ResolvedCause::Goodbye;
        let body =
            Body::Engine(Event::Resolved { product, claim: ClaimId([claim; 16]), conflict_id: 1, cause });
        Arc::new(Record { body, ..Record::clone(&state(seq, claim)) })
    }

    fn header() -> Header {
        Header::new("2026-11-23T15:00:00.000Z".to_owned(), 1, Vec::new())
    }

    fn sequence(path: &Path) -> (usize, Vec<u64>) {
        let mut recording = Recording::open(path).unwrap();
        let standing = recording.header().standing.len();
        let mut all = Vec::new();
        while let Some(part) = recording.next().unwrap() {
            match part {
                Part::Record(read) => all.push(read.record.seq),
                Part::Lost { .. } => {}
            }
        }
        (standing, all)
    }

    #[test]
    fn the_newest_part_is_kept_and_says_how_things_stood() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.slr");
        let mut tape = Tape::begin_with(&path, header(), 2_000).unwrap();
        for seq in 1..=40 {
            let claim = if seq % 2 == 0 { 1 } else { 2 };
            tape.write(&[state(seq, claim)]);
        }
        tape.write(&[resolved(41, 1)]);
        let (standing, new) = sequence(&path);
        let (_, old) = sequence(&older(&path));
        assert_eq!(standing, 2, "one state of each claim");
        let both = [old, new].concat();
        assert_eq!(both.last(), Some(&41));
        assert!(both.windows(2).all(|two| two[0] + 1 == two[1]), "{both:?}");
        assert!(fs::metadata(&path).unwrap().len() <= 2_000);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn no_other_file_is_touched_and_an_older_recording_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.slr");
        fs::write(&path, "a letter").unwrap();
        let refused = Tape::begin(&path, header()).err().unwrap();
        assert!(refused.contains("is no recording"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
        fs::remove_file(&path).unwrap();
        Tape::begin(&path, header()).unwrap().write(&[state(1, 1)]);
        Tape::begin(&path, header()).unwrap().write(&[state(2, 1)]);
        assert_eq!((sequence(&older(&path)).1, sequence(&path).1), (vec![1], vec![2]));
        std::os::unix::fs::symlink("/dev/null", dir.path().join("link")).unwrap();
        assert!(Tape::begin(&dir.path().join("link"), header()).is_err());
    }

    #[test]
    fn a_disk_that_refuses_costs_records_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.slr");
        let mut tape = Tape::begin_with(&path, header(), 1_000).unwrap();
        tape.write(&[state(1, 1)]);
        // The next file cannot be begun: a directory stands where the older one is to be.
        fs::create_dir_all(older(&path).join("full")).unwrap();
        for seq in 2..=9 {
            tape.write(&[state(seq, 1)]);
        }
        assert!(tape.file.is_none() && tape.again.is_some());
        let before = sequence(&path).1;
        assert_eq!(before[0], 1);
        fs::remove_dir_all(older(&path)).unwrap();
        tape.write(&[state(10, 1)]);
        assert_eq!(sequence(&path).1, before, "not asked again yet");
        tape.again = Some(Mono(0));
        tape.write(&[state(11, 1)]);
        assert_eq!(sequence(&path), (1, vec![11]));
        assert_eq!(tape.again, None);
    }

    #[test]
    fn what_is_told_at_the_beginning_is_bounded() {
        let mut standing = Standing::default();
        for n in 0..=u8::MAX {
            standing.note(&state(u64::from(n), n));
        }
        assert_eq!(standing.0.len(), limits::CLAIMS);
        assert!(standing.0.contains_key(&ClaimId([u8::MAX; 16])));
    }
}
