//! The manifest: what a host knows of a plugin from its file, before any of its code runs.
//!
//! An ELF note in the section `.note.serialnumberd` (SHT_NOTE, so strip and --gc-sections keep it), as the
//! generic ABI says: three 32-bit words in the file's byte order (namesz = 14, descsz, type = 1), the name
//! "serialnumberd" with its NUL padded to 16 bytes, then `descsz` bytes of text padded to a multiple of 4.
//! The text is lines `key=value` that end in a newline, then one NUL which `descsz` counts:
//!
//! ```text
//! abi=1.0
//! id=policy
//! version=0.1.0
//! wants=verdict
//! ```
//!
//! `wants` is a comma-separated list of permission names, without blanks, and may be empty.  A reader ignores keys
//! that it does not know, refuses a second manifest or a key that comes twice, and believes no length unchecked.

use super::{
    SLND_PERM_ANNOUNCE, SLND_PERM_DIRECTORY, SLND_PERM_HOLDERS, SLND_PERM_RAW, SLND_PERM_VERDICT, slnd_perms,
};

/// The section's name.
pub const SLND_SECTION: &str = ".note.serialnumberd";
/// The note's name, without its NUL.
pub const SLND_NOTE_NAME: &str = "serialnumberd";
/// The note's type: a manifest as described here.
pub const SLND_NOTE_TYPE: u32 = 1;
/// The longest text a reader need accept, NUL included: four short lines, and room for keys to come.
pub const SLND_MANIFEST_MAX: usize = 1024;
/// The permissions by their names: in `wants`, and where a configuration grants them.
pub const SLND_PERM_NAMES: [(&str, slnd_perms); 5] = [
    ("verdict", SLND_PERM_VERDICT),
    ("announce", SLND_PERM_ANNOUNCE),
    ("holders", SLND_PERM_HOLDERS),
    ("raw", SLND_PERM_RAW),
    ("directory", SLND_PERM_DIRECTORY),
];
/// The one symbol that a plugin exports. The major is in the name: a host of another major finds nothing, and reads
/// no struct that it does not understand.
pub const SLND_PLUGIN_ENTRY: &core::ffi::CStr = c"serialnumberd_plugin_v1";

/// Whether a text is a plugin's id: `[a-z0-9][a-z0-9._-]{0,62}`, which is also a safe name for a directory.
#[must_use]
pub const fn slnd_is_id(id: &[u8]) -> bool {
    if id.is_empty() || id.len() > 63 {
        return false;
    }
    let mut i = 0;
    while i < id.len() {
        let plain = matches!(id[i], b'a'..=b'z' | b'0'..=b'9');
        if !plain && (i == 0 || !matches!(id[i], b'.' | b'_' | b'-')) {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for id in [&b""[..], b"A", b".x", b"-", b"a b", b"a\n", b"../x", b"\xff", &[b'a'; 64]] {
            assert!(!slnd_is_id(id), "{:?}", String::from_utf8_lossy(id));
        }
        for id in [&b"a"[..], b"0", b"a.b-c_1", b"a..", &[b'a'; 63]] {
            assert!(slnd_is_id(id), "{:?}", String::from_utf8_lossy(id));
        }
    }
}
