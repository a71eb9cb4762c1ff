//! What must happen by time alone, without the luck of other traffic; and what must not happen all the time.
//! The LAN itself asserts that no host ever has a deadline that it does not clear.

mod lan;

use lan::{Lan, license, secs};
use serialnumberd_core::{Coverage, Settings};

#[test]
fn missing_expected_peers_are_told_once_and_do_not_make_the_agent_spin() {
    let mut lan = Lan::new(101);
    let a = lan.host(1, Settings { expect_peers: 1, ..Settings::default() });
    lan.claim(a, license("S"));
    lan.run(secs(2000));
    assert_eq!(lan.coverage(a), Coverage::Blind);
    let b = lan.holder(2, "T", Settings::default());
    lan.run(secs(200));
    assert_eq!(lan.coverage(a), Coverage::Good);
    lan.kill(b);
    lan.run(secs(2000));
    assert_eq!(lan.coverage(a), Coverage::Blind, "the peer expired");
}
