//! The classic text format of the original serialnumberd, on the same port.
//!
//! All that is publicly known is a scanner's probe and match: `SNQUERY: <address>:<token>:<product>` and
//! `SNRESPS:<host>:0x<40 hex>:<product>:0x<40 hex>:0x<8 hex>:0x<40 hex>:<host>` with a NUL.  What the four
//! numbers meant is unknown; ours are digests under a key of their own and prove nothing to who lacks the serial.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::crypto::Crypto;
use crate::keys::ClaimKeys;
use crate::limits::{CLASSIC_BYTES, CLASSIC_HOST};
use crate::{ClaimId, Installation, Product};

const QUERY: &[u8] = b"SNQUERY:";
const RESPONSE: &[u8] = b"SNRESPS:";

/// Which of the two texts it is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classic {
    /// `SNQUERY:`
    Query,
    /// `SNRESPS:`
    Response,
}

impl Classic {
    /// Tells a classic text from anything else.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Classic> {
        if bytes.starts_with(QUERY) {
            Some(Classic::Query)
        } else if bytes.starts_with(RESPONSE) {
            Some(Classic::Response)
        } else {
            None
        }
    }
}

/// A query's fields.  The address is what the asker writes there, and means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// What stands for the asker's address.
    pub address: &'a str,
    /// Any token; the response's last number covers it.
    pub token: &'a str,
    /// For which product.
    pub product: Product,
}

impl<'a> Query<'a> {
    /// Reads a query; `None` if it is malformed.  The product is what follows the last colon, the token what
    /// stands before it, so that an address may hold colons of its own.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Query<'a>> {
        if bytes.len() > CLASSIC_BYTES {
            return None;
        }
        let rest = bytes.strip_prefix(QUERY)?;
        let text = core::str::from_utf8(rest).ok()?.trim_end_matches(['\0', '\n', '\r']);
        let (head, product) = text.rsplit_once(':')?;
        let (address, token) = head.rsplit_once(':')?;
        let product = Product::new(product).ok()?;
        Some(Query { address: address.trim_start(), token, product })
    }

    /// The text of the query.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(text, "SNQUERY: {}:{}:{}", self.address, self.token, self.product);
        text.into_bytes()
    }
}

/// What a response says of this host.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The host name, sanitized when written.
    pub host: &'a str,
    /// Of which claim.
    pub claim: ClaimId,
    /// Of which product.
    pub product: Product,
    /// By which installation.
    pub installation: Installation,
    /// Since when it holds the claim, Unix ms.
    pub since_ms: u64,
    /// The token of the query being answered.
    pub token: &'a str,
}

/// A host name as the classic format can carry it: `[A-Za-z0-9_.-]`, 1 to 15 characters.
fn sanitized(host: &str) -> String {
    let fit = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = host.chars().filter(fit).take(CLASSIC_HOST).collect();
    if name.is_empty() { String::from("host") } else { name }
}

fn hex(digest: [u8; 20]) -> String {
    digest.iter().fold(String::with_capacity(40), |mut text, b| {
        let _ = write!(text, "{b:02X}");
        text
    })
}

impl Answer<'_> {
    /// The text of the response, its NUL included.
    #[must_use]
    pub fn encode<C: Crypto>(&self, keys: &ClaimKeys) -> Vec<u8> {
        let host = sanitized(self.host);
        let number = |what: &[u8], value: &[u8]| hex(keys.classic_number::<C>(what, &[value]));
        let since_s = u32::try_from(self.since_ms / 1000).unwrap_or(u32::MAX);
        let mut text = String::new();
        let _ = write!(
            text,
            "SNRESPS:{host}:0x{}:{}:0x{}:0x{since_s:08x}:",
            number(b"claim", &self.claim.0),
            self.product,
            number(b"installation", &self.installation.0),
        );
        let mac = hex(keys.classic_number::<C>(b"mac", &[text.as_bytes(), self.token.as_bytes()]));
        let _ = write!(text, "0x{mac}:{host}");
        let mut bytes = text.into_bytes();
        bytes.push(0);
        bytes
    }
}

/// A response's fields, as text: nothing of it is ever evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The host's name.
    pub host: &'a str,
    /// For which product.
    pub product: &'a str,
    /// The four numbers, `0x` included.
    pub numbers: [&'a str; 4],
}

impl<'a> Response<'a> {
    /// Reads a response; `None` if it is malformed.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Response<'a>> {
        let rest = bytes.strip_prefix(RESPONSE)?;
        let text = core::str::from_utf8(rest.strip_suffix(b"\0").unwrap_or(rest)).ok()?;
        let mut fields = text.split(':');
        let mut next = || fields.next();
        let (host, n1, product) = (next()?, next()?, next()?);
        let (n2, n3, n4, _again) = (next()?, next()?, next()?, next()?);
        let is_number =
            |n: &str| n.strip_prefix("0x").is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
        let valid = fields.next().is_none() && [n1, n2, n3, n4].iter().all(|n| is_number(n));
        valid.then_some(Response { host, product, numbers: [n1, n2, n3, n4] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Standard;
    use crate::keys::Serial;

    #[test]
    fn the_known_scanners_probe_is_read_and_its_match_is_met() {
        let query = Query::decode(b"SNQUERY: 127.0.0.1:AAAAAA:xsvr").unwrap();
        assert_eq!((query.address, query.token, query.product.as_str()), ("127.0.0.1", "AAAAAA", "xsvr"));
        let keys = ClaimKeys::derive::<Standard>(&query.product, &Serial::new("XSVR-1").unwrap());
        let answer = Answer {
            host: "büro server.example.org",
            claim: keys.id(),
            product: query.product,
            installation: Installation([7; 32]),
            since_ms: 1_767_225_600_000,
            token: query.token,
        };
        let bytes = answer.encode::<Standard>(&keys);
        let response = Response::decode(&bytes).unwrap();
        assert_eq!((response.host, response.product), ("broserver.examp", "xsvr"));
        assert_eq!(response.numbers[2], "0x6955b900");
        assert!(response.numbers.iter().all(|n| *n == response.numbers[2] || n.len() == 42));
        let ratio = bytes.len() as f64 / query.encode().len() as f64;
        assert!(ratio < 6.5, "some six times the query, not {ratio}");
        let other = Answer { token: "BBBBBB", ..answer }.encode::<Standard>(&keys);
        assert_ne!(bytes, other, "the last number covers the token");
    }

    #[test]
    fn malformed_texts_are_refused() {
        for text in
            [&b"SNQUERY: "[..], b"SNQUERY: a:b", b"SNQUERY: a:b:UPPER", b"SNQUERY: a:b:\xff", b"SNQUERY"]
        {
            assert_eq!(Query::decode(text), None, "{text:?}");
        }
        assert_eq!(Query::decode(&[&b"SNQUERY: "[..], &[b'a'; 600]].concat()), None);
        assert_eq!(Response::decode(b"SNRESPS:a:0xZZ:p:0x1:0x1:0x1:a\0"), None);
        assert_eq!(Response::decode(b"SNRESPS:a:0x1:p:0x1:0x1:0x1:a:b\0"), None);
    }
}
