//! `slnd-sim`: plays scenarios, and shows that they have teeth.

use std::process::ExitCode;

fn main() -> ExitCode {
    slnd_sim::main()
}
