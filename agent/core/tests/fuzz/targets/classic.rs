//! The classic text format: whatever is read can be written and reads the same, and what we write is read.

use super::cheap::Cheap;
use serialnumberd_core::limits::{CLASSIC_BYTES, CLASSIC_HOST};
use serialnumberd_core::wire::classic::{Answer, Classic, Query, Response};
use serialnumberd_core::{ClaimKeys, Installation, Product, Serial};

pub fn classic(bytes: &[u8]) {
    let query = Query::decode(bytes);
    if let Some(query) = query {
        assert_eq!(Classic::of(bytes), Some(Classic::Query));
        // A blank that was left out is written.
        let written = query.encode();
        assert!(written.len() <= bytes.len() + 1);
        assert_eq!(Query::decode(&written), (written.len() <= CLASSIC_BYTES).then_some(query));
        answer(query.product, query.token, query.address);
    }
    if let Some(response) = Response::decode(bytes) {
        assert_eq!(Classic::of(bytes), Some(Classic::Response));
        assert!(query.is_none());
        assert!(response.numbers.iter().all(|n| n.starts_with("0x")));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        answer(Product::new("xsvr").unwrap(), text, text);
    }
}

/// Whatever the asker's token and my host's name are, the answer is well-formed and small.
fn answer(product: Product, token: &str, host: &str) {
    let keys = ClaimKeys::derive::<Cheap>(&product, &Serial::new("S").unwrap());
    let (claim, installation) = (keys.id(), Installation([7; 32]));
    let bytes =
        Answer { host, claim, product, installation, since_ms: u64::MAX, token }.encode::<Cheap>(&keys);
    assert_eq!(bytes.last(), Some(&0));
    let response = Response::decode(&bytes).expect("our own response reads back");
    assert_eq!(response.product, product.as_str());
    assert!((1..=CLASSIC_HOST).contains(&response.host.len()), "{:?}", response.host);
    assert!(bytes.is_ascii() && bytes.len() <= 210 + product.as_str().len(), "{}", bytes.len());
}
