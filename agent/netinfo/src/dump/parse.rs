//! Reads a dump.  It recurses no deeper than a tree may be.

use super::{CHILDREN, Syntax, is_plain};
use crate::limits::{DEPTH_MAX, DIRECTORIES_MAX, NAME_MAX, NAMES_MAX, PROPERTIES_MAX};
use crate::tree::{Directory, Property};

/// Reads a whole dump: one directory, the root.
///
/// # Errors
/// The first mistake, and where it is.
pub fn parse(text: &[u8]) -> Result<Directory, Syntax> {
    let mut parser = Parser { text, at: 0, directories: 0 };
    let root = parser.directory(0)?;
    parser.blank();
    if parser.at < text.len() { Err(parser.error("nothing may follow the root directory")) } else { Ok(root) }
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    directories: usize,
}

/// A word and whether it was quoted.
struct Word {
    bytes: Vec<u8>,
    is_quoted: bool,
}

impl Parser<'_> {
    fn error(&self, text: impl Into<String>) -> Syntax {
        self.error_at(self.at, text)
    }

    fn error_at(&self, at: usize, text: impl Into<String>) -> Syntax {
        let before = &self.text[..at.min(self.text.len())];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = 1 + String::from_utf8_lossy(&before[line_start..]).chars().count();
        Syntax { line, column, text: text.into() }
    }

    fn blank(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
    }

    /// The next character that is no white space.
    fn peek(&mut self) -> Option<u8> {
        self.blank();
        self.text.get(self.at).copied()
    }

    fn take(&mut self, mark: u8) -> bool {
        let is_there = self.peek() == Some(mark);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, mark: u8, purpose: &str) -> Result<(), Syntax> {
        if self.take(mark) {
            return Ok(());
        }
        let found = match self.text.get(self.at) {
            Some(&byte) => format!("here is '{}'", byte.escape_ascii()),
            None => "the file ends here".to_owned(),
        };
        Err(self.error(format!("'{}' is expected {purpose}, but {found}", char::from(mark))))
    }

    fn directory(&mut self, depth: usize) -> Result<Directory, Syntax> {
        self.expect(b'{', "to begin a directory")?;
        self.directories += 1;
        if depth > DEPTH_MAX {
            return Err(self.error_at(self.at - 1, format!("a tree has at most {DEPTH_MAX} levels")));
        }
        if self.directories > DIRECTORIES_MAX {
            return Err(
                self.error_at(self.at - 1, format!("a tree has at most {DIRECTORIES_MAX} directories"))
            );
        }
        let mut directory = Directory::default();
        while !self.take(b'}') {
            let start = self.at;
            let word = self.word("a property, CHILDREN or '}'")?;
            self.expect(b'=', "behind a property's name")?;
            self.expect(b'(', "to begin a list")?;
            if word.bytes == CHILDREN.as_bytes() && !word.is_quoted {
                self.children(&mut directory, depth)?;
            } else if directory.properties.len() == PROPERTIES_MAX {
                return Err(
                    self.error_at(start, format!("a directory has at most {PROPERTIES_MAX} properties"))
                );
            } else {
                directory.properties.push(Property { name: word.bytes, values: self.values()? });
            }
            if !self.take(b';') && self.peek() != Some(b'}') {
                return Err(self.error("';' or '}' is expected behind a list"));
            }
        }
        Ok(directory)
    }

    fn children(&mut self, directory: &mut Directory, depth: usize) -> Result<(), Syntax> {
        while !self.take(b')') {
            directory.children.push(self.directory(depth + 1)?);
            self.separator()?;
        }
        Ok(())
    }

    fn values(&mut self) -> Result<Vec<Vec<u8>>, Syntax> {
        let mut values = Vec::new();
        while !self.take(b')') {
            if values.len() == NAMES_MAX {
                return Err(self.error(format!("a property has at most {NAMES_MAX} values")));
            }
            values.push(self.word("a value or ')'")?.bytes);
            self.separator()?;
        }
        Ok(values)
    }

    fn separator(&mut self) -> Result<(), Syntax> {
        if self.take(b',') || self.peek() == Some(b')') {
            Ok(())
        } else {
            Err(self.error("',' or ')' is expected in a list"))
        }
    }

    fn word(&mut self, what: &str) -> Result<Word, Syntax> {
        let is_quoted = self.take(b'"');
        let start = self.at;
        let bytes = if is_quoted { self.quoted(start)? } else { self.plain() };
        if bytes.is_empty() && !is_quoted {
            return Err(self.error(format!("{what} is expected")));
        }
        if bytes.len() > NAME_MAX {
            return Err(self.error_at(start, format!("a name or value has at most {NAME_MAX} bytes")));
        }
        if bytes.contains(&0) {
            return Err(self.error_at(start, "a name or value has no NUL"));
        }
        Ok(Word { bytes, is_quoted })
    }

    fn plain(&mut self) -> Vec<u8> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&byte| !is_plain(byte)).unwrap_or(rest.len());
        self.at += length;
        rest[..length].to_vec()
    }

    fn quoted(&mut self, start: usize) -> Result<Vec<u8>, Syntax> {
        let mut bytes = Vec::new();
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Err(self.error_at(start - 1, "this quoted text does not end"));
            };
            self.at += 1;
            match byte {
                b'"' => return Ok(bytes),
                b'\\' => bytes.push(self.escaped()?),
                other => bytes.push(other),
            }
        }
    }

    /// What stands behind a backslash: n, t, r, up to three octal digits, or a character that means itself.
    fn escaped(&mut self) -> Result<u8, Syntax> {
        let Some(&byte) = self.text.get(self.at) else { return Err(self.error("a backslash ends the file")) };
        if matches!(byte, b'0'..=b'7') {
            return self.octal();
        }
        self.at += 1;
        Ok(match byte {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            other => other,
        })
    }

    fn octal(&mut self) -> Result<u8, Syntax> {
        let digits = self.text[self.at..].iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7'));
        let (value, length) =
            digits.fold((0, 0), |(value, n), digit| (value * 8 + u32::from(digit - b'0'), n + 1));
        let byte = u8::try_from(value).map_err(|_| self.error("an octal escape is at most \\377"))?;
        self.at += length;
        Ok(byte)
    }
}
