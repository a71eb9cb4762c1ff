//! How far a child has come: one page that it shares with who started it, so that even a child that dies without a word
//! has said in which call, at which step and on what memory.
#![allow(unsafe_code, reason = "maps a file that two processes share")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// What a child tells, each a word of the page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    /// The call that it is in, counted from 1 in the order of [`super::subject::CALLS`]; 0 is none.
    Call,
    /// Calls begun so far: while this stands still and [`Word::Call`] is set, one call lasts.
    Calls,
    /// The step of the trial, as the trial counts.
    Step,
    /// The signal that ends it.
    Signal,
    /// What the page held that it must not have touched: [`super::fault::breach`].
    Fault,
    /// 1 if there was no memory left when it ended.
    NoMemory,
}

const WORDS: usize = 6;

type Words = [AtomicU64; WORDS];

static PAGE: AtomicPtr<Words> = AtomicPtr::new(ptr::null_mut());

/// The child: makes the file and shares it.
pub(super) fn share(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    file.set_len(u64::try_from(size_of::<Words>()).unwrap_or(0))?;
    let page = map(&file)?;
    PAGE.store(page, Ordering::Release);
    Ok(())
}

fn map(file: &File) -> io::Result<*mut Words> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: new memory wherever the kernel likes, of a file that is long enough; it is never unmapped.
    let page = unsafe {
        libc::mmap(ptr::null_mut(), size_of::<Words>(), protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
    };
    if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(page.cast()) }
}

/// The child: sets a word; nothing where none is shared.  Safe in a signal handler.
pub(super) fn set(word: Word, value: u64) {
    if let Some(words) = words() {
        words[word as usize].store(value, Ordering::Release);
    }
}

/// The child: one more.
pub(super) fn count(word: Word) {
    if let Some(words) = words() {
        words[word as usize].fetch_add(1, Ordering::AcqRel);
    }
}

fn words() -> Option<&'static Words> {
    // SAFETY: NULL, or a page that stays mapped as long as the process lives.
    unsafe { PAGE.load(Ordering::Acquire).as_ref() }
}

/// What a child has told so far, as its parent reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress([u64; WORDS]);

impl Progress {
    /// Nothing before the child has made the file.
    pub(super) fn read(path: &Path) -> Progress {
        let bytes = std::fs::read(path).unwrap_or_default();
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        Progress(words)
    }

    pub(super) fn get(&self, word: Word) -> u64 {
        self.0[word as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_sets_another_reads() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("progress");
        assert_eq!(Progress::read(&path), Progress::default());
        share(&path).expect("shared");
        set(Word::Call, 3);
        count(Word::Calls);
        count(Word::Calls);
        let read = Progress::read(&path);
        assert_eq!((read.get(Word::Call), read.get(Word::Calls), read.get(Word::Fault)), (3, 2, 0));
        assert!(share(&path).is_err(), "a child of its own makes a page of its own");
    }
}
