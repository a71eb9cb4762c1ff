//! Where a command writes, and how it ends.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use crate::logging;
use crate::text::Palette;

/// Exit code of a failure; usage errors are clap's 2, and a verdict's are in [`super::check`].
pub(super) const FAILURE: u8 = 1;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// For people, on stderr.
    Sentence(String),
    /// Nobody reads on: `serialnumberd status | head`.
    Unread,
}

impl From<String> for Failure {
    fn from(sentence: String) -> Failure {
        Failure::Sentence(sentence)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Sentence(format!("cannot write the output: {error}")),
        }
    }
}

/// How a command ended: its exit code, or why it did not get there.
pub(super) type Ending = Result<u8, Failure>;

/// Tells of a failure and makes the exit code of an ending.
pub(super) fn exit_code(ending: Ending) -> ExitCode {
    match ending {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Unread) => ExitCode::SUCCESS,
        Err(Failure::Sentence(sentence)) => {
            logging::failure(&sentence);
            ExitCode::from(FAILURE)
        }
    }
}

/// Standard output of a command, with the colors that it may use there: none but on a terminal, and none
/// with `NO_COLOR` (no-color.org).
pub(super) fn standard() -> (io::StdoutLock<'static>, Palette) {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let out = io::stdout().lock();
    let colored = wanted && out.is_terminal();
    (out, Palette { colored })
}
