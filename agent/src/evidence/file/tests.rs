//! What a file says comes back as it went, and whatever is done to it is refused.

use serialnumberd_core::evidence::{Proof, check};
use serialnumberd_core::{Coverage, ResolvedCause};

use super::*;
use crate::evidence::fixture::{DECLARED_MS, case, case_of, signer};

fn refused(text: &str) -> String {
    open(text.as_bytes()).expect_err(text).to_string()
}

/// The case with its members changed, signed again by its recorder.
fn signed_again(from: &str, to: &str) -> String {
    let text = seal(&case(), &signer(1));
    let (signed, _) = split(&text).unwrap();
    assert!(signed.contains(from), "{from} is not in {signed}");
    resigned(&signed.replacen(from, to, 1), 1)
}

fn resigned(signed: &str, seed: u8) -> String {
    let signature = hex::write(&sign_evidence(&signer(seed), signed.as_bytes()));
    format!("{signed}{BEFORE}{signature}{AFTER}")
}

#[test]
fn a_case_comes_back_as_it_went() {
    for mut case in [case(), Case { ended: Some((DECLARED_MS + 500_000, ResolvedCause::Goodbye)), ..case() }]
    {
        assert_eq!(open(seal(&case, &signer(1)).as_bytes()), Ok(case.clone()));
        (case.exhibit.second, case.coverage) = (Proof::default(), Coverage::Blind);
        case.host = "\"ä\n\u{7f}\\".to_owned();
        case.exhibit.first.pairs[0].from = "[fe80::1%2]:626".parse().unwrap();
        assert_eq!(open(seal(&case, &signer(1)).as_bytes()), Ok(case.clone()));
        assert!(check::<Standard>(&case.exhibit).is_ok());
    }
}

#[test]
fn no_byte_can_be_changed_taken_or_added() {
    let good = seal(&case(), &signer(1)).into_bytes();
    for at in 0..good.len() {
        for other in [good[at] ^ 1, good[at] ^ 0x20, b' ', b'0', b'"', b'\n', 0xff] {
            let mut bad = good.clone();
            bad[at] = other;
            assert!(other == good[at] || open(&bad).is_err(), "byte {at} as {other:#x}");
        }
        let mut shorter = good.clone();
        shorter.remove(at);
        assert!(open(&shorter).is_err(), "without byte {at}");
        for more in [b' ', b'\n', good[at]] {
            let mut longer = good.clone();
            longer.insert(at, more);
            assert!(open(&longer).is_err(), "{more:#x} before byte {at}");
        }
        assert_eq!(open(&good[..at]), Err(Refusal::Cut), "its first {at} bytes");
    }
    for more in ["\n", " ", "{}", "\0"] {
        assert!(open(&[&good[..], more.as_bytes()].concat()).is_err(), "{more:?} at the end");
    }
}

#[test]
fn what_a_mail_program_does_is_told() {
    let text = seal(&case(), &signer(1));
    assert!(refused(&text.replace('\n', "\r\n")).contains("sent again as an attachment"));
    assert!(refused(&text.replace("\n  ", "\n>  ")).contains("no file of evidence"));
    assert!(refused(text.trim_end()).contains("cut off"));
    assert_eq!(open(b"\xff\xfe{"), Err(Refusal::NoText));
    assert!(refused(&format!("Dear support,\n{text}")).contains("line 1 column 1"));
}

#[test]
fn a_line_can_neither_go_nor_move() {
    let text = seal(&case(), &signer(1));
    let other = seal(&case_of(2), &signer(1));
    let lines: Vec<&str> = text.lines().collect();
    let put = |lines: &[&str]| lines.join("\n") + "\n";
    for n in 0..lines.len() {
        let mut gone = lines.clone();
        gone.remove(n);
        assert!(open(put(&gone).as_bytes()).is_err(), "without line {n}: {}", lines[n]);
        for m in 0..n {
            let mut moved = lines.clone();
            moved.swap(m, n);
            assert!(moved == lines || open(put(&moved).as_bytes()).is_err(), "lines {m} and {n} swapped");
        }
        // From another file of the same recorder.
        let mut foreign = lines.clone();
        foreign[n] = other.lines().nth(n).unwrap();
        let known = foreign == lines || open(put(&foreign).as_bytes()) == Err(Refusal::Signature);
        assert!(known, "line {n} of another file: {}", foreign[n]);
    }
}

#[test]
fn only_its_recorder_can_sign_it() {
    let text = seal(&case(), &signer(1));
    let (signed, _) = split(&text).unwrap();
    assert_eq!(resigned(signed, 1), text);
    assert_eq!(open(resigned(signed, 2).as_bytes()), Err(Refusal::Signature));
    // Whoever names himself as the recorder did not ask the questions.
    let mut stolen = case();
    stolen.exhibit.recorder = Standard::installation(&signer(3));
    let stolen = open(seal(&stolen, &signer(3)).as_bytes()).unwrap();
    let flaw = check::<Standard>(&stolen.exhibit).unwrap_err().to_string();
    assert!(flaw.contains("by another installation than the one that recorded this"), "{flaw}");
    // A signature over a datagram is none over a file, nor the reverse.
    assert_ne!(serialnumberd_core::crypto::EVIDENCE_CONTEXT, serialnumberd_core::crypto::SIGNATURE_CONTEXT);
}

