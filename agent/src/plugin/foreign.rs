//! Reads texts that a plugin passes as pointers: bounded, never trusting a terminator or an encoding.
#![allow(unsafe_code, reason = "reads memory that a plugin points to")]

use std::ffi::c_char;

use serialnumberd_plugin::abi::slnd_str;

/// A NUL-terminated UTF-8 text of at most `max` bytes; the error goes on after "the text ...".
///
/// # Safety
/// `text` is NULL, or points to bytes that can be read up to their NUL or to `max` of them, and that do not
/// change during `'a`.
pub(super) unsafe fn c_text<'a>(text: *const c_char, max: usize) -> Result<&'a str, String> {
    if text.is_null() {
        return Err("is NULL".to_owned());
    }
    // SAFETY: the caller's promise, for up to `max` bytes.
    let len = unsafe { libc::strnlen(text, max) };
    if len == max {
        return Err(format!("does not end within {max} bytes"));
    }
    // SAFETY: `len` bytes before the NUL were just read.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    std::str::from_utf8(bytes).map_err(|_| "is no UTF-8".to_owned())
}

/// The first `max` bytes of a text with a length; nothing if its pointer is NULL.
///
/// # Safety
/// `text` is NULL, or points to `len` bytes that do not change during `'a`.
pub(super) unsafe fn bytes_up_to<'a>(text: *const c_char, len: usize, max: usize) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise; no more than `len` is read.
    unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len.min(max)) }
}

/// A text of at most `max` bytes; `None` if it is longer, no UTF-8, or NULL though not empty.
///
/// # Safety
/// `text.ptr` is NULL, or points to `text.len` bytes that do not change during `'a`.
pub(super) unsafe fn str_text<'a>(text: slnd_str, max: usize) -> Option<&'a str> {
    if text.len > max || (text.ptr.is_null() && text.len > 0) {
        return None;
    }
    // SAFETY: the caller's promise.
    std::str::from_utf8(unsafe { bytes_up_to(text.ptr, text.len, max) }).ok()
}

/// The text in a fixed array up to its NUL, or all of it; what is no UTF-8 is replaced.
pub(super) fn array_text(array: &[c_char]) -> String {
    let bytes: Vec<u8> = array.iter().take_while(|&&c| c != 0).map(|c| c.to_ne_bytes()[0]).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_checked() {
        // SAFETY: all literals; of those without a NUL no more than their length is read.
        unsafe {
            assert_eq!(c_text(c"abc".as_ptr(), 4), Ok("abc"));
            assert_eq!(c_text(c"abcd".as_ptr(), 4), Err("does not end within 4 bytes".to_owned()));
            assert_eq!(c_text(c"\xff".as_ptr(), 4), Err("is no UTF-8".to_owned()));
            assert_eq!(c_text(std::ptr::null(), 4), Err("is NULL".to_owned()));
            assert_eq!(bytes_up_to(std::ptr::null(), usize::MAX, 4), b"");
            assert_eq!(bytes_up_to(c"abcdef".as_ptr(), usize::MAX, 4), b"abcd");
            assert_eq!(str_text(slnd_str { ptr: std::ptr::null(), len: 0 }, 4), Some(""));
            assert_eq!(str_text(slnd_str { ptr: std::ptr::null(), len: 1 }, 4), None);
            assert_eq!(str_text(slnd_str { ptr: c"abc".as_ptr(), len: usize::MAX }, 4), None);
        }
        let mut array: [c_char; 4] = [0x61; 4];
        assert_eq!(array_text(&array), "aaaa");
        array[1] = c_char::from_ne_bytes([0xff]);
        array[2] = 0;
        assert_eq!(array_text(&array), "a\u{fffd}");
    }
}
