//! Times and lengths of time as scenarios write them: `250 ms`, `10 min`, `2 h`, `10 years`.

use std::time::Duration;

use serialnumberd_core::Mono;

use super::limits::SPAN;

/// A length of time.
///
/// # Errors
/// A sentence that names the text.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|e| {
        format!("\"{text}\" is no time ({e}); write it like \"250 ms\", \"10 min\" or \"2 h\"")
    })?;
    if span > SPAN {
        return Err(format!("\"{text}\" is longer than a hundred years; write a shorter time"));
    }
    Ok(span)
}

/// A moment, counted from the scenario's beginning.
///
/// # Errors
/// As [`span`].
pub(crate) fn moment(text: &str) -> Result<Mono, String> {
    span(text).map(|d| Mono(0).after(d))
}

/// A moment as people read it.
pub(crate) fn written(at: Mono) -> String {
    let ms = at.0 / 1_000_000;
    humantime::format_duration(Duration::from_millis(ms)).to_string()
}
