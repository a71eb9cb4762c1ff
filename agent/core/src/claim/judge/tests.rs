//! The overlap of lives against the rule's letter.

use super::*;
use crate::crypto::Standard;
use crate::holders::Proof;
use crate::keys::{ClaimKeys, Serial};
use crate::station::License;
use crate::wire::{Datagram, HostName, Kind};
use crate::{AllOn, BootId, GroupDigest, Mono, Nonce, Now, Product};
use alloc::string::String;
use proptest::prelude::*;

/// A holder: first heard before my datagram of this ordinal, answered that one last, STANDBY of a group.
type Life = (u64, Option<u64>, bool);

fn datagram(n: usize, standby: bool) -> Datagram {
    let byte = u8::try_from(n).unwrap();
    let installation = Installation([byte; 32]);
    Datagram {
        kind: Kind::Announce { probe: false, want: false },
        standby,
        interval_s: 300,
        claim: crate::ClaimId::default(),
        instance: Instance { installation, boot: BootId::default() },
        sequence: 1,
        sent_ms: 0,
        since_ms: 0,
        nonce: Nonce::default(),
        seats: 1,
        version: 1,
        runs: 1,
        product: Product::default(),
        host: HostName::default(),
        group: GroupDigest([7; 16]),
    }
}

fn claim(keys: &ClaimKeys, lives: &[Life], standby: bool, standbys: u16) -> Claim {
    let license = License {
        product: Product::new("xsvr").unwrap(),
        keys: keys.clone(),
        seats: 1,
        group: String::from("pair"),
        standby,
        standbys,
        since_ms: 0,
    };
    let mut claim = Claim::new::<Standard>(Now::default(), &mut |b: &mut [u8]| b.fill(0), license);
    let path = ("10.0.0.1:626".parse().unwrap(), 1);
    for (n, (first, proof, standby)) in lives.iter().enumerate() {
        let d = datagram(n, *standby);
        claim.holders.hear(Mono(0), *first, 1, &d, path);
        let holder = claim.holders.find_mut(&d.instance).unwrap();
        holder.proof = proof.map(|ordinal| Proof { ordinal, at: Mono(0) });
    }
    claim
}

/// By the rule's letter: for every question of the round, who was heard before it and answered it or a later one.
fn most_seats(claim: &Claim, opened: u64) -> usize {
    let alive_at = |at: u64| {
        let spans = move |h: &&Holder| h.first_ordinal <= at && h.proof.is_some_and(|p| p.ordinal >= at);
        claim.holders.live().filter(spans)
    };
    let depth = |at| if alive_at(at).count() == 0 { 0 } else { claim.taken_with(alive_at(at)) };
    (opened..30).map(depth).max().unwrap_or(0)
}

#[test]
fn the_deepest_overlap_is_that_of_trying_every_question() {
    let keys = ClaimKeys::derive::<Standard>(&Product::new("xsvr").unwrap(), &Serial::new("S").unwrap());
    let life = (0..25u64, proptest::option::of(0..25u64), any::<bool>());
    let lives = proptest::collection::vec(life, 0..8);
    let config = proptest::test_runner::Config::with_cases(20_000);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = |(lives, opened, standby, standbys): (Vec<Life>, u64, bool, u16)| {
        let claim = claim(&keys, &lives, standby, standbys);
        let round = Round::open(Mono(0), opened, 1, &claim.holders);
        let found = claim.alive_together::<AllOn>(&round);
        let taken = claim.taken_with(found.iter().filter_map(|i| claim.holders.find(i)));
        let taken = if found.is_empty() { 0 } else { taken };
        prop_assert_eq!(taken, most_seats(&claim, opened));
        Ok(())
    };
    runner.run(&(lives, 0..10u64, any::<bool>(), 0..3u16), run).unwrap();
}
