//! Why something did not work: a status for the host, a sentence for people.

use core::fmt;

use crate::abi::{self, slnd_error, slnd_status};
use crate::text;

/// A status and a sentence that says what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: slnd_status,
    message: String,
}

impl Error {
    /// Something failed: `SLND_E_FAIL`.
    pub fn failed(message: impl Into<String>) -> Error {
        Error { status: abi::SLND_E_FAIL, message: message.into() }
    }

    /// An option or argument is wrong: `SLND_E_INVALID`.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error { status: abi::SLND_E_INVALID, message: message.into() }
    }

    pub(crate) fn new(status: slnd_status, message: impl Into<String>) -> Error {
        Error { status, message: message.into() }
    }

    pub(crate) fn closed(call: &str) -> Error {
        Error::new(abi::SLND_E_CLOSED, format!("{call}: the instance is stopped"))
    }

    /// The status of the ABI; negative.
    #[must_use]
    pub fn status(&self) -> slnd_status {
        self.status
    }

    /// What a call of the host came to.
    pub(crate) fn check(call: &str, status: slnd_status) -> Result<(), Error> {
        let why = match status {
            abi::SLND_OK => return Ok(()),
            abi::SLND_E_NOMEM => "no memory, or a bound of the host is reached",
            abi::SLND_E_INVALID => "an argument is wrong",
            abi::SLND_E_UNSUPPORTED => "this host cannot do that",
            abi::SLND_E_AGAIN => "not now; try again",
            abi::SLND_E_DENIED => "the permission is not granted; see `grant` in the configuration",
            abi::SLND_E_TIMEOUT => "its deadline passed",
            abi::SLND_E_CLOSED => "the instance is stopped",
            abi::SLND_E_NOT_WORKER => "called on the wrong thread",
            _ => "it failed",
        };
        Err(Error { status, message: format!("{call}: {why} ({status})") })
    }

    pub(crate) fn write(&self, out: &mut slnd_error) {
        out.code = self.status;
        out.zero = 0;
        text::write(&mut out.message, &self.message);
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Error {
        Error::failed(e.to_string())
    }
}
