//! The directory's protocol, by hand: calls with AUTH_NONE, in one fragment each.

use crate::data::{Person, object};
use crate::protocol::{Protocol, Read};

/// Procedures.
const READ: u32 = 7;
const LIST: u32 = 11;
const LOOKUPREAD: u32 = 28;

pub struct NetInfo;

/// Appends a record with a call; strings follow the words.
pub fn call(xid: u32, procedure: u32, words: &[u32], strings: &[&str], out: &mut Vec<u8>) {
    let start = out.len();
    let head = [0, xid, 0, 2, 200_100_000, 2, procedure, 0, 0, 0, 0];
    head.iter().chain(words).for_each(|word| out.extend(word.to_be_bytes()));
    for text in strings {
        out.extend(u32::try_from(text.len()).expect("short").to_be_bytes());
        out.extend(text.as_bytes());
        out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    }
    let length = u32::try_from(out.len() - start - 4).expect("short");
    out[start..start + 4].copy_from_slice(&(length | 1 << 31).to_be_bytes());
}

/// The record at the beginning of `bytes` without its marks, and how many bytes it takes with them.
pub fn record(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut record, mut at) = (Vec::new(), 0);
    loop {
        let mark = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().expect("four bytes"));
        let length = usize::try_from(mark & 0x7fff_ffff).expect("a length");
        record.extend_from_slice(bytes.get(at + 4..at + 4 + length)?);
        at += 4 + length;
        if mark >> 31 == 1 {
            return Some((record, at));
        }
    }
}

/// How long the record at the beginning of `bytes` is with its marks.
fn length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let mark = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().expect("four bytes"));
        at += 4 + usize::try_from(mark & 0x7fff_ffff).expect("a length");
        if mark >> 31 == 1 {
            return (at <= bytes.len()).then_some(at);
        }
    }
}

impl Protocol for NetInfo {
    fn request(&self, number: u32, read: Read, out: &mut Vec<u8>) {
        match read {
            Read::LookUp(user) => {
                let uid = Person(user).uid();
                call(number, LOOKUPREAD, &[object::USERS_TOP, 0], &["uid", &uid], out);
            }
            Read::Known(d, n) => call(number, READ, &[object::member(d, n), 0], &[], out),
            Read::List(d) => call(number, LIST, &[object::department(d), 0], &["name"], out),
        }
    }

    fn reply(&self, bytes: &[u8]) -> Option<usize> {
        let length = length(bytes)?;
        // Accepted, done, and status 0.
        assert_eq!(
            bytes.get(8..32),
            Some(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..])
        );
        Some(length)
    }
}
