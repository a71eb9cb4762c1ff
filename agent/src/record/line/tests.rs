use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use serialnumberd_core::{
    BootId, Class, EvidenceId, HolderView, Installation, Instance, Mono, PeerRole, ResolvedCause, Stage,
};

use super::*;
use crate::control::EventView;
use crate::record::Decision;
use crate::status::{SECOND, other_holder};

/// One line for each kind, and where a kind has two shapes one for each.
const GOLDEN: &str = include_str!("golden.jsonl");

fn eth0(index: u32) -> Option<String> {
    (index == 2).then(|| "eth0".to_owned())
}

fn record(body: Body) -> Record {
    Record {
        seq: 7,
        mono_ns: 100 * SECOND,
        real_ns: 1_795_446_271_250_000_000,
        caused_by_self: false,
        decide_until_ns: None,
        body,
    }
}

fn one_of_each() -> Vec<Record> {
    let (product, claim) = (Product::new("xsvr").unwrap(), ClaimId([1; 16]));
    let own = HolderView {
        is_self: true,
        from: None,
        interface: 0,
        over: false,
        group: "web".to_owned(),
        last_proved: None,
        ..other_holder()
    };
    let far = HolderView { from: Some("[fe80::7%2]:626".parse().unwrap()), interface: 3, ..other_holder() };
    let (conflict_id, coverage) = (1, Coverage::Good);
    let (old, new) = (State::Clear, State::Conflict);
    let decision = Decision { verdict: Verdict(150), reason: "also on \"alpha\"".to_owned() };
    let announcement =
        Event::Announcement { product, claim, holder: other_holder(), raw: Some(Box::new([0x5e; 320])) };
    let duplicate = Event::Duplicate {
        product,
        claim,
        conflict_id,
        evidence: EvidenceId([2; 16]),
        stage: Stage::Conflict,
        class: Class::SplitBrain,
        seats: 1,
        coverage,
        holders: vec![own, far],
    };
    let query = Event::Query {
        from: "192.0.2.9:4000".parse().unwrap(),
        product: Some(product),
        text: b"SNQUERY: \x1b\xff\0".to_vec(),
    };
    vec![
        record(Body::Engine(announcement)),
        Record { decide_until_ns: Some(101 * SECOND), ..record(Body::Engine(duplicate)) },
        record(Body::Engine(Event::Resolved { product, claim, conflict_id, cause: ResolvedCause::Goodbye })),
        record(Body::Engine(Event::State { product, claim, old, new, coverage, verdict_void: true })),
        record(Body::State { product, claim, old, new, coverage, decision }),
        record(Body::Engine(query)),
        Record { caused_by_self: true, ..record(Body::Tick) },
    ]
}

#[test]
fn each_kind_has_its_line() {
    let lines: String = one_of_each().iter().map(|it| write(it, &eth0, Raw::Keep) + "\n").collect();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/record/line/golden.jsonl"), &lines).unwrap();
    }
    assert_eq!(lines, GOLDEN);
    for (line, record) in GOLDEN.lines().zip(one_of_each()) {
        assert_eq!(read(line).unwrap().record, record);
    }
}

/// That each member of `shown` is the same in `line`, but for times and bytes, and for what a line leaves out.
fn same_words(shown: &Value, line: &Value) {
    const OTHERWISE: [&str; 7] =
        ["time", "text", "holders", "since", "first_heard", "last_heard", "last_proved"];
    for (name, value) in shown.as_object().unwrap() {
        let is_left_out =
            line[name].is_null() && [json!(null), json!(false), json!("abstain")].contains(value);
        if !OTHERWISE.contains(&name.as_str()) && !is_left_out {
            assert_eq!(value, &line[name], "{name}");
        }
    }
}

#[test]
fn the_words_are_those_that_people_are_shown() {
    for record in one_of_each() {
        let names = |index| eth0(index).or_else(|| Some(format!("eth{index}")));
        let shown = serde_json::to_value(EventView::of(&record, &names)).unwrap();
        let line = serde_json::to_value(RecordLine::of(&record, &names, Raw::Keep)).unwrap();
        same_words(&shown, &line);
        let holders = |json: &Value| json["holders"].as_array().cloned().unwrap_or_default();
        assert_eq!(holders(&shown).len(), holders(&line).len());
        holders(&shown).iter().zip(&holders(&line)).for_each(|(shown, line)| same_words(shown, line));
    }
}

#[test]
fn names_of_interfaces_come_along() {
    let all = one_of_each();
    let read = |record, names| read(&write(record, names, Raw::Omit)).unwrap();
    assert_eq!(read(&all[0], &eth0).interfaces, BTreeMap::from([(2, "eth0".to_owned())]));
    assert!(read(&all[1], &eth0).interfaces.is_empty(), "nobody knows what 3 is called");
    let without = read(&all[0], &|_| Some("longer-than-any".to_owned() + "!"));
    assert!(without.interfaces.is_empty());
    let Body::Engine(Event::Announcement { raw, .. }) = without.record.body else { panic!("another kind") };
    assert_eq!(raw, None);
}

