//! The folder of kept evidence: one file a conflict, named after its id, bounded.
//!
//! What is kept is dropped only after something newer is safely on the disk, and what is damaged is told and left
//! alone.  Files with other names are nobody's business here.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serialnumberd_core::evidence::check;
use serialnumberd_core::{EvidenceId, Standard};

use super::{Case, LONGEST, id_of_text, open};
use crate::config::regular;
use crate::durable;
use crate::status::rfc3339;

/// Below the state directory.
const FOLDER: &str = "evidence";
const ENDING: &str = "json";
/// A file that is being written.
const NEW: &str = "new";
/// Files kept: a host that conflicts every day keeps most of a year.
const FILES: usize = 256;
/// Bytes kept: a usual file has some 4 KiB, one of 500 holders 1.7 MiB.
const BYTES: u64 = 16 << 20;
const _: () = assert!(LONGEST <= BYTES, "the newest evidence always has room");

/// The folder of a state directory's evidence.  It need not exist.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
}

/// One kept file, as `list` shows it.  Every field has a default: an older client shows what a newer agent says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The evidence's id, 32 hex digits.
    pub id: String,
    /// What is licensed.
    pub product: String,
    /// `copy`, `clone` or `split-brain`.
    pub class: String,
    /// `conflict` or `duplicate`.
    pub stage: String,
    /// When it was declared.
    pub declared: String,
    /// When it ended, if this agent saw that.
    pub ended: Option<String>,
    /// Who answered: host names, or the start of a key where a host does not tell its name.
    pub others: Vec<String>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Why it shows nothing; `None` if it does.
    pub flaw: Option<String>,
}

/// A file as the folder lists it.
struct Entry {
    id: EvidenceId,
    bytes: u64,
    written: SystemTime,
}

impl Shelf {
    /// That of this state directory.
    pub(crate) fn of(state_dir: &Path) -> Shelf {
        Shelf { folder: state_dir.join(FOLDER) }
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, id: EvidenceId) -> PathBuf {
        // Hex digits and nothing else: no id leads out of the folder.
        self.folder.join(format!("{id}.{ENDING}"))
    }

    /// Keeps a file, in the place of an earlier one of its id; says which others had to go.  Those of `live` conflicts go
    /// last.
    ///
    /// # Errors
    /// What the kernel says; what was kept is then still kept.
    pub(crate) fn keep(
        &self,
        id: EvidenceId,
        text: &str,
        live: &BTreeSet<EvidenceId>,
    ) -> io::Result<Vec<EvidenceId>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.path(id);
        durable::replace(&path, &path.with_extension(NEW), text.as_bytes(), false)?;
        self.sweep();
        self.make_room(id, live)
    }

    /// Drops the oldest, those of ended conflicts first and the one just written never.
    fn make_room(&self, newest: EvidenceId, live: &BTreeSet<EvidenceId>) -> io::Result<Vec<EvidenceId>> {
        let mut entries = self.entries()?;
        entries.sort_by_key(|e| (e.id == newest, live.contains(&e.id), e.written, e.id));
        let (mut files, mut bytes) = (entries.len(), entries.iter().map(|e| e.bytes).sum::<u64>());
        let mut dropped = Vec::new();
        for entry in entries.iter().filter(|e| e.id != newest) {
            if files <= FILES && bytes <= BYTES {
                break;
            }
            match fs::remove_file(self.path(entry.id)) {
                // Somebody was faster.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                removed => removed?,
            }
            files -= 1;
            bytes -= entry.bytes;
            dropped.push(entry.id);
        }
        Ok(dropped)
    }

    /// Removes what a power cut left half written: the agent writes one file at a time.
    fn sweep(&self) {
        let Ok(folder) = fs::read_dir(&self.folder) else { return };
        for file in folder.flatten().filter(|f| name_of(&f.path(), NEW).is_some()) {
            // It takes some room and is never read.
            let _ = fs::remove_file(file.path());
        }
    }

    /// The files of evidence, in no order; none where there is no folder.
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let folder = match fs::read_dir(&self.folder) {
            Ok(folder) => folder,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let entry = |file: fs::DirEntry| {
            let id = name_of(&file.path(), ENDING)?;
            let meta = file.metadata().ok().filter(fs::Metadata::is_file)?;
            Some(Entry { id, bytes: meta.len(), written: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH) })
        };
        Ok(folder.flatten().filter_map(entry).collect())
    }

    /// All kept files, the newest conflict first; damaged ones last, with what is wrong.
    ///
    /// # Errors
    /// A sentence, if the folder cannot be read.
    pub(crate) fn list(&self) -> Result<Vec<Summary>, String> {
        let entries = self.entries().map_err(|e| format!("{}: {e}", self.folder.display()))?;
        let mut list: Vec<Summary> = entries.iter().map(|e| self.summary(e.id, e.bytes)).collect();
        list.sort_by(|a, b| (&b.declared, &b.id).cmp(&(&a.declared, &a.id)));
        Ok(list)
    }

    fn summary(&self, id: EvidenceId, bytes: u64) -> Summary {
        let damaged = |flaw| Summary { id: id.to_string(), bytes, flaw: Some(flaw), ..Summary::default() };
        match self.read(id).and_then(|text| open(&text).map_err(|e| e.to_string())) {
            Ok(case) if case.exhibit.id == id => Summary { bytes, ..summary(&case) },
            Ok(case) => damaged(format!("it is evidence {} under another name", case.exhibit.id)),
            Err(flaw) => damaged(flaw),
        }
    }

    /// The text of one file.
    ///
    /// # Errors
    /// A sentence, if there is none of this id, or it cannot be read.
    pub(crate) fn read(&self, id: EvidenceId) -> Result<Vec<u8>, String> {
        let path = self.path(id);
        let fail = |e: io::Error| match e.kind() {
            ErrorKind::NotFound => {
                format!(
                    "no evidence {id} is kept in {}; `serialnumberd evidence list` says what is",
                    self.folder.display()
                )
            }
            _ => format!("{}: {e}", path.display()),
        };
        let Some((file, _)) = regular::open(&path).map_err(fail)? else {
            return Err(format!("{} is no regular file", path.display()));
        };
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }
}

