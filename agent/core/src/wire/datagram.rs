//! The protocol datagram: always exactly 320 bytes, big-endian, signed and MACed.
//!
//! Reading is in steps, so that a stranger's datagram costs as little as possible: [`Header::peek`], then
//! [`verify_mac`], then [`Datagram::decode`], then [`verify_signature`].

use crate::crypto::Crypto;
use crate::keys::ClaimKeys;
use crate::limits::{DATAGRAM_BYTES, INTERVAL_S};
use crate::wire::HostName;
use crate::{BootId, ClaimId, GroupDigest, Installation, Instance, Nonce, Product, Tag};
use subtle::ConstantTimeEq;

const MAGIC: &[u8; 4] = b"SNv1";
const KIND_ANNOUNCE: u8 = 1;
const KIND_ANSWER: u8 = 2;
const KIND_GOODBYE: u8 = 3;
const FLAG_PROBE: u8 = 0x01;
const FLAG_WANT: u8 = 0x02;
const FLAG_STANDBY: u8 = 0x04;

// Offsets of the fields, as the protocol document's table has them.
const AT_KIND: usize = 4;
const AT_FLAGS: usize = 5;
const AT_INTERVAL: usize = 6;
const AT_CLAIM: usize = 8;
const AT_INSTALLATION: usize = 24;
const AT_BOOT: usize = 56;
const AT_SEQUENCE: usize = 64;
const AT_SENT: usize = 72;
const AT_SINCE: usize = 80;
const AT_NONCE: usize = 88;
const AT_ANSWERS: usize = 104;
const AT_SEATS: usize = 120;
const AT_VERSION: usize = 122;
const AT_RUNS: usize = 123;
const AT_PRODUCT: usize = 128;
const AT_HOST: usize = 160;
const AT_GROUP: usize = 224;
const AT_SIGNATURE: usize = 240;
const AT_MAC: usize = 304;

/// What a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// "I hold this claim."
    Announce {
        /// Its sender is starting up.
        probe: bool,
        /// Its sender asks to be answered.
        want: bool,
    },
    /// "I hold it too, and I heard you."
    Answer {
        /// The tag of the datagram being answered.
        answers: Tag,
        /// Its sender asks to be answered.
        want: bool,
    },
    /// "I no longer hold it."
    Goodbye,
}

/// A datagram's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// What it is for.
    pub kind: Kind,
    /// Its sender waits to take over within its fail-over group.
    pub standby: bool,
    /// The sender's steady interval in seconds, 1 to 3600.
    pub interval_s: u16,
    /// Which claim.
    pub claim: ClaimId,
    /// Who.
    pub instance: Instance,
    /// Rises by one with every datagram of this boot.
    pub sequence: u64,
    /// Unix ms, sender's clock: shown to people, never trusted.
    pub sent_ms: u64,
    /// Unix ms since when the installation holds the claim, sender's clock.
    pub since_ms: u64,
    /// New for every datagram.
    pub nonce: Nonce,
    /// Seats as the sender's license states them.
    pub seats: u16,
    /// Highest protocol version its sender understands.
    pub version: u8,
    /// How many times the installation was started, below 2^40.
    pub runs: u64,
    /// Of which product.
    pub product: Product,
    /// The sender's host name.
    pub host: HostName,
    /// Keyed digest of the fail-over group's name.
    pub group: GroupDigest,
}

/// Why bytes are no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// Not 320 bytes.
    Length,
    /// Not `SNv1`.
    Magic,
    /// Neither ANNOUNCE, ANSWER nor GOODBYE.
    Kind,
    /// Product or host is no valid text.
    Text,
}

/// As much of a datagram as is needed to know whether it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The whole datagram.
    pub bytes: &'a [u8; DATAGRAM_BYTES],
    /// Which claim it is about.
    pub claim: ClaimId,
}

fn field<const N: usize>(bytes: &[u8; DATAGRAM_BYTES], at: usize) -> [u8; N] {
    core::array::from_fn(|i| bytes[at + i])
}