/// The first golden line with this word, one member changed or taken away.
fn spoiled(word: &str, member: &str, value: Value) -> String {
    let line = GOLDEN.lines().find(|line| line.contains(&format!("\"{word}\""))).unwrap();
    let mut json: Value = serde_json::from_str(line).unwrap();
    let (object, name) = match member.strip_prefix("holders.") {
        Some(name) => (&mut json["holders"][0], name),
        None => (&mut json, member),
    };
    let object = object.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name)
    } else {
        object.insert(name.to_owned(), value)
    };
    json.to_string()
}

#[test]
fn what_is_no_record_is_told_in_a_sentence() {
    let holder = serde_json::to_value(HolderLine::of(&other_holder(), &eth0)).unwrap();
    for (word, member, value, sentence) in [
        ("tick", "seq", json!(-1), "invalid value: integer `-1`, expected u64"),
        ("tick", "mono_ns", Value::Null, "missing field `mono_ns`"),
        ("resolved", "claim", json!("01"), "its member `claim` is not 32 hex digits"),
        ("resolved", "cause", json!("bored"), "its member `cause` is \"bored\", which is none of its words"),
        ("resolved", "conflict", Value::Null, "its member `conflict` is missing"),
        ("resolved", "product", json!("XSVR"), "its member `product`: a product is made of a-z"),
        ("announcement", "raw", json!("5e5e"), "its member `raw` is not 640 hex digits"),
        ("announcement", "holders", json!([]), "an announcement has exactly one of `holders`"),
        ("announcement", "holders", json!([holder, holder]), "an announcement has exactly one of `holders`"),
        (
            "announcement",
            "holders.boot",
            json!("x"),
            "of its `holders`, number 0: its member `boot` is not 16",
        ),
        (
            "announcement",
            "holders.host",
            json!("x".repeat(65)),
            "`host` has 65 bytes, and at most 64 are taken",
        ),
        ("announcement", "holders.interface_index", Value::Null, "its `interface` has no `interface_index`"),
        ("announcement", "holders.interface", json!("i".repeat(16)), "`interface` has 16 bytes"),
        ("announcement", "holders.flowinfo", json!(1), "an IPv4 address has no `flowinfo`"),
        ("announcement", "holders.address", json!("mars"), "`address` is not an address with a port"),
        ("announcement", "holders.role", json!("king"), "`role` is \"king\", which is none of its words"),
        ("query", "raw", json!("0"), "its member `raw` is not pairs of hex digits"),
        ("query", "raw", json!("00".repeat(513)), "`raw` has 513 bytes, and at most 512 are taken"),
        ("query", "from", Value::Null, "its member `from` is missing"),
        ("verdict_void", "verdict_void", Value::Null, "its member `verdict` is missing"),
        ("verdict_number", "reason", json!("x".repeat(3049)), "`reason` has 3049 bytes, and at most 3048"),
        ("verdict_number", "verdict_number", json!(201), "its `verdict_number` 201 is no \"warn\""),
        ("verdict_number", "verdict", json!("perhaps"), "its `verdict_number` 150 is no \"perhaps\""),
        ("verdict_number", "old_state", json!("gone"), "`old_state` is \"gone\", which is none of its words"),
    ] {
        let error = read(&spoiled(word, member, value)).expect_err(sentence).to_string();
        assert!(error.starts_with("the record cannot be read: ") && error.contains(sentence), "{error}");
    }
    let mut line: Value =
        serde_json::from_str(&spoiled("verdict_number", "verdict_number", Value::Null)).unwrap();
    line["verdict"] = json!("perhaps");
    assert!(read(&line.to_string()).expect_err("no word").to_string().contains("`verdict` is \"perhaps\""));
    let unknown = spoiled("tick", "event", json!("eclipse"));
    assert_eq!(read(&unknown), Err(LineError::UnknownEvent("eclipse".to_owned())));
    assert!(read(&spoiled("tick", "new", json!([1]))).is_ok(), "a newer agent tells more");
}

fn words<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

fn subject() -> impl Strategy<Value = (Product, ClaimId)> {
    ("[a-z0-9._-]{1,31}", any::<[u8; 16]>())
        .prop_map(|(text, id)| (Product::new(&text).unwrap(), ClaimId(id)))
}

fn address() -> impl Strategy<Value = std::net::SocketAddr> {
    use std::net::{SocketAddrV4, SocketAddrV6};
    let v6 = any::<(std::net::Ipv6Addr, u16, u32, u32)>();
    prop_oneof![
        any::<(std::net::Ipv4Addr, u16)>().prop_map(|(ip, port)| SocketAddrV4::new(ip, port).into()),
        v6.prop_map(|(ip, port, flow, scope)| SocketAddrV6::new(ip, port, flow, scope).into()),
    ]
}

