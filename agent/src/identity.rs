//! Who this installation is, kept in the state directory: its key, its run counter, since when it holds what.
//!
//! The directory is locked for the life of [`StateDir`]: two processes with one key would be clones.  Files
//! are replaced by rename after they are on the disk, so that a full disk or a power cut loses nothing.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serialnumberd_core::ClaimId;
use zeroize::Zeroizing;

use crate::durable;

const KEY: &str = "installation.key";
const MEMORY: &str = "memory.json";
const LOCK: &str = "lock";
/// A memory file holds a line a claim; more than this was not written here.
const MEMORY_BYTES: u64 = 1 << 20;
/// Claims remembered, 80 bytes each: programs may claim what they like, and a file that is too large reads as damaged.
const CLAIMS: usize = 4096;

/// What an installation remembers between runs.  Nothing of it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// How many times it was started.
    runs: u64,
    /// Since when it holds a claim, Unix ms, by claim id in hex.
    since_ms: BTreeMap<String, u64>,
}

impl Memory {
    /// Beyond [`CLAIMS`] the newest goes: a date is worth the more the older it is, and nobody can fill this with old ones.
    fn forget_newest(&mut self) {
        while self.since_ms.len() > CLAIMS {
            let newest =
                self.since_ms.iter().max_by_key(|(_, since_ms)| **since_ms).map(|(claim, _)| claim.clone());
            newest.map(|claim| self.since_ms.remove(&claim));
        }
    }
}

/// The locked state directory of this installation.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Held as long as this lives.
    lock: Flock<File>,
    memory: Memory,
    /// The disk has refused the memory, and people were told.
    unsaved: bool,
}

impl StateDir {
    /// Makes the directory if it is missing, locks it, and counts this run.
    ///
    /// # Errors
    /// A sentence, if another process holds it, or it cannot be made, read or written.
    pub fn open(path: &Path) -> Result<StateDir, String> {
        let fail = |what: &str, e: &dyn std::fmt::Display| {
            format!("state directory {}: {what}: {e}", path.display())
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| {
            fail("it cannot be made (make it for the agent's user, or set [agent] state_dir)", &e)
        })?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK));
        let lock =
            lock.map_err(|e| fail("its lock cannot be opened (it must belong to the agent's user)", &e))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| match e {
            nix::errno::Errno::EWOULDBLOCK => format!(
                "state directory {}: another serialnumberd uses it; stop that one, or give this one a state_dir of its own",
                path.display()
            ),
            e => fail("it cannot be locked", &e),
        })?;
        let memory = read_memory(&path.join(MEMORY)).map_err(|e| fail(MEMORY, &e))?;
        let mut dir = StateDir { path: path.to_owned(), lock, memory, unsaved: false };
        dir.memory.runs = dir.memory.runs.saturating_add(1);
        dir.save().map_err(|e| fail("it cannot be written", &e))?;
        Ok(dir)
    }

    /// The seed of the installation's key, made at the first start.
    ///
    /// # Errors
    /// A sentence, if it cannot be read or written, or is no key.
    pub fn seed(&self) -> Result<Zeroizing<[u8; 32]>, String> {
        let path = self.path.join(KEY);
        let fail = |e: &dyn std::fmt::Display| format!("installation key {}: {e}", path.display());
        let mut seed = Zeroizing::new([0; 32]);
        match fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) if bytes.len() == seed.len() => seed.copy_from_slice(&bytes),
            Ok(bytes) => {
                return Err(fail(&format!(
                    "it has {} bytes instead of 32; restore it, or remove it to become a new installation",
                    bytes.len()
                )));
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                getrandom::fill(&mut *seed).map_err(|e| fail(&format!("no randomness: {e}")))?;
                replace(&path, &*seed).map_err(|e| fail(&e))?;
            }
            Err(e) => return Err(fail(&e)),
        }
        Ok(seed)
    }

    /// How many times this installation was started, this time included.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.memory.runs
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Since when this installation holds `claim`, Unix ms; 0 if it never did.
    #[must_use]
    pub fn since_ms(&self, claim: &ClaimId) -> u64 {
        self.memory.since_ms.get(&claim.to_string()).copied().unwrap_or(0)
    }

    /// Whether something is still to be remembered of `claims`: a disk refused it, or the wall clock was of no use yet.
    #[must_use]
    pub fn lacks<'a>(&self, mut claims: impl Iterator<Item = &'a ClaimId>) -> bool {
        self.unsaved || claims.any(|claim| self.since_ms(claim) == 0)
    }

    /// Remembers since when this installation holds `claim`.  If the disk refuses, the agent goes on and says so
    /// once; the next call tries again.
    pub fn remember_since(&mut self, claim: &ClaimId, since_ms: u64) {
        if since_ms == 0 || (self.since_ms(claim) == since_ms && !self.unsaved) {
            return;
        }
        self.memory.since_ms.insert(claim.to_string(), since_ms);
        self.memory.forget_newest();
        match self.save() {
            Ok(()) => self.unsaved = false,
            Err(e) if !self.unsaved => {
                log::warn!(
                    "{}: since when claims are held cannot be kept: {e}",
                    self.path.join(MEMORY).display()
                );
                self.unsaved = true;
            }
            Err(_) => {}
        }
    }

    /// The lock's.
    pub(crate) fn as_raw_fd(&self) -> RawFd {
        self.lock.as_raw_fd()
    }

    /// In a forked child: closes its copy of the lock, which stays the parent's.
    pub fn forsake(self) {
        let StateDir { lock, .. } = self;
        let fd = lock.as_raw_fd();
        // Dropped, it would unlock the file, and that for the parent, too.
        std::mem::forget(lock);
        // It was open; what else a close may say is of the file's data, of which there is none.
        let _ = nix::unistd::close(fd);
    }

    fn save(&self) -> std::io::Result<()> {
        replace(&self.path.join(MEMORY), &serde_json::to_vec_pretty(&self.memory)?)
    }
}

