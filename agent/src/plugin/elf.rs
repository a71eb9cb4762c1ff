//! Finds a note in an ELF file, without mapping or running any of it.
//!
//! Owns the bytes of ELF: 64 bit, this machine's byte order, notes by their PT_NOTE segments (a section
//! table may be stripped).  Believes no length or offset unchecked; reads only headers and note segments.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use libc::{ET_DYN, PT_NOTE};

use super::limits::{NOTE_SEGMENT_MAX, PROGRAM_HEADERS_MAX};

/// Where the bytes come from: a file, or a slice in tests.
pub(super) trait ReadAt {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

/// Why there is no such note to be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoteError {
    /// The file could not be read.
    Io(io::ErrorKind),
    /// Not an ELF shared object for 64-bit machines of this byte order.
    NotShared,
    /// For another processor; its ELF machine number.
    Machine(u16),
    /// A header or note points outside, or is larger than any linker writes it.
    Damaged(&'static str),
    /// No note of that name and type.
    Missing,
    /// More than one.
    Twice,
}

impl From<io::Error> for NoteError {
    fn from(error: io::Error) -> NoteError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => NoteError::Damaged("it ends too early"),
            kind => NoteError::Io(kind),
        }
    }
}

// From the System V generic ABI, "ELF Header" and "Program Header".
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const MAGIC_CLASS64: [u8; 5] = [0x7f, b'E', b'L', b'F', 2];
const DATA: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };
/// `None` on machines without a number here: the dynamic linker checks it anyway.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(libc::EM_X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(libc::EM_AARCH64)
} else {
    None
};

/// The content of the one note with that name (without its NUL) and type.
pub(super) fn note(file: &impl ReadAt, name: &str, kind: u32) -> Result<Vec<u8>, NoteError> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => NoteError::NotShared,
        other => NoteError::Io(other),
    })?;
    if header[..5] != MAGIC_CLASS64 || header[5] != DATA || u16_at(&header, 16) != ET_DYN {
        return Err(NoteError::NotShared);
    }
    let machine = u16_at(&header, 18);
    if MACHINE.is_some_and(|ours| ours != machine) {
        return Err(NoteError::Machine(machine));
    }
    let (table, size, count) = (u64_at(&header, 32), u16_at(&header, 54), u16_at(&header, 56));
    if usize::from(size) != PROGRAM_HEADER {
        return Err(NoteError::Damaged("the size of its program headers"));
    }
    if count > PROGRAM_HEADERS_MAX {
        return Err(NoteError::Damaged("it has too many program headers"));
    }
    let mut found = None;
    for index in 0..u64::from(count) {
        let at = table.checked_add(index * 56).ok_or(NoteError::Damaged("a program header's offset"))?;
        let mut segment = [0; PROGRAM_HEADER];
        file.read_exact_at(&mut segment, at)?;
        if u32_at(&segment, 0) == PT_NOTE {
            search(&note_segment(file, &segment)?, align(&segment), name, kind, &mut found)?;
        }
    }
    found.ok_or(NoteError::Missing)
}

fn note_segment(file: &impl ReadAt, segment: &[u8]) -> Result<Vec<u8>, NoteError> {
    let size = u64_at(segment, 32);
    if size > NOTE_SEGMENT_MAX {
        return Err(NoteError::Damaged("a note segment is too large"));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| NoteError::Damaged("a note segment's size"))?];
    file.read_exact_at(&mut bytes, u64_at(segment, 8))?;
    Ok(bytes)
}

/// Name and content are padded to 4 bytes; in segments aligned to 8 (`.note.gnu.property`) to 8.
fn align(segment: &[u8]) -> usize {
    if u64_at(segment, 48) == 8 { 8 } else { 4 }
}

fn search(
    mut notes: &[u8],
    align: usize,
    name: &str,
    kind: u32,
    found: &mut Option<Vec<u8>>,
) -> Result<(), NoteError> {
    const SHORT: NoteError = NoteError::Damaged("a note is longer than its segment");
    while notes.len() >= 12 {
        let size = |at| usize::try_from(u32_at(notes, at)).map_err(|_| SHORT);
        let (name_size, size) = (size(0)?, size(4)?);
        // From here on all is below 64 KiB: a sum cannot overflow once each part fits.
        if name_size > notes.len() || size > notes.len() {
            return Err(SHORT);
        }
        let content_at = (12 + name_size).next_multiple_of(align);
        let content = notes.get(content_at..content_at + size).ok_or(SHORT)?;
        let is_named = notes[12..12 + name_size].strip_suffix(&[0]) == Some(name.as_bytes());
        if is_named && u32_at(notes, 8) == kind && found.replace(content.to_vec()).is_some() {
            return Err(NoteError::Twice);
        }
        let next = (content_at + size).next_multiple_of(align);
        notes = notes.get(next..).unwrap_or_default();
    }
    Ok(())
}

