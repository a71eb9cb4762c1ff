//! The committed corpora of the core's fuzz targets, replayed.  `make fuzz` looks for more.

mod replay;
mod targets;

use replay::Target;
use std::path::Path;

const TARGETS: &[Target] = &[
    ("classic", targets::classic),
    ("datagram", targets::datagram),
    ("engine", targets::engine),
    ("names", targets::names),
];

#[test]
fn every_input_that_was_found_passes() {
    replay::replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz"), TARGETS);
}
