//! What a datagram costs the engine: of a claim not held here, refused by MAC, refused by window, and new with its
//! signature.  BLAKE3's keyed hash and one Ed25519 check of the same bytes are measured beside them, as peers.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serialnumberd_core::wire::{Datagram, Header, HostName, Kind, seal, verify_mac, verify_signature};
use serialnumberd_core::{
    Arrival, BootId, ClaimKeys, Crypto, Engine, GroupDigest, Identity, Instance, Interface, License, Mono,
    Nonce, Now, Product, Serial, Settings, Standard,
};

fn entropy(bytes: &mut [u8]) {
    bytes.fill(7);
}

fn keys(serial: &str) -> ClaimKeys {
    ClaimKeys::derive::<Standard>(&product(), &Serial::new(serial).expect("a serial"))
}

fn product() -> Product {
    Product::new("xsvr").expect("a product")
}

fn now() -> Now {
    Now { boot: Mono(1_000_000_000_000), awake: Mono(1_000_000_000_000), wall_ms: 1_800_000_000_000 }
}

fn engine() -> Engine {
    let identity = Identity { seed: [1; 32].into(), runs: 1 };
    let mut engine = Engine::new(now(), &mut entropy, &identity, Settings::default());
    let eth0 = Interface {
        index: 2,
        name: "eth0".into(),
        addresses: vec![("10.0.0.1".parse().expect("an address"), 24)],
    };
    engine.set_interfaces(now(), &mut entropy, vec![eth0]);
    let license = License {
        product: product(),
        keys: keys("MINE"),
        seats: 0,
        group: String::new(),
        standby: false,
        standbys: 0,
        since_ms: 0,
    };
    engine.claim(now(), &mut entropy, license).expect("a first claim");
    engine
}

fn announcement(keys: &ClaimKeys, sequence: u64) -> [u8; 320] {
    let signer = Standard::signer(&[2; 32]);
    let datagram = Datagram {
        kind: Kind::Announce { probe: false, want: false },
        standby: false,
        interval_s: 300,
        claim: keys.id(),
        instance: Instance { installation: Standard::installation(&signer), boot: BootId([1; 8]) },
        sequence,
        sent_ms: 0,
        since_ms: 0,
        nonce: Nonce([3; 16]),
        seats: 1,
        version: 1,
        runs: 1,
        product: product(),
        host: HostName::new("bench"),
        group: GroupDigest::NONE,
    };
    seal::<Standard>(&datagram, &signer, keys)
}

fn arrival<'a>(bytes: &'a [u8], source: SocketAddr) -> Arrival<'a> {
    let destination = "255.255.255.255".parse().expect("an address");
    Arrival { bytes, truncated: false, source, destination, interface: 2, ttl: Some(255) }
}

fn datagrams(c: &mut Criterion) {
    let source: SocketAddr = "10.0.0.2:626".parse().expect("an address");
    let mine = keys("MINE");
    let good = announcement(&mine, 5);
    let mut wrong_mac = good;
    wrong_mac[319] ^= 1;
    let foreign = announcement(&keys("FOREIGN"), 5);

    let mut group = c.benchmark_group("datagram");
    group.bench_function("decode", |b| b.iter(|| Datagram::decode(black_box(&foreign))));
    group.bench_function("peer: keyed BLAKE3 of 304 bytes", |b| {
        let header = Header::peek(&good).expect("a datagram");
        b.iter(|| verify_mac::<Standard>(black_box(&header), &mine))
    });
    group.bench_function("peer: Ed25519 check", |b| {
        let header = Header::peek(&good).expect("a datagram");
        b.iter(|| verify_signature::<Standard>(black_box(&header)))
    });
    for (name, bytes) in [("foreign claim", &foreign), ("own claim, wrong MAC", &wrong_mac)] {
        let mut engine = engine();
        group.bench_function(name, |b| {
            b.iter(|| engine.handle_datagram(now(), &mut entropy, &arrival(black_box(bytes), source)))
        });
    }
    let mut replayed = engine();
    replayed.handle_datagram(now(), &mut entropy, &arrival(&good, source));
    group.bench_function("own claim, seen before", |b| {
        b.iter(|| replayed.handle_datagram(now(), &mut entropy, &arrival(black_box(&good), source)))
    });
    let mut fresh = engine();
    let (mut sequence, mut at) = (100, now());
    group.bench_function("own claim, new: decode, MAC, signature, engine", |b| {
        b.iter_batched(
            || {
                sequence += 1;
                // A second apart, so that no bucket runs dry.
                at.boot = at.boot.after(Duration::from_secs(1));
                at.awake = at.boot;
                at.wall_ms += 1000;
                (announcement(&mine, sequence), at)
            },
            |(bytes, at)| {
                let fate = fresh.handle_datagram(at, &mut entropy, &arrival(&bytes, source));
                while fresh.poll_event().is_some() {}
                fate
            },
            BatchSize::SmallInput,
        )
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = datagrams
}
criterion_main!(benches);
