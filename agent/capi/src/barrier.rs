//! Nothing but a status leaves: a refusal with its sentence, or a panic that is caught here.
//!
//! Owns the translation of the agent's failures into the ABI's statuses, and `slnd_error`.

use std::any::Any;
use std::borrow::Cow;
use std::ffi::c_char;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use agent::embed::{Failure, Kind};
use serialnumberd_plugin::abi::*;

/// Why a call did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: slnd_status,
    pub(crate) sentence: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(status: slnd_status, sentence: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { status, sentence: sentence.into() }
    }

    pub(crate) fn invalid(sentence: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(SLND_E_INVALID, sentence)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        let status = match failure.kind {
            Kind::Fail => SLND_E_FAIL,
            Kind::NoMemory => SLND_E_NOMEM,
            Kind::Invalid => SLND_E_INVALID,
            Kind::Unsupported => SLND_E_UNSUPPORTED,
            Kind::Again => SLND_E_AGAIN,
            Kind::Denied => SLND_E_DENIED,
            Kind::Timeout => SLND_E_TIMEOUT,
            Kind::Closed => SLND_E_CLOSED,
        };
        Refusal::new(status, failure.sentence)
    }
}

/// Runs the body of a function that tells a status; `error` is written in every case, unless it is NULL.
///
/// # Safety
/// `error` is NULL, or points to a struct of the caller's that nobody else uses meanwhile.
pub(crate) unsafe fn guard(
    error: *mut slnd_error,
    body: impl FnOnce() -> Result<(), Refusal>,
) -> slnd_status {
    if !error.is_aligned() {
        return SLND_E_INVALID;
    }
    let (status, sentence) = match caught(body) {
        Ok(()) => (SLND_OK, Cow::default()),
        Err(refusal) => (refusal.status, refusal.sentence),
    };
    if !error.is_null() {
        // SAFETY: aligned, and the caller's promise.
        unsafe { error.write(told(status, &sentence)) };
    }
    status
}

/// Runs a body; a panic becomes a refusal.
pub(crate) fn caught<R>(body: impl FnOnce() -> Result<R, Refusal>) -> Result<R, Refusal> {
    let body = || {
        #[cfg(test)]
        tests::panic_if_wanted();
        body()
    };
    // What a panic leaves half done is behind the core's lock, which it poisons, or atomic.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let refusal =
            Refusal::new(SLND_E_PANIC, format!("a defect of the library: {}", panic_text(&*payload)));
        // Its destructor might panic again.
        mem::forget(payload);
        Err(refusal)
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}

fn told(status: slnd_status, sentence: &str) -> slnd_error {
    let mut error = slnd_error { code: status, ..slnd_error::NONE };
    let room = error.message.len();
    error.message.iter_mut().zip(c_text(sentence, room)).for_each(|(to, c)| *to = c);
    error
}

/// As much of a text as fits into `room` with its NUL, cut between characters; nothing without room.
pub(crate) fn c_text(text: &str, room: usize) -> impl Iterator<Item = c_char> {
    let end = text.floor_char_boundary(room.saturating_sub(1));
    text.as_bytes()[..end].iter().map(|byte| c_char::from_ne_bytes([*byte])).chain([0]).take(room)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static WANTED: Cell<bool> = const { Cell::new(false) };
    }

    /// Makes the next body on this thread panic.
    pub(crate) fn want_panic() {
        WANTED.set(true);
    }

    pub(super) fn panic_if_wanted() {
        assert!(!WANTED.replace(false), "wanted by a test");
    }

    fn text(message: &[c_char]) -> String {
        let bytes = message.iter().take_while(|c| **c != 0).map(|c| c.to_ne_bytes()[0]);
        String::from_utf8(bytes.collect()).unwrap()
    }

    #[test]
    fn errors_are_filled_in_and_cut_between_characters() {
        let mut error = slnd_error::NONE;
        let refuse = |sentence: String| move || Err(Refusal::invalid(sentence));
        // SAFETY: a struct of this test's.
        let status = unsafe { guard(&raw mut error, refuse("x".to_owned() + &"é".repeat(200))) };
        assert_eq!((status, error.code), (SLND_E_INVALID, SLND_E_INVALID));
        assert_eq!(text(&error.message), "x".to_owned() + &"é".repeat(123), "247 bytes at most");
        // SAFETY: as above.
        assert_eq!(unsafe { guard(&raw mut error, || Ok(())) }, SLND_OK);
        assert_eq!((error.code, text(&error.message)), (SLND_OK, String::new()));
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { guard(std::ptr::null_mut(), refuse(String::new())) }, SLND_E_INVALID);
        let odd = (&raw mut error).wrapping_byte_add(1);
        // SAFETY: what is misaligned is not written to.
        assert_eq!(unsafe { guard(odd, || panic!("it is not even tried")) }, SLND_E_INVALID);
    }

    #[test]
    fn a_panic_is_a_status_and_a_sentence() {
        let mut error = slnd_error::NONE;
        // SAFETY: a struct of this test's.
        let status = unsafe { guard(&raw mut error, || panic!("of {}", "test")) };
        assert_eq!(status, SLND_E_PANIC);
        assert_eq!(text(&error.message), "a defect of the library: of test");
    }
}
