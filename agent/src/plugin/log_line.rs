//! A plugin's log lines on their way to the agent's log: bounded in length and rate, and escaped.

use std::fmt::Write;

use super::limits::{LOG_BURST, LOG_LINE_MAX, LOG_PER_SECOND};

/// What is written of a line: UTF-8, cut at [`LOG_LINE_MAX`], control characters escaped, so that a
/// plugin cannot forge a second line or move a terminal's cursor.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LOG_LINE_MAX)]);
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\t' => line.push(' '),
            c if c.is_control() || is_format(c) => {
                let _infallible = write!(line, "{}", c.escape_unicode());
            }
            c => line.push(c),
        }
    }
    if bytes.len() > LOG_LINE_MAX {
        line.push_str(" [cut]");
    }
    line
}

/// Line separators and the controls of writing direction: they reorder or break what a terminal shows.
fn is_format(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lets [`LOG_BURST`] lines pass, then [`LOG_PER_SECOND`].
#[derive(Debug)]
pub(super) struct Rate {
    /// Nanoseconds of credit, at most a burst's.
    credit_ns: u64,
    at_ns: u64,
    suppressed: u64,
}

const LINE_NS: u64 = 1_000_000_000 / LOG_PER_SECOND;

impl Rate {
    pub(super) fn new(now_ns: u64) -> Rate {
        Rate { credit_ns: LOG_BURST * LINE_NS, at_ns: now_ns, suppressed: 0 }
    }

    /// Whether a line may pass; if so, how many before it did not.
    pub(super) fn pass(&mut self, now_ns: u64) -> Option<u64> {
        let earned_ns = now_ns.saturating_sub(self.at_ns);
        self.credit_ns = self.credit_ns.saturating_add(earned_ns).min(LOG_BURST * LINE_NS);
        self.at_ns = now_ns;
        if let Some(rest_ns) = self.credit_ns.checked_sub(LINE_NS) {
            self.credit_ns = rest_ns;
            return Some(std::mem::take(&mut self.suppressed));
        }
        self.suppressed += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(clean(b"all is well\n"), "all is well");
        assert_eq!(clean(b"a\nERROR b\x1b[2J\tc"), "a\\u{a}ERROR b\\u{1b}[2J c");
        assert_eq!(clean(b"\xff\xe2\x80\xae"), "\u{fffd}\\u{202e}");
        let long = clean(&[b'x'; LOG_LINE_MAX + 1]);
        assert!(long.ends_with("x [cut]") && long.len() == LOG_LINE_MAX + 6);
    }

    #[test]
    fn a_burst_then_a_rate() {
        let mut rate = Rate::new(5);
        let passed = (0..200).filter(|_| rate.pass(5).is_some()).count();
        assert_eq!(passed, 50);
        assert_eq!(rate.pass(5 + LINE_NS), Some(150));
        assert_eq!(rate.pass(5 + LINE_NS), None);
        let later = 5 + 3_600 * 1_000_000_000;
        assert_eq!((0..200).filter(|_| rate.pass(later).is_some()).count(), 50);
    }
}
