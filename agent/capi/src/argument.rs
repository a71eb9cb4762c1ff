//! What a C program passes, looked at before it is used: NULL, alignment, sizes, lengths, UTF-8.
//!
//! A pointer that is none of these and wrong all the same cannot be told from a right one.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr;
use std::slice;

use serialnumberd_plugin::abi::{SLND_E_VERSION, slnd_kv, slnd_str};

use crate::barrier::{self, Refusal};

/// Longest text taken: a serial or a path; what is longer is no text but a wrong length.
pub(crate) const TEXT_MAX: usize = 64 * 1024;
/// Largest struct believed: many times those of 1.0, and far from 4 GiB.
pub(crate) const STRUCT_MAX: usize = 4096;
/// Most options of one plugin, as the plugin host has it.
const OPTIONS_MAX: usize = 128;

/// A struct that begins with `struct_size`, of which a program may know more or less than this library.
///
/// # Safety
/// `repr(C)`, begins with a `u32`, has no padding, and is valid for any bytes that a program may leave in it.
pub(crate) unsafe trait Grows: Copy {
    /// Its name in C.
    const NAME: &'static str;
    /// Its size in 1.0: what every program knows.
    const LEAST: usize;
}

/// A pointer to something that can be read or written: neither NULL nor misaligned.
pub(crate) fn usable<T>(pointer: *const T, what: &str) -> Result<(), Refusal> {
    match () {
        () if pointer.is_null() => Err(Refusal::invalid(format!("{what} is NULL"))),
        () if !pointer.is_aligned() => Err(Refusal::invalid(format!("{what} is misaligned"))),
        () => Ok(()),
    }
}

/// The size that the program states for a struct.
unsafe fn stated_size<T: Grows>(pointer: *const T) -> Result<usize, Refusal> {
    usable(pointer, T::NAME)?;
    // SAFETY: aligned, and by the caller's promise a struct that begins with its size.
    let size = unsafe { pointer.cast::<u32>().read() };
    check_size::<T>(usize::try_from(size).unwrap_or(usize::MAX))
}

/// Whether a struct may have that size.
pub(crate) fn check_size<T: Grows>(size: usize) -> Result<usize, Refusal> {
    if (T::LEAST..=STRUCT_MAX).contains(&size) {
        return Ok(size);
    }
    Err(Refusal::invalid(format!(
        "the size of {} is {size}, not {} to {STRUCT_MAX}: it is sizeof that struct",
        T::NAME,
        T::LEAST
    )))
}

/// Reads a struct that grows: what the program does not know is as in `defaults`.
///
/// # Safety
/// `pointer` is NULL, misaligned, or points to as many bytes as its first word says.
pub(crate) unsafe fn read_grown<T: Grows>(pointer: *const T, defaults: T) -> Result<T, Refusal> {
    // SAFETY: the caller's promise.
    let size = unsafe { stated_size(pointer) }?;
    let known = size.min(size_of::<T>());
    // SAFETY: the caller's promise for its bytes; they may be anything, and are only compared.
    let beyond = unsafe { slice::from_raw_parts(pointer.cast::<u8>().add(known), size - known) };
    if beyond.iter().any(|byte| *byte != 0) {
        let what = format!("{} has a field that this library does not know: it is too old", T::NAME);
        return Err(Refusal::new(SLND_E_VERSION, what));
    }
    let mut value = defaults;
    // SAFETY: no more than either of them has, and `T` takes any bytes.
    unsafe { ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut value).cast::<u8>(), known) };
    Ok(value)
}

/// Writes a struct that grows, but its first word: what only the program knows becomes zero.
///
/// # Safety
/// `pointer` is NULL, misaligned, or points to as many bytes as its first word says.
pub(crate) unsafe fn write_grown<T: Grows>(pointer: *mut T, value: &T) -> Result<(), Refusal> {
    // SAFETY: the caller's promise.
    let size = unsafe { stated_size(pointer) }?;
    // SAFETY: as above.
    unsafe { write_sized(pointer, size, value) };
    Ok(())
}

