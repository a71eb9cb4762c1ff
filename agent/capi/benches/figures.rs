//! What the library weighs and costs, measured from C: sizes, `slnd_agent_check`, the time until it is heard.

#[path = "../tests/rig/mod.rs"]
mod rig;

use std::fs;
use std::process::Command;

use rig::{compile, library, library_dir, package, succeed};

fn main() {
    // `cargo test --benches` wants to know that it builds.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    for kind in ["so", "a"] {
        let stripped = dir.path().join(format!("stripped.{kind}"));
        fs::copy(library(kind), &stripped).expect("copied");
        succeed(Command::new("strip").arg("--strip-unneeded").arg(&stripped));
        let bytes = fs::metadata(&stripped).expect("there").len();
        println!("libserialnumberd.{kind}, stripped: {} KiB", bytes.div_ceil(1024));
    }
    let program = dir.path().join("figures");
    let lib = library_dir();
    let (search, rpath) = (format!("-L{}", lib.display()), format!("-Wl,-rpath,{}", lib.display()));
    let args = ["-std=gnu11", "-O2", "-pthread", &search, &rpath, "-Wl,--no-as-needed", "-lserialnumberd"];
    compile("gcc", &args, &package().join("tests/c/figures.c"), &program);
    print!("{}", succeed(Command::new(&program).arg(dir.path()).args(["127.62.61.1", "127.62.61.2"])));
}
