//! What a link does, against an agent that says what the test wants.

mod stage;

use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use self::stage::{S, Stage, product, request};
use super::*;
use crate::record::Verdict;

#[test]
fn a_claim_is_made_and_checked_and_checked_again_when_something_happens() {
    let mut stage = Stage::new();
    stage.link.ledger.claim(request("xsvr", 1));
    stage.turn();
    let mut agent = stage.accept();
    let claim = agent.hears("claim", "xsvr");
    assert_eq!(
        (&claim["key"], &claim["seats"], &claim["program"]),
        (&json!("01".repeat(32)), &json!(1), &json!("httpd"))
    );
    assert_eq!((stage.verdict(), stage.standing().settled), ("abstain", false));
    agent.answer(&claim, &json!({"claim": ""}));
    stage.turn();
    assert!(stage.link.is_connected());
    let check = agent.hears("check", "xsvr");
    agent.answer_check(&check, "probing", "abstain");
    stage.turn();
    assert_eq!((stage.verdict(), stage.standing().settled), ("abstain", false));
    agent.hears_nothing();

    agent.tell(10, "xsvr");
    agent.tell(11, "other");
    stage.turn();
    let check = agent.hears("check", "xsvr");
    agent.tell(12, "xsvr");
    agent.answer_check(&check, "clear", "allow");
    stage.turn();
    assert_eq!((stage.verdict(), stage.standing().settled), ("allow", true));
    let check = agent.hears("check", "xsvr");
    agent.answer_check(&check, "duplicate", "warn");
    stage.turn();
    assert_eq!((stage.verdict(), stage.standing().state), ("warn", State::Duplicate));
    agent.hears_nothing();
    let told: Vec<_> = std::iter::from_fn(|| stage.link.poll_record()).map(|r| r.record).collect();
    assert_eq!(told.iter().map(|r| r.seq).collect::<Vec<_>>(), [10, 12], "of its own products only");
    assert!(told.iter().all(|r| r.decide_until_ns.is_none()), "nobody asks for its opinion");
}

#[test]
fn who_is_told_of_a_change_and_asks_finds_it() {
    let (mut stage, mut agent) = Stage::holding();
    agent.tell(1, "xsvr");
    stage.turn();
    let check = agent.hears("check", "xsvr");
    assert!(stage.link.poll_record().is_none(), "what follows is not known yet");
    agent.answer_check(&check, "duplicate", "warn");
    stage.turn();
    assert_eq!(stage.verdict(), "warn");
    assert!(stage.link.poll_record().is_some());

    for seq in 2..=258 {
        agent.tell(seq, "xsvr");
        stage.turn();
    }
    assert!(stage.link.poll_record().is_some() && stage.link.poll_record().is_none(), "so many do not wait");
    drop(agent);
    stage.turn();
    let told = std::iter::from_fn(|| stage.link.poll_record()).count();
    assert_eq!(told, 256, "nobody will say any more what follows");
}

