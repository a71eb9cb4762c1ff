//! The log: to stderr, in journald's priorities when that reads it.  `RUST_LOG` chooses the level.

use std::io::Write as _;

use log::{Level, LevelFilter};

/// Starts logging; a second call changes nothing.
///
/// When `JOURNAL_STREAM` is set, stderr leads to the journal, which takes the priority from a `<N>` before each
/// line (sd-daemon(3)) and stamps the time itself.
pub fn start() {
    let to_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let started = env_logger::Builder::new()
        .filter_level(LevelFilter::Info)
        .parse_default_env()
        .format(move |out, record| {
            let text = line(to_journal, record.level(), &record.args().to_string());
            out.write_all(text.as_bytes())
        })
        .try_init();
    if started.is_err() {
        log::debug!("the log was started before");
    }
}

/// What is written for one message: each line of it with its priority, and no other control characters, since
/// a message may quote a stranger.
fn line(to_journal: bool, level: Level, message: &str) -> String {
    let head = if to_journal { priority(level) } else { word(level) };
    let mut text = String::new();
    for part in message.split('\n') {
        text.push_str(head);
        text.extend(part.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
        text.push('\n');
    }
    text
}

/// Priorities of syslog(3).
fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug => "debug: ",
        Level::Trace => "trace: ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_message_has_its_priority() {
        assert_eq!(line(true, Level::Warn, "a\nb"), "<4>a\n<4>b\n");
        assert_eq!(line(false, Level::Warn, "a"), "warning: a\n");
        assert_eq!(line(false, Level::Info, "a"), "a\n");
    }

    #[test]
    fn a_stranger_cannot_write_to_the_terminal() {
        assert_eq!(line(false, Level::Error, "host \x1b[2J\r"), "error: host \u{fffd}[2J\u{fffd}\n");
    }
}
