//! Reads a recording: believes nothing, and names the line of what it does not understand.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Header, LINE_MAX, VERSION};
use crate::record::line::{self, LineError, ReadRecord};

/// What comes next in a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A record.
    Record(Box<ReadRecord>),
    /// Records that are missing here, by their numbers.
    Lost {
        /// The first one.
        first_seq: u64,
        /// The last one.
        last_seq: u64,
    },
}

/// Why a recording cannot be read on: one sentence with file and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(String);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}

/// A recording that is being read.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    lines: BufReader<File>,
    /// Lines read so far.
    line: u64,
    header: Header,
    /// The number of the record before.
    seq: Option<u64>,
    /// What follows a gap.
    next: Option<Box<ReadRecord>>,
}

impl Recording {
    /// Opens a recording and reads its header.
    ///
    /// # Errors
    /// If there is none, or one of a later version.
    pub fn open(path: &Path) -> Result<Recording, ReadError> {
        let fail = |what: String| ReadError(format!("{}: {what}", path.display()));
        let file = File::open(path).map_err(|e| fail(format!("cannot be opened: {e}")))?;
        let mut lines = BufReader::new(file);
        let first = read_line(&mut lines).map_err(|e| fail(format!("cannot be read: {e}")))?;
        let header: Header = serde_json::from_str(&first)
            .map_err(|_| fail("is no recording: its first line is no header".to_owned()))?;
        if header.slr > VERSION {
            return Err(fail(format!(
                "is a recording of version {}; this program knows up to {VERSION}: update it",
                header.slr
            )));
        }
        Ok(Recording { path: path.to_owned(), lines, line: 1, header, seq: None, next: None })
    }

    /// Its first line.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The records that its header tells of.
    ///
    /// # Errors
    /// If one of them is none.
    pub fn standing(&self) -> Result<Vec<ReadRecord>, ReadError> {
        let read = |line: line::RecordLine| line.read().map_err(|e| self.error(1, &e.to_string()));
        self.header.standing.iter().cloned().map(read).collect()
    }

    /// What comes next; `None` at the end.  A last line without its end was being written, and is passed over, as are
    /// kinds of records that only a later version knows.
    ///
    /// # Errors
    /// If a line is no record, or out of order.
    #[expect(clippy::should_implement_trait, reason = "after an error there is no next one")]
    pub fn next(&mut self) -> Result<Option<Part>, ReadError> {
        if let Some(read) = self.next.take() {
            return Ok(Some(Part::Record(read)));
        }
        let Some(read) = self.next_record()? else { return Ok(None) };
        let seq = read.record.seq;
        let before = self.seq.replace(seq);
        match before {
            Some(before) if seq <= before => {
                Err(self.error(self.line, &format!("record {seq} comes after record {before}")))
            }
            Some(before) if seq > before + 1 => {
                self.next = Some(read);
                Ok(Some(Part::Lost { first_seq: before + 1, last_seq: seq - 1 }))
            }
            _ => Ok(Some(Part::Record(read))),
        }
    }

    fn next_record(&mut self) -> Result<Option<Box<ReadRecord>>, ReadError> {
        loop {
            let text = read_line(&mut self.lines)
                .map_err(|e| self.error(self.line + 1, &format!("cannot be read: {e}")))?;
            if !text.ends_with('\n') {
                return Ok(None);
            }
            self.line += 1;
            match line::read(&text) {
                Ok(read) => return Ok(Some(Box::new(read))),
                Err(LineError::UnknownEvent(word)) => {
                    log::debug!("{}", self.error(self.line, &format!("\"{word}\" is not known")));
                }
                Err(error) => return Err(self.error(self.line, &error.to_string())),
            }
        }
    }

    fn error(&self, line: u64, what: &str) -> ReadError {
        ReadError(format!("{}:{line}: {what}", self.path.display()))
    }
}

fn read_line(lines: &mut BufReader<File>) -> io::Result<String> {
    let mut text = String::new();
    lines.by_ref().take(LINE_MAX).read_line(&mut text)?;
    if text.len() as u64 == LINE_MAX {
        return Err(io::Error::other(format!("a line has more than {LINE_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(seq: u64) -> String {
        format!("{{\"event\":\"tick\",\"seq\":{seq},\"mono_ns\":{seq},\"real_ns\":0}}\n")
    }

    fn read(text: &str) -> Result<Vec<String>, ReadError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.slr");
        std::fs::write(&path, text).unwrap();
        let mut recording = Recording::open(&path)?;
        let mut all = Vec::new();
        while let Some(part) = recording.next()? {
            all.push(match part {
                Part::Record(read) => read.record.seq.to_string(),
                Part::Lost { first_seq, last_seq } => format!("{first_seq}-{last_seq}"),
            });
        }
        Ok(all)
    }

    #[test]
    fn gaps_are_told_and_what_is_half_written_or_unknown_is_passed_over() {
        let header = Header::new(String::new(), 0, Vec::new()).line();
        let later = "{\"event\":\"earthquake\",\"seq\":8,\"mono_ns\":8,\"real_ns\":0}\n";
        let text = format!("{header}{}{}{}{later}{}", tick(5), tick(6), tick(7), tick(9));
        assert_eq!(read(&text).unwrap(), ["5", "6", "7", "8-8", "9"]);
        let half = format!("{header}{}{}", tick(5), &tick(6)[..20]);
        assert_eq!(read(&half).unwrap(), ["5"]);
        assert_eq!(read(&header).unwrap(), [""; 0]);
    }

    #[test]
    fn errors_name_file_and_line() {
        let header = Header::new(String::new(), 0, Vec::new()).line();
        for (text, part) in [
            (String::new(), "r.slr: is no recording"),
            ("root:x:0:0\n".to_owned(), "r.slr: is no recording"),
            (header.replace("\"slr\":1", "\"slr\":2"), "version 2; this program knows up to 1"),
            (format!("{header}{}{}", tick(5), tick(5)), "r.slr:3: record 5 comes after record 5"),
            (format!("{header}{}no\n", tick(5)), "r.slr:3: the record cannot be read"),
        ] {
            let error = read(&text).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
