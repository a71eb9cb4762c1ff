//! The file that keeps the grace.  It is replaced as a whole, so that a crash leaves the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// More than [`MAX_CLAIMS`](crate::grace::MAX_CLAIMS) lines of 32 + 1 + 20 + 1 bytes and the first one.
const MAX_BYTES: u64 = 64 * 1024;

const _: () = assert!(crate::grace::MAX_CLAIMS * 54 + 32 < 64 * 1024);

/// Where the grace is kept, and whether that worked the last time.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// The last write failed, and people were told.
    pub(crate) failing: Option<String>,
}

impl Store {
    pub(crate) fn new(dir: &Path) -> Store {
        Store { dir: dir.to_owned(), failing: None }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("grace")
    }

    /// What the file says; `None` if there is none.
    pub(crate) fn read(&self) -> io::Result<Option<String>> {
        let file = match File::open(self.path()) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Writes it; of a row of failures only the first is logged.
    pub(crate) fn write(&mut self, text: &str) -> bool {
        match (self.replace(text), &self.failing) {
            (Ok(()), None) => true,
            (Ok(()), Some(_)) => {
                log::info!("{} can be written again", self.path().display());
                self.failing = None;
                true
            }
            (Err(e), before) => {
                if before.is_none() {
                    log::warn!(
                        "cannot write {}: {e}. Grace is counted on, but a restart would renew it: make room, or \
                         check the directory's owner",
                        self.path().display()
                    );
                }
                self.failing = Some(e.to_string());
                false
            }
        }
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let new = self.dir.join("grace.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        File::open(&self.dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::new(dir.path());
        assert_eq!(store.read().unwrap(), None);
        assert!(store.write("one\n") && store.write("two\n"));
        assert_eq!(store.read().unwrap().as_deref(), Some("two\n"));
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["grace"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_is_remembered_until_it_works() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::new(dir.path());
        assert!(store.write("old\n"));
        // A directory in its place: as with a full disk, the new file cannot be made, also by root.
        fs::create_dir(dir.path().join("grace.new")).unwrap();
        assert!(!store.write("new\n"));
        assert!(store.failing.is_some());
        assert_eq!(store.read().unwrap().as_deref(), Some("old\n"));
        fs::remove_dir(dir.path().join("grace.new")).unwrap();
        assert!(store.write("new\n"));
        assert_eq!(store.failing, None);
    }
}
