//! A protocol datagram from a stranger: read, written again, and judged by an engine that holds a claim.

use super::cheap::Cheap;
use serialnumberd_core::limits::INTERVAL_S;
use serialnumberd_core::wire::classic::Classic;
use serialnumberd_core::wire::{
    Datagram, Header, HostName, Kind, WireError, seal, verify_mac, verify_signature,
};
use serialnumberd_core::{
    Arrival, ClaimId, ClaimKeys, Crypto, Engine, Entropy, Event, Fate, Identity, Interface, Legacy, License,
    Mono, Now, Product, Serial, Settings, Standard,
};
use zeroize::Zeroizing;

pub fn datagram(bytes: &[u8]) {
    let decoded = Datagram::decode(bytes);
    match Header::peek(bytes) {
        Ok(header) => {
            assert_eq!(bytes.len(), 320);
            real_keys(&header);
            assert!(matches!(decoded, Ok(_) | Err(WireError::Text)));
        }
        Err(error) => assert_eq!(decoded, Err(error)),
    }
    if let Ok(datagram) = &decoded {
        round_trip(bytes, datagram);
    }
    to_an_engine(bytes, decoded);
}

fn keys() -> ClaimKeys {
    ClaimKeys::derive::<Cheap>(&Product::new("xsvr").unwrap(), &Serial::new("S").unwrap())
}

/// The real MAC and the real signature check take any bytes.  Nobody knows this MAC key.
fn real_keys(header: &Header<'_>) {
    assert!(!verify_mac::<Standard>(header, &keys()));
    let _signed = verify_signature::<Standard>(header);
}

/// What was read can be written, and reads back the same.
fn round_trip(bytes: &[u8], datagram: &Datagram) {
    assert!(INTERVAL_S.contains(&datagram.interval_s) && datagram.runs < 1 << 40);
    assert!(!datagram.host.as_str().chars().any(char::is_control));
    let signer = Cheap::signer(&[1; 32]);
    let mut written = seal::<Cheap>(datagram, &signer, &keys());
    assert_eq!(Datagram::decode(&written), Ok(*datagram));
    let header = Header::peek(&written).unwrap();
    assert!(verify_mac::<Cheap>(&header, &keys()));
    assert_eq!(verify_signature::<Cheap>(&header), datagram.instance.installation == signer);
    assert_eq!(header.is_goodbye(), datagram.kind == Kind::Goodbye);
    // All that is not ignored is written where it was read: flags, a clamped interval and the tag of what is no answer.
    let ignored = [5..8, if matches!(datagram.kind, Kind::Answer { .. }) { 0..0 } else { 104..120 }];
    for at in ignored.into_iter().flatten() {
        written[at] = bytes[at];
    }
    assert_eq!(written[..240], bytes[..240]);
}

fn entropy(bytes: &mut [u8]) {
    bytes.fill(7);
}

const NOW: Now =
    Now { boot: Mono(1_000_000_000_000), awake: Mono(1_000_000_000_000), wall_ms: 1_800_000_000_000 };

/// An engine that holds two claims: one of its own, and whatever claim id the bytes name if they are long enough to
/// have one, so that the MAC is reached.
fn holder() -> (Engine<Cheap>, ClaimId) {
    let entropy: &mut dyn Entropy = &mut entropy;
    let identity = Identity { seed: Zeroizing::new([2; 32]), runs: 1 };
    let settings =
        Settings { legacy: Legacy::Answer, observe: true, host: HostName::new("h"), ..Settings::default() };
    let mut engine = Engine::new(NOW, entropy, &identity, settings);
    let addresses = vec![("10.0.0.1".parse().unwrap(), 24)];
    engine.set_interfaces(NOW, entropy, vec![Interface { index: 1, name: "eth0".into(), addresses }]);
    let license = License {
        product: Product::new("xsvr").unwrap(),
        keys: keys(),
        seats: 1,
        group: String::new(),
        standby: false,
        standbys: 0,
        since_ms: 0,
    };
    let claim = engine.claim(NOW, entropy, license).expect("the first claim");
    while engine.poll_event().is_some() || engine.poll_transmit().is_some() {}
    (engine, claim)
}

/// Whoever lacks the serial changes nothing, and is answered at most in the classic format.
fn to_an_engine(bytes: &[u8], decoded: Result<Datagram, WireError>) {
    let (mut engine, claim) = holder();
    let mut bytes = bytes.to_vec();
    if bytes.len() == 320 && bytes[8] & 1 != 0 {
        bytes[8..24].copy_from_slice(&claim.0);
    }
    let header = Header::peek(&bytes);
    let arrival = Arrival {
        bytes: &bytes,
        truncated: false,
        source: "10.0.0.2:626".parse().unwrap(),
        destination: "255.255.255.255".parse().unwrap(),
        interface: 1,
        ttl: Some(255),
    };
    let fate = engine.handle_datagram(NOW, &mut entropy, &arrival);
    let classic = matches!(
        fate,
        Fate::ClassicIgnored | Fate::ClassicQuery | Fate::ClassicAnswered | Fate::ClassicResponse
    );
    let fits = match (decoded, header) {
        (Err(WireError::Length), _) => fate == Fate::WrongLength || classic,
        (Err(WireError::Magic), _) => fate == Fate::WrongMagic || classic,
        (Err(WireError::Kind), _) => fate == Fate::WrongKind,
        (_, Ok(header)) if header.claim == claim => fate == Fate::WrongMac,
        _ => matches!(fate, Fate::ForeignForged | Fate::Foreign),
    };
    assert!(fits && classic == Classic::of(&bytes).is_some(), "{fate:?} for {decoded:?}");
    let query = |e: Event| assert!(matches!(e, Event::Query { .. }) && classic);
    std::iter::from_fn(|| engine.poll_event()).for_each(query);
    assert_eq!(
        std::iter::from_fn(|| engine.poll_transmit()).count(),
        usize::from(fate == Fate::ClassicAnswered)
    );
    assert_eq!((engine.remembered(), engine.peers()), (0, 0), "nothing is remembered of a stranger");
}
