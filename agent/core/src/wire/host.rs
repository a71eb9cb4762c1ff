//! The host name field: UTF-8, at most 64 bytes, NUL padded.

use core::fmt;

/// A host name as datagrams carry it: shown to people, never used for a decision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HostName([u8; 64]);

impl Default for HostName {
    fn default() -> HostName {
        HostName([0; 64])
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostName({:?})", self.as_str())
    }
}

impl HostName {
    /// A host name cut to what fits, control characters left out.
    #[must_use]
    pub fn new(text: &str) -> HostName {
        let mut bytes = [0; 64];
        let mut len = 0;
        for c in text.chars().filter(|c| !c.is_control()) {
            if len + c.len_utf8() > 64 {
                break;
            }
            len += c.encode_utf8(&mut bytes[len..]).len();
        }
        HostName(bytes)
    }

    /// Reads the 64 bytes of the wire; `None` if they are no UTF-8, hold control characters, or anything follows a NUL.
    #[must_use]
    pub fn from_wire(bytes: [u8; 64]) -> Option<HostName> {
        let len = bytes.iter().position(|&b| b == 0).unwrap_or(64);
        let text = core::str::from_utf8(&bytes[..len]).ok()?;
        let valid = bytes[len..].iter().all(|&b| b == 0) && !text.chars().any(char::is_control);
        valid.then_some(HostName(bytes))
    }

    /// The 64 bytes of the wire.
    #[must_use]
    pub fn to_wire(self) -> [u8; 64] {
        self.0
    }

    /// The name as text, empty if the host does not tell.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&b| b == 0).unwrap_or(64);
        core::str::from_utf8(&self.0[..len]).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let long: String = core::iter::repeat_n('ä', 40).collect();
        assert_eq!(HostName::new(&long).as_str().len(), 64);
        let odd: String = core::iter::once('x').chain(core::iter::repeat_n('ä', 40)).collect();
        assert_eq!(HostName::new(&odd).as_str().len(), 63);
        assert_eq!(HostName::new("a\nb").as_str(), "ab");
    }

    #[test]
    fn only_clean_text_is_read_from_the_wire() {
        let field = |bytes: &[u8]| {
            let mut f = [0; 64];
            f[..bytes.len()].copy_from_slice(bytes);
            HostName::from_wire(f)
        };
        assert!(field(b"server-1").is_some() && field(b"").is_some());
        assert!(field(b"a\0b").is_none(), "text after the NUL");
        assert!(field(b"\xff").is_none(), "no UTF-8");
        assert!(field(b"a\x1b[31m").is_none(), "a terminal escape");
        assert!(HostName::from_wire([b'x'; 64]).is_some(), "64 bytes need no NUL");
    }
}
