//! Memory that a plugin is given for one call, laid so that every misuse of it is a fault.
//!
//! Each object ends where its page ends, and the next page may not be touched.  During the call what is the host's may
//! only be read; after it nothing of it may be touched again, until the ring has come round.  Of every page it is known
//! what it holds, so that a fault's address tells the mistake ([`code_at`]).
//!
//! One of them a process: the table of pages is a static, because a signal handler reads it.
#![allow(unsafe_code, reason = "maps memory, changes its protection, and writes what plugins read")]

use std::ffi::{c_char, c_void};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use serialnumberd_plugin::abi::slnd_str;

use super::fault::{State, Thing, Trap, trap_code, use_code};

/// Pages of the ring, 256 MiB of 4 KiB each, reserved and mostly never touched: some thousand batches go by before a
/// page is used again, and until then whoever kept a pointer is caught.
const PAGES: usize = 65_536;
/// What one batch may take: 256 events of some dozen pages each; at least half of the ring is past then.
const BATCH_PAGES: usize = PAGES / 4;

/// The ring's first byte; 0 before there is one.
static BASE: AtomicUsize = AtomicUsize::new(0);
static PAGE: AtomicUsize = AtomicUsize::new(0);
/// What each page holds; 0 is nothing yet.
static CODES: [AtomicU8; PAGES] = [const { AtomicU8::new(0) }; PAGES];

/// What the page of an address holds; 0 if it is none of the ring's.  Safe in a signal handler.
pub(super) fn code_at(address: usize) -> u8 {
    let page = PAGE.load(Ordering::Relaxed);
    let offset = address.checked_sub(BASE.load(Ordering::Relaxed));
    let index = offset.and_then(|offset| offset.checked_div(page));
    index.and_then(|index| CODES.get(index)).map_or(0, |code| code.load(Ordering::Relaxed))
}

#[derive(Clone, Copy)]
struct Run {
    first: usize,
    pages: usize,
    /// The plugin writes there.
    is_room: bool,
}

/// The ring.
pub(super) struct Arena {
    base: *mut u8,
    page: usize,
    /// Where the ring begins: before it lie the traps.
    first: usize,
    next: usize,
    /// Where it ends: behind it lies what stays.
    end: usize,
    /// What is taken now stays.
    is_lasting: bool,
    runs: Vec<Run>,
    /// Everything may be read and written at any time: for trials of something else.
    is_lenient: bool,
}