/// A text of at most 64 bytes, of any characters.
fn name() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=16).prop_map(String::from_iter)
}

fn holder() -> impl Strategy<Value = HolderView> {
    let who = (any::<[u8; 32]>(), any::<[u8; 8]>(), option::of(address()), any::<u32>(), name(), name());
    let numbers = any::<(u16, u16, u64, u64, u64, u64, Option<u64>)>();
    (who, numbers, any::<[bool; 5]>(), words(PeerRole::ALL)).prop_map(|(who, numbers, flags, role)| {
        let (installation, boot, from, interface, host, group) = who;
        let (interval_s, seats, runs, since_ms, first_heard, last_heard, last_proved) = numbers;
        let [is_self, verified, proved, silent, over] = flags;
        HolderView {
            instance: Instance { installation: Installation(installation), boot: BootId(boot) },
            from,
            interface,
            host,
            group,
            role,
            interval_s,
            seats,
            runs,
            since_ms,
            first_heard: Mono(first_heard),
            last_heard: Mono(last_heard),
            last_proved: last_proved.map(Mono),
            is_self,
            verified,
            proved,
            silent,
            over,
        }
    })
}

fn announcement() -> impl Strategy<Value = Body> {
    let raw = option::of(vec(any::<u8>(), 320));
    (subject(), holder(), raw).prop_map(|((product, claim), holder, raw)| {
        let raw = raw.map(|raw| Box::new(<[u8; 320]>::try_from(raw).unwrap()));
        Body::Engine(Event::Announcement { product, claim, holder, raw })
    })
}

fn duplicate() -> impl Strategy<Value = Body> {
    let how = (words(Stage::ALL), words(Class::ALL), words(Coverage::ALL));
    let numbers = any::<(u64, [u8; 16], u16)>();
    (subject(), numbers, how, vec(holder(), 0..8)).prop_map(|((product, claim), numbers, how, holders)| {
        let ((conflict_id, evidence, seats), (stage, class, coverage)) = (numbers, how);
        let evidence = EvidenceId(evidence);
        Body::Engine(Event::Duplicate {
            product,
            claim,
            conflict_id,
            evidence,
            stage,
            class,
            seats,
            coverage,
            holders,
        })
    })
}

fn state() -> impl Strategy<Value = Body> {
    let states = (words(State::ALL), words(State::ALL), words(Coverage::ALL));
    let verdict = prop_oneof![select(&Verdict::KNOWN[..]), any::<u32>().prop_map(Verdict)];
    let reason = vec(any::<char>(), 0..=254).prop_map(String::from_iter);
    (subject(), states, option::of(any::<bool>()), verdict, reason).prop_map(
        |((product, claim), (old, new, coverage), void, verdict, reason)| match void {
            Some(verdict_void) => {
                Body::Engine(Event::State { product, claim, old, new, coverage, verdict_void })
            }
            None => {
                Body::State { product, claim, old, new, coverage, decision: Decision { verdict, reason } }
            }
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let resolved = (subject(), any::<u64>(), words(ResolvedCause::ALL));
    let query = (address(), option::of(subject()), vec(any::<u8>(), 0..=512));
    prop_oneof![
        announcement(),
        duplicate(),
        state(),
        resolved.prop_map(|((product, claim), conflict_id, cause)| {
            Body::Engine(Event::Resolved { product, claim, conflict_id, cause })
        }),
        query.prop_map(|(from, subject, text)| {
            Body::Engine(Event::Query { from, product: subject.map(|(product, _)| product), text })
        }),
        Just(Body::Tick),
    ]
}

/// Any record that an agent can make.
fn any_record() -> impl Strategy<Value = Record> {
    (any::<(u64, u64, u64, bool, Option<u64>)>(), body()).prop_map(|(head, body)| {
        let (seq, mono_ns, real_ns, caused_by_self, decide_until_ns) = head;
        Record { seq, mono_ns, real_ns, caused_by_self, decide_until_ns, body }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in any_record()) {
        let line = write(&record, &|index| Some(format!("if{index}")), Raw::Keep);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(read(&line).map(|read| read.record), Ok(record));
    }

    #[test]
    fn any_text_is_read_or_refused(kind in select(&["announcement", "duplicate", "state", "query"][..]), cut in 0..2000_usize, byte: u8) {
        let line = GOLDEN.lines().find(|line| line.contains(&format!("\"event\":\"{kind}\""))).unwrap();
        let mut bytes = line.as_bytes().to_vec();
        let at = cut % bytes.len();
        bytes[at] = byte;
        if let Ok(read_again) = read(&String::from_utf8_lossy(&bytes)) {
            let line = write(&read_again.record, &|_| None, Raw::Keep);
            prop_assert_eq!(read(&line).map(|read| read.record), Ok(read_again.record));
        }
    }
}
