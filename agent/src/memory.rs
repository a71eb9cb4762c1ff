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

/// A shorter sleep is not worth mapping the loop's own code again.
const SLEEP: Duration = Duration::from_secs(1);
/// Giving back and mapping again takes some 50 us; once a second, that is nothing even on a busy network ...
const EVERY: Duration = Duration::from_secs(1);
/// ... and so often in a row, since an announcement is followed by its echo and perhaps an answer.
const IN_A_ROW: u32 = 4;

/// The code of this process.
#[derive(Debug, Default)]
pub struct Code {
    /// Address and length of every mapping; plugins are loaded at the start and never unloaded.
    mappings: Vec<(usize, usize)>,
    /// Until when the allowance is used up: it is full `IN_A_ROW` times `EVERY` before that.
    used_until: Mono,
}

impl Code {
    /// All code and constants that are mapped now.
    #[must_use]
    pub fn mapped() -> Code {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        Code { mappings: unwritten_parts_of_files(&smaps), used_until: Mono::default() }
    }

    /// Gives back all resident pages before a long sleep.
    pub fn before_sleep(&mut self, now: Mono, sleep: Option<Duration>) {
        let long = sleep.is_none_or(|d| d >= SLEEP);
        if long && self.used_until <= now.after(EVERY * (IN_A_ROW - 1)) {
            self.used_until = self.used_until.max(now).after(EVERY);
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
fn unwritten_parts_of_files(smaps: &str) -> Vec<(usize, usize)> {
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

    #[test]
    fn a_busy_network_is_no_reason_to_give_back_all_the_time() {
        let mut code = Code::default();
        let mut given = 0;
        for ms in 0..10_000u64 {
            let before = code.used_until;
            code.before_sleep(Mono(1_000_000_000_000 + ms * 1_000_000), None);
            given += usize::from(code.used_until != before);
        }
        assert!((10..=14).contains(&given), "{given} times in 10 s");
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        let mut code = Code::mapped();
        assert!(code.mappings.len() >= 2, "this program and its C library at least: {:?}", code.mappings);
        code.before_sleep(Mono(0), None);
        assert_eq!((1..=10).map(|n| n * n).sum::<u32>(), 385);
    }
}
