//! What was counted: one fate a datagram, and what the edges themselves did.  Also keeps the log short: what
//! strangers cause is logged at most once a minute and reason.

use std::collections::BTreeMap;
use std::time::Duration;

use serialnumberd_core::{Arrival, Fate, Mono};

use crate::verdict::Policy;

/// A reason is logged at most this often, whatever strangers send.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The agent's counters.
#[derive(Debug, Default)]
pub struct Counters {
    fates: [u64; FATES],
    logged: [Option<Mono>; FATES],
    /// Datagrams that left, each interface counted.
    pub transmitted: u64,
    /// Datagrams that did not leave.
    pub send_errors: u64,
    /// Verdicts that were not given in time, by who was asked.
    pub late_verdicts: BTreeMap<Policy, u64>,
    /// Turns of the loop.
    pub turns: u64,
    send_logged: Option<Mono>,
}

const FATES: usize = Fate::ALL.len();

impl Counters {
    /// Counts a datagram's fate; a refused one is logged, at most once a minute and reason.
    pub fn count(&mut self, now: Mono, fate: Fate, arrival: &Arrival<'_>) {
        // The discriminants are the places in `Fate::ALL`.
        let place = fate as usize;
        self.fates[place] += 1;
        if is_refusal(fate) && due(&mut self.logged[place], now) {
            log::info!(
                "refused a datagram of {} bytes from {} ({}); {} so far, told once a minute",
                arrival.bytes.len(),
                arrival.source,
                fate.as_str(),
                self.fates[place]
            );
        }
    }

    /// Counts a datagram that did not leave; says whether to log it.
    pub fn count_send_error(&mut self, now: Mono) -> bool {
        self.send_errors += 1;
        due(&mut self.send_logged, now)
    }

    /// How many met this fate.
    #[must_use]
    pub fn fate(&self, fate: Fate) -> u64 {
        self.fates[fate as usize]
    }

    /// All datagrams received: the sum of all fates, by construction.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.fates.iter().sum()
    }

    /// All fates by name, those that nobody met included.
    #[must_use]
    pub fn fates(&self) -> BTreeMap<String, u64> {
        Fate::ALL.iter().map(|f| (f.as_str().to_owned(), self.fate(*f))).collect()
    }
}

fn due(last: &mut Option<Mono>, now: Mono) -> bool {
    let due = last.is_none_or(|at| now.since(at) >= LOG_EVERY);
    if due {
        *last = Some(now);
    }
    due
}

/// Whether this fate is somebody's mistake or attack, and not everyday traffic.
fn is_refusal(fate: Fate) -> bool {
    matches!(
        fate,
        Fate::ForeignForged
            | Fate::WrongLength
            | Fate::WrongMagic
            | Fate::WrongKind
            | Fate::OffLink
            | Fate::WrongMac
            | Fate::WrongText
            | Fate::RateLimited
            | Fate::Forged
            | Fate::TableFull
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_has_its_own_counter() {
        let mut counters = Counters::default();
        let arrival = Arrival {
            bytes: b"x",
            truncated: false,
            source: "10.0.0.1:626".parse().unwrap(),
            destination: "255.255.255.255".parse().unwrap(),
            interface: 1,
            ttl: None,
        };
        for (place, fate) in Fate::ALL.iter().enumerate() {
            assert_eq!(*fate as usize, place);
            (0..=place).for_each(|_| counters.count(Mono(0), *fate, &arrival));
        }
        assert!(Fate::ALL.iter().enumerate().all(|(place, fate)| counters.fate(*fate) == place as u64 + 1));
        assert_eq!(counters.received(), counters.fates().values().sum::<u64>());
    }

    #[test]
    fn a_reason_is_logged_once_a_minute() {
        let mut last = None;
        let logged = (0..600).filter(|s| due(&mut last, Mono(s * 1_000_000_000))).count();
        assert_eq!(logged, 10);
    }
}
