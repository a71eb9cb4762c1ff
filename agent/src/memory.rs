//! Gives back, once the agent runs, the code that only its start needed.
//!
//! Most of an idle daemon's resident memory is code: command line, TOML, Argon2, loading plugins, mapped in steps
//! of 64 KiB by the kernel's fault-around.  It is clean and stays in the page cache; what is still needed comes
//! back with its next use.  This belongs to the program: an embedding one's memory is not the agent's to manage.

#![allow(
    unsafe_code,
    reason = "madvise(2) has no safe form; one block, on mappings that the kernel just listed"
)]

use std::fs;

/// Unmaps the resident pages of all code; the kernel maps those again that are still used.  Only a hint: where it
/// fails nothing is lost but some kilobytes.
pub fn give_back_start_up_code() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, len) in maps.lines().filter_map(code_of_a_file) {
        // SAFETY: the range is a whole private mapping of a file without write permission, so its pages are
        // clean copies of that file, and MADV_DONTNEED only makes the next access read them again.
        unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED) };
    }
}

/// Address and length of a mapping in a line of /proc/PID/maps, if it is executable code of a file.
fn code_of_a_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, permissions, path) = (fields.next()?, fields.next()?, fields.nth(3)?);
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (permissions == "r-xp" && path.starts_with('/')).then(|| (start, end.saturating_sub(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_code_of_files_is_given_back() {
        let code = "7f00a000-7f00c000 r-xp 00001000 fe:00 123   /usr/lib/libc.so.6";
        assert_eq!(code_of_a_file(code), Some((0x7f00_a000, 0x2000)));
        for other in ["r--p", "rw-p", "rwxp", "r-xs"] {
            assert_eq!(code_of_a_file(&code.replace("r-xp", other)), None, "{other}");
        }
        assert_eq!(code_of_a_file("7ffe0000-7ffe2000 r-xp 00000000 00:00 0   [vdso]"), None);
        assert_eq!(code_of_a_file("7ffe0000-7ffe2000 r-xp 00000000 00:00 0"), None);
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        give_back_start_up_code();
        assert_eq!((1..=10).map(|n| n * n).sum::<u32>(), 385);
    }
}
