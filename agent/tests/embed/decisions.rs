//! The program as a policy: it is asked, its opinion counts, and its silence is what a silent plugin's is.

use serialnumberd::embed::{Batch, Decision, Delivery, Embedded, Verdict};
use serialnumberd_core::State;
use serialnumberd_plugin::abi::{SLND_EV_ANNOUNCEMENT, SLND_EV_STATE, SLND_EVF_DECIDE, slnd_ev_bit};

use crate::home::{Home, LONG, check, is, until};

fn limit() -> Decision {
    Decision { verdict: Verdict::LIMIT, reason: "the program says so".to_owned() }
}

/// Answers what is asked; how much that was.
fn answer(embedded: &mut Embedded, decision: &Decision) -> usize {
    let told: Vec<Delivery> = std::iter::from_fn(|| embedded.poll_delivery()).collect();
    let opinions: Vec<_> = told.iter().filter_map(|delivery| delivery.answer(decision.clone())).collect();
    let n = opinions.len();
    opinions.into_iter().for_each(|opinion| embedded.answer(opinion));
    n
}

#[test]
fn the_programs_opinion_counts() {
    let home = Home::new("127.0.8.30");
    let mut embedded = home.embedded(&[]);
    embedded.want_events(slnd_ev_bit(SLND_EV_STATE));
    embedded.start().expect("it starts");
    let handle = embedded.handle();
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let mut agents = [embedded];
    let mut asked = 0;
    until("the opinion is the verdict", &mut agents, |a| {
        asked += answer(&mut a[0], &limit());
        check(&handle).verdict == Verdict::LIMIT
    });
    assert_eq!(asked, 1, "once, when it became clear");
    assert_eq!(check(&handle).reason, "the program says so");
    let status: serde_json::Value =
        serde_json::from_str(&agents[0].status_json().expect("a document")).expect("JSON");
    let opinion = &status["claims"][0]["opinions"][0];
    assert_eq!((&opinion["plugin"], &opinion["counted"]), (&"(program)".into(), &true.into()), "{opinion}");
}

#[test]
fn a_silent_program_is_a_policy_that_failed_and_one_without_events_is_none() {
    for (address, mask, wish, expected) in [
        ("127.0.8.31", Some(SLND_EV_STATE), "keep", Verdict::ALLOW),
        ("127.0.8.32", Some(SLND_EV_STATE), "deny", Verdict::DENY),
        // What it does not want it is not asked about, and that is no failure.
        ("127.0.8.33", Some(SLND_EV_ANNOUNCEMENT), "deny", Verdict::ALLOW),
        ("127.0.8.34", None, "deny", Verdict::ALLOW),
    ] {
        let home = Home::new(address);
        let mut embedded = home.embedded(&[]);
        embedded.set("on_policy_failure", wish).expect("set");
        if let Some(kind) = mask {
            embedded.want_events(slnd_ev_bit(kind));
        }
        embedded.start().expect("it starts");
        let handle = embedded.handle();
        handle.claim("xsvr", "ALONE", 1).expect("claimed");
        let mut agents = [embedded];
        until("a verdict is given", &mut agents, |_| {
            is(&handle, State::Clear) && check(&handle).verdict != Verdict::ABSTAIN
        });
        assert_eq!(check(&handle).verdict, expected, "{address}: {}", check(&handle).reason);
        // Late, but it speaks: that counts from here on, where it was asked at all.
        if answer(&mut agents[0], &limit()) > 0 {
            until("the late answer counts", &mut agents, |_| check(&handle).verdict == Verdict::LIMIT);
        }
    }
}

#[test]
fn who_fetches_without_an_opinion_abstains() {
    let home = Home::new("127.0.8.38");
    let mut embedded = home.embedded(&[]);
    embedded.set("on_policy_failure", "deny").expect("set");
    embedded.want_events(slnd_ev_bit(SLND_EV_STATE));
    embedded.start().expect("it starts");
    let handle = embedded.handle();
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let mut agents = [embedded];
    let mut asked = 0;
    until("a verdict is given", &mut agents, |a| {
        let told = std::iter::from_fn(|| a[0].poll_delivery());
        asked += told.filter(|delivery| matches!(delivery, Delivery::Event { decide: true, .. })).count();
        is(&handle, State::Clear) && check(&handle).verdict != Verdict::ABSTAIN
    });
    assert_eq!((asked, check(&handle).verdict), (1, Verdict::ALLOW), "{}", check(&handle).reason);
}

#[test]
fn a_waiting_thread_gets_the_verdict_and_not_the_question() {
    let home = Home::new("127.0.8.35");
    let mut embedded = home.embedded(&[]);
    embedded.want_events(slnd_ev_bit(SLND_EV_STATE));
    embedded.start().expect("it starts");
    let handle = embedded.handle();
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let _looping = embedded.looping();
    let waiter = {
        let handle = handle.clone();
        std::thread::spawn(move || handle.wait("xsvr", LONG))
    };
    let mut agents = [embedded];
    until("it is limited", &mut agents, |a| {
        answer(&mut a[0], &limit());
        check(&handle).verdict == Verdict::LIMIT
    });
    assert_eq!(waiter.join().expect("no panic").map(|answer| answer.verdict), Ok(Verdict::LIMIT));
}

#[test]
fn events_are_shown_as_the_abi_has_them() {
    let home = Home::new("127.0.8.36");
    let mut embedded = home.embedded(&[]);
    embedded.want_events(slnd_ev_bit(SLND_EV_STATE));
    embedded.start().expect("it starts");
    let handle = embedded.handle();
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let mut agents = [embedded];
    let mut batch = Batch::new(8, true);
    let mut asked = 0;
    until("the decision counts", &mut agents, |a| {
        while batch.room() > 0
            && let Some(delivery) = a[0].poll_delivery()
        {
            batch.add(delivery);
        }
        let (opinions, flags) = batch.hand_over(|events, out| {
            assert_eq!(events.len(), out.len());
            out.iter_mut().for_each(|decision| decision.verdict = Verdict::LIMIT.0);
            #[allow(unsafe_code, reason = "stands on the other side of the C interface")]
            // SAFETY: each pointer is to a whole event while this runs.
            let flags: Vec<u16> = events.iter().map(|event| unsafe { (**event).flags }).collect();
            flags
        });
        assert!(batch.is_empty());
        assert_eq!(opinions.len(), flags.iter().filter(|f| *f & SLND_EVF_DECIDE != 0).count());
        asked += opinions.len();
        opinions.into_iter().for_each(|opinion| a[0].answer(opinion));
        check(&handle).verdict == Verdict::LIMIT
    });
    assert_eq!(asked, 1);
}
