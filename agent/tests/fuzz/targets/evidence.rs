//! A file of evidence, as a third party gets it by mail.

use super::is_sentence;
use serialnumberd::evidence::verify;

/// The only file that is signed here: whatever else proves anything was forged.
const GOLDEN: &[u8] = include_bytes!("../../../core/tests/golden/evidence.json");

pub fn evidence(bytes: &[u8]) {
    match verify(bytes) {
        Ok(_) => assert!(bytes == GOLDEN, "a forgery convinces"),
        Err(why) => assert!(is_sentence(&why), "{why:?}"),
    }
}
