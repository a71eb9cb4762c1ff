//! Faults drawn at random and laid over one another, and the smallest set of them that still fails.

use std::time::Duration;

use fastrand::Rng;
use serialnumberd_core::Mono;

use super::sentence::deed;
use super::slots::Cast;
use super::span::written;
use super::{Compose, Scenario, Step};

/// The letters by which a fault's sentences call the hosts that it befalls.
const LETTERS: [&str; 3] = ["A", "B", "C"];

/// Faults as they were drawn: which, when, whom.
#[derive(Clone, Debug)]
pub(crate) struct Composition {
    drawn: Vec<Drawn>,
}

#[derive(Clone, Debug)]
struct Drawn {
    fault: usize,
    at: Mono,
    hosts: [String; 3],
}

impl Composition {
    /// Draws from the scenario's faults.
    pub(crate) fn draw(scenario: &Scenario, compose: &Compose, rng: &mut Rng) -> Composition {
        let names: Vec<String> = scenario.hosts.iter().map(|h| h.name.clone()).collect();
        let many = rng.usize(compose.least..=compose.most);
        let drawn = (0..many).map(|_| {
            let mut hosts = names.clone();
            rng.shuffle(&mut hosts);
            Drawn {
                fault: rng.usize(..compose.faults.len()),
                at: Mono(rng.u64(compose.from.0..=compose.until.0)),
                hosts: victims(&hosts),
            }
        });
        Composition { drawn: drawn.collect() }
    }

    /// The sentences, with their times.
    pub(crate) fn story(&self, compose: &Compose) -> Vec<(Mono, String)> {
        let mut story: Vec<(Mono, String)> = self
            .drawn
            .iter()
            .flat_map(|d| {
                let sentences = compose.faults[d.fault].story.iter();
                sentences.map(move |(after, sentence): &(Duration, String)| {
                    (d.at.after(*after), with_names(sentence, &d.hosts))
                })
            })
            .collect();
        story.sort_by_key(|(at, _)| *at);
        story
    }

    /// The steps to play.
    ///
    /// # Errors
    /// A sentence, if a fault's sentence cannot be read.
    pub(crate) fn steps(&self, scenario: &Scenario, compose: &Compose) -> Result<Vec<Step>, String> {
        let hosts: Vec<String> = scenario.hosts.iter().map(|h| h.name.clone()).collect();
        let segments: Vec<String> = scenario.segments.iter().map(|s| s.name.clone()).collect();
        let cast = Cast { hosts: &hosts, segments: &segments };
        self.story(compose).iter().map(|(at, s)| Ok(Step { at: *at, deed: deed(s, cast)? })).collect()
    }

    /// The same with one fault less, each in turn.
    pub(crate) fn smaller(&self) -> Vec<Composition> {
        let without = |left_out| {
            let mut drawn = self.drawn.clone();
            drawn.remove(left_out);
            Composition { drawn }
        };
        (0..self.drawn.len()).map(without).collect()
    }

    /// For people: what was drawn.
    pub(crate) fn told(&self, compose: &Compose) -> String {
        let names: Vec<&str> = self.drawn.iter().map(|d| compose.faults[d.fault].name.as_str()).collect();
        let story =
            self.story(compose).into_iter().map(|(at, s)| format!("\n      [\"{}\", \"{s}\"],", written(at)));
        format!("{}:{}", names.join(" + "), story.collect::<String>())
    }
}

/// Whom a fault befalls: its letters are the first of `hosts`.  There is at least one, and as many as its sentences name.
pub(super) fn victims(hosts: &[String]) -> [String; LETTERS.len()] {
    std::array::from_fn(|i| hosts[i % hosts.len()].clone())
}

/// How many hosts a sentence is about.
pub(super) fn letters(sentence: &str) -> usize {
    let words = || sentence.split(' ').map(|word| word.trim_end_matches(','));
    LETTERS.iter().rposition(|l| words().any(|word| word == *l)).map_or(0, |last| last + 1)
}

/// The sentence with each letter replaced by its host.
pub(super) fn with_names(sentence: &str, hosts: &[String; 3]) -> String {
    let name = |word: &str| {
        let bare = word.trim_end_matches(',');
        let place = LETTERS.iter().position(|l| *l == bare);
        place.map_or_else(|| word.to_owned(), |i| format!("{}{}", hosts[i], &word[bare.len()..]))
    };
    sentence.split(' ').map(name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_names_and_words_stay() {
        let hosts = ["mail", "web", "db"].map(str::to_owned);
        assert_eq!(with_names("A, B and C start", &hosts), "mail, web and db start");
        assert_eq!(with_names("A stranger", &hosts), "mail stranger");
        assert_eq!((letters("A, C start"), letters("A starts"), letters("a starts")), (3, 1, 0));
    }
}
