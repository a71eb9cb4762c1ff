//! The committed corpora of the directory protocol's fuzz targets, replayed.  `make fuzz` looks for more.

#[path = "../../../core/tests/fuzz/replay.rs"]
mod replay;
mod targets;

use replay::Target;
use std::path::Path;

const TARGETS: &[Target] = &[
    ("calls", targets::calls),
    ("dump", targets::dump),
    ("message", targets::message),
    ("record", targets::record),
];

#[test]
fn every_input_that_was_found_passes() {
    replay::replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz"), TARGETS);
}
