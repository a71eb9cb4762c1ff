//! The committed corpora of the agent's fuzz targets, replayed.  `make fuzz` looks for more.

#[path = "../../core/tests/fuzz/replay.rs"]
mod replay;
mod targets;

use replay::Target;
use std::path::Path;

const TARGETS: &[Target] = &[
    ("client", targets::client),
    ("config", targets::config),
    ("control", targets::control),
    ("evidence", targets::evidence),
    ("kernel", targets::kernel),
    ("manifest", targets::manifest),
    ("state", targets::state),
];

#[test]
fn every_input_that_was_found_passes() {
    replay::replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz"), TARGETS);
}
