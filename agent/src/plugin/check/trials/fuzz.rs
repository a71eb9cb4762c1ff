//! Events and options by chance, from a seed: nothing that a host may send brings a plugin down.
//!
//! On memory that notices, on a host of this minor and on a later one.  A slot may answer with an error here, for what
//! chance puts together need not make sense; it may not panic, die or hang.

use std::net::SocketAddr;

use serialnumberd_plugin::abi::*;

use super::{TIME_NS, passed, values};
use crate::clock;
use crate::plugin::calls::CallError;
use crate::plugin::check::bench::Bench;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::progress::{self, Word};
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::rng::Rng;
use crate::plugin::check::tale::{BEGIN_NS, Body, CLAIM, PRODUCT, Row, S, Tale, row};

/// Lives with options of their own.
const LIVES: usize = 40;
/// Batches of a life.
const BATCHES: usize = 25;
/// Holders of an event now and then; seldom very many, since each text has pages of its own.
const HOLDERS: [usize; 8] = [0, 1, 2, 2, 3, 5, 17, 200];

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let mut rng = Rng::new(bench.job.seed);
    let (begun_ns, mut events, mut lives) = (clock::boottime_ns(), 0, 0);
    for life in 0..LIVES {
        if clock::boottime_ns().saturating_sub(begun_ns) > TIME_NS {
            break;
        }
        lives += 1;
        let shape = if rng.once_in(2) { Shape::NEWER } else { Shape::SAME };
        progress::set(Word::Step, u64::try_from(life * BATCHES).unwrap_or(0));
        events += live(bench, shape, &mut rng)?;
    }
    passed(format!("{events} events in {lives} lives, seed {}", bench.job.seed))
}

fn live(bench: &mut Bench, shape: Shape, rng: &mut Rng) -> Result<usize, Breach> {
    let own = bench.job.state_dir.join("plugins").join(&bench.id);
    let table = bench.descriptor.options.clone();
    let granted = bench.granted;
    let seat = bench.seat(shape, granted)?;
    let Some(mut subject) = lenient(bench.create(seat, shape))? else { return Ok(0) };
    let settings = values::by_chance(&table, &bench.settings, &own, rng);
    let configured = lenient(subject.configure(bench, &settings, false))?.is_some();
    let mut events = 0;
    if configured && lenient(subject.start())?.is_some() {
        let mut teller = Teller { seq: 0, now_ns: BEGIN_NS };
        for _ in 0..BATCHES {
            progress::count(Word::Step);
            let n = rng.pick(&[1, 1, 2, 5, 20]);
            let batch: Vec<Tale> = (0..n).map(|_| teller.tale(rng)).collect();
            events += lenient(subject.tell(bench, &batch))?.map_or(0, |answers| answers.len());
            subject.messages();
            if rng.once_in(8) {
                let settings = reloaded(&table, &settings, values::by_chance(&table, &settings, &own, rng));
                lenient(subject.configure(bench, &settings, true))?;
            }
            if subject.has_status() && rng.once_in(8) {
                let cap = rng.pick(&[0, 1, 100, 16_384]);
                lenient(subject.status(bench, cap))?;
            }
        }
        lenient(subject.flush(teller.now_ns))?;
    }
    subject.stop();
    subject.destroy();
    Ok(events)
}

/// What a reload may change of new settings; the others stay.
fn reloaded(
    table: &[crate::plugin::options::OptionSpec],
    old: &[(String, String)],
    new: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let may = |name: &str| table.iter().any(|spec| spec.name == name && spec.reloadable);
    let new: Vec<_> = new.into_iter().filter(|(name, _)| may(name)).collect();
    values::with(table, old, &new)
}

/// An error is an answer, but a panic is none.
fn lenient<T>(result: Result<T, CallError>) -> Result<Option<T>, Breach> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.status == SLND_E_PANIC => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// The host's counters while chance tells.
struct Teller {
    seq: u64,
    now_ns: u64,
}

