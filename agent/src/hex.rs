//! Bytes as hex digits in lower case, the one spelling that they have in what this agent writes.

/// Writes bytes.
pub(crate) fn write(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads exactly `N` bytes.
pub(crate) fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = byte_of(pair)?;
    }
    Some(bytes)
}

/// Reads as many bytes as there are.
pub(crate) fn read_all(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks_exact(2);
    if pairs.remainder().is_empty() { pairs.map(byte_of).collect() } else { None }
}

fn byte_of(pair: &[u8]) -> Option<u8> {
    Some(digit(pair[0])? << 4 | digit(pair[1])?)
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(write(&[0, 0x9a, 0xff]), "009aff");
        assert_eq!(read("009aff"), Some([0, 0x9a, 0xff]));
        for other in ["", "009af", "009aff0", "009aff00", "009AFF", "00 9af", "00\u{e9}af"] {
            assert_eq!(read::<3>(other), None, "{other}");
        }
        assert_eq!((read_all(""), read_all("009aff")), (Some(vec![]), Some(vec![0, 0x9a, 0xff])));
        assert_eq!((read_all("0"), read_all("0g")), (None, None));
    }
}
