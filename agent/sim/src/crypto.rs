//! Cheap stand-ins for signatures, MACs and Argon2: what a simulated year of a LAN spends its time on otherwise.
//!
//! They are no cryptography.  What the protocol rests on holds all the same, for nobody in the simulator goes
//! around the engine: without an installation's seed no signature of it is made, and without the serial no MAC.

use serialnumberd_core::crypto::CLAIM_ID_CONTEXT;
use serialnumberd_core::{Crypto, Installation, Product};
use zeroize::Zeroizing;

/// Multipliers of the folded multiplication: odd, with half of their bits set, as wyhash and its kin have them.
const MULTIPLIERS: [u64; 4] =
    [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3];
/// Stands for the knowledge of a seed: only [`Cheap::signer`] and [`Cheap::verify`] use it.
const SIGNATURES: [u64; 4] = [0x5eed, 0x5199, 0xa7e5, 0x0626];

/// Folds the 128-bit product of two words into one.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let (low, high) = (product & u128::from(u64::MAX), product >> 64);
    u64::try_from(low ^ high).unwrap_or_default()
}

/// A digest of 32 bytes over `parts`, in some 20 ns for a datagram.
fn digest(key: [u64; 4], parts: &[&[u8]]) -> [u8; 32] {
    let (mut a, mut b, mut len) = (key[0] ^ MULTIPLIERS[0], key[1] ^ key[2] ^ key[3] ^ MULTIPLIERS[1], 0);
    for part in parts {
        let mut pairs = part.chunks_exact(16);
        for pair in &mut pairs {
            a = fold(word(&pair[..8]) ^ MULTIPLIERS[2], a ^ MULTIPLIERS[0]);
            b = fold(word(&pair[8..]) ^ MULTIPLIERS[3], b ^ a);
        }
        for rest in pairs.remainder().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            b = fold(word(&bytes) ^ MULTIPLIERS[1], a ^ b.rotate_left(17));
        }
        len += part.len() as u64;
    }
    let mut out = [0; 32];
    for (chunk, multiplier) in out.chunks_exact_mut(8).zip(MULTIPLIERS) {
        a = fold(a ^ multiplier, b ^ len ^ multiplier.rotate_left(32));
        chunk.copy_from_slice(&a.to_le_bytes());
    }
    out
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

fn words(key: &[u8; 32]) -> [u64; 4] {
    std::array::from_fn(|i| word(&key[8 * i..8 * i + 8]))
}

fn signature(installation: &Installation, body: &[u8; 240]) -> [u8; 64] {
    let half = digest(SIGNATURES, &[&installation.0, body]);
    std::array::from_fn(|i| half[i % 32])
}

/// The stand-in for Ed25519, BLAKE3 and Argon2id.
#[derive(Clone, Copy, Debug)]
pub struct Cheap;

impl Crypto for Cheap {
    /// The public half: in the simulator nobody else is given it as a signer.
    type Signer = Installation;

    fn signer(seed: &[u8; 32]) -> Installation {
        Installation(digest(SIGNATURES, &[seed]))
    }

    fn installation(signer: &Installation) -> Installation {
        *signer
    }

    fn sign(signer: &Installation, body: &[u8; 240]) -> [u8; 64] {
        signature(signer, body)
    }

    fn verify(installation: &Installation, body: &[u8; 240], claimed: &[u8; 64]) -> bool {
        signature(installation, body) == *claimed
    }

    fn claim_key(serial: &[u8], product: &Product) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(digest(MULTIPLIERS, &[serial, product.as_str().as_bytes()]))
    }

    fn derive(context: &'static str, material: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(digest(words(material), &[context.as_bytes()]))
    }

    fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
        digest(words(key), parts)
    }

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        digest([0; 4], parts)
    }
}

/// [`Cheap`], but every serial of a product has the same claim id: what 128 bits make too rare to try.
#[derive(Clone, Copy, Debug)]
pub struct Colliding;

impl Crypto for Colliding {
    type Signer = Installation;

    fn signer(seed: &[u8; 32]) -> Installation {
        Cheap::signer(seed)
    }

    fn installation(signer: &Installation) -> Installation {
        Cheap::installation(signer)
    }

    fn sign(signer: &Installation, body: &[u8; 240]) -> [u8; 64] {
        Cheap::sign(signer, body)
    }

    fn verify(installation: &Installation, body: &[u8; 240], claimed: &[u8; 64]) -> bool {
        Cheap::verify(installation, body, claimed)
    }

    fn claim_key(serial: &[u8], product: &Product) -> Zeroizing<[u8; 32]> {
        Cheap::claim_key(serial, product)
    }

    fn derive(context: &'static str, material: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        if context == CLAIM_ID_CONTEXT { Zeroizing::new([7; 32]) } else { Cheap::derive(context, material) }
    }

    fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
        Cheap::keyed(key, parts)
    }

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        Cheap::hash(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stand_ins_tell_apart_what_the_protocol_tells_apart() {
        let (mine, other) = (Cheap::signer(&[1; 32]), Cheap::signer(&[2; 32]));
        let mut body = [7; 240];
        let signature = Cheap::sign(&mine, &body);
        assert!(Cheap::verify(&mine, &body, &signature));
        assert!(!Cheap::verify(&other, &body, &signature), "another key");
        for bit in 0..240 * 8 {
            body[bit / 8] ^= 1 << (bit % 8);
            assert!(!Cheap::verify(&mine, &body, &signature), "bit {bit}");
            body[bit / 8] ^= 1 << (bit % 8);
        }
        assert_ne!(Cheap::keyed(&[1; 32], &[b"x"]), Cheap::keyed(&[2; 32], &[b"x"]));
        assert_ne!(Cheap::hash(&[b"x"]), Cheap::hash(&[b"x\0"]), "its length counts");
        assert_eq!(Cheap::hash(&[&[1; 16], &[2; 16]]), Cheap::hash(&[&[[1; 16], [2; 16]].concat()]));
    }

    #[test]
    fn one_claim_id_for_all_serials_and_keys_of_their_own() {
        let derive = |context, material: u8| *Colliding::derive(context, &[material; 32]);
        assert_eq!(derive(CLAIM_ID_CONTEXT, 1), derive(CLAIM_ID_CONTEXT, 2));
        let mac = serialnumberd_core::crypto::MAC_CONTEXT;
        assert_ne!(derive(mac, 1), derive(mac, 2));
    }
}
