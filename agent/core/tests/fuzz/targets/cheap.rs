//! Cheap stand-ins for cryptography: a datagram costs nanoseconds, and none is forged by chance.
//!
//! A "signature" is a digest under the public key.  Whoever means to can forge it; a fuzzer's mutations cannot hit
//! it, and the MAC's key is in no datagram.

use serialnumberd_core::{Crypto, Installation, Product};
use zeroize::Zeroizing;

pub struct Cheap;

/// Odd 64-bit constants of xxHash: multiplying by them spreads every bit upwards, the rotation back down.
const PRIMES: [u64; 4] =
    [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63];

fn absorb(state: &mut [u64; 4], bytes: &[u8]) {
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(state, u64::from_le_bytes(word));
    }
    mix(state, bytes.len() as u64);
}

fn mix(state: &mut [u64; 4], word: u64) {
    let [a, b, c, d] = *state;
    let next = (a ^ word).wrapping_mul(PRIMES[0]).rotate_left(29) ^ d;
    *state =
        [b.wrapping_add(next), c ^ next.rotate_left(17), d.wrapping_add(word), next.wrapping_mul(PRIMES[1])];
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = PRIMES;
    parts.iter().for_each(|part| absorb(&mut state, part));
    (0..8).for_each(|round| mix(&mut state, PRIMES[2] ^ round));
    let mut out = [0; 32];
    for (to, word) in out.chunks_mut(8).zip(state) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    out
}

impl Crypto for Cheap {
    type Signer = Installation;

    fn signer(seed: &[u8; 32]) -> Installation {
        Installation(digest(&[b"seed", seed]))
    }

    fn installation(signer: &Installation) -> Installation {
        *signer
    }

    fn sign(signer: &Installation, body: &[u8; 240]) -> [u8; 64] {
        let half = digest(&[b"sign", &signer.0, body]);
        std::array::from_fn(|i| half[i % 32])
    }

    fn verify(installation: &Installation, body: &[u8; 240], signature: &[u8; 64]) -> bool {
        // Without a comparison that a fuzzer could watch and learn from.
        let wrong = Cheap::sign(installation, body).iter().zip(signature).fold(0, |w, (a, b)| w | (a ^ b));
        std::hint::black_box(wrong) == 0
    }

    fn claim_key(serial: &[u8], product: &Product) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(digest(&[b"claim", serial, product.as_str().as_bytes()]))
    }

    fn derive(context: &'static str, material: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(digest(&[context.as_bytes(), material]))
    }

    fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
        let inner: Vec<u8> = parts.concat();
        digest(&[b"keyed", key, &inner])
    }

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        let inner: Vec<u8> = parts.concat();
        digest(&[b"hash", &inner])
    }
}