/// Only a recorder can write these, and even he is not believed.
#[test]
fn members_say_something_or_are_named() {
    for (from, to, said) in [
        ("\"class\": \"copy\"", "\"class\": \"murder\"", "its member `class` is not a word"),
        ("\"stage\": \"duplicate\"", "\"stage\": \"\"", "its member `stage` is not a word"),
        ("\"coverage\": \"good\"", "\"coverage\": \"Good\"", "its member `coverage` is not a word"),
        ("\"product\": \"xsvr\"", "\"product\": \"../x\"", "its member `product`: a product is made of"),
        ("\"seats\": 1", "\"seats\": 65536", "invalid value: integer `65536`, expected u16"),
        ("\"seats\": 1", "\"seats\": -1", "invalid value: integer `-1`, expected u16"),
        ("\"seats\": 1", "\"seats\": 1,\n  \"seats\": 5", "duplicate field `seats`"),
        ("\"seats\": 1", "\"chairs\": 1", "unknown field `chairs`"),
        ("    \"seats\": 1,\n", "", "missing field `seats`"),
        ("\"declared\": \"2", "\"declared\": \"x", "its member `declared` is not a time"),
        ("\"declared\": \"2026", "\"declared\": \"2025", "been declared before its first question"),
        (
            "  \"recorder\": {",
            "  \"ended\": {\"at\": \"2026-11-23T14:51:02.999Z\", \"cause\": \"silent\"},\n  \"recorder\": {",
            "it is said to have ended before it was declared",
        ),
        (
            "  \"recorder\": {",
            "  \"ended\": {\"at\": \"2027-11-23T14:51:02.999Z\", \"cause\": \"shame\"},\n  \"recorder\": {",
            "its member `ended.cause` is not a word",
        ),
        ("\"asked\": \"2", "\"asked\": \"x", "its member `first.pairs[0].asked` is not a time"),
        (
            "\"address\": \"192.0.2.7:626\"",
            "\"address\": \"alpha\"",
            "`first.pairs[0].address` is not an address",
        ),
        ("\"question\": \"534e", "\"question\": \"534E", "`first.pairs[0].question` is not 640 hex digits"),
        ("\"answer\": \"534e", "\"answer\": \"53", "`first.pairs[0].answer` is not 640 hex digits"),
        ("\"id\": \"", "\"id\": \"00", "its member `id` is not 32 hex digits"),
        ("\"claim\": \"", "\"claim\": \"00", "its member `claim` is not 32 hex digits"),
        ("\"installation\": \"", "\"installation\": \"00", "`recorder.installation` is not 64 hex digits"),
        ("evidence 1", "evidence\u{7f}1", "its format is \"serialnumberd evidence 1\", and"),
        ("evidence 1", "evidence 2", "its format is \"serialnumberd evidence 2\", and this program knows"),
        ("\"format\"", "\"signature\": \"\",\n  \"format\"", "duplicate field `signature`"),
    ] {
        let said_is = refused(&signed_again(from, to));
        assert!(said_is.contains(said), "{to}: {said_is}");
    }
}

#[test]
fn nothing_is_too_much_for_it() {
    let long = vec![b'['; usize::try_from(LONGEST).unwrap() + 1];
    assert_eq!(open(&long), Err(Refusal::TooLong));
    assert!(matches!(open(&long[1..]), Err(Refusal::Shape(_))), "brackets without end");
    let wide = format!("{{\"format\": \"{}\"}}", "x".repeat(3 << 20));
    assert!(refused(&wide).len() < 500, "a stranger's text is not repeated in full");
    for odd in ["", "{", "null", "7", "[]", "{}", "\"x\"", "{\"format\": 7}", "{\"format\": null}"] {
        assert!(open(odd.as_bytes()).is_err(), "{odd}");
    }
}

#[test]
fn the_longest_file_that_an_agent_writes_can_be_read() {
    let mut longest = case();
    let mut pair = longest.exhibit.first.pairs[0].clone();
    pair.interface = "\u{1}".repeat(15);
    pair.from = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535".parse().unwrap();
    longest.exhibit.first.pairs = vec![pair.clone(); EVIDENCE_PAIRS / 2];
    longest.exhibit.second.pairs = vec![pair; EVIDENCE_PAIRS / 2];
    let text = seal(&longest, &signer(1));
    assert!(text.len() as u64 <= EVIDENCE_PAIRS as u64 * LONGEST_PAIR + 8192, "{} bytes", text.len());
    assert_eq!(open(text.as_bytes()), Ok(longest));
}

/// Another implementation has these bytes to compare with: `evidence.py` beside it is one.  `BLESS=1` rewrites it.
#[test]
fn the_golden_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/core/tests/golden/evidence.json");
    let text = seal(&case(), &signer(1));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "BLESS=1 rewrites it");
    let golden = open(text.as_bytes()).unwrap();
    check::<Standard>(&golden.exhibit).unwrap();
    let keys = crate::evidence::fixture::keys();
    assert_eq!(serialnumberd_core::evidence::check_serial::<Standard>(&golden.exhibit, &keys, None), Ok(0));
}