/// The id that a file is named after, if it has this ending.
fn name_of(path: &Path, ending: &str) -> Option<EvidenceId> {
    let fits = path.extension().is_some_and(|e| e == ending);
    id_of_text(path.file_stem()?.to_str()?).filter(|_| fits)
}

fn summary(case: &Case) -> Summary {
    let e = &case.exhibit;
    let found = check::<Standard>(e);
    let mut others = Vec::new();
    for answerer in found.iter().flat_map(|f| &f.rounds).flat_map(|r| &r.together) {
        let name = match answerer.host.as_str() {
            "" => answerer.instance.installation.to_string()[..16].to_owned(),
            host => host.to_owned(),
        };
        if !others.contains(&name) {
            others.push(name);
        }
    }
    Summary {
        id: e.id.to_string(),
        product: e.product.to_string(),
        class: e.class.to_string(),
        stage: case.stage.to_string(),
        declared: rfc3339(case.declared_ms),
        ended: case.ended.map(|(at, _)| rfc3339(at)),
        others,
        bytes: 0,
        flaw: found.err().map(|flaw| flaw.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::evidence::fixture::{case_of, signer};
    use crate::evidence::seal;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(dir.path());
        (dir, shelf)
    }

    fn id(n: u16) -> EvidenceId {
        let mut id = EvidenceId::default();
        id.0[..2].copy_from_slice(&n.to_be_bytes());
        id
    }

    fn keep(shelf: &Shelf, n: u8) -> EvidenceId {
        let case = case_of(n);
        shelf.keep(case.exhibit.id, &seal(&case, &signer(1)), &BTreeSet::new()).unwrap();
        case.exhibit.id
    }

    /// Makes the file older than all that are written from now on.
    fn age(shelf: &Shelf, id: EvidenceId, s: u64) {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 - s);
        fs::File::options().write(true).open(shelf.path(id)).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn what_is_kept_is_listed_and_nobody_elses_to_read() {
        let (_dir, shelf) = shelf();
        assert_eq!(shelf.list(), Ok(Vec::new()), "no folder yet");
        assert!(shelf.read(id(1)).unwrap_err().contains("`serialnumberd evidence list` says what is"));
        let first = keep(&shelf, 1);
        let list = shelf.list().unwrap();
        assert_eq!((list[0].id.clone(), list[0].flaw.clone()), (first.to_string(), None));
        assert_eq!(
            (list[0].stage.as_str(), list[0].others.as_slice()),
            ("duplicate", &["alpha".to_owned()][..])
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(shelf.folder()), mode(&shelf.path(first))), (0o700, 0o600));
        assert_eq!(shelf.read(first).unwrap(), seal(&case_of(1), &signer(1)).as_bytes());
    }

    #[test]
    fn damaged_files_are_told_and_left_alone() {
        let (_dir, shelf) = shelf();
        let good = keep(&shelf, 1);
        fs::write(shelf.path(id(1)), "{").unwrap();
        fs::copy(shelf.path(good), shelf.path(id(2))).unwrap();
        fs::create_dir(shelf.path(id(3))).unwrap();
        fs::write(shelf.folder().join("notes.txt"), "mine").unwrap();
        fs::write(shelf.folder().join("x.json"), "mine").unwrap();
        let list = shelf.list().unwrap();
        let flaws: Vec<&str> = list.iter().map(|s| s.flaw.as_deref().unwrap_or("")).collect();
        assert_eq!(list[0].id, good.to_string());
        assert!(flaws[0].is_empty() && flaws.iter().any(|f| f.contains("under another name")), "{flaws:?}");
        assert!(flaws.iter().any(|f| f.contains("cut off")) && flaws.len() == 3, "{flaws:?}");
        keep(&shelf, 2);
        assert_eq!(fs::read(shelf.path(id(1))).unwrap(), b"{");
        assert!(shelf.folder().join("x.json").exists() && shelf.path(id(3)).exists());
    }

    #[test]
    fn the_oldest_go_and_those_of_live_conflicts_last() {
        let (_dir, shelf) = shelf();
        let many = u16::try_from(FILES).unwrap();
        for n in 0..many {
            assert_eq!(shelf.keep(id(n), "x", &BTreeSet::new()).unwrap(), []);
            age(&shelf, id(n), u64::from(many - n));
        }
        let live = BTreeSet::from([id(0), id(2)]);
        assert_eq!(shelf.keep(id(many), "x", &live).unwrap(), [id(1)]);
        assert_eq!(shelf.keep(id(many + 1), "x", &live).unwrap(), [id(3)]);
        // One that is there already takes nobody's place.
        assert_eq!(shelf.keep(id(0), "xx", &live).unwrap(), []);
        assert_eq!(shelf.entries().unwrap().len(), FILES);
    }

    #[test]
    fn bytes_are_bounded_too_and_the_newest_has_room() {
        let (_dir, shelf) = shelf();
        let text = "x".repeat(usize::try_from(LONGEST).unwrap());
        for n in 0..4 {
            assert_eq!(shelf.keep(id(n), &text, &BTreeSet::new()).unwrap(), []);
            age(&shelf, id(n), u64::from(9 - n));
        }
        let live = BTreeSet::from([0, 1, 2, 3].map(id));
        assert_eq!(shelf.keep(id(4), "x", &live).unwrap(), [id(0)], "even of live conflicts, if it must be");
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_lost() {
        let (dir, shelf) = shelf();
        let kept = keep(&shelf, 1);
        let (in_the_way, text) = (case_of(2).exhibit.id, seal(&case_of(2), &signer(1)));
        fs::create_dir(shelf.path(in_the_way).with_extension(NEW)).unwrap();
        shelf.keep(in_the_way, &text, &BTreeSet::new()).unwrap_err();
        assert!(shelf.read(kept).is_ok() && shelf.read(in_the_way).is_err());
        fs::remove_dir(shelf.path(in_the_way).with_extension(NEW)).unwrap();
        shelf.keep(in_the_way, &text, &BTreeSet::new()).unwrap();
        assert_eq!(shelf.list().unwrap().len(), 2);
        fs::write(dir.path().join("file"), "").unwrap();
        let nowhere = Shelf::of(&dir.path().join("file"));
        assert!(nowhere.keep(kept, &text, &BTreeSet::new()).is_err() && nowhere.list().is_err());
    }

    #[test]
    fn what_a_power_cut_left_is_swept() {
        let (_dir, shelf) = shelf();
        keep(&shelf, 1);
        let half = shelf.path(id(1)).with_extension(NEW);
        fs::write(&half, "{").unwrap();
        keep(&shelf, 2);
        assert!(!half.exists());
    }
}
