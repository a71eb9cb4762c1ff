//! The acceptance rules: the bench has gone through them when it was made.

use super::passed;
use crate::plugin::check::bench::Bench;
use crate::plugin::check::report::{Breach, Report};

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let (major, minor) = bench.abi;
    let options = crate::text::count(u64::from(bench.descriptor.raw.n_options), "option");
    passed(format!("{} {}, ABI {major}.{minor}, {options}", bench.id, bench.descriptor.version))
}
