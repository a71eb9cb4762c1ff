//! Golden bytes of each datagram kind, so that another implementation can be written from the document.
//! Fixed keys, nonce and time; `BLESS=1` rewrites the files.

mod lan;

use lan::{keys, product};
use serialnumberd_core::wire::{Datagram, Header, HostName, Kind, seal, verify_mac, verify_signature};
use serialnumberd_core::{BootId, Crypto, Instance, Nonce, Standard, Tag};

const SEED: [u8; 32] = [0x42; 32];

fn datagram(kind: Kind) -> Datagram {
    let keys = keys("XSVR-123-456");
    Datagram {
        kind,
        standby: false,
        interval_s: 300,
        claim: keys.id(),
        instance: Instance {
            installation: Standard::installation(&Standard::signer(&SEED)),
            boot: BootId([1, 2, 3, 4, 5, 6, 7, 8]),
        },
        sequence: 0x0102_0304_0506_0708,
        sent_ms: 1_800_000_000_000,
        since_ms: 1_790_000_000_000,
        nonce: Nonce(core::array::from_fn(|i| i.to_le_bytes()[0])),
        seats: 5,
        version: 1,
        runs: 0x01_0203_0405,
        product: product(),
        host: HostName::new("server-1.example.org"),
        group: keys.group::<Standard>("pair"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let lines: Vec<String> = bytes
        .chunks(16)
        .map(|row| row.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "))
        .collect();
    lines.join("\n") + "\n"
}

fn check(name: &str, datagram: &Datagram) {
    let keys = keys("XSVR-123-456");
    let bytes = seal::<Standard>(datagram, &Standard::signer(&SEED), &keys);
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, hex(&bytes)).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}; BLESS=1 writes it"));
    assert_eq!(hex(&bytes), golden, "{name}");
    // And back: from the file alone.
    let read: Vec<u8> =
        golden.split_whitespace().map(|b| u8::from_str_radix(b, 16).expect("the file holds hex")).collect();
    assert_eq!(Datagram::decode(&read).unwrap(), *datagram);
    let header = Header::peek(&read).unwrap();
    assert!(verify_mac::<Standard>(&header, &keys) && verify_signature::<Standard>(&header));
    for at in [0, 4, 5, 100, 239, 250, 310] {
        let mut bad = read.clone();
        bad[at] ^= 1;
        let still = Header::peek(&bad)
            .is_ok_and(|h| verify_mac::<Standard>(&h, &keys) && verify_signature::<Standard>(&h));
        assert!(!still, "byte {at} is not covered");
    }
}

#[test]
fn announce() {
    check("announce", &datagram(Kind::Announce { probe: false, want: false }));
}

#[test]
fn announce_probe_want_standby() {
    check(
        "announce_probe_want_standby",
        &Datagram { standby: true, ..datagram(Kind::Announce { probe: true, want: true }) },
    );
}

#[test]
fn answer_want() {
    check("answer_want", &datagram(Kind::Answer { answers: Tag([0xab; 16]), want: true }));
}

#[test]
fn goodbye() {
    check("goodbye", &datagram(Kind::Goodbye));
}

#[test]
fn keys_of_a_known_serial() {
    // From the protocol document's formulas, by independent implementations of Argon2id and BLAKE3; see golden/keys.py.
    let golden = include_str!("golden/keys.txt");
    let keys = keys("xsvr 123\t456");
    let text = format!("claim id {}\ngroup pair {}\n", keys.id(), keys.group::<Standard>("pair"));
    assert_eq!(text, golden);
}