#[test]
fn the_last_verdict_stands_while_the_agent_is_away_and_until_it_knows_again() {
    let (mut stage, agent) = Stage::holding();
    stage.after(60 * S);
    let gone_at = stage.now_ms;
    drop((agent, stage.listener.take()));
    stage.turn();
    assert_eq!((stage.verdict(), stage.standing().away), ("allow", Some(Mono(gone_at * 1_000_000))));
    assert!(!stage.link.is_connected());
    let mut pauses = Vec::new();
    for _ in 0..8 {
        pauses.push(stage.due_ms());
        stage.after(stage.due_ms() + 1);
    }
    for (pause, most) in pauses.iter().zip([100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
        assert!((most / 2 - 1..=most).contains(pause), "{pauses:?}");
    }
    stage.listen();
    stage.after(5 * S);
    let mut agent = stage.accept();
    stage.turn();
    let claim = agent.hears("claim", "xsvr");
    agent.answer(&claim, &json!({}));
    stage.turn();
    let check = agent.hears("check", "xsvr");
    agent.answer_check(&check, "probing", "abstain");
    stage.turn();
    assert_eq!((stage.verdict(), stage.standing().away), ("allow", Some(Mono(gone_at * 1_000_000))));
    agent.tell(1, "xsvr");
    stage.turn();
    let check = agent.hears("check", "xsvr");
    agent.answer_check(&check, "conflict", "deny");
    stage.turn();
    assert_eq!((stage.verdict(), stage.standing().away), ("deny", None));

    agent.tell(2, "xsvr");
    stage.turn();
    let check = agent.hears("check", "xsvr");
    agent.answer_check(&check, "probing", "abstain");
    stage.turn();
    assert_eq!(stage.verdict(), "abstain", "an agent that knew it says so with reason");
}

#[test]
fn an_agent_that_hangs_is_left_and_what_it_said_is_as_old_as_that() {
    let (mut stage, mut agent) = Stage::holding();
    let heard = stage.now_ms;
    assert_eq!(stage.due_ms(), 30 * S);
    stage.after(30 * S);
    let check = agent.hears("check", "xsvr");
    assert_eq!(stage.due_ms(), 5 * S);
    agent.answer_check(&check, "clear", "allow");
    stage.after(S);
    assert_eq!((stage.due_ms(), stage.standing().away), (30 * S, None), "it is well");

    stage.after(30 * S);
    agent.hears("check", "xsvr");
    stage.after(5 * S - 1);
    assert!(stage.link.is_connected());
    stage.after(1);
    assert!(!stage.link.is_connected());
    assert_eq!(stage.standing().away, Some(Mono((heard + 31 * S) * 1_000_000)));
    assert!(stage.link.trouble().unwrap().contains("has not answered for 5 s"));
    assert!(agent.ended());
}

#[test]
fn an_agent_that_takes_connections_and_says_nothing_is_left_too() {
    let mut stage = Stage::new();
    stage.link.ledger.claim(request("xsvr", 1));
    stage.turn();
    assert_eq!((stage.due_ms(), stage.link.is_connected()), (5 * S, false));
    stage.after(5 * S);
    assert!(stage.standing().decision.reason.contains("has not answered for 5 s"));
    assert!(stage.due_ms() <= 100);
}

#[test]
fn who_claims_nothing_has_nothing_to_ask() {
    let mut stage = Stage::new();
    stage.turn();
    let mut agent = stage.accept();
    stage.turn();
    assert!(stage.link.is_connected());
    for _ in 0..3 {
        assert_eq!(stage.link.deadline(), Mono::NEVER);
        stage.after(60 * S);
    }
    agent.hears_nothing();
}

#[test]
fn a_program_that_was_kept_from_running_blames_nobody() {
    let (mut stage, mut agent) = Stage::holding();
    agent.tell(1, "xsvr");
    stage.turn();
    let check = agent.hears("check", "xsvr");
    agent.answer_check(&check, "clear", "warn");
    stage.after(3600 * S);
    assert_eq!((stage.verdict(), stage.link.is_connected()), ("warn", true));
}

#[test]
fn a_refusal_is_shown_and_the_claim_made_again() {
    let mut stage = Stage::new();
    stage.link.ledger.claim(request("xsvr", 1));
    stage.turn();
    let mut agent = stage.accept();
    let claim = agent.hears("claim", "xsvr");
    agent.refuse(&claim, "somebody else has it");
    stage.turn();
    let refused = Entry::Refused(request("xsvr", 1).keys.id(), "somebody else has it".to_owned());
    assert_eq!(stage.entry("xsvr"), Some(refused));
    assert_eq!(stage.due_ms(), 10 * S);
    stage.after(10 * S - 1);
    agent.hears_nothing();
    stage.after(1);
    let claim = agent.hears("claim", "xsvr");
    agent.refuse(&claim, "unknown request \"claim\"; this agent answers status");
    stage.turn();
    let Some(Entry::Refused(_, sentence)) = stage.entry("xsvr") else { panic!("it is refused") };
    assert!(sentence.contains("is of an older version, which takes no claims of programs"), "{sentence}");
    stage.after(10 * S);
    agent.grants(&mut stage, "xsvr", "allow");
    assert_eq!(stage.verdict(), "allow");
}

#[test]
fn what_is_given_back_or_claimed_otherwise_is_released_first() {
    let (mut stage, mut agent) = Stage::holding();
    stage.link.ledger.claim(request("xsvr", 1));
    stage.turn();
    agent.hears_nothing();
    stage.link.ledger.claim(request("xsvr", 2));
    stage.turn();
    agent.hears("release", "xsvr");
    let second = agent.hears("claim", "xsvr");
    stage.link.ledger.claim(request("xsvr", 3));
    stage.turn();
    agent.hears("release", "xsvr");
    agent.hears("claim", "xsvr");
    agent.refuse(&second, "of the serial before");
    stage.turn();
    assert_eq!(stage.verdict(), "abstain", "an answer to an earlier claim is none to this one");
    stage.link.ledger.release(product("xsvr"));
    stage.turn();
    agent.hears("release", "xsvr");
    assert_eq!(stage.entry("xsvr"), None);
    stage.link.ledger.claim(request("other", 1));
    stage.link.ledger.release(product("other"));
    stage.turn();
    agent.hears_nothing();
}

#[test]
fn other_terms_are_claimed_without_a_gap() {
    let (mut stage, mut agent) = Stage::holding();
    let terms = Terms { seats: 5, ..Terms::default() };
    stage.link.ledger.claim(ClaimRequest { terms, ..request("xsvr", 1) });
    stage.turn();
    let claim = agent.hears("claim", "xsvr");
    assert_eq!((&claim["seats"], stage.verdict()), (&json!(5), "allow"));
    agent.answer(&claim, &json!({}));
    stage.turn();
    agent.hears("check", "xsvr");
}

#[test]
fn what_the_agent_left_out_is_counted_and_made_up_for() {
    let (mut stage, mut agent) = Stage::holding();
    agent.tell(5, "other");
    stage.turn();
    agent.hears_nothing();
    agent.tell(9, "other");
    stage.turn();
    assert_eq!(stage.link.lost(), 3);
    agent.hears("check", "xsvr");
    agent.say(&json!({"event": {"event": "eclipse", "seq": 10, "mono_ns": 1, "real_ns": 1}}));
    agent.say(&json!({"hint": 1}));
    stage.turn();
    assert!(stage.link.is_connected(), "a newer agent may say more");
}

#[test]
fn few_questions_are_open_at_once() {
    let mut stage = Stage::new();
    for n in 0..40 {
        stage.link.ledger.claim(request(&format!("p{n}"), 1));
    }
    stage.turn();
    let mut agent = stage.accept();
    stage.turn();
    let mut open: Vec<Value> = (0..15).map(|_| agent.hear()).collect();
    stage.turn();
    open.push(agent.hear());
    stage.turn();
    agent.hears_nothing();
    for request in &open {
        agent.refuse(request, "no");
    }
    stage.turn();
    (0..16).for_each(|_| assert_eq!(agent.hear()["request"], "claim"));
    agent.hears_nothing();
}

#[test]
fn what_is_no_agent_is_left_and_why_is_told() {
    for (line, words) in [
        ("HTTP/1.0 400 Bad Request", "does not speak the control protocol"),
        ("{\"proto\":0}", "does not speak the control protocol"),
        ("{\"id\":1,\"ok\":{}}", "does not speak the control protocol"),
        ("{\"error\":\"user 7 may not use this agent\"}", "user 7 may not use this agent"),
    ] {
        let mut stage = Stage::new();
        stage.link.ledger.claim(request("xsvr", 1));
        stage.turn();
        let (stream, _) = stage.listener.as_ref().unwrap().accept().unwrap();
        writeln!(&stream, "{line}").unwrap();
        stage.turn();
        let standing = stage.standing();
        assert!(standing.decision.reason.contains(words), "{standing:?}");
        assert_eq!((standing.decision.verdict, standing.settled), (Verdict::ABSTAIN, false));
    }
    let mut stage = Stage::empty();
    stage.link.ledger.claim(request("xsvr", 1));
    stage.turn();
    assert!(stage.standing().decision.reason.contains("s (no socket there); it is looked for again"));
}

#[test]
fn an_answer_that_is_not_understood_leaves_the_last_verdict_to_grow_old_and_the_claim_held() {
    for answer in [
        json!(7),
        json!({"state": "dreaming", "verdict": "allow"}),
        json!({"state": "clear", "verdict": "?"}),
    ] {
        let (mut stage, mut agent) = Stage::holding();
        agent.tell(1, "xsvr");
        stage.turn();
        let check = agent.hears("check", "xsvr");
        agent.answer(&check, &answer);
        stage.turn();
        assert!(stage.link.is_connected(), "a newer agent may say more, and a new connection is a new claim");
        assert_eq!((stage.verdict(), stage.standing().away), ("allow", Some(Mono(0))));
        agent.hears_nothing();
        agent.tell(2, "xsvr");
        stage.turn();
        let check = agent.hears("check", "xsvr");
        agent.answer_check(&check, "duplicate", "warn");
        stage.turn();
        assert_eq!((stage.verdict(), stage.standing().away), ("warn", None));
    }
    let mut stage = Stage::new();
    stage.link.ledger.claim(request("xsvr", 1));
    stage.turn();
    let mut agent = stage.accept();
    let claim = agent.hears("claim", "xsvr");
    agent.answer(&claim, &json!({}));
    stage.turn();
    let check = agent.hears("check", "xsvr");
    agent.answer_check(&check, "dreaming", "allow");
    stage.turn();
    assert_eq!((stage.verdict(), stage.standing().settled), ("abstain", false));
    assert!(stage.standing().decision.reason.contains("is not understood: its state"));
}

#[test]
fn an_agent_that_asks_is_refused_and_one_that_asks_without_end_is_left() {
    let (mut stage, mut agent) = Stage::holding();
    agent.say(&json!({"id": 5, "request": "si\u{1b}ng"}));
    stage.turn();
    let refusal = agent.hear();
    assert_eq!(refusal["error"], "unknown request \"si\\u{1b}ng\"; this program answers none");
    // It does not read the refusals.
    for id in 0..20_000 {
        if agent.0.get_ref().write_all(format!("{{\"id\":{id},\"request\":\"sing\"}}\n").as_bytes()).is_err()
        {
            break;
        }
        stage.turn();
    }
    assert!(stage.link.trouble().unwrap().contains("asks without end"), "{:?}", stage.link.trouble());
}

#[test]
fn a_forked_child_can_forsake_its_copy_and_the_parent_can_end_all_of_them() {
    let copy = |stage: &Stage| {
        // What a child inherits: another descriptor of the same connection.
        let link = stage.link.connection().unwrap();
        UnixStream::from(link.try_clone_to_owned().unwrap())
    };
    let (stage, mut agent) = Stage::holding();
    let inherited = copy(&stage);
    drop(stage.link);
    agent.hears_nothing();
    drop(inherited);
    assert!(agent.ended());

    let (stage, mut agent) = Stage::holding();
    let _inherited = copy(&stage);
    stage.link.end();
    assert!(agent.ended());
}

#[test]
fn polling_tells_of_what_comes_and_of_nothing_else() {
    let (mut stage, mut agent) = Stage::holding();
    let readable = |stage: &Stage| {
        let mut polled = [nix::poll::PollFd::new(stage.link.as_fd(), nix::poll::PollFlags::POLLIN)];
        nix::poll::poll(&mut polled, nix::poll::PollTimeout::ZERO).unwrap() == 1
    };
    assert!(!readable(&stage));
    agent.say(&json!({"hint": 1}));
    assert!(readable(&stage));
    stage.turn();
    assert!(!readable(&stage));
    drop(agent);
    assert!(readable(&stage));
    stage.turn();
    assert!(!readable(&stage), "nobody is there");
}

#[test]
fn what_is_counted_is_of_the_verdicts_that_are_shown() {
    let (stage, _agent) = Stage::holding();
    let mut connected = Connected {
        link: stage.link,
        places: Vec::new(),
        audience: None,
        terms: BTreeMap::new(),
        program: String::new(),
        shown: BTreeMap::new(),
        counts: Counts::default(),
    };
    let board = Board::default();
    connected.show(&board);
    let counts = board.counts();
    assert_eq!((counts.claims, counts.conflicts, counts.state), (1, 0, Some(State::Clear)));
}

#[test]
fn its_descriptors_are_told_for_a_forked_child_to_close() {
    let (mut stage, agent) = Stage::holding();
    let told: Vec<_> = stage.link.descriptors().collect();
    let connection = stage.link.connection().unwrap().as_raw_fd();
    assert_eq!(told, [stage.link.as_fd().as_raw_fd(), connection]);
    drop((agent, stage.listener.take()));
    stage.turn();
    assert_eq!(stage.link.descriptors().collect::<Vec<_>>(), [stage.link.as_fd().as_raw_fd()]);
}
