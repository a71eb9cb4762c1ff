//! What stands in the places of a sentence: hosts, times, numbers, as values.  Each is refused with a sentence that
//! says what could stand there.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::deed::{Clock, Deed, Disk, HostId, Link, Paper, Power, SegmentId};
use super::span::span;

/// Who and what a story may name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast<'a> {
    pub hosts: &'a [String],
    pub segments: &'a [String],
}

/// The words that stand for the slots of a pattern, in their order.
pub(super) struct Slots<'a> {
    texts: std::vec::IntoIter<String>,
    cast: Cast<'a>,
}

/// What one slot after the other says.
type Read<'a, T> = fn(&mut Slots<'a>) -> Result<T, String>;

impl<'a> Slots<'a> {
    pub(super) fn new(texts: Vec<String>, cast: Cast<'a>) -> Slots<'a> {
        Slots { texts: texts.into_iter(), cast }
    }

    /// The hosts come first, whatever befalls them.
    pub(super) fn power(&mut self, what: Read<'a, Power>) -> Result<Deed, String> {
        Ok(Deed::Power(self.hosts()?, what(self)?))
    }

    pub(super) fn disk(&mut self, what: Read<'a, Disk>) -> Result<Deed, String> {
        Ok(Deed::Disk(self.hosts()?, what(self)?))
    }

    pub(super) fn clock(&mut self, what: Read<'a, Clock>) -> Result<Deed, String> {
        Ok(Deed::Clock(self.hosts()?, what(self)?))
    }

    pub(super) fn link(&mut self, what: Read<'a, Link>) -> Result<Deed, String> {
        Ok(Deed::Link(self.hosts()?, what(self)?))
    }

    pub(super) fn paper(&mut self, what: Read<'a, Paper>) -> Result<Deed, String> {
        Ok(Deed::Paper(self.hosts()?, what(self)?))
    }

    fn text(&mut self) -> String {
        self.texts.next().unwrap_or_default()
    }

    pub(super) fn hosts(&mut self) -> Result<Vec<HostId>, String> {
        let text = self.text();
        hosts(&text, self.cast.hosts)
    }

    pub(super) fn host(&mut self) -> Result<HostId, String> {
        let text = self.text();
        place("host", &text, self.cast.hosts)
    }

    pub(super) fn segment(&mut self) -> Result<SegmentId, String> {
        let text = self.text();
        place("segment", &text, self.cast.segments)
    }

    pub(super) fn span(&mut self) -> Result<Duration, String> {
        span(&self.text())
    }

    pub(super) fn milliseconds(&mut self) -> Result<i64, String> {
        let span = self.span()?;
        i64::try_from(span.as_millis()).map_err(|_| "that is too long".to_owned())
    }

    pub(super) fn number(&mut self, of: RangeInclusive<u32>) -> Result<u32, String> {
        let text = self.text();
        let number = text.parse().ok().filter(|n| of.contains(n));
        number.ok_or_else(|| format!("\"{text}\" is no number from {} to {}", of.start(), of.end()))
    }

    pub(super) fn seats(&mut self) -> Result<u16, String> {
        let seats = self.number(0..=u32::from(u16::MAX))?;
        u16::try_from(seats).map_err(|e| e.to_string())
    }

    pub(super) fn share(&mut self) -> Result<f64, String> {
        let text = self.text();
        let percent: f64 = text
            .trim_end_matches('%')
            .trim()
            .parse()
            .map_err(|_| format!("\"{text}\" is no share; write it like \"30 %\""))?;
        if (0.0..=100.0).contains(&percent) {
            Ok(percent / 100.0)
        } else {
            Err(format!("{text} is no share"))
        }
    }

    pub(super) fn address(&mut self) -> Result<IpAddr, String> {
        let text = self.text();
        text.parse().map_err(|_| format!("\"{text}\" is no address"))
    }
}

/// Where `name` stands among those that are known.
///
/// # Errors
/// A sentence that names all that are.
pub(super) fn place(what: &str, name: &str, known: &[String]) -> Result<usize, String> {
    known
        .iter()
        .position(|k| k == name)
        .ok_or_else(|| format!("there is no {what} \"{name}\"; there are {}", known.join(", ")))
}

/// One name, several joined by commas and `and`, a name with `*` for all that it begins, or `everybody`.
pub(crate) fn hosts(text: &str, known: &[String]) -> Result<Vec<HostId>, String> {
    if text == "everybody" {
        return Ok((0..known.len()).collect());
    }
    let names = text.split(", ").flat_map(|part| part.split(" and ")).map(str::trim);
    let mut found = Vec::new();
    for name in names {
        match name.strip_suffix('*') {
            Some(prefix) => {
                let those = known.iter().enumerate().filter(|(_, k)| k.starts_with(prefix));
                let before = found.len();
                found.extend(those.map(|(i, _)| i));
                if found.len() == before {
                    return Err(format!("no host begins with \"{prefix}\""));
                }
            }
            None => found.push(place("host", name, known)?),
        }
    }
    Ok(found)
}
