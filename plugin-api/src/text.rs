//! Text across the boundary: read without trust, written so that it always fits and always ends.
#![allow(unsafe_code, reason = "reads what the host points to")]

use core::ffi::c_char;

use crate::abi::slnd_str;

/// The text that the host points to; of what is not UTF-8, the part before it.
///
/// # Safety
/// `s.ptr` is NULL, or `s.len` bytes can be read there for as long as `'a`.
pub(crate) unsafe fn read<'a>(s: slnd_str) -> &'a str {
    // SAFETY: the caller's.
    let bytes = unsafe { bytes(s.ptr.cast(), s.len) };
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => core::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or(""),
    }
}

/// The bytes that the host points to.
///
/// # Safety
/// `ptr` is NULL, or `len` bytes can be read there for as long as `'a`.
pub(crate) unsafe fn bytes<'a>(ptr: *const u8, len: usize) -> &'a [u8] {
    if ptr.is_null() || len == 0 || isize::try_from(len).is_err() {
        return &[];
    }
    // SAFETY: not NULL, no longer than an object can be, and the caller's.
    unsafe { core::slice::from_raw_parts(ptr, len) }
}

/// Writes `text` with a final NUL into `room`, cut between two characters if it is too long.  A NUL within would end
/// it for C: it becomes a space.
pub(crate) fn write(room: &mut [c_char], text: &str) {
    let Some(most) = room.len().checked_sub(1) else { return };
    let end = text.floor_char_boundary(most);
    for (to, from) in room.iter_mut().zip(text.as_bytes()[..end].iter().chain([&0])) {
        *to = c_char::from_ne_bytes([*from]);
    }
    for c in &mut room[..end] {
        if *c == 0 {
            *c = c_char::from_ne_bytes([b' ']);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(room: usize, text: &str) -> String {
        let mut chars = vec![c_char::from_ne_bytes([b'#']); room];
        write(&mut chars, text);
        let bytes: Vec<u8> = chars.iter().flat_map(|c| c.to_ne_bytes()).collect();
        String::from_utf8(bytes[..bytes.iter().position(|&b| b == 0).unwrap()].to_vec()).unwrap()
    }

    #[test]
    fn a_text_is_cut_between_characters_and_always_ends() {
        assert_eq!(written(8, "1234567"), "1234567");
        assert_eq!(written(8, "12345678"), "1234567");
        assert_eq!(written(8, "123456é"), "123456");
        assert_eq!(written(8, "12345é"), "12345é");
        assert_eq!(written(5, "€€"), "€");
        assert_eq!(written(4, "🔒"), "");
        assert_eq!(written(1, "x"), "");
        write(&mut [], "x");
    }

    #[test]
    fn a_nul_does_not_end_it_early() {
        assert_eq!(written(8, "a\0b"), "a b");
    }

    #[test]
    fn what_is_no_utf8_is_read_up_to_there() {
        let raw = b"ok\xff!";
        let s = slnd_str { ptr: raw.as_ptr().cast(), len: raw.len() };
        // SAFETY: points to a local.
        assert_eq!(unsafe { read(s) }, "ok");
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { read(slnd_str { ptr: core::ptr::null(), len: 7 }) }, "");
        // SAFETY: a static text.
        assert_eq!(unsafe { read(slnd_str::EMPTY) }, "");
    }
}
