//! Frames on the pipe: four bytes of length, little-endian, then so many bytes of JSON.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Bytes of the length.
const HEAD: usize = 4;
/// Bytes asked of the kernel at once.
const READ: usize = 64 * 1024;
/// A buffer that one long frame made grow beyond this is given back.
const KEEP: usize = 1024 * 1024;

/// A word as a frame, ready to be written; `None` if it is longer than `most`.  With enough `room` nothing of it is left
/// in memory once it is dropped.
pub(super) fn frame(word: &impl Serialize, room: usize, most: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + room));
    bytes.extend_from_slice(&[0; HEAD]);
    serde_json::to_writer(&mut *bytes, word).expect("words are always JSON, and memory does not refuse");
    let length = bytes.len() - HEAD;
    if length > most {
        return None;
    }
    bytes[..HEAD].copy_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    Some(bytes)
}

/// Takes frames out of a stream of bytes.
pub(super) struct Frames {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the next frame begins, and where what has come ends.
    at: usize,
    end: usize,
    most: usize,
}

impl Frames {
    /// `most` is the longest frame that is taken.
    pub(super) fn new(most: usize) -> Frames {
        Frames { bytes: Zeroizing::new(vec![0; READ]), at: 0, end: 0, most }
    }

    /// Reads once; how many bytes came, 0 at the end.
    pub(super) fn fill(&mut self, from: &mut impl Read) -> io::Result<usize> {
        if self.at > 0 {
            // Not for each byte of a long frame that comes byte by byte.
            self.bytes.copy_within(self.at..self.end, 0);
            (self.at, self.end) = (0, self.end - self.at);
        }
        if self.end == 0 && self.bytes.len() > KEEP {
            self.bytes = Zeroizing::new(vec![0; READ]);
        }
        if self.bytes.len() - self.end < READ / 2 {
            let more = self.bytes.len() + READ;
            self.bytes.resize(more, 0);
        }
        let read = from.read(&mut self.bytes[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// The next word that has come whole; an error says what else came.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        let rest = &self.bytes[self.at..self.end];
        let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
        if length > self.most {
            return Err(format!("a frame of {length} bytes, and {} are the most", self.most));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let word =
            serde_json::from_slice(body).map_err(|error| format!("a frame that is no word: {error}"))?;
        self.at += HEAD + length;
        Ok(Some(word))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All words of a stream that comes in parts, up to the first error.
    fn words(stream: &[u8], part: usize) -> (Vec<String>, Option<String>) {
        let (mut frames, mut words) = (Frames::new(100_000), Vec::new());
        for mut part in stream.chunks(part) {
            while !part.is_empty() {
                assert_ne!(frames.fill(&mut part).expect("a slice"), 0);
                loop {
                    match frames.next() {
                        Ok(Some(word)) => words.push(word),
                        Ok(None) => break,
                        Err(error) => return (words, Some(error)),
                    }
                }
            }
        }
        (words, None)
    }

    fn stream(texts: &[String]) -> Vec<u8> {
        texts.iter().flat_map(|text| frame(text, 0, 100_002).expect("it fits").to_vec()).collect()
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_they_came_in(
            texts in proptest::collection::vec("[a-z]{0,40}", 0..6),
            long in 0..99_000_usize,
            part in 1..200_000_usize,
        ) {
            let mut texts = texts;
            texts.push("x".repeat(long));
            prop_assert_eq!(words(&stream(&texts), part), (texts, None));
        }
    }

    #[test]
    fn what_is_no_frame_is_told() {
        let good = stream(&["a".to_owned()]);
        let impossible = [&good[..], &u32::MAX.to_le_bytes()].concat();
        let too_long = "a frame of 4294967295 bytes, and 100000 are the most";
        assert_eq!(words(&impossible, 3), (vec!["a".to_owned()], Some(too_long.to_owned())));
        let garbage = [&good[..], &2_u32.to_le_bytes(), b"{]"].concat();
        let (before, error) = words(&garbage, 100);
        assert_eq!(
            (before.len(), error.expect("no JSON").starts_with("a frame that is no word: ")),
            (1, true)
        );
        assert!(frame(&"x".repeat(99), 0, 100).is_none(), "two quotes too long");
    }
}
