//! NetInfo's raw dump: a tree as text, `{ "name" = ( "value" ); CHILDREN = ( { … } ) }`.
//!
//! What [`print`] writes [`parse`] reads to the same tree.  Commas and semicolons before a closing bracket are
//! optional, words need quotes only if they have other characters than letters, digits and `_ - . / : * @ +`.

mod parse;
mod print;
#[cfg(test)]
mod tests;

use std::fmt;

pub use parse::parse;
pub use print::print;

/// The word, unquoted, behind which the directories in a directory stand.
const CHILDREN: &str = "CHILDREN";

/// What is wrong with a dump, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// One sentence without a full stop.
    pub text: String,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.text)
    }
}

impl std::error::Error for Syntax {}

/// Whether a word may stand without quotes.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./:*@+".contains(&byte)
}
