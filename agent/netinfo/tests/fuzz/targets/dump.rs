//! The raw dump: what is read can be served and is written and read the same; a mistake is found where there is text.

use netinfo::dump::{parse, print};
use netinfo::tree::{Directory, Property, Snapshot};

pub fn dump(bytes: &[u8]) {
    match parse(bytes) {
        Ok(tree) => {
            let snapshot = Snapshot::new(&tree).expect("what is read can be served");
            assert_eq!(snapshot.directory(), tree);
            round_trip(&tree);
        }
        Err(mistake) => {
            let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
            let line = lines.get(mistake.line - 1).expect("a line of the file");
            assert!((1..=line.len() + 1).contains(&mistake.column), "{mistake} in {line:?}");
            assert!(!mistake.text.chars().any(char::is_control), "{mistake:?}");
        }
    }
    texts(bytes);
}

fn round_trip(tree: &Directory) {
    let text = print(tree);
    assert!(!text.chars().any(|c| c.is_ascii_control() && c != '\n'), "{text:?}");
    assert_eq!(parse(text.as_bytes()).as_ref(), Ok(tree));
}

/// The bytes as names and values, which may hold anything but NUL.
fn texts(bytes: &[u8]) {
    let properties = bytes.split(|&byte| byte == 0).map(|piece| {
        let mut texts = piece.split(|&byte| byte == b',').map(<[u8]>::to_vec);
        Property { name: texts.next().unwrap_or_default(), values: texts.collect() }
    });
    round_trip(&Directory { properties: properties.collect(), children: Vec::new() });
}
