//! Whether this process made an agent, or is a child that was forked from the one that did.
//!
//! A page that the kernel wipes in every forked child (`MADV_WIPEONFORK`, Linux 4.14) tells it for the price of
//! one read: no handler of pthread_atfork, whose order nobody controls, and no system call.

use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// The page's first word: the number of the process in the chain of forks, 0 in a child that made no agent yet.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
/// Stands in where the kernel knows no such page (gVisor): then the process id is asked for at every call.
static NO_PAGE: AtomicU32 = AtomicU32::new(0);
/// The last number given; a child goes on from what its parent had.
static LAST: AtomicU32 = AtomicU32::new(0);

/// The process that made an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    number: u32,
    pid: u32,
}

impl Origin {
    /// This process.
    pub(crate) fn here() -> Origin {
        let word = page();
        let pid = process::id();
        if ptr::eq(word, &raw const NO_PAGE) {
            return Origin { number: 0, pid };
        }
        let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let number = match word.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => next,
            Err(number) => number,
        };
        Origin { number, pid }
    }

    /// Whether this is still that process.  Async-signal-safe.
    pub(crate) fn is_here(self) -> bool {
        match self.number {
            0 => process::id() == self.pid,
            number => page().load(Ordering::Acquire) == number,
        }
    }
}

/// The word that a fork wipes.
fn page() -> &'static AtomicU32 {
    let known = PAGE.load(Ordering::Acquire);
    let word = if known.is_null() { publish(map()) } else { known };
    // SAFETY: either the static, or the begin of a page that is never unmapped; only ever used as an atomic.
    unsafe { &*word }
}

/// The first of several threads wins; a page too many is not worth unmapping.
fn publish(word: *mut AtomicU32) -> *mut AtomicU32 {
    match PAGE.compare_exchange(ptr::null_mut(), word, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => word,
        Err(first) => first,
    }
}

fn map() -> *mut AtomicU32 {
    const BYTES: usize = 4096;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, anywhere.
    let page = unsafe { libc::mmap(ptr::null_mut(), BYTES, protection, flags, -1, 0) };
    // SAFETY: of the mapping just made, which nobody has seen.
    let wiped = page != libc::MAP_FAILED && unsafe { libc::madvise(page, BYTES, libc::MADV_WIPEONFORK) } == 0;
    if wiped { page.cast() } else { (&raw const NO_PAGE).cast_mut() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forks, and tells what the child saw.
    fn in_a_child(look: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child looks at atomics and its process id, and ends without running anything else.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let code = if look() { 42 } else { 1 };
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: the child just made.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42
    }

    #[test]
    fn a_child_is_somebody_else_and_may_have_agents_of_its_own() {
        let parent = Origin::here();
        assert!(parent.is_here());
        assert_eq!(parent, Origin::here());
        assert!(in_a_child(|| !parent.is_here()));
        assert!(in_a_child(|| {
            let own = Origin::here();
            own.is_here() && !parent.is_here() && own != parent && in_a_child(|| !own.is_here())
        }));
        assert!(parent.is_here());
    }

    #[test]
    fn without_the_page_the_process_id_tells() {
        let parent = Origin { number: 0, pid: process::id() };
        assert!(parent.is_here());
        assert!(in_a_child(|| !parent.is_here()));
    }
}
