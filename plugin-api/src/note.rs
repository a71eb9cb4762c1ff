//! The manifest note, put together while the plugin is compiled: `abi::manifest` says what it looks like.

use crate::About;
use crate::abi::{
    SLND_ABI_MAJOR, SLND_ABI_MINOR, SLND_MANIFEST_MAX, SLND_NOTE_NAME, SLND_NOTE_TYPE, SLND_PERM_NAMES,
    slnd_is_id, slnd_perms,
};

/// An ELF note with `N` bytes of text, `N` rounded up to a multiple of 4.
#[doc(hidden)]
#[repr(C)]
#[derive(Debug)]
pub struct Note<const N: usize> {
    name_size: u32,
    text_size: u32,
    note_type: u32,
    name: [u8; 16],
    text: [u8; N],
}

/// Text under construction; what is beyond the room is a plugin that says too much of itself.
struct Text {
    bytes: [u8; SLND_MANIFEST_MAX],
    len: usize,
}

impl Text {
    const fn push(mut self, bytes: &[u8]) -> Text {
        let mut i = 0;
        while i < bytes.len() {
            self.bytes[self.len] = bytes[i];
            self.len += 1;
            i += 1;
        }
        self
    }
}

const fn digit(n: u16) -> [u8; 1] {
    assert!(n < 10, "a version of two digits needs more room");
    [b'0' + n.to_le_bytes()[0]]
}

const fn checked_id(id: &[u8]) -> &[u8] {
    assert!(slnd_is_id(id), "a plugin's id is [a-z0-9][a-z0-9._-]*, at most 63 characters");
    id
}

const fn one_line(text: &[u8]) -> &[u8] {
    let mut i = 0;
    while i < text.len() {
        assert!(text[i] != b'\n', "a plugin's version is one line");
        i += 1;
    }
    text
}

const fn push_permissions(mut text: Text, wants: slnd_perms) -> Text {
    let mut named = 0;
    let mut i = 0;
    while i < SLND_PERM_NAMES.len() {
        let (name, bit) = SLND_PERM_NAMES[i];
        if wants & bit != 0 {
            if named != 0 {
                text = text.push(b",");
            }
            text = text.push(name.as_bytes());
            named |= bit;
        }
        i += 1;
    }
    assert!(named == wants, "a permission that this SDK does not know is wanted");
    text
}

const fn manifest(about: &About) -> Text {
    let text = Text { bytes: [0; SLND_MANIFEST_MAX], len: 0 }
        .push(b"abi=")
        .push(&digit(SLND_ABI_MAJOR))
        .push(b".")
        .push(&digit(SLND_ABI_MINOR))
        .push(b"\nid=")
        .push(checked_id(about.id.to_bytes()))
        .push(b"\nversion=")
        .push(one_line(about.version.to_bytes()))
        .push(b"\nwants=");
    push_permissions(text, about.wants.0).push(b"\n\0")
}

/// The `N` of a plugin's [`Note`].
#[doc(hidden)]
#[must_use]
pub const fn note_length(about: &About) -> usize {
    manifest(about).len.next_multiple_of(4)
}

/// The note of a plugin.
#[doc(hidden)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "at most SLND_MANIFEST_MAX; try_from is not const")]
pub const fn note<const N: usize>(about: &About) -> Note<N> {
    let manifest = manifest(about);
    let mut text = [0; N];
    let mut i = 0;
    while i < manifest.len {
        text[i] = manifest.bytes[i];
        i += 1;
    }
    let mut name = [0; 16];
    let mut i = 0;
    while i < SLND_NOTE_NAME.len() {
        name[i] = SLND_NOTE_NAME.as_bytes()[i];
        i += 1;
    }
    Note {
        name_size: SLND_NOTE_NAME.len() as u32 + 1,
        text_size: manifest.len as u32,
        note_type: SLND_NOTE_TYPE,
        name,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Permissions;

    const ABOUT: About = About {
        wants: Permissions::VERDICT.and(Permissions::HOLDERS),
        ..About::new(c"a.b-c_1", c"1.2.3", c"")
    };

    #[test]
    fn says_what_the_format_says() {
        const NOTE: Note<{ note_length(&ABOUT) }> = note(&ABOUT);
        let text = "abi=1.0\nid=a.b-c_1\nversion=1.2.3\nwants=verdict,holders\n\0";
        assert_eq!(usize::try_from(NOTE.text_size).unwrap(), text.len());
        assert_eq!(&NOTE.text[..text.len()], text.as_bytes());
        assert!(NOTE.text[text.len()..].iter().all(|&b| b == 0) && NOTE.text.len().is_multiple_of(4));
        assert_eq!((NOTE.name_size, NOTE.note_type), (14, 1));
        assert_eq!(&NOTE.name, b"serialnumberd\0\0\0");
        assert_eq!(size_of_val(&NOTE), 28 + NOTE.text.len());
    }

    #[test]
    fn refuses_an_id_that_breaks_the_form() {
        for id in [&b""[..], b"A", b".x", b"a b", b"a\n", &[b'a'; 64]] {
            let refused = std::panic::catch_unwind(|| checked_id(id).len()).is_err();
            assert!(refused, "{:?}", String::from_utf8_lossy(id));
        }
        assert_eq!(checked_id(&[b'a'; 63]).len(), 63);
    }
}
