//! R2, R3 and R6: hosts of other minors.  A later one has larger structs, more slots, and kinds and numbers that nobody
//! knows yet; what is new in them is full of pointers into traps.

use serialnumberd_plugin::abi::SLND_EVF_DECIDE;

use super::{passed, started, told, whole_life, wound_up};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::tale::{BEGIN_NS, Body, CLAIM, S, Tale, holders};

/// A number that no enumeration has.
const UNKNOWN: u32 = 99;
/// A flag that no event has.
const UNKNOWN_FLAG: u16 = 0x8000;
/// The first unknown kind, the last one that a mask can name, and one beyond.
const UNKNOWN_KINDS: [u16; 3] = [8, 63, 200];

/// A slot that answers with an error here does so because of what is new: another trial went well.
fn intolerant(breach: Breach) -> Breach {
    match breach.rule.as_str() {
        "life cycle" => Breach::new("R2", breach.what, "read as far as it knows, and ignore what is new"),
        _ => breach,
    }
}

pub(super) fn newer(bench: &mut Bench) -> Result<Report, Breach> {
    live_on_newer(bench).map_err(intolerant)?;
    passed("larger structs, more slots, unknown kinds and numbers")
}

fn live_on_newer(bench: &mut Bench) -> Result<(), Breach> {
    let granted = bench.granted;
    let mut subject = started(bench, Shape::NEWER, granted)?;
    told(bench, &mut subject)?;
    for tale in strange() {
        subject.tell(bench, &[tale])?;
    }
    subject.tell(bench, &strange())?;
    wound_up(bench, &subject)?;
    subject.stop();
    subject.destroy();
    Ok(())
}

pub(super) fn older(bench: &mut Bench) -> Result<Report, Breach> {
    let granted = bench.granted;
    whole_life(bench, Shape::OLDEST, granted).map_err(intolerant)?;
    passed("minor 0, a guarded table of 1.0")
}

/// Events with what nobody knows in every place where that is possible.
fn strange() -> Vec<Tale> {
    let mut rows = holders();
    for row in &mut rows {
        row.flags |= 0xFFFF_0000;
    }
    let mut bodies = vec![
        Body::Duplicate {
            conflict: 2,
            stage: UNKNOWN,
            class: UNKNOWN,
            seats: 1,
            coverage: UNKNOWN,
            holders: rows,
        },
        Body::State {
            old: UNKNOWN,
            new: UNKNOWN,
            coverage: UNKNOWN,
            verdict: UNKNOWN,
            reason: String::new(),
        },
        Body::Resolved { conflict: 2, cause: UNKNOWN },
    ];
    bodies.extend(UNKNOWN_KINDS.map(|kind| Body::Unknown { kind, bytes: 256 }));
    // As small as an event can be.
    bodies.extend(UNKNOWN_KINDS.map(|kind| Body::Unknown { kind, bytes: 0 }));
    let tale = |(n, body): (u64, Body)| {
        let seq = 1_000 + n;
        let flags = match body {
            Body::State { .. } | Body::Duplicate { .. } => SLND_EVF_DECIDE | UNKNOWN_FLAG,
            _ => UNKNOWN_FLAG,
        };
        Tale { flags, claim: CLAIM, ..Tale::new(seq, BEGIN_NS + seq * S, body) }
    };
    (0..).zip(bodies).map(tale).collect()
}
