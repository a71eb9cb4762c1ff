//! Grace adds up, survives restarts and damage, and is neither renewed by them nor won by killing.

use super::*;

const CLAIM: ClaimId = ClaimId([0xA5; 16]);
const GRACE: Duration = Duration::from_secs(3600);

fn at(seconds: u64) -> Now {
    Now { mono_ns: seconds * 1_000_000_000, wall_ms: 1_795_000_000_000 + seconds * 1000 }
}

/// What a new run knows after the file was written and the agent started anew, its clock at `now`.
fn restarted(ledger: &mut Ledger, written: Now, ahead: bool, now: Now) -> Ledger {
    let (ledger, damage) = Ledger::decode(&ledger.encode(GRACE, written, ahead), now);
    assert_eq!(damage, Vec::<String>::new());
    ledger
}

#[test]
fn it_runs_out_after_its_time() {
    let mut ledger = Ledger::default();
    ledger.run(CLAIM, GRACE, at(100));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(100)), Grace::Until(1_795_003_700_000));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(3699)), Grace::Until(1_795_003_700_000));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(3700)), Grace::Over);
}

#[test]
fn a_pause_is_not_counted_and_what_was_used_stays() {
    let mut ledger = Ledger::default();
    ledger.run(CLAIM, GRACE, at(0));
    ledger.pause(CLAIM, false, at(1000));
    assert_eq!(ledger.used(CLAIM, at(9000)), Duration::from_secs(1000));
    ledger.run(CLAIM, GRACE, at(9000));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(9000)), Grace::Until(at(9000 + 2600).wall_ms));
}

#[test]
fn a_restart_does_not_renew_it() {
    let mut ledger = Ledger::default();
    ledger.run(CLAIM, GRACE, at(0));
    let mut ledger = restarted(&mut ledger, at(1800), false, at(5));
    assert_eq!(ledger.used(CLAIM, at(50)), Duration::from_secs(1800));
    ledger.run(CLAIM, GRACE, at(100));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(1899)), Grace::Until(at(1900).wall_ms));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(1900)), Grace::Over);
}

#[test]
fn killing_the_agent_wins_no_time() {
    let mut ledger = Ledger::default();
    let mut counted = 0;
    for _ in 0..60 {
        ledger.run(CLAIM, GRACE, at(0));
        assert!(ledger.wants_save(GRACE, at(0)));
        // Written as it began, and killed 59 s later, before the next save.
        ledger = restarted(&mut ledger, at(0), true, at(0));
        counted += 59;
    }
    assert!(ledger.used(CLAIM, at(0)) >= Duration::from_secs(counted));
    ledger.run(CLAIM, GRACE, at(0));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(0)), Grace::Over);
}

#[test]
fn it_is_forgotten_after_a_long_clear_time_only() {
    let mut ledger = Ledger::default();
    ledger.run(CLAIM, GRACE, at(0));
    ledger.pause(CLAIM, true, at(600));
    assert_eq!(ledger.deadline(GRACE), Some(at(600 + 3600).mono_ns));
    // A new conflict within the hour goes on where the last one stopped.
    ledger.run(CLAIM, GRACE, at(4199));
    ledger.forget(at(4200));
    assert_eq!(ledger.used(CLAIM, at(4199)), Duration::from_secs(600));
    ledger.pause(CLAIM, true, at(4199));
    ledger.pause(CLAIM, true, at(5000));
    ledger.forget(at(4199 + 3599));
    assert_eq!(ledger.used(CLAIM, at(9000)), Duration::from_secs(600));
    // A suspicion breaks the clear time.
    ledger.pause(CLAIM, false, at(7000));
    ledger.pause(CLAIM, true, at(7100));
    ledger.forget(at(4199 + 3600));
    assert_eq!(ledger.used(CLAIM, at(9000)), Duration::from_secs(600));
    ledger.forget(at(7100 + 3600));
    assert_eq!(ledger.used(CLAIM, at(99_999)), Duration::ZERO);
    assert!(ledger.wants_save(GRACE, at(99_999)));
}

#[test]
fn the_file_is_written_at_the_start_then_in_periods_and_no_more_when_it_is_used_up() {
    let mut ledger = Ledger::default();
    assert!(!ledger.wants_save(GRACE, at(0)) && !ledger.is_used());
    ledger.run(CLAIM, GRACE, at(10));
    assert!(ledger.wants_save(GRACE, at(10)));
    ledger.encode(GRACE, at(10), true);
    assert!(!ledger.wants_save(GRACE, at(69)));
    assert_eq!(ledger.deadline(GRACE), Some(at(70).mono_ns));
    assert!(ledger.wants_save(GRACE, at(70)));
    ledger.run(CLAIM, GRACE, at(3610));
    assert!(ledger.wants_save(GRACE, at(3610)));
    ledger.encode(GRACE, at(3610), true);
    ledger.run(CLAIM, GRACE, at(99_999));
    assert!(!ledger.wants_save(GRACE, at(99_999)));
    assert_eq!(ledger.deadline(GRACE), None);
}

#[test]
fn without_grace_nothing_is_kept_and_a_longer_one_goes_on() {
    let mut ledger = Ledger::default();
    ledger.run(CLAIM, Duration::ZERO, at(0));
    assert_eq!(ledger.grace(CLAIM, Duration::ZERO, at(0)), Grace::Over);
    assert!(!ledger.is_used());
    ledger.run(CLAIM, GRACE, at(0));
    ledger.run(CLAIM, Duration::ZERO, at(100));
    assert_eq!(
        (ledger.grace(CLAIM, Duration::ZERO, at(100)), ledger.deadline(Duration::ZERO)),
        (Grace::Over, None)
    );
    ledger.run(CLAIM, GRACE, at(200));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(200)), Grace::Until(at(3600).wall_ms));
}

#[test]
fn a_damaged_file_is_read_as_far_as_it_goes() {
    let good = "a5".repeat(16);
    let text = format!("{FIRST_LINE}\nnonsense\n{good} 7000000000\n{good}00 1\n{good} -1\n\u{fffd}\n");
    let (ledger, damage) = Ledger::decode(&text, at(0));
    assert_eq!(ledger.used(CLAIM, at(0)), Duration::from_secs(7));
    assert_eq!(damage, [2, 4, 5, 6].map(|n| format!("line {n} cannot be read")));
    for text in ["", "slnd-policy grace 2\n", "\0\0\0\0"] {
        let (ledger, damage) = Ledger::decode(text, at(0));
        assert!(!ledger.is_used() && damage.len() == 1, "{text:?}");
    }
    let (ledger, _) = Ledger::decode(&format!("{FIRST_LINE}\n{good} {}\n", u64::MAX), at(0));
    assert_eq!(ledger.used(CLAIM, at(5)), Duration::from_nanos(u64::MAX));
}

#[test]
fn a_file_of_strangers_does_not_cost_a_claim_its_grace() {
    let mut text = format!("{FIRST_LINE}\n");
    for i in 0..=MAX_CLAIMS {
        text.push_str(&format!("{i:032x} 1\n"));
    }
    let (mut ledger, damage) = Ledger::decode(&text, at(0));
    assert_eq!(damage, [format!("it has more than {MAX_CLAIMS} claims")]);
    ledger.run(CLAIM, GRACE, at(0));
    assert_eq!(ledger.grace(CLAIM, GRACE, at(0)), Grace::Until(at(3600).wall_ms));
    assert_eq!(ledger.entries.len(), MAX_CLAIMS);
}
