//! A file of evidence: one JSON object, its last member the recorder's signature over all that stands before it.
//!
//! It is signed as it stands, byte for byte, so that there is no canonical form to argue about.  Nothing is believed
//! before the signature is right, and nothing is read beyond [`LONGEST`].

use std::fmt;

use serde::Deserialize;
use serialnumberd_core::Crypto;
use serialnumberd_core::Standard;
use serialnumberd_core::crypto::{sign_evidence, verify_evidence};
use serialnumberd_core::limits::EVIDENCE_PAIRS;

use super::Case;
use super::document::{Document, FORMAT};
use crate::hex;
use crate::text::clean;

/// The longest file that is read.
pub(crate) const LONGEST: u64 = 4 << 20;
/// Two datagrams in hex, three times, an address, an interface and the members' names take some 1,700 bytes.
const LONGEST_PAIR: u64 = 2048;
const _: () =
    assert!(EVIDENCE_PAIRS as u64 * LONGEST_PAIR + 8192 < LONGEST, "what an agent writes can be read");

/// Of a file's own words no more than this is repeated.
const LONGEST_EXCERPT: usize = 200;

/// An installation's secret key.
pub(crate) type Signer = <Standard as Crypto>::Signer;

/// What stands before and after the signature's 128 digits.
const BEFORE: &str = "  \"signature\": \"";
const AFTER: &str = "\"\n}\n";
const DIGITS: usize = 128;

/// Why a file is no evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is longer than [`LONGEST`].
    TooLong,
    /// It is no UTF-8.
    NoText,
    /// It has carriage returns, which no agent writes.
    Reflowed,
    /// It ends too early.
    Cut,
    /// It is no JSON, or no object with these members; why.
    Shape(String),
    /// It is of another format.
    Format(String),
    /// The signature is not the recorder's, or not over this text.
    Signature,
    /// A member says nothing; which, and what was expected.
    Member(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::TooLong => write!(f, "it is longer than {} MiB, and no evidence is", LONGEST >> 20),
            Refusal::NoText => f.write_str("it is no text, and evidence is"),
            Refusal::Reflowed => f.write_str(
                "its line ends were changed (it has carriage returns): have it sent again as an attachment",
            ),
            Refusal::Cut => f.write_str("it was cut off: it does not end with its recorder's signature"),
            Refusal::Shape(why) => write!(f, "it is no file of evidence: {why}"),
            Refusal::Format(format) => {
                write!(f, "its format is \"{format}\", and this program knows \"{FORMAT}\"")
            }
            Refusal::Signature => f.write_str(
                "its signature is not that of the installation that it names as its recorder: it was changed after it \
                 was recorded, or signed by somebody else",
            ),
            Refusal::Member(why) => f.write_str(why),
        }
    }
}

/// The file's text.
pub(crate) fn seal(case: &Case, signer: &Signer) -> String {
    // Fails only for maps with keys that are no text, and there are none.
    let mut text = serde_json::to_string_pretty(&Document::of(case)).unwrap_or_default();
    text.truncate(text.strip_suffix("\n}").map_or(0, str::len));
    text.push_str(",\n");
    let signature = hex::write(&sign_evidence(signer, text.as_bytes()));
    text.push_str(BEFORE);
    text.push_str(&signature);
    text.push_str(AFTER);
    text
}

/// Reads a file, and believes nothing of it but what its recorder has signed.  That is no judgement yet on what it
/// shows.
///
/// # Errors
/// Why it is none.
pub(crate) fn open(bytes: &[u8]) -> Result<Case, Refusal> {
    if bytes.len() as u64 > LONGEST {
        return Err(Refusal::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::NoText)?;
    if text.contains('\r') {
        return Err(Refusal::Reflowed);
    }
    /// Of a file of any version.
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    let head: Head = serde_json::from_str(text).map_err(shape)?;
    if head.format != FORMAT {
        return Err(Refusal::Format(excerpt(&head.format)));
    }
    let (signed, signature) = split(text).ok_or(Refusal::Cut)?;
    let document: Document = serde_json::from_str(text).map_err(shape)?;
    let recorder = document.recorder().map_err(Refusal::Member)?;
    // That is the member `signature` and nothing else: a text that was signed holds no second one.
    if document.signature != hex::write(&signature)
        || !verify_evidence(&recorder, signed.as_bytes(), &signature)
    {
        return Err(Refusal::Signature);
    }
    document.case().map_err(Refusal::Member)
}

/// What was signed, and the signature.
fn split(text: &str) -> Option<(&str, [u8; 64])> {
    let rest = text.strip_suffix(AFTER)?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    Some((rest.strip_suffix(BEFORE)?, hex::read(digits)?))
}

fn shape(error: serde_json::Error) -> Refusal {
    if error.is_eof() { Refusal::Cut } else { Refusal::Shape(excerpt(&error.to_string())) }
}

/// The start of a stranger's text, without what a terminal would obey.
fn excerpt(text: &str) -> String {
    let start: String = text.chars().take(LONGEST_EXCERPT).collect();
    clean(&start)
}

#[cfg(test)]
mod tests;
