//! Text for people: tables, paragraphs, times and colors.  Knows nothing of the agent.

use std::time::{Duration, SystemTime};

/// Text is wrapped here: readable in a window of 80 columns, and not a ribbon in a wider one.
pub(crate) const WIDTH: usize = 80;

/// A color of a terminal, by what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing to say: the terminal's own.
    Plain,
    /// Headings.
    Strong,
    /// All is well.
    Good,
    /// Somebody should look.
    Caution,
    /// Something is refused or broken.
    Bad,
    /// Of lesser interest.
    Faint,
}

/// Whether to color, decided once by where the output goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Palette {
    pub(crate) colored: bool,
}

impl Palette {
    /// `text` in the tone, if there are colors.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Caution => "33",
            Tone::Bad => "1;31",
            Tone::Faint => "2",
        };
        if self.colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A stranger's text without what a terminal would obey.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `1 seat`, `2 seats`.
pub(crate) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Paragraph `text`, wrapped; every line begins with `indent` blanks, the first one with `lead` instead.
pub(crate) fn wrap(lead: &str, indent: usize, text: &str) -> String {
    let mut out = String::new();
    let mut line = lead.to_owned();
    let mut is_empty = true;
    for word in clean(text).split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

/// A cell of a table and its tone.
#[derive(Clone, Debug)]
pub(crate) struct Cell(pub(super) String, pub(super) Tone);

impl Cell {
    pub(crate) fn plain(text: impl Into<String>) -> Cell {
        Cell(clean(&text.into()), Tone::Plain)
    }

    pub(crate) fn of(tone: Tone, text: impl Into<String>) -> Cell {
        Cell(clean(&text.into()), tone)
    }
}

/// Rows in columns, two blanks apart; the last column is not padded.
pub(crate) fn table(palette: Palette, indent: usize, rows: &[Vec<Cell>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.0.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        // Blanks are added when something follows them, so that no line ends in any.
        let mut gap = 0;
        for (Cell(text, tone), width) in row.iter().zip(&widths) {
            let length = text.chars().count();
            if length > 0 {
                line.push_str(&" ".repeat(gap));
                line.push_str(&palette.paint(*tone, text));
                gap = 0;
            }
            gap += width - length + if *width > 0 { 2 } else { 0 };
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// An RFC 3339 time as people read it: `2026-11-23 15:04:31 UTC`; the text itself if it is none.
pub(crate) fn moment(time: &str) -> String {
    match (time.split_once('T'), humantime::parse_rfc3339(time)) {
        (Some((day, clock)), Ok(_)) => format!("{day} {} UTC", clock.get(..8).unwrap_or(clock)),
        _ => clean(time),
    }
}

/// `12 s ago`, `in 3 min`, `now`: a time as seen from `now`; empty if one of them is no time.
pub(crate) fn relative(time: &str, now: &str) -> String {
    let (Ok(time), Ok(now)) = (humantime::parse_rfc3339(time), humantime::parse_rfc3339(now)) else {
        return String::new();
    };
    match (now.duration_since(time), time.duration_since(now)) {
        (Ok(ago), _) if ago.as_secs() > 0 => format!("{} ago", span(ago)),
        (_, Ok(ahead)) if ahead.as_secs() > 0 => format!("in {}", span(ahead)),
        _ => "now".to_owned(),
    }
}

/// A duration in its two largest units.
pub(crate) fn span(duration: Duration) -> String {
    let s = duration.as_secs();
    let (m, h, d) = (s / 60, s / 3600, s / 86400);
    let two = |a: u64, unit: &str, b: u64, small: &str| match b {
        0 => format!("{a} {unit}"),
        _ => format!("{a} {unit} {b} {small}"),
    };
    match () {
        () if d > 0 => two(d, "d", h % 24, "h"),
        () if h > 0 => two(h, "h", m % 60, "min"),
        () if m >= 10 => format!("{m} min"),
        () if m > 0 => two(m, "min", s % 60, "s"),
        () => format!("{s} s"),
    }
}

/// `at` before `other`, where both are times; unreadable ones come last.
pub(crate) fn time_key(time: &str) -> (bool, Option<SystemTime>) {
    let read = humantime::parse_rfc3339(time).ok();
    (read.is_none(), read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_wrapped_and_cleaned() {
        let text = wrap("  - ", 4, &"word ".repeat(20));
        assert!(text.lines().all(|l| l.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("  - word") && text.contains("\n    word"));
        assert_eq!(wrap("", 0, "a\x1b[2J\tb"), "a [2J b\n");
        assert_eq!(wrap("x: ", 2, ""), "x:\n");
        let long = "w".repeat(100);
        assert_eq!(wrap("", 0, &format!("a {long} b")), format!("a\n{long}\nb\n"));
    }

    #[test]
    fn tables_are_aligned_without_trailing_blanks() {
        let rows = [
            vec![Cell::plain("a"), Cell::of(Tone::Good, "bb"), Cell::plain("c")],
            vec![Cell::plain("aaa"), Cell::plain("é"), Cell::plain("")],
        ];
        assert_eq!(table(Palette::default(), 1, &rows), " a    bb  c\n aaa  é\n");
        let colored = table(Palette { colored: true }, 0, &rows);
        assert!(colored.starts_with("a    \x1b[32mbb\x1b[0m  c\n"), "{colored:?}");
    }

    #[test]
    fn an_empty_column_takes_no_room() {
        let rows = [vec![Cell::plain("a"), Cell::plain(""), Cell::plain("c")]];
        assert_eq!(table(Palette::default(), 0, &rows), "a  c\n");
    }

    #[test]
    fn times_are_relative_and_spans_short() {
        let now = "2026-11-23T15:00:00.000Z";
        for (time, said) in [
            ("2026-11-23T14:59:48.000Z", "12 s ago"),
            ("2026-11-23T15:00:42.500Z", "in 42 s"),
            ("2026-11-23T15:00:00.400Z", "now"),
            ("2026-11-23T14:57:55.000Z", "2 min 5 s ago"),
            ("2026-11-23T14:30:00.000Z", "30 min ago"),
            ("2026-11-20T12:00:00.000Z", "3 d 3 h ago"),
            ("2026-11-23T18:00:00.000Z", "in 3 h"),
            ("", ""),
        ] {
            assert_eq!(relative(time, now), said);
        }
        assert_eq!(moment("2026-11-23T15:04:31.250Z"), "2026-11-23 15:04:31 UTC");
        assert_eq!(moment("soon\x1b"), "soon ");
    }
}
