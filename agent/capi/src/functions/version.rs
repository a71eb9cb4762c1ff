//! Which library this is, and its statuses in words.

use std::ffi::{CStr, c_char};

use serialnumberd_plugin::abi::*;

/// \[any\] The version of this interface as the loaded library has it: major, minor and patch, 8 bits each;
/// compare with SLND_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub extern "C" fn slnd_version_number() -> u32 {
    const {
        let (major, minor, patch) = (
            number(env!("CARGO_PKG_VERSION_MAJOR")),
            number(env!("CARGO_PKG_VERSION_MINOR")),
            number(env!("CARGO_PKG_VERSION_PATCH")),
        );
        major << 16 | minor << 8 | patch
    }
}

const fn number(text: &str) -> u32 {
    let (mut value, mut i) = (0, 0);
    while i < text.len() {
        value = value * 10 + (text.as_bytes()[i] - b'0') as u32;
        i += 1;
    }
    assert!(value < 256, "eight bits each");
    value
}

/// \[any\] The same as text, "1.0.0"; static.
#[unsafe(no_mangle)]
pub extern "C" fn slnd_version_string() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("a version has no NUL inside"),
        };
    VERSION.as_ptr()
}

/// \[any\] What a status means, in a few words; static, never NULL, also for what is no status.
#[unsafe(no_mangle)]
pub extern "C" fn slnd_strerror(status: slnd_status) -> *const c_char {
    let words = match status {
        SLND_OK => c"success",
        SLND_E_FAIL => c"it did not work",
        SLND_E_NOMEM => c"no memory, or a bound is reached",
        SLND_E_INVALID => c"an argument is wrong, or it is too early",
        SLND_E_UNSUPPORTED => c"this library or this mode cannot do that",
        SLND_E_AGAIN => c"not now, or not here",
        SLND_E_DENIED => c"not permitted",
        SLND_E_TIMEOUT => c"it took too long",
        SLND_E_CLOSED => c"too late: stopped, freed, or of another process",
        SLND_E_PANIC => c"a defect of the library",
        SLND_E_VERSION => c"the other side is too old or too new",
        SLND_E_NOT_WORKER => c"the wrong thread, or inside a callback",
        _ => c"no status of this library",
    };
    words.as_ptr()
}