impl Arena {
    /// The process's only one.
    ///
    /// # Errors
    /// If the kernel gives no memory.
    pub(super) fn new(is_lenient: bool) -> io::Result<Arena> {
        assert_eq!(BASE.load(Ordering::Relaxed), 0, "one arena a process");
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).map_err(io::Error::other)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = if is_lenient { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
        // SAFETY: new memory wherever the kernel likes; it is never unmapped.
        let base = unsafe { libc::mmap(ptr::null_mut(), PAGES * page, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        PAGE.store(page, Ordering::Relaxed);
        BASE.store(base.addr(), Ordering::Relaxed);
        // The traps are the first pages; one more, so that nothing before the ring is taken for a trap.
        for trap in Trap::ALL {
            CODES[trap.page()].store(trap_code(trap), Ordering::Relaxed);
        }
        let first = Trap::ALL.len() + 1;
        let (base, runs) = (base.cast(), Vec::new());
        Ok(Arena { base, page, first, next: first, end: PAGES, is_lasting: false, runs, is_lenient })
    }

    /// An address that nobody may follow.
    pub(super) fn trap(&self, trap: Trap) -> usize {
        self.base.addr() + trap.page() * self.page
    }

    /// Room for `len` bytes that end where a page ends, to be written until [`Arena::seal`].
    fn take(&mut self, thing: Thing, len: usize, is_room: bool) -> *mut u8 {
        let pages = len.div_ceil(self.page).max(1);
        let taken: usize = self.runs.iter().map(|run| run.pages + 1).sum();
        assert!(taken + pages < BATCH_PAGES, "a batch fits into its part of the ring");
        let first = self.place(pages + 1);
        let run = Run { first, pages, is_room };
        self.protect(run, libc::PROT_READ | libc::PROT_WRITE);
        let state = if is_room { State::Room } else { State::Given };
        self.mark(run, thing, state);
        self.runs.push(run);
        let end = (run.first + pages) * self.page;
        // SAFETY: `len` bytes before the end of the run, which lies within the ring.
        unsafe { self.base.add(end - len) }
    }

    /// So many pages, one after the other.
    fn place(&mut self, pages: usize) -> usize {
        if self.is_lasting {
            self.end -= pages;
            assert!(self.end > PAGES / 2, "what lasts leaves the ring its room");
            return self.end;
        }
        if self.next + pages > self.end {
            self.next = self.first;
        }
        let first = self.next;
        self.next += pages;
        first
    }

    fn mark(&self, run: Run, thing: Thing, state: State) {
        for code in &CODES[run.first..run.first + run.pages] {
            code.store(use_code(thing, state), Ordering::Relaxed);
        }
        let guard = if state == State::Past { State::Past } else { State::Guard };
        CODES[run.first + run.pages].store(use_code(thing, guard), Ordering::Relaxed);
    }

    fn protect(&self, run: Run, protection: i32) {
        if self.is_lenient {
            return;
        }
        // SAFETY: pages of the ring, which is this arena's own.
        let done = unsafe { libc::mprotect(self.at(run.first), run.pages * self.page, protection) };
        assert_eq!(done, 0, "the protection of own memory can be changed");
    }

    fn at(&self, page: usize) -> *mut c_void {
        self.base.wrapping_add(page * self.page).cast()
    }

    /// Copies a struct; behind it lie `tail` bytes that it does not know, full of pointers into a trap.
    pub(super) fn put<T: Copy>(&mut self, thing: Thing, value: &T, tail: usize, trap: Trap) -> *const T {
        self.rows(thing, std::slice::from_ref(value), tail, trap)
    }

    /// Copies an array; each row is followed by a tail, see [`Arena::put`].
    pub(super) fn rows<T: Copy>(&mut self, thing: Thing, rows: &[T], tail: usize, trap: Trap) -> *const T {
        let stride = size_of::<T>() + tail;
        assert!(align_of::<T>() <= 8 && stride.is_multiple_of(8) && tail.is_multiple_of(8));
        let trap = self.trap(trap);
        let start = self.take(thing, stride * rows.len(), false);
        for (index, row) in rows.iter().enumerate() {
            // SAFETY: row `index` lies within what was just taken; the end of a page is aligned, and all sizes
            // are multiples of eight.
            let at = unsafe { start.add(index * stride) };
            // SAFETY: as above.
            unsafe { at.cast::<T>().write(*row) };
            for word in 0..tail / size_of::<usize>() {
                // SAFETY: the tail follows the row.
                unsafe { at.add(size_of::<T>()).cast::<usize>().add(word).write(trap) };
            }
        }
        start.cast_const().cast()
    }

    /// Copies bytes, which end where the page ends.
    pub(super) fn bytes(&mut self, thing: Thing, bytes: &[u8]) -> *const u8 {
        let start = self.take(thing, bytes.len(), false);
        // SAFETY: as many bytes were just taken.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        start
    }

    /// Copies texts, each with its NUL, the last of which is the last byte of a page.
    pub(super) fn texts<const N: usize>(&mut self, thing: Thing, texts: [&str; N]) -> [slnd_str; N] {
        let mut all = Vec::new();
        let places = texts.map(|text| {
            let place = all.len();
            all.extend_from_slice(text.as_bytes());
            all.push(0);
            (place, text.len())
        });
        let start = self.bytes(thing, &all);
        places.map(|(place, len)| slnd_str { ptr: start.wrapping_add(place).cast::<c_char>(), len })
    }

    /// Room that the plugin writes to, full of `fill`.
    pub(super) fn room(&mut self, thing: Thing, len: usize, fill: u8) -> *mut u8 {
        let start = self.take(thing, len, true);
        // SAFETY: as many bytes were just taken.
        unsafe { start.write_bytes(fill, len) };
        start
    }

    /// From here on what was given can only be read.
    pub(super) fn seal(&self) {
        for run in self.runs.iter().filter(|run| !run.is_room) {
            self.protect(*run, libc::PROT_READ);
        }
    }

    /// What is laid out within stays as it is for ever, and can only be read.
    pub(super) fn lasting<T>(&mut self, lay_out: impl FnOnce(&mut Arena) -> T) -> T {
        assert!(self.runs.is_empty(), "no batch is under way");
        self.is_lasting = true;
        let laid_out = lay_out(self);
        self.seal();
        self.runs.clear();
        self.is_lasting = false;
        laid_out
    }

    /// The call is over: nothing of what was given or lent may be touched any more.
    pub(super) fn retire(&mut self) {
        for run in std::mem::take(&mut self.runs) {
            if self.is_lenient {
                continue;
            }
            // SAFETY: pages of the ring, which nobody may use any more; that they lose their contents is the aim.
            unsafe { libc::madvise(self.at(run.first), run.pages * self.page, libc::MADV_DONTNEED) };
            self.protect(run, libc::PROT_NONE);
            let thing = Thing::of_code(CODES[run.first].load(Ordering::Relaxed));
            self.mark(run, thing, State::Past);
        }
        if self.is_lenient {
            self.next = self.first;
        }
    }
}
