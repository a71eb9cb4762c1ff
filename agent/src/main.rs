//! The `serialnumberd` program: everything is in the library.

use std::process::ExitCode;

use serialnumberd::cli::{Commands, dispatch};
use serialnumberd::{daemon, demo};

fn main() -> ExitCode {
    dispatch(std::env::args_os(), Commands { run: daemon::run, demo: demo::demo })
}
