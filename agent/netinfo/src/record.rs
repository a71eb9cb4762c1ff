//! Record marking: how messages are told apart on a TCP stream (RFC 5531 section 11).

use std::fmt;

use crate::limits::FRAGMENT;

/// The bit of a mark that says "last fragment".
const LAST: u32 = 1 << 31;
/// Bytes of a mark.
const MARK: usize = 4;
/// Room that an idle connection may keep: what calls of reading clients take.
const KEPT: usize = 4096;

/// The stream cannot be followed any further: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A record is longer than allowed.
    TooLong,
    /// A fragment without a byte that is not the last: they could go on for ever.
    EmptyFragment,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordError::TooLong => "a record is longer than allowed",
            RecordError::EmptyFragment => "a fragment is empty and not the last",
        })
    }
}

impl std::error::Error for RecordError {}

/// Joins what a stream brings into whole records.
#[derive(Debug)]
pub struct Assembler {
    longest: usize,
    /// Bytes of whole fragments of the record under way.
    record: Vec<u8>,
    /// Bytes not looked at yet.
    input: Vec<u8>,
    /// How far `input` is used up.
    used: usize,
}

impl Assembler {
    /// Takes records of at most `longest` bytes.
    #[must_use]
    pub fn new(longest: usize) -> Assembler {
        Assembler { longest, record: Vec::new(), input: Vec::new(), used: 0 }
    }

    /// Takes what the stream brought.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Bytes that wait for the rest of their record, or to be asked for.
    #[must_use]
    pub fn held(&self) -> usize {
        self.record.len() + self.input.len() - self.used
    }

    /// The next whole record, if it is here.
    ///
    /// # Errors
    /// If the stream cannot be followed any further.
    pub fn next_record(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        while let Some((mark, body)) = self.input[self.used..].split_first_chunk::<MARK>() {
            let mark = u32::from_be_bytes(*mark);
            // A promise that cannot be kept is refused before its bytes come.
            let length = usize::try_from(mark & !LAST).map_err(|_| RecordError::TooLong)?;
            if length > self.longest - self.record.len() {
                return Err(RecordError::TooLong);
            }
            if length == 0 && mark & LAST == 0 {
                return Err(RecordError::EmptyFragment);
            }
            let Some(fragment) = body.get(..length) else { return Ok(None) };
            self.record.extend_from_slice(fragment);
            self.used += MARK + length;
            if mark & LAST != 0 {
                self.forget_used();
                return Ok(Some(std::mem::take(&mut self.record)));
            }
        }
        Ok(None)
    }

    /// Gives memory back once there is nothing left in it.
    fn forget_used(&mut self) {
        if self.used == self.input.len() {
            self.input.clear();
            self.used = 0;
            self.input.shrink_to(KEPT);
        }
    }
}

/// Appends `message` to `out` as a record, in fragments as the original sends them.
pub fn mark(message: &[u8], out: &mut Vec<u8>) {
    out.reserve(message.len() + MARK * message.len().div_ceil(FRAGMENT).max(1));
    let mut rest = message;
    loop {
        let (fragment, after) = rest.split_at(rest.len().min(FRAGMENT));
        let last = if after.is_empty() { LAST } else { 0 };
        let length = u32::try_from(fragment.len()).expect("a fragment is small");
        out.extend_from_slice(&(last | length).to_be_bytes());
        out.extend_from_slice(fragment);
        if after.is_empty() {
            return;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_however_the_bytes_come_in() {
        let messages: Vec<Vec<u8>> = [0, 1, 1019, 1020, 1021, 5000].map(|n| vec![7; n]).to_vec();
        let mut stream = Vec::new();
        messages.iter().for_each(|m| mark(m, &mut stream));
        for step in [1, 3, 4, 1024, stream.len()] {
            let mut assembler = Assembler::new(5000);
            let mut found = Vec::new();
            for piece in stream.chunks(step) {
                assembler.push(piece);
                while let Some(record) = assembler.next_record().unwrap() {
                    found.push(record);
                }
            }
            assert_eq!(found, messages, "{step} bytes at a time");
            assert_eq!(assembler.held(), 0);
        }
    }

    #[test]
    fn what_cannot_end_well_is_refused_at_its_mark() {
        let refused = |longest, bytes: &[u8]| {
            let mut assembler = Assembler::new(longest);
            assembler.push(bytes);
            assembler.next_record()
        };
        assert_eq!(refused(100, &[0xff; 4]), Err(RecordError::TooLong));
        assert_eq!(refused(100, &[0, 0, 0, 0]), Err(RecordError::EmptyFragment));
        assert_eq!(refused(2, &[0, 0, 0, 2, 1, 1, 0x80, 0, 0, 1]), Err(RecordError::TooLong));
        assert_eq!(refused(2, &[0x80, 0, 0, 2, 1]), Ok(None));
        assert_eq!(refused(0, &[0x80, 0, 0, 0]), Ok(Some(Vec::new())));
    }
}
