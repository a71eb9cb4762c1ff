//! Properties of the wire format, over fields that nobody would think of.

mod lan;

use lan::keys;
use proptest::prelude::*;
use serialnumberd_core::wire::{Datagram, Header, HostName, Kind, seal, verify_mac, verify_signature};
use serialnumberd_core::{BootId, Crypto, GroupDigest, Instance, Nonce, Product, Standard, Tag};

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        any::<(bool, bool)>().prop_map(|(probe, want)| Kind::Announce { probe, want }),
        any::<([u8; 16], bool)>().prop_map(|(tag, want)| Kind::Answer { answers: Tag(tag), want }),
        Just(Kind::Goodbye),
    ]
}

fn datagram() -> impl Strategy<Value = Datagram> {
    let signer = Standard::signer(&[1; 32]);
    let installation = Standard::installation(&signer);
    let claim = keys("S").id();
    let numbers = (1..=3600u16, any::<u64>(), any::<u64>(), any::<u64>(), any::<u16>(), 0..1u64 << 40);
    let names = ("[a-z0-9._-]{1,31}", "\\PC{0,70}", any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 8]>());
    (kind(), any::<bool>(), numbers, names).prop_map(
        move |(kind, standby, n, (product, host, group, nonce, boot))| Datagram {
            kind,
            standby,
            interval_s: n.0,
            claim,
            instance: Instance { installation, boot: BootId(boot) },
            sequence: n.1,
            sent_ms: n.2,
            since_ms: n.3,
            nonce: Nonce(nonce),
            seats: n.4,
            version: 1,
            runs: n.5,
            product: Product::new(&product).unwrap(),
            host: HostName::new(&host),
            group: GroupDigest(group),
        },
    )
}

proptest! {
    #[test]
    fn what_is_sealed_reads_back_the_same_and_no_bit_can_be_changed(d in datagram(), bit in 0..320 * 8usize) {
        let keys = keys("S");
        let mut bytes = seal::<Standard>(&d, &Standard::signer(&[1; 32]), &keys);
        prop_assert_eq!(Datagram::decode(&bytes), Ok(d));
        let header = Header::peek(&bytes).unwrap();
        prop_assert!(verify_mac::<Standard>(&header, &keys) && verify_signature::<Standard>(&header));
        prop_assert_eq!(header.is_goodbye(), d.kind == Kind::Goodbye);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(header) = Header::peek(&bytes) {
            prop_assert!(!verify_mac::<Standard>(&header, &keys), "bit {} is not covered", bit);
            prop_assert!(bit / 8 >= 304 || !verify_signature::<Standard>(&header));
        }
    }

    #[test]
    fn whatever_is_read_can_be_written_and_no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 320)) {
        bytes[..4].copy_from_slice(b"SNv1");
        bytes[4] = 1 + bytes[4] % 3;
        let text: Vec<u8> = b"xsvr".iter().copied().chain(std::iter::repeat(0)).take(32).collect();
        bytes[128..160].copy_from_slice(&text);
        bytes[160..224].fill(0);
        let read = Datagram::decode(&bytes).expect("any value of a number is one");
        prop_assert!((1..=3600).contains(&read.interval_s));
        let again = seal::<Standard>(&read, &Standard::signer(&[1; 32]), &keys("S"));
        prop_assert_eq!(Datagram::decode(&again), Ok(read));
    }
}