/// Writes so many bytes of a struct, but its first word.
///
/// # Safety
/// `pointer` points to `size` bytes, at least the first word.
pub(crate) unsafe fn write_sized<T: Grows>(pointer: *mut T, size: usize, value: &T) {
    const HEAD: usize = size_of::<u32>();
    let known = size.min(size_of::<T>());
    let (from, to) = (ptr::from_ref(value).cast::<u8>(), pointer.cast::<u8>());
    // SAFETY: the caller's promise for `to`; `from` has no padding, so all its bytes are initialized.
    unsafe {
        ptr::copy_nonoverlapping(from.add(HEAD), to.add(HEAD), known - HEAD);
        ptr::write_bytes(to.add(known), 0, size - known);
    }
}

/// A text with its length.
///
/// # Safety
/// `text.ptr` is NULL, or points to `text.len` bytes that do not change during `'a`; beyond [`TEXT_MAX`] they need
/// not be there.
pub(crate) unsafe fn text<'a>(text: slnd_str, what: &str) -> Result<&'a str, Refusal> {
    if text.ptr.is_null() {
        return Err(Refusal::invalid(format!("{what} is NULL")));
    }
    if text.len > TEXT_MAX {
        return Err(Refusal::invalid(format!("{what} has a length of {}, not at most {TEXT_MAX}", text.len)));
    }
    // SAFETY: the caller's promise.
    utf8(unsafe { slice::from_raw_parts(text.ptr.cast::<u8>(), text.len) }, what)
}

/// A text that a NUL ends.
///
/// # Safety
/// `text` is NULL, or points to bytes up to a NUL, or to [`TEXT_MAX`] of them, that do not change during `'a`.
pub(crate) unsafe fn c_text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Refusal> {
    if text.is_null() {
        return Err(Refusal::invalid(format!("{what} is NULL")));
    }
    // SAFETY: the caller's promise.
    let len = unsafe { libc::strnlen(text, TEXT_MAX) };
    if len == TEXT_MAX {
        return Err(Refusal::invalid(format!("{what} does not end within {TEXT_MAX} bytes")));
    }
    // SAFETY: so many bytes were just read.
    utf8(unsafe { slice::from_raw_parts(text.cast::<u8>(), len) }, what)
}

fn utf8<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::invalid(format!("{what} is no UTF-8")))?;
    if text.contains('\0') {
        return Err(Refusal::invalid(format!("{what} has a NUL inside")));
    }
    Ok(text)
}

/// The options of a plugin, copied.
///
/// # Safety
/// `options` is NULL, misaligned, or points to `n` pairs whose texts are as [`text`] wants them; beyond
/// [`OPTIONS_MAX`] they need not be there.
pub(crate) unsafe fn options(options: *const slnd_kv, n: usize) -> Result<Vec<(String, String)>, Refusal> {
    if n == 0 {
        return Ok(Vec::new());
    }
    usable(options, "options")?;
    if n > OPTIONS_MAX {
        return Err(Refusal::invalid(format!("there are {n} options, not at most {OPTIONS_MAX}")));
    }
    // SAFETY: the caller's promise.
    let pairs = unsafe { slice::from_raw_parts(options, n) };
    let pair = |pair: &slnd_kv| {
        // SAFETY: the caller's promise.
        let (key, value) =
            unsafe { (text(pair.key, "an option's key")?, text(pair.value, "an option's value")?) };
        Ok((key.to_owned(), value.to_owned()))
    };
    pairs.iter().map(pair).collect()
}

/// Room of the caller's for a text.
pub(crate) struct Room<'a>(&'a mut [MaybeUninit<c_char>]);

impl Room<'_> {
    /// Puts in as much of a text as fits with its NUL.
    pub(crate) fn put(self, text: &str) {
        let fitting = barrier::c_text(text, self.0.len());
        self.0.iter_mut().zip(fitting).for_each(|(to, c)| *to = MaybeUninit::new(c));
    }
}

/// The room at a pointer.
///
/// # Safety
/// `buffer` is NULL, or points to `cap` bytes that nobody else uses during `'a`.
pub(crate) unsafe fn room<'a>(buffer: *mut c_char, cap: usize, what: &str) -> Result<Room<'a>, Refusal> {
    if cap == 0 {
        return Ok(Room(&mut []));
    }
    usable(buffer, what)?;
    let cap = cap.min(isize::MAX.cast_unsigned());
    // SAFETY: the caller's promise.
    Ok(Room(unsafe { slice::from_raw_parts_mut(buffer.cast(), cap) }))
}