impl<'a> Header<'a> {
    /// Checks length, magic and kind.
    ///
    /// # Errors
    /// [`WireError::Length`], [`WireError::Magic`] or [`WireError::Kind`].
    pub fn peek(bytes: &'a [u8]) -> Result<Header<'a>, WireError> {
        let bytes: &[u8; DATAGRAM_BYTES] = bytes.try_into().map_err(|_| WireError::Length)?;
        if bytes[..AT_KIND] != *MAGIC {
            return Err(WireError::Magic);
        }
        if !(KIND_ANNOUNCE..=KIND_GOODBYE).contains(&bytes[AT_KIND]) {
            return Err(WireError::Kind);
        }
        Ok(Header { bytes, claim: ClaimId(field(bytes, AT_CLAIM)) })
    }

    /// Whether it says GOODBYE.
    #[must_use]
    pub fn is_goodbye(&self) -> bool {
        self.bytes[AT_KIND] == KIND_GOODBYE
    }

    /// Whose it says it is.
    #[must_use]
    pub fn installation(&self) -> Installation {
        Installation(field(self.bytes, AT_INSTALLATION))
    }
}

impl Datagram {
    /// Reads all fields.  Neither MAC nor signature is checked here.
    ///
    /// # Errors
    /// [`WireError::Text`] if product or host is no valid text, and those of [`Header::peek`].
    pub fn decode(bytes: &[u8]) -> Result<Datagram, WireError> {
        let Header { bytes, claim } = Header::peek(bytes)?;
        let flags = bytes[AT_FLAGS];
        let want = flags & FLAG_WANT != 0;
        let kind = match bytes[AT_KIND] {
            KIND_ANNOUNCE => Kind::Announce { probe: flags & FLAG_PROBE != 0, want },
            KIND_ANSWER => Kind::Answer { answers: Tag(field(bytes, AT_ANSWERS)), want },
            _ => Kind::Goodbye,
        };
        let stated = u16::from_be_bytes(field(bytes, AT_INTERVAL));
        let mut runs = [0; 8];
        runs[3..].copy_from_slice(&field::<5>(bytes, AT_RUNS));
        Ok(Datagram {
            kind,
            standby: flags & FLAG_STANDBY != 0,
            interval_s: stated.clamp(*INTERVAL_S.start(), *INTERVAL_S.end()),
            claim,
            instance: Instance {
                installation: Installation(field(bytes, AT_INSTALLATION)),
                boot: BootId(field(bytes, AT_BOOT)),
            },
            sequence: u64::from_be_bytes(field(bytes, AT_SEQUENCE)),
            sent_ms: u64::from_be_bytes(field(bytes, AT_SENT)),
            since_ms: u64::from_be_bytes(field(bytes, AT_SINCE)),
            nonce: Nonce(field(bytes, AT_NONCE)),
            seats: u16::from_be_bytes(field(bytes, AT_SEATS)),
            version: bytes[AT_VERSION],
            runs: u64::from_be_bytes(runs),
            product: Product::from_wire(field(bytes, AT_PRODUCT)).map_err(|_| WireError::Text)?,
            host: HostName::from_wire(field(bytes, AT_HOST)).ok_or(WireError::Text)?,
            group: GroupDigest(field(bytes, AT_GROUP)),
        })
    }

    /// The 240 bytes that are signed.
    fn body(&self) -> [u8; AT_SIGNATURE] {
        let mut b = [0; AT_SIGNATURE];
        let (kind, mut flags, answers) = match self.kind {
            Kind::Announce { probe, want } => {
                (KIND_ANNOUNCE, flag(probe, FLAG_PROBE) | flag(want, FLAG_WANT), Tag::default())
            }
            Kind::Answer { answers, want } => (KIND_ANSWER, flag(want, FLAG_WANT), answers),
            Kind::Goodbye => (KIND_GOODBYE, 0, Tag::default()),
        };
        flags |= flag(self.standby, FLAG_STANDBY);
        let mut put = |at: usize, bytes: &[u8]| b[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, MAGIC);
        put(AT_KIND, &[kind, flags]);
        put(AT_INTERVAL, &self.interval_s.to_be_bytes());
        put(AT_CLAIM, &self.claim.0);
        put(AT_INSTALLATION, &self.instance.installation.0);
        put(AT_BOOT, &self.instance.boot.0);
        put(AT_SEQUENCE, &self.sequence.to_be_bytes());
        put(AT_SENT, &self.sent_ms.to_be_bytes());
        put(AT_SINCE, &self.since_ms.to_be_bytes());
        put(AT_NONCE, &self.nonce.0);
        put(AT_ANSWERS, &answers.0);
        put(AT_SEATS, &self.seats.to_be_bytes());
        put(AT_VERSION, &[self.version]);
        put(AT_RUNS, &self.runs.to_be_bytes()[3..]);
        put(AT_PRODUCT, &self.product.to_wire());
        put(AT_HOST, &self.host.to_wire());
        put(AT_GROUP, &self.group.0);
        b
    }
}

fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

/// Encodes, signs and MACs a datagram.
#[must_use]
pub fn seal<C: Crypto>(datagram: &Datagram, signer: &C::Signer, keys: &ClaimKeys) -> [u8; DATAGRAM_BYTES] {
    let body = datagram.body();
    let mut bytes = [0; DATAGRAM_BYTES];
    bytes[..AT_SIGNATURE].copy_from_slice(&body);
    bytes[AT_SIGNATURE..AT_MAC].copy_from_slice(&C::sign(signer, &body));
    let maced: [u8; AT_MAC] = core::array::from_fn(|i| bytes[i]);
    bytes[AT_MAC..].copy_from_slice(&keys.mac::<C>(&maced));
    bytes
}

/// Whether the sender knows the serial; constant time.
#[must_use]
pub fn verify_mac<C: Crypto>(header: &Header<'_>, keys: &ClaimKeys) -> bool {
    let (maced, mac) = header.bytes.split_at(AT_MAC);
    maced.try_into().is_ok_and(|maced: &[u8; AT_MAC]| bool::from(keys.mac::<C>(maced).ct_eq(mac)))
}

/// Whether the datagram is signed by the installation it names.
#[must_use]
pub fn verify_signature<C: Crypto>(header: &Header<'_>) -> bool {
    C::verify(&header.installation(), &field(header.bytes, 0), &field(header.bytes, AT_SIGNATURE))
}
