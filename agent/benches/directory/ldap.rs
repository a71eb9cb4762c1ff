//! As much of LDAP as a search is (RFC 4511 sections 4.1.1 and 4.5), by hand.

use crate::data::{Person, department_dn, member_dn, users_dn};
use crate::protocol::{Protocol, Read};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const BOOLEAN: u8 = 0x01;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
/// Filters: equalityMatch and present.
const EQUALITY: u8 = 0xa3;
const PRESENT: u8 = 0x87;
/// Scopes.
const BASE: u8 = 0;
const ONE_LEVEL: u8 = 1;

pub struct Ldap;

/// Tag, length, contents (X.690 section 8.1).
fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).expect("a short request");
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            out.push(0x82);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend(contents);
    out
}

fn search(number: u32, base: &str, scope: u8, filter: Vec<u8>, attributes: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = attributes.iter().flat_map(|name| tlv(OCTETS, name.as_bytes())).collect();
    let request = [
        tlv(OCTETS, base.as_bytes()),
        tlv(ENUMERATED, &[scope]),
        // Aliases are never followed; no limits; values, too.
        tlv(ENUMERATED, &[0]),
        tlv(INTEGER, &[0]),
        tlv(INTEGER, &[0]),
        tlv(BOOLEAN, &[0]),
        filter,
        tlv(SEQUENCE, &names),
    ]
    .concat();
    // A leading zero keeps it positive.
    let number = [&[0][..], &number.to_be_bytes()].concat();
    tlv(SEQUENCE, &[tlv(INTEGER, shortest(&number)), tlv(SEARCH_REQUEST, &request)].concat())
}

/// An integer has no leading zero that it could do without.
fn shortest(mut bytes: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = bytes
        && rest.first().is_some_and(|&first| first < 0x80)
    {
        bytes = rest;
    }
    bytes
}

/// The tag, where the contents begin and where they end.
fn element(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&tag, &first) = (bytes.first()?, bytes.get(1)?);
    let more = if first < 0x80 { 0 } else { usize::from(first & 0x7f) };
    let length = match more {
        0 => usize::from(first),
        _ => bytes.get(2..2 + more)?.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)),
    };
    let start = 2 + more;
    (start + length <= bytes.len()).then_some((tag, start, start + length))
}

impl Protocol for Ldap {
    fn request(&self, number: u32, read: Read, out: &mut Vec<u8>) {
        let present = || tlv(PRESENT, b"objectClass");
        let request = match read {
            Read::LookUp(user) => {
                let pair = [tlv(OCTETS, b"uidNumber"), tlv(OCTETS, Person(user).uid().as_bytes())].concat();
                search(number, &users_dn(), ONE_LEVEL, tlv(EQUALITY, &pair), &[])
            }
            Read::Known(d, n) => search(number, &member_dn(d, n), BASE, present(), &[]),
            Read::List(d) => search(number, &department_dn(d), ONE_LEVEL, present(), &["uid"]),
        };
        out.extend(request);
    }

    fn reply(&self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let (_, start, end) = element(&bytes[at..])?;
            let message = &bytes[at + start..at + end];
            let (_, _, id_end) = element(message).expect("a message id");
            at += end;
            match message[id_end] {
                SEARCH_ENTRY => {}
                SEARCH_DONE => {
                    let (_, body, _) = element(&message[id_end..]).expect("a result");
                    assert_eq!(message[id_end + body..][..3], [ENUMERATED, 1, 0], "the search failed");
                    return Some(at);
                }
                other => panic!("no reply to a search: {other:#x}"),
            }
        }
    }
}
