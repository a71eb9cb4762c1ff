//! A TOML document as sections whose keys are taken one by one: what nobody takes is unknown.
//!
//! Owns positions and the collecting of mistakes, so that a file with three of them is told all three.
//! It knows no key of serialnumberd.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigError, Problem};
use crate::nearest::nearest;

/// A file's text and the problems found in it so far.
pub(super) struct Document<'a> {
    file: Option<&'a Path>,
    text: &'a str,
    others_can_read: bool,
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(file: Option<&'a Path>, text: &'a str, others_can_read: bool) -> Document<'a> {
        Document { file, text, others_can_read, errors: RefCell::default(), warnings: RefCell::default() }
    }

    /// Whether the file's mode lets everybody read it.
    pub(super) fn others_can_read(&self) -> bool {
        self.others_can_read
    }

    /// Parses the text; a mistake against TOML itself ends the reading, since nothing after it is sure.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'a>>, ConfigError> {
        DeTable::parse(self.text).map_err(|e| {
            let message = e.message().replace('\n', ", ");
            self.problem(e.span().map_or(0, |s| s.start), message).into()
        })
    }

    pub(super) fn error(&self, offset: usize, text: impl Into<String>) {
        let problem = self.problem(offset, text.into());
        self.errors.borrow_mut().push(problem);
    }

    pub(super) fn warning(&self, offset: usize, text: impl Into<String>) {
        let problem = self.problem(offset, text.into());
        self.warnings.borrow_mut().push(problem);
    }

    /// A mistake that has no place in the file.
    pub(super) fn error_of_file(&self, text: String) {
        self.errors.borrow_mut().push(Problem::of_file(self.file, text));
    }

    /// `value` and the warnings if nothing was wrong, else everything that was, in the order of the file.
    pub(super) fn finish<T>(self, value: T) -> Result<(T, Vec<Problem>), ConfigError> {
        let mut errors = self.errors.into_inner();
        let mut warnings = self.warnings.into_inner();
        errors.sort();
        warnings.sort();
        if errors.is_empty() { Ok((value, warnings)) } else { Err(ConfigError(errors)) }
    }

    /// A path as the file means it: a relative one counts from the file's own folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        match self.file.and_then(Path::parent) {
            Some(folder) => folder.join(path),
            None => PathBuf::from(path),
        }
    }

    /// Line and column in characters, both from 1.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let column = 1 + String::from_utf8_lossy(&before[line_start..]).chars().count();
        (line, column)
    }

    fn problem(&self, offset: usize, text: String) -> Problem {
        let (line, column) = self.position(offset);
        Problem { line, column, text, file: self.file.map(Path::to_owned) }
    }
}

/// One table of the document.
pub(super) struct Section<'d, 'a> {
    pub(super) document: &'d Document<'a>,
    /// How people call it: `[agent]`.
    name: &'static str,
    table: DeTable<'a>,
    start: usize,
    asked: Vec<&'static str>,
}

impl<'d, 'a> Section<'d, 'a> {
    pub(super) fn new(
        document: &'d Document<'a>,
        name: &'static str,
        table: DeTable<'a>,
        start: usize,
    ) -> Section<'d, 'a> {
        Section { document, name, table, start, asked: Vec::new() }
    }

    /// Offset of its header.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// The value of `key` as it stands, if it stands there.
    pub(super) fn take_value(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.table.remove(key)
    }

    /// The value of `key` and the offset where it stands; a value that `read` refuses is reported and counts as missing.
    pub(super) fn take_at<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<(T, usize)> {
        let value = self.take_value(key)?;
        let offset = value.span().start;
        match read(value.get_ref()) {
            Ok(read) => Some((read, offset)),
            Err(text) => {
                self.document.error(offset, format!("`{key}` in {}: {text}", self.name));
                None
            }
        }
    }

    /// As `take_at`; a missing key is a mistake too, told with an example of it.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.asked.push(key);
            self.document.error(self.start, format!("this {} has no `{key}`, such as {example}", self.name));
            return None;
        }
        self.take_at(key, read).map(|(value, _)| value)
    }

    /// Replaces `target` by the value of `key`, if there is a valid one.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        target: &mut T,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) {
        if let Some((value, _)) = self.take_at(key, read) {
            *target = value;
        }
    }

    /// Reports every key that nobody took, with the nearest one that somebody would have.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let unknown = key.get_ref();
            let hint = match nearest(unknown, self.asked.iter().copied()) {
                Some(known) => format!("; the nearest known key is `{known}`"),
                None => String::new(),
            };
            self.document.error(key.span().start, format!("unknown key `{unknown}` in {}{hint}", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let document = Document::new(None, "a = 1\nä = 2\n", false);
        assert_eq!(document.position(0), (1, 1));
        assert_eq!(document.position(6), (2, 1));
        assert_eq!(document.position(8), (2, 2));
        assert_eq!(document.position(999), (3, 1));
    }

    #[test]
    fn relative_paths_count_from_the_file() {
        let file = Path::new("/etc/sn/a.toml");
        assert_eq!(Document::new(Some(file), "", false).resolve("x"), Path::new("/etc/sn/x"));
        assert_eq!(Document::new(Some(file), "", false).resolve("/x"), Path::new("/x"));
        assert_eq!(Document::new(None, "", false).resolve("x"), Path::new("x"));
    }
}