// The callers pass constant offsets into buffers of a checked, fixed size.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_ne_bytes(word)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    impl ReadAt for [u8] {
        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(buffer.len());
            buffer.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }
    }

    impl ReadAt for Vec<u8> {
        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            self.as_slice().read_exact_at(buffer, offset)
        }
    }

    fn one_note(name: &str, kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [name.len() + 1, content.len(), kind as usize] {
            bytes.extend(u32::try_from(word).expect("small").to_ne_bytes());
        }
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// The least shared object with these note segments.
    pub(in super::super) fn object(segments: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..5].copy_from_slice(&MAGIC_CLASS64);
        bytes[5] = DATA;
        bytes[16..18].copy_from_slice(&ET_DYN.to_ne_bytes());
        bytes[18..20].copy_from_slice(&MACHINE.unwrap_or(0).to_ne_bytes());
        bytes[32..40].copy_from_slice(&(HEADER as u64).to_ne_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_ne_bytes());
        bytes[56..58].copy_from_slice(&u16::try_from(segments.len()).expect("few").to_ne_bytes());
        let mut at = HEADER + segments.len() * PROGRAM_HEADER;
        for segment in segments {
            let mut header = [0; PROGRAM_HEADER];
            header[..4].copy_from_slice(&PT_NOTE.to_ne_bytes());
            header[8..16].copy_from_slice(&(at as u64).to_ne_bytes());
            header[32..40].copy_from_slice(&(segment.len() as u64).to_ne_bytes());
            header[48..56].copy_from_slice(&4_u64.to_ne_bytes());
            bytes.extend(header);
            at += segment.len();
        }
        segments.iter().for_each(|segment| bytes.extend(segment));
        bytes
    }

    /// A shared object with one manifest.
    pub(in super::super) fn with_manifest(text: &[u8]) -> Vec<u8> {
        object(&[one_note("serialnumberd", 1, text)])
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, NoteError> {
        note(&bytes.to_vec(), "serialnumberd", 1)
    }

    #[test]
    fn finds_its_note_among_others() {
        let mut first = one_note("GNU", 3, b"build id");
        first.extend(one_note("serialnumberd", 2, b"another type"));
        first.extend(one_note("serialnumberd", 1, b"hello"));
        assert_eq!(read(&object(&[first, one_note("x", 1, b"")])), Ok(b"hello".to_vec()));
    }

    #[test]
    fn says_why_there_is_none() {
        assert_eq!(read(b"#!/bin/sh\n"), Err(NoteError::NotShared));
        assert_eq!(read(&object(&[])), Err(NoteError::Missing));
        let note = one_note("serialnumberd", 1, b"hello");
        assert_eq!(read(&object(&[note.clone(), note.clone()])), Err(NoteError::Twice));
        let mut cut = object(std::slice::from_ref(&note));
        cut.truncate(cut.len() - 4);
        assert_eq!(read(&cut), Err(NoteError::Damaged("it ends too early")));
        let mut huge = note;
        huge[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(read(&object(&[huge])), Err(NoteError::Damaged("a note is longer than its segment")));
        let mut other = object(&[]);
        other[18..20].copy_from_slice(&2_u16.to_ne_bytes());
        assert_eq!(read(&other), if MACHINE.is_some() { Err(NoteError::Machine(2)) } else { read(&other) });
    }

    proptest! {
        /// Bytes flipped anywhere: an answer or an error, never a panic.
        #[test]
        fn survives_damage(flips in prop::collection::vec((0_usize..400, any::<u8>()), 0..12)) {
            let mut bytes = object(&[one_note("GNU", 3, b"build id"), one_note("serialnumberd", 1, b"hello")]);
            for (at, value) in flips {
                let len = bytes.len();
                bytes[at % len] = value;
            }
            let _outcome = read(&bytes);
        }
    }
}
