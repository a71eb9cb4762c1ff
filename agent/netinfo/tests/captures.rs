//! What a real NetInfo server answered, replayed: only instance numbers, and the checksum that follows from them, may
//! differ, and writes are read-only here.  The captures' own README says which values vary from run to run.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use netinfo::procedure::{self as is, NETINFO};
use netinfo::record::{Assembler, mark};
use netinfo::rpc::{Call, Outcome};
use netinfo::server::{Answer, Domain, Origin, Server, Transport};
use netinfo::tree::Snapshot;
use netinfo::xdr::{Garbage, Reader};
use netinfo::{Status, dump};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// One file: the transport, what is sent and what was received.
struct Capture {
    name: String,
    transport: Transport,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Capture {
    fn read(path: &Path) -> Capture {
        let text = fs::read_to_string(path).unwrap();
        let bytes = |mark: &str| {
            let hex: String =
                text.lines().filter_map(|line| line.strip_prefix(mark)).map(str::trim).collect();
            hex.as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        };
        let is_udp = text.contains("# transport udp");
        assert!(is_udp || text.contains("# transport tcp"), "{}", path.display());
        Capture {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            transport: if is_udp { Transport::Udp } else { Transport::Tcp },
            sent: bytes(">"),
            received: bytes("<"),
        }
    }

    fn all() -> Vec<Capture> {
        let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|e| e == "txt")).collect();
        paths.sort();
        paths.iter().map(|path| Capture::read(path)).collect()
    }

    /// The message without record marks.
    fn message(&self, bytes: &[u8]) -> Vec<u8> {
        if self.transport == Transport::Udp {
            return bytes.to_vec();
        }
        let mut assembler = Assembler::new(1 << 20);
        assembler.push(bytes);
        assembler.next_record().unwrap().expect("a whole record")
    }
}

fn tree() -> Snapshot {
    let text = fs::read(folder().join("network.nidump")).unwrap();
    Snapshot::new(&dump::parse(&text).unwrap()).unwrap()
}

fn server() -> Server {
    let addresses = vec![Ipv4Addr::new(10, 5, 0, 1)];
    Server::new(vec![Domain { tag: "network".to_owned(), port: 658, host: "nitest".to_owned(), addresses }])
}

/// What a reply says, instances and checksums left out.
#[derive(Debug, PartialEq)]
enum Part {
    Word(u32),
    Text(Vec<u8>),
    Instance,
    Checksum,
    Head(Outcome),
}

/// The results of each procedure as in the facts: s status, i id, w word, l list of words, p properties, n names,
/// e entries, x name, a list of properties, c checksum, r the chain of READALL.
const RESULTS: &[(u32, &str)] = &[
    (is::ROOT, "si"),
    (is::SELF, "si"),
    (is::PARENT, "swi"),
    (is::READ, "sip"),
    (is::CHILDREN, "sli"),
    (is::LOOKUP, "sli"),
    (is::LIST, "sei"),
    (is::READPROP, "sni"),
    (is::LISTPROPS, "sni"),
    (is::READNAME, "six"),
    (is::LISTALL, "sia"),
    (is::LOOKUPREAD, "sip"),
    (is::READALL, "scwr"),
];

fn parts(call: &Call<'_>, message: &[u8]) -> Vec<Part> {
    let (xid, outcome, mut results) = Outcome::parse(message).unwrap();
    let mut parts = vec![Part::Word(xid), Part::Head(outcome)];
    let form = RESULTS.iter().find(|(number, _)| call.program == NETINFO && *number == call.procedure);
    let form = form.filter(|_| outcome == Outcome::Success);
    for kind in form.map_or("", |(_, form)| form).chars() {
        let status = parts.get(2);
        if status.is_some_and(|status| *status != Part::Word(0)) {
            break;
        }
        part(kind, &mut results, &mut parts).unwrap();
    }
    while let Ok(word) = results.word() {
        parts.push(Part::Word(word));
    }
    assert!(results.rest().is_empty());
    parts
}

fn part(kind: char, from: &mut Reader<'_>, parts: &mut Vec<Part>) -> Result<(), Garbage> {
    match kind {
        'i' => {
            parts.extend([Part::Word(from.id()?.object), Part::Instance]);
        }
        's' | 'w' => parts.push(Part::Word(from.word()?)),
        'c' => {
            from.word()?;
            parts.push(Part::Checksum);
        }
        'x' => parts.push(Part::Text(from.name()?.to_vec())),
        'r' => {
            while from.boolean()? {
                "ipwl".chars().try_for_each(|kind| part(kind, from, parts))?;
            }
        }
        _ => {
            let (each, optional) = match kind {
                'l' => ("w", false),
                'n' => ("x", false),
                'p' => ("xn", false),
                'a' => ("p", false),
                'e' => ("w", true),
                other => panic!("no part {other}"),
            };
            let length = from.word()?;
            parts.push(Part::Word(length));
            for _ in 0..length {
                each.chars().try_for_each(|kind| part(kind, from, parts))?;
                if optional {
                    parts.push(Part::Word(from.word()?));
                    if parts.last() == Some(&Part::Word(1)) {
                        part('n', from, parts)?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn every_capture_is_answered_as_the_original_did() {
    let (tree, mut server) = (tree(), server());
    let captures = Capture::all();
    assert!(captures.len() >= 52, "{} captures", captures.len());
    for capture in captures {
        let mut sent = capture.message(&capture.sent);
        if capture.name.starts_with("42") {
            // It asks with the checksum that the server has told.
            let checksum = sent.len() - 4;
            sent[checksum..].copy_from_slice(&tree.checksum().to_be_bytes());
        }
        let may_read = capture.transport == Transport::Tcp;
        let origin =
            Origin { transport: capture.transport, address: Ipv4Addr::new(10, 5, 0, 2).into(), may_read };
        let Answer::Reply { message, .. } = server.answer(0, &tree, &sent, &origin) else {
            panic!("{}: no reply", capture.name);
        };
        let call = Call::parse(&sent).unwrap();
        let (ours, theirs) = (parts(&call, &message), parts(&call, &capture.message(&capture.received)));
        match capture.name.get(..2).unwrap() {
            "04" => assert_eq!(outline(&message), outline(&capture.message(&capture.received))),
            "48" | "49" | "50" | "51" | "52" => {
                assert_eq!((&ours[..2], &ours[2..]), (&theirs[..2], &[Part::Word(Status::READ_ONLY.0)][..]));
            }
            _ => assert_eq!(ours, theirs, "{}", capture.name),
        }
    }
}

/// Of STATISTICS: each property's name and how many values it has.
fn outline(message: &[u8]) -> Vec<(String, usize)> {
    let (_, _, mut results) = Outcome::parse(message).unwrap();
    let properties = results.properties().unwrap();
    properties.iter().map(|p| (String::from_utf8(p.name.clone()).unwrap(), p.values.len())).collect()
}

#[test]
fn long_replies_are_cut_into_the_fragments_of_the_original() {
    let capture = Capture::read(&folder().join("41-readall.txt"));
    let mut marked = Vec::new();
    mark(&capture.message(&capture.received), &mut marked);
    assert_eq!(marked, capture.received);
}
