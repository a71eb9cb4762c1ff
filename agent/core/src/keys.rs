//! Serial numbers and the keys derived from them.  The serial itself leaves this file only as keys.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::crypto::{self, CLAIM_ID_CONTEXT, CLASSIC_CONTEXT, Crypto, MAC_CONTEXT};
use crate::{ClaimId, GroupDigest, Product};

/// A canonical serial number: ASCII white space and `-` removed, ASCII letters upper-cased.  A secret.
pub struct Serial(Zeroizing<Vec<u8>>);

/// Why a text is no [`Serial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialError {
    /// Nothing is left of it.
    Empty,
    /// It has bytes outside ASCII.
    NotAscii,
}

impl fmt::Display for SerialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SerialError::Empty => "the serial number is empty once white space and '-' are removed",
            SerialError::NotAscii => "the serial number has characters outside ASCII",
        })
    }
}

impl core::error::Error for SerialError {}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serial(secret)")
    }
}

impl Serial {
    /// Reads a serial as people write it.
    ///
    /// # Errors
    /// If it is not ASCII, or nothing but white space and `-`.
    pub fn new(text: &str) -> Result<Serial, SerialError> {
        if !text.is_ascii() {
            return Err(SerialError::NotAscii);
        }
        // U+000B is white space in ASCII, though not for `is_ascii_whitespace`.
        let kept = |b: &u8| !b.is_ascii_whitespace() && *b != 0x0b && *b != b'-';
        // Reserved in full: a growing vector would leave copies of the secret behind.
        let mut canonical = Zeroizing::new(Vec::with_capacity(text.len()));
        canonical.extend(text.bytes().filter(kept).map(|b| b.to_ascii_uppercase()));
        if canonical.is_empty() { Err(SerialError::Empty) } else { Ok(Serial(canonical)) }
    }
}

/// The keys of one claim: what an agent keeps instead of the serial.
#[derive(Clone)]
pub struct ClaimKeys {
    id: ClaimId,
    claim: Zeroizing<[u8; 32]>,
    mac: Zeroizing<[u8; 32]>,
    classic: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for ClaimKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimKeys({})", self.id)
    }
}

/// By the id, which is a hash of what all keys are made of.
impl PartialEq for ClaimKeys {
    fn eq(&self, other: &ClaimKeys) -> bool {
        self.id == other.id
    }
}

impl Eq for ClaimKeys {}

impl ClaimKeys {
    /// Derives the keys of `serial` for `product`; takes some 30 ms and 19 MiB with [`crypto::Standard`].
    #[must_use]
    pub fn derive<C: Crypto>(product: &Product, serial: &Serial) -> ClaimKeys {
        ClaimKeys::of_secret::<C>(C::claim_key(&serial.0, product))
    }

    /// The keys that [`ClaimKeys::secret`] told; takes microseconds.  Any 32 bytes are keys of some claim: that they
    /// are those of a license is known only by comparing ids.
    #[must_use]
    pub fn of_secret<C: Crypto>(claim: Zeroizing<[u8; 32]>) -> ClaimKeys {
        ClaimKeys {
            id: ClaimId(crypto::first(&C::derive(CLAIM_ID_CONTEXT, &claim))),
            mac: C::derive(MAC_CONTEXT, &claim),
            classic: C::derive(CLASSIC_CONTEXT, &claim),
            claim,
        }
    }

    /// What all of them are made of, so that another process of this host can have them without the serial.  As
    /// secret as the serial: who has it can claim the license.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.claim
    }

    /// What the claim is called on the wire.
    #[must_use]
    pub fn id(&self) -> ClaimId {
        self.id
    }

    /// First 16 bytes of the keyed hash over a datagram's bytes 0..304.
    #[must_use]
    pub fn mac<C: Crypto>(&self, bytes: &[u8; 304]) -> [u8; 16] {
        crypto::first(&C::keyed(&self.mac, &[bytes]))
    }

    /// One of the classic format's numbers: 20 bytes of a keyed hash.
    #[must_use]
    pub fn classic_number<C: Crypto>(&self, what: &[u8], parts: &[&[u8]]) -> [u8; 20] {
        let mut all: Vec<&[u8]> = Vec::with_capacity(parts.len() + 1);
        all.push(what);
        all.extend_from_slice(parts);
        crypto::first(&C::keyed(&self.classic, &all))
    }

    /// The digest of a fail-over group's name.
    #[must_use]
    pub fn group<C: Crypto>(&self, name: &str) -> GroupDigest {
        crypto::group_digest::<C>(&self.claim, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Standard;

    #[test]
    fn the_secret_makes_the_same_keys() {
        let product = Product::new("xsvr").unwrap();
        let keys = ClaimKeys::derive::<Standard>(&product, &Serial::new("XSVR-123-456").unwrap());
        let again = ClaimKeys::of_secret::<Standard>(Zeroizing::new(*keys.secret()));
        assert_eq!(again, keys);
        assert_eq!(again.mac::<Standard>(&[7; 304]), keys.mac::<Standard>(&[7; 304]));
        assert_eq!(again.group::<Standard>("pair"), keys.group::<Standard>("pair"));
        let number = |keys: &ClaimKeys| keys.classic_number::<Standard>(b"A", &[b"b"]);
        assert_eq!(number(&again), number(&keys));
        let mut other = Zeroizing::new(*keys.secret());
        other[31] ^= 1;
        assert_ne!(ClaimKeys::of_secret::<Standard>(other), keys);
    }
}