impl Teller {
    fn tale(&mut self, rng: &mut Rng) -> Tale {
        self.seq += rng.pick(&[1, 1, 1, 2, 1_000]);
        self.now_ns += rng.pick(&[0, 1, S / 1_000, S, 3_600 * S, 400 * 86_400 * S]);
        let body = body(rng);
        let can_decide = matches!(body, Body::State { .. } | Body::Duplicate { .. });
        let mut flags = if can_decide && !rng.once_in(3) { SLND_EVF_DECIDE } else { 0 };
        flags |= rng.pick(&[0, 0, 0, SLND_EVF_SELF, SLND_EVF_REPLAY, 0xFFF0]);
        let product = rng.pick(&[PRODUCT, PRODUCT, "x", "abcdefghijklmnopqrstuvwxyz01234"]);
        let claim = if rng.once_in(4) { [rng.below(256).to_le_bytes()[0]; 16] } else { CLAIM };
        Tale { flags, product: product.to_owned(), claim, ..Tale::new(self.seq, self.now_ns, body) }
    }
}

/// One of the numbers that there are, or seldom another.
fn number(rng: &mut Rng, most: u32) -> u32 {
    match rng.below(12) {
        0 => rng.pick(&[0, 99, u32::MAX]),
        n => 1 + u32::try_from(n).unwrap_or(0) % most,
    }
}

fn body(rng: &mut Rng) -> Body {
    match rng.below(9) {
        0 => Body::Announcement {
            holder: holder(rng),
            raw: vec![rng.below(256).to_le_bytes()[0]; rng.pick(&[0, 1, 320])],
        },
        1 | 2 => Body::Duplicate {
            conflict: rng.pick(&[0, 1, 2, u64::MAX]),
            stage: number(rng, 2),
            class: number(rng, 3),
            seats: rng.pick(&[0, 1, 2, 65_535]),
            coverage: number(rng, 4),
            holders: (0..rng.pick(&HOLDERS)).map(|_| holder(rng)).collect(),
        },
        3 => Body::Resolved { conflict: rng.pick(&[0, 1, 2, u64::MAX]), cause: number(rng, 4) },
        4 | 5 => Body::State {
            old: number(rng, 5),
            new: number(rng, 5),
            coverage: number(rng, 4),
            verdict: rng.pick(&[0, 100, 200, 300, 400, 250, u32::MAX]),
            reason: text(rng),
        },
        6 => Body::Query {
            from: SocketAddr::from(([192, 0, 2, 1], 1)),
            text: vec![0xFF; rng.pick(&[0, 1, 512])],
        },
        7 if rng.once_in(2) => {
            let by_kind = std::array::from_fn(|_| rng.pick(&[0, 0, 1, u64::from(u32::MAX)]));
            Body::Lost { first: rng.next(), last: rng.next(), by_kind }
        }
        7 => Body::Tick { timer: rng.pick(&[0, 1, 2, u64::MAX]), overruns: rng.pick(&[0, 1, u64::MAX]) },
        _ => Body::Unknown { kind: rng.pick(&[0, 8, 9, 63, 64, u16::MAX]), bytes: rng.pick(&[0, 8, 256]) },
    }
}

fn holder(rng: &mut Rng) -> Row {
    let from = rng.pick(&[None, Some("192.0.2.9:626"), Some("[2001:db8::9]:626"), Some("[fe80::9%2]:626")]);
    Row {
        boot: rng.next(),
        flags: rng.pick(&[0, 1, 6, 14, 22, 38, u32::MAX]),
        interval_s: rng.pick(&[0, 1, 300, u32::MAX]),
        since_ms: rng.pick(&[0, 1, u64::MAX]),
        heard_ns: rng.pick(&[0, BEGIN_NS, u64::MAX]),
        host: text(rng),
        group: text(rng),
        ..row(rng.below(256).to_le_bytes()[0], "", from)
    }
}

fn text(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 => String::new(),
        1 => "größe 大".to_owned(),
        2 => "\"quoted\\ \u{1b}[2J\n".to_owned(),
        3 => "%s%n%d".to_owned(),
        4 => "x".repeat(63),
        _ => "venus".to_owned(),
    }
}
