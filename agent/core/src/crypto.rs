//! The cryptography of the protocol behind one parameter, so that a simulator can swap it for something cheap.
//! Never by a Cargo feature: features are unified over a workspace, and one must not weaken the agent.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::{GroupDigest, Installation, Product, Tag};

/// Prefix of what is signed, its NUL included.
pub const SIGNATURE_CONTEXT: &[u8; 26] = b"serialnumberd v1 datagram\0";
/// Prefix of what is signed of a file of evidence, its NUL included: never that of a datagram.
pub const EVIDENCE_CONTEXT: &[u8; 26] = b"serialnumberd v1 evidence\0";
/// BLAKE3 derive_key context of the claim id.
pub const CLAIM_ID_CONTEXT: &str = "serialnumberd v1 claim id";
/// BLAKE3 derive_key context of the MAC key.
pub const MAC_CONTEXT: &str = "serialnumberd v1 datagram mac";
/// BLAKE3 derive_key context of the key of the classic format's numbers.
pub const CLASSIC_CONTEXT: &str = "serialnumberd v1 classic format";
/// Argon2id memory in KiB, passes and lanes: OWASP Password Storage Cheat Sheet, second choice of Argon2id.
pub const ARGON2: (u32, u32, u32) = (19_456, 2, 1);
/// What stands before the product in the salt.
pub const SALT_PREFIX: &[u8] = b"serialnumberd/1/";

/// What the engine needs of cryptography.
pub trait Crypto {
    /// An installation's secret key.
    type Signer: Clone;
    /// The secret key of a 32-byte seed.
    fn signer(seed: &[u8; 32]) -> Self::Signer;
    /// Its public half.
    fn installation(signer: &Self::Signer) -> Installation;
    /// Signs [`SIGNATURE_CONTEXT`] followed by `body`.
    fn sign(signer: &Self::Signer, body: &[u8; 240]) -> [u8; 64];
    /// Whether `signature` is `installation`'s over [`SIGNATURE_CONTEXT`] followed by `body`; small-order keys never verify.
    fn verify(installation: &Installation, body: &[u8; 240], signature: &[u8; 64]) -> bool;
    /// The claim key of a canonical serial: slow on purpose.
    fn claim_key(serial: &[u8], product: &Product) -> Zeroizing<[u8; 32]>;
    /// BLAKE3 derive_key.
    fn derive(context: &'static str, material: &[u8; 32]) -> Zeroizing<[u8; 32]>;
    /// Keyed hash over `parts`, one after the other.
    fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32];
    /// Hash over `parts`, one after the other.
    fn hash(parts: &[&[u8]]) -> [u8; 32];
}

/// First `N` bytes of a digest.
#[must_use]
pub fn first<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    core::array::from_fn(|i| digest[i])
}

/// The tag of a datagram.
#[must_use]
pub fn tag<C: Crypto>(datagram: &[u8; 320]) -> Tag {
    Tag(first(&C::hash(&[datagram])))
}

/// The digest of a fail-over group's name; the empty name is no group.
#[must_use]
pub fn group_digest<C: Crypto>(claim_key: &[u8; 32], name: &str) -> GroupDigest {
    if name.is_empty() {
        GroupDigest::NONE
    } else {
        GroupDigest(first(&C::keyed(claim_key, &[name.as_bytes()])))
    }
}

fn evidence_message(text: &[u8]) -> [u8; 58] {
    let mut message = [0; 58];
    message[..26].copy_from_slice(EVIDENCE_CONTEXT);
    message[26..].copy_from_slice(&digest(blake3::Hasher::new(), &[text]));
    message
}

/// An installation's signature over a file of evidence: [`EVIDENCE_CONTEXT`], then BLAKE3 of `text`.
#[must_use]
pub fn sign_evidence(signer: &SigningKey, text: &[u8]) -> [u8; 64] {
    signer.sign(&evidence_message(text)).to_bytes()
}

/// Whether `signature` is `installation`'s over a file of evidence; small-order keys never verify.
#[must_use]
pub fn verify_evidence(installation: &Installation, text: &[u8], signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    VerifyingKey::from_bytes(&installation.0)
        .is_ok_and(|key| key.verify_strict(&evidence_message(text), &signature).is_ok())
}

/// The real thing: Ed25519, BLAKE3, Argon2id.
#[derive(Clone, Copy, Debug)]
pub struct Standard;

fn signed_bytes(body: &[u8; 240]) -> [u8; 266] {
    let mut bytes = [0; 266];
    bytes[..26].copy_from_slice(SIGNATURE_CONTEXT);
    bytes[26..].copy_from_slice(body);
    bytes
}

impl Crypto for Standard {
    type Signer = SigningKey;

    fn signer(seed: &[u8; 32]) -> SigningKey {
        SigningKey::from_bytes(seed)
    }

    fn installation(signer: &SigningKey) -> Installation {
        Installation(signer.verifying_key().to_bytes())
    }

    fn sign(signer: &SigningKey, body: &[u8; 240]) -> [u8; 64] {
        signer.sign(&signed_bytes(body)).to_bytes()
    }

    fn verify(installation: &Installation, body: &[u8; 240], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&installation.0)
            .is_ok_and(|key| key.verify_strict(&signed_bytes(body), &signature).is_ok())
    }

    fn claim_key(serial: &[u8], product: &Product) -> Zeroizing<[u8; 32]> {
        let mut salt = [0u8; 16 + 31];
        let name = product.as_str().as_bytes();
        salt[..16].copy_from_slice(SALT_PREFIX);
        salt[16..16 + name.len()].copy_from_slice(name);
        let (memory, passes, lanes) = ARGON2;
        let params =
            argon2::Params::new(memory, passes, lanes, Some(32)).expect("constants within Argon2's bounds");
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let mut key = Zeroizing::new([0; 32]);
        argon2
            .hash_password_into(serial, &salt[..16 + name.len()], &mut *key)
            .expect("a serial is shorter than 4 GiB and the salt longer than 8 bytes");
        key
    }

    fn derive(context: &'static str, material: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(context, material))
    }

    fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
        digest(blake3::Hasher::new_keyed(key), parts)
    }

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        digest(blake3::Hasher::new(), parts)
    }
}

fn digest(mut hasher: blake3::Hasher, parts: &[&[u8]]) -> [u8; 32] {
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
