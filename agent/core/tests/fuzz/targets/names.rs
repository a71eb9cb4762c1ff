//! Host names, products and serials: what one spelling is, and that there is one only.

use super::cheap::Cheap;
use serialnumberd_core::wire::HostName;
use serialnumberd_core::{ClaimId, ClaimKeys, Product, Serial};

pub fn names(bytes: &[u8]) {
    host(bytes);
    product(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (first, second) = text.split_once('\n').unwrap_or((text, "S"));
        serials(first, second);
    }
}

fn host(bytes: &[u8]) {
    let mut padded = [0; 64];
    let len = bytes.len().min(64);
    padded[..len].copy_from_slice(&bytes[..len]);
    if let Some(host) = HostName::from_wire(padded) {
        assert_eq!(host.to_wire(), padded);
        assert_eq!(HostName::new(host.as_str()), host, "what may be on the wire is not cut");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let host = HostName::new(text);
        assert_eq!(HostName::from_wire(host.to_wire()), Some(host), "what is sent is read");
        let clean: String = text.chars().filter(|c| !c.is_control()).collect();
        assert!(clean.starts_with(host.as_str()));
        assert!(
            host.as_str().len() == clean.len() || host.as_str().len() > 64 - 4,
            "cut only where it must be"
        );
    }
}

fn product(bytes: &[u8]) {
    let mut padded = [0; 32];
    let len = bytes.len().min(32);
    padded[..len].copy_from_slice(&bytes[..len]);
    let read = Product::from_wire(padded);
    if let Ok(product) = read {
        assert_eq!(product.to_wire(), padded);
        assert_eq!(Product::new(product.as_str()), Ok(product));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        match Product::new(text) {
            Ok(product) => assert_eq!((product.as_str(), Ok(product)), (text, read)),
            Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
        }
    }
}

/// What is left of a serial, by the protocol document's words.
fn canonical(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '\t'..='\r' | '-')).collect::<String>().to_ascii_uppercase()
}

fn id(text: &str) -> Option<ClaimId> {
    let product = Product::new("xsvr").unwrap();
    let serial = Serial::new(text).ok()?;
    assert_eq!(format!("{serial:?}"), "Serial(secret)");
    Some(ClaimKeys::derive::<Cheap>(&product, &serial).id())
}

/// Two spellings are one claim exactly if their canonical forms are equal.
fn serials(first: &str, second: &str) {
    let valid = |text: &str| text.is_ascii() && !canonical(text).is_empty();
    for text in [first, second] {
        assert_eq!(id(text).is_some(), valid(text), "{text:?}");
        assert!(!valid(text) || id(text) == id(&canonical(text)), "{text:?}");
        let spaced: String = text.chars().flat_map(|c| [c, '-', ' ', '\u{b}']).collect();
        assert_eq!(id(text), id(&spaced.to_ascii_lowercase()), "{text:?}");
    }
    if valid(first) && valid(second) {
        assert_eq!(id(first) == id(second), canonical(first) == canonical(second));
    }
}
