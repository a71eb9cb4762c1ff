//! Who is healthy is not accused, whatever is late, replayed, restarted or asleep.

mod lan;

use lan::{Lan, license, secs};
use serialnumberd_core::{License, Now, Settings};

#[test]
fn a_promoted_standby_asks_whether_the_other_still_serves() {
    let member = |standby| License { group: "pair".into(), standby, standbys: 1, ..license("S") };
    let mut lan = Lan::new(241);
    let a = lan.host(1, Settings::default());
    lan.claim(a, member(false));
    let b = lan.host(2, Settings::default());
    lan.claim(b, member(true));
    lan.run(secs(1000));
    lan.kill(a);
    lan.run(secs(5));
    let now: Now = lan.at();
    lan.with(b, |e, rng| e.relicense(now, &mut |x: &mut [u8]| rng.fill(x), member(false)));
    lan.run(secs(12));
    let view = lan.view(b);
    assert!(view.holders.iter().any(|h| !h.is_self && h.silent), "a whole round was left unanswered");
    assert!(!lan.hosts[b].accused());
}
