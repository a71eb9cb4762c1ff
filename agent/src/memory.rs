//! Gives back code and constants that an idle agent does not use.
//!
//! Most of an idle daemon's resident memory is code that ran once: command line, TOML, Argon2, loading plugins,
//! mapped in steps of 64 KiB by the kernel's fault-around.  It is clean and stays in the page cache; what is used
//! again is mapped again.  This belongs to the program: an embedding one's memory is not the agent's to manage.

#![allow(
    unsafe_code,
    reason = "madvise(2) has no safe form; one block, on mappings that the kernel has listed"
)]

use std::fs;
use std::time::Duration;

use serialnumberd_core::Mono;

use crate::event_loop::Pause;

/// A shorter sleep is not worth mapping the loop's own code again.
const SLEEP: Duration = Duration::from_secs(1);
/// The agent's own work earns so many in a row, since an announcement is followed by its echo and perhaps an answer ...
const IN_A_ROW: u32 = 3;
/// ... and no more often than this: giving back and mapping again takes some 50 us.  Datagrams of others earn
/// nothing, so that a lone one costs no system call but its own two.
const EVERY: Duration = Duration::from_secs(1);

/// The code of this process.
#[derive(Debug, Default)]
pub struct Code {
    /// Address and length of every mapping; plugins are loaded at the start and never unloaded.
    mappings: Vec<(usize, usize)>,
    /// How often it may still be given back.
    allowance: u32,
    /// When more may be earned.
    earns_from: Mono,
}

impl Code {
    /// All code and constants that are mapped now.
    #[must_use]
    pub fn mapped() -> Code {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        Code { mappings: unwritten_parts_of_files(&smaps), ..Code::default() }
    }

    /// Gives back all resident pages before a long sleep.
    pub fn before_sleep(&mut self, pause: Pause) {
        if pause.own_work && pause.now >= self.earns_from {
            self.allowance = IN_A_ROW;
            self.earns_from = pause.now.after(EVERY);
        }
        if self.allowance > 0 && pause.at_most.is_none_or(|d| d >= SLEEP) {
            self.allowance -= 1;
            self.mappings.iter().for_each(|(start, len)| give_back(*start, *len));
        }
    }
}

/// Unmaps the resident pages of a mapping; where the kernel refuses, nothing is lost but some kilobytes.
fn give_back(start: usize, len: usize) {
    // SAFETY: the range is a whole private mapping of a file that can not be written to and holds no page of its
    // own (relocated data does), and that is never unmapped (plugins are RTLD_NODELETE): all its pages are
    // clean copies of the file, and MADV_DONTNEED only makes the next access read them again.
    unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED) };
}

/// Address and length of the mappings in /proc/PID/smaps that are nothing but parts of files: no permission to
/// write, and no page that was written before that was taken away (RELRO).
#[must_use]
pub fn unwritten_parts_of_files(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        if let Some(mapping) = mapping(line) {
            candidate = mapping;
        } else if line.split_ascii_whitespace().eq(["Anonymous:", "0", "kB"]) {
            found.extend(candidate.take());
        }
    }
    found
}

/// A mapping's head line: `Some` if it is one, and in it address and length if it is a read-only part of a file.
#[allow(clippy::option_option, reason = "no head line, or the head line of something else")]
fn mapping(line: &str) -> Option<Option<(usize, usize)>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let read_only = matches!(fields.next()?, "r-xp" | "r--p");
    let of_a_file = fields.nth(3).is_some_and(|path| path.starts_with('/'));
    Some((read_only && of_a_file).then(|| (start, end.saturating_sub(start))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unwritten_parts_of_files_are_given_back() {
        let smaps = |permissions: &str, path: &str, anonymous: &str| {
            let head = format!("7f00a000-7f00c000 {permissions} 00001000 fe:00 123   {path}");
            unwritten_parts_of_files(&format!(
                "{head}\nSize: 8 kB\nAnonymous:   {anonymous} kB\nVmFlags: rd\n"
            ))
        };
        let here = vec![(0x7f00_a000, 0x2000)];
        assert_eq!(smaps("r-xp", "/usr/lib/libc.so.6", "0"), here);
        assert_eq!(smaps("r--p", "/usr/lib/libc.so.6", "0"), here);
        assert_eq!(smaps("r--p", "/usr/lib/libc.so.6", "16"), [], "relocated data");
        for permissions in ["rw-p", "rwxp", "r-xs"] {
            assert_eq!(smaps(permissions, "/usr/lib/libc.so.6", "0"), [], "{permissions}");
        }
        assert_eq!(smaps("r-xp", "[vdso]", "0"), []);
        assert_eq!(smaps("r-xp", "", "0"), []);
    }

    /// How often something is given back in 10 s of a turn every millisecond.
    fn given_back(own_work: impl Fn(u64) -> bool) -> u32 {
        let mut code = Code::default();
        let given = |ms| {
            let earned = if own_work(ms) && Mono(ms * 1_000_000) >= code.earns_from {
                IN_A_ROW
            } else {
                code.allowance
            };
            code.before_sleep(Pause { now: Mono(ms * 1_000_000), at_most: None, own_work: own_work(ms) });
            earned - code.allowance
        };
        (0..10_000).map(given).sum()
    }

    #[test]
    fn datagrams_of_others_are_no_reason_to_give_back_and_own_work_seldom() {
        assert_eq!(given_back(|_| false), 0);
        assert_eq!(given_back(|ms| ms == 5000), IN_A_ROW, "and then the datagrams that answer");
        assert_eq!(given_back(|_| true), 10 * IN_A_ROW);
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        let mut code = Code::mapped();
        assert!(code.mappings.len() >= 2, "this program and its C library at least: {:?}", code.mappings);
        code.before_sleep(Pause { now: Mono(0), at_most: None, own_work: true });
        assert_eq!(code.allowance, IN_A_ROW - 1, "it was given back");
        assert_eq!((1..=10).map(|n| n * n).sum::<u32>(), 385);
    }
}
