//! The names that the protocol gives to things.  All are plain bytes, `Copy`, and print as hex.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $n:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $n]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id!(
    /// What a claim is called on the wire: derived from product and serial, it reveals neither.
    ClaimId, 16
);
id!(
    /// An installation's Ed25519 public key: its identity.
    Installation, 32
);
id!(
    /// New for every process start.
    BootId, 8
);
id!(
    /// First 16 bytes of BLAKE3 over a datagram's 320 bytes: names that datagram.
    Tag, 16
);
id!(
    /// New for every datagram.
    Nonce, 16
);
id!(
    /// Keyed digest of a fail-over group's name; all zero is "no group".
    GroupDigest, 16
);
id!(
    /// Names a kept evidence: first 16 bytes of BLAKE3 over its first pair of datagrams.
    EvidenceId, 16
);

impl GroupDigest {
    /// No group.
    pub const NONE: GroupDigest = GroupDigest([0; 16]);
}

/// One run of one installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// Whose run it is.
    pub installation: Installation,
    /// Which run.
    pub boot: BootId,
}

/// Short code of what is licensed: `[a-z0-9._-]{1,31}`, NUL padded as on the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Product([u8; 32]);

/// Why a text is no [`Product`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductError {
    /// Not 1 to 31 bytes.
    Length,
    /// A byte outside `[a-z0-9._-]`; upper case is an error too, so that a claim has one spelling.
    Byte(u8),
    /// On the wire: something other than NUL after the first NUL.
    Padding,
}

impl fmt::Display for ProductError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProductError::Length => f.write_str("a product has 1 to 31 characters"),
            ProductError::Byte(b) => write!(
                f,
                "a product is made of a-z, 0-9, '.', '_' and '-'; found '{}'",
                core::ascii::escape_default(*b)
            ),
            ProductError::Padding => f.write_str("a product is padded with NUL bytes only"),
        }
    }
}

impl core::error::Error for ProductError {}

impl Product {
    /// Reads a product from configuration or command line.
    ///
    /// # Errors
    /// If the text is not `[a-z0-9._-]{1,31}`.
    pub fn new(text: &str) -> Result<Product, ProductError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > 31 {
            return Err(ProductError::Length);
        }
        let mut padded = [0; 32];
        padded[..bytes.len()].copy_from_slice(bytes);
        check(bytes).map(|()| Product(padded))
    }

    /// Reads the 32 NUL-padded bytes of the wire.
    ///
    /// # Errors
    /// As [`Product::new`], and if the padding is not NUL.
    pub fn from_wire(padded: [u8; 32]) -> Result<Product, ProductError> {
        let len = padded.iter().position(|&b| b == 0).ok_or(ProductError::Length)?;
        if len == 0 {
            return Err(ProductError::Length);
        }
        if padded[len..].iter().any(|&b| b != 0) {
            return Err(ProductError::Padding);
        }
        check(&padded[..len]).map(|()| Product(padded))
    }

    /// The 32 bytes of the wire.
    #[must_use]
    pub fn to_wire(self) -> [u8; 32] {
        self.0
    }

    /// The product as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&b| b == 0).unwrap_or(32);
        core::str::from_utf8(&self.0[..len]).unwrap_or("")
    }
}

/// That each byte may stand in a product.
fn check(bytes: &[u8]) -> Result<(), ProductError> {
    let stranger = bytes.iter().find(|b| !matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    stranger.map_or(Ok(()), |&b| Err(ProductError::Byte(b)))
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Product({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wires_padding_is_no_part_of_a_text() {
        assert_eq!(Product::new("xsvr\0"), Err(ProductError::Byte(0)));
        let mut padded = [0; 32];
        padded[..4].copy_from_slice(b"xsvr");
        assert_eq!(Product::from_wire(padded), Product::new("xsvr"));
        padded[5] = b'x';
        assert_eq!(Product::from_wire(padded), Err(ProductError::Padding));
        assert_eq!(Product::from_wire([b'x'; 32]), Err(ProductError::Length));
        assert_eq!(Product::from_wire([0; 32]), Err(ProductError::Length));
    }
}
