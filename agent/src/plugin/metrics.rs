//! The figures that a plugin publishes: written on its threads, read by the loop without a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use serialnumberd_plugin::abi::{SLND_E_INVALID, SLND_E_NOMEM, SLND_OK, slnd_status};

use super::limits::{METRIC_NAME_MAX, METRICS};

/// One figure of a plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// `[a-z0-9_]{1,64}`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// A total that only rises, else a level.
    pub is_counter: bool,
}

#[derive(Debug, Default)]
struct Figure {
    name: OnceLock<Box<str>>,
    bits: AtomicU64,
    is_counter: AtomicBool,
}

/// A fixed table, filled from the front; a figure keeps its place for ever.
#[derive(Debug)]
pub(super) struct Metrics {
    figures: Box<[Figure]>,
    /// How often any was set.
    changes: AtomicU64,
    /// Held only by plugin threads while one of them adds a figure.
    adding: Mutex<()>,
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let figures = (0..METRICS).map(|_| Figure::default()).collect();
        Metrics { figures, changes: AtomicU64::new(0), adding: Mutex::new(()) }
    }

    pub(super) fn set(&self, name: &str, value: f64, is_counter: bool) -> slnd_status {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > METRIC_NAME_MAX || !name.bytes().all(plain) || !value.is_finite() {
            return SLND_E_INVALID;
        }
        let Some(figure) = self.find(name).or_else(|| self.add(name)) else { return SLND_E_NOMEM };
        figure.is_counter.store(is_counter, Ordering::Relaxed);
        figure.bits.store(value.to_bits(), Ordering::Release);
        self.changes.fetch_add(1, Ordering::Release);
        SLND_OK
    }

    /// Grows whenever one is set.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn find(&self, name: &str) -> Option<&Figure> {
        self.named().find(|(known, _)| *known == name).map(|(_, figure)| figure)
    }

    fn add(&self, name: &str) -> Option<&Figure> {
        let _only_one = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        self.find(name).or_else(|| self.figures.iter().find(|figure| figure.name.set(name.into()).is_ok()))
    }

    fn named(&self) -> impl Iterator<Item = (&str, &Figure)> {
        self.figures.iter().map_while(|figure| figure.name.get().map(|name| (&**name, figure)))
    }

    pub(super) fn all(&self) -> Vec<Metric> {
        self.named()
            .map(|(name, figure)| Metric {
                name: name.to_owned(),
                value: f64::from_bits(figure.bits.load(Ordering::Acquire)),
                is_counter: figure.is_counter.load(Ordering::Relaxed),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_set_and_bounded() {
        let metrics = Metrics::new();
        assert_eq!(metrics.set("a_1", 1.5, false), SLND_OK);
        assert_eq!(metrics.set("a_1", 2.5, true), SLND_OK);
        let one = Metric { name: "a_1".to_owned(), value: 2.5, is_counter: true };
        assert_eq!(metrics.all(), [one]);
        for bad in ["", "A", "a b", &"a".repeat(65)] {
            assert_eq!(metrics.set(bad, 1.0, false), SLND_E_INVALID, "{bad}");
        }
        assert_eq!(metrics.set("nan", f64::NAN, false), SLND_E_INVALID);
        for n in 1..METRICS {
            assert_eq!(metrics.set(&format!("m{n}"), 0.0, false), SLND_OK);
        }
        assert_eq!(metrics.set("one_more", 0.0, false), SLND_E_NOMEM);
        assert_eq!(metrics.all().len(), METRICS);
    }
}