fn read_memory(path: &Path) -> Result<Memory, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Memory::default()),
        Err(e) => return Err(e.to_string()),
    };
    let mut text = String::new();
    file.take(MEMORY_BYTES).read_to_string(&mut text).map_err(|e| e.to_string())?;
    serde_json::from_str(&text).map_err(|e| {
        format!("it is damaged ({e}); restore it, or remove it: then the run counter and the dates since when claims are held begin anew")
    })
}

/// Writes `bytes` beside `path` and puts them in its place.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // The directory is locked and nobody else's.
    durable::replace(path, &path.with_extension("new"), bytes, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_installation_stays_itself_and_counts_its_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let claim = ClaimId([7; 16]);
        let first = {
            let mut state = StateDir::open(&path).unwrap();
            state.remember_since(&claim, 1_800_000_000_000);
            assert_eq!(state.runs(), 1);
            state.seed().unwrap()
        };
        let state = StateDir::open(&path).unwrap();
        assert_eq!((state.runs(), state.since_ms(&claim)), (2, 1_800_000_000_000));
        assert_eq!(*state.seed().unwrap(), *first);
        for file in [KEY, MEMORY] {
            assert_eq!(fs::metadata(path.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_run_counter_at_its_end_is_no_reason_to_fail() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MEMORY), format!("{{\"runs\":{}}}", u64::MAX)).unwrap();
        assert_eq!(StateDir::open(dir.path()).unwrap().runs(), u64::MAX);
    }

    #[test]
    fn what_the_disk_refused_is_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let claim = ClaimId([7; 16]);
        let in_the_way = dir.path().join("memory.new");
        {
            let mut state = StateDir::open(dir.path()).unwrap();
            assert!(state.lacks([claim].iter()), "the wall clock may still come right");
            fs::create_dir(&in_the_way).unwrap();
            state.remember_since(&claim, 1_800_000_000_000);
            assert!(state.lacks([claim].iter()));
            fs::remove_dir(&in_the_way).unwrap();
            state.remember_since(&claim, 1_800_000_000_000);
            assert!(!state.lacks([claim].iter()));
        }
        assert_eq!(StateDir::open(dir.path()).unwrap().since_ms(&claim), 1_800_000_000_000);
    }

    #[test]
    fn claims_without_end_are_not_remembered_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = StateDir::open(dir.path()).unwrap();
        let claim = |n: usize| ClaimId(u128::try_from(n).unwrap().to_be_bytes());
        for n in 0..CLAIMS {
            state.memory.since_ms.insert(claim(n).to_string(), u64::MAX - CLAIMS as u64 + n as u64);
        }
        state.remember_since(&claim(CLAIMS), 1_800_000_000_000);
        assert_eq!(state.memory.since_ms.len(), CLAIMS);
        assert_eq!(state.since_ms(&claim(CLAIMS)), 1_800_000_000_000);
        assert_eq!(
            (state.since_ms(&claim(CLAIMS - 1)), state.since_ms(&claim(0))),
            (0, u64::MAX - CLAIMS as u64)
        );
        assert!(fs::metadata(dir.path().join(MEMORY)).unwrap().len() < MEMORY_BYTES / 2);
    }

    #[test]
    fn a_second_agent_in_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = StateDir::open(dir.path()).unwrap();
        let error = StateDir::open(dir.path()).unwrap_err();
        assert!(error.contains("another serialnumberd uses it"), "{error}");
    }

    #[test]
    fn damaged_files_are_named_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        StateDir::open(dir.path()).unwrap().seed().unwrap();
        fs::write(dir.path().join(MEMORY), "{").unwrap();
        let error = StateDir::open(dir.path()).unwrap_err();
        assert!(error.contains(MEMORY) && error.contains("damaged"), "{error}");
        assert_eq!(fs::read(dir.path().join(MEMORY)).unwrap(), b"{");
        fs::remove_file(dir.path().join(MEMORY)).unwrap();
        fs::write(dir.path().join(KEY), "short").unwrap();
        let error = StateDir::open(dir.path()).unwrap().seed().unwrap_err();
        assert!(error.contains("5 bytes instead of 32"), "{error}");
    }
}
