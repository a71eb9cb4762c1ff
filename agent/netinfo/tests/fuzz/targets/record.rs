//! Record marking: what comes out does not depend on how the bytes came in, and never holds more than it may.

use netinfo::record::{Assembler, RecordError, mark};

/// The longest record of this target: small, so that inputs reach beyond it.
const LONGEST: usize = 64;

pub fn record(bytes: &[u8]) {
    let whole = joined(bytes, bytes.len().max(1));
    for step in [1, 3, 5] {
        assert_eq!(joined(bytes, step), whole, "{step} bytes at a time");
    }
    round_trip(bytes);
}

/// All records, and what ended them.
fn joined(bytes: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<RecordError>) {
    let mut assembler = Assembler::new(LONGEST);
    let mut records = Vec::new();
    for piece in bytes.chunks(step) {
        assembler.push(piece);
        loop {
            match assembler.next_record() {
                Ok(Some(record)) => {
                    assert!(record.len() <= LONGEST);
                    records.push(record);
                }
                Ok(None) => break,
                Err(error) => return (records, Some(error)),
            }
        }
        // A mark, and a record of which a byte is missing.
        assert!(assembler.held() < LONGEST + 4, "{} bytes held", assembler.held());
    }
    (records, None)
}

fn round_trip(bytes: &[u8]) {
    let mut stream = Vec::new();
    mark(bytes, &mut stream);
    let mut assembler = Assembler::new(bytes.len());
    assembler.push(&stream);
    assert_eq!(assembler.next_record(), Ok(Some(bytes.to_vec())));
    assert_eq!((assembler.next_record(), assembler.held()), (Ok(None), 0));
}
