//! The log of a program of our own: to stderr, in journald's priorities when that reads it.  `RUST_LOG` chooses the
//! level.  In somebody else's program the lines of each agent go to a sink of its own (`scope`).

mod scope;

use std::io::Write as _;

use log::{Level, LevelFilter};

pub use scope::{Scope, Sink};

/// Starts logging; a second call changes nothing.
///
/// Where stderr leads to the journal, that takes the priority from a `<N>` before each line (sd-daemon(3)) and
/// stamps the time itself.
pub fn start() {
    let to_journal = is_journal();
    let started = env_logger::Builder::new()
        .filter_level(LevelFilter::Info)
        .parse_default_env()
        .format(move |out, record| {
            let text = line(to_journal, record.level(), &spoken(record.target(), &record.args().to_string()));
            out.write_all(text.as_bytes())
        })
        .try_init();
    if started.is_err() {
        log::debug!("the log was started before");
    }
}

/// Writes why a command failed, whatever `RUST_LOG` says: for every line the program's name or, to the journal,
/// its priority.
pub fn failure(sentence: &str) {
    let head = if is_journal() { priority(Level::Error) } else { "serialnumberd: " };
    // Not eprintln, which panics where stderr is closed.
    let _ = std::io::stderr().write_all(lines(head, sentence).as_bytes());
}

/// A message with who says it, if that is a plugin: its target is its id, and that of code is a module's path.
fn spoken(target: &str, message: &str) -> String {
    let is_code = target.contains("::") || target == env!("CARGO_CRATE_NAME");
    if is_code { message.to_owned() } else { format!("plugin {target}: {message}") }
}

/// Whether stderr leads to the journal: `JOURNAL_STREAM` has its device and inode (systemd.exec(5)), and a child
/// may inherit the variable and not the stream.
fn is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    nix::sys::stat::fstat(std::io::stderr())
        .is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// What is written for one message: each line of it with its priority, and no control characters, since a
/// message may quote a stranger.
fn line(to_journal: bool, level: Level, message: &str) -> String {
    lines(if to_journal { priority(level) } else { word(level) }, message)
}

fn lines(head: &str, message: &str) -> String {
    let mut text = String::new();
    for part in message.split('\n') {
        text.push_str(head);
        text.push_str(&clean(part));
        text.push('\n');
    }
    text
}

/// A line without control characters.
fn clean(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Priorities of syslog(3).
pub(crate) fn priority(level: Level) -> &'static str {
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
    fn a_plugins_line_says_whose_it_is() {
        assert_eq!(spoken("serialnumberd::event_loop::decide", "clear"), "clear");
        assert_eq!(spoken("policy", "grace began"), "plugin policy: grace began");
    }

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
