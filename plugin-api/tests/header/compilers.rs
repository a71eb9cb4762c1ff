//! The compilers, languages and machines that the headers promise.

use std::path::{Path, PathBuf};
use std::process::Command;

pub const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/// Compiler and what it is called with.
pub const LANGUAGES: [(&str, &str, &str); 6] = [
    ("gcc", "c", "-std=c11"),
    ("gcc", "c", "-std=c17"),
    ("g++", "c++", "-std=c++17"),
    ("clang", "c", "-std=c11"),
    ("clang", "c", "-std=c17"),
    ("clang++", "c++", "-std=c++17"),
];

/// Machines of which this one need have neither headers nor libraries.
pub const MACHINES: [&str; 3] = ["x86_64-linux-gnu", "aarch64-linux-gnu", "riscv64-linux-gnu"];

pub fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The Debian package of a compiler.
fn package_of(compiler: &str) -> &str {
    if compiler == "clang++" { "clang" } else { compiler }
}

/// Compiles with all warnings; what the compiler complained of, if it did.
pub fn compile(compiler: &str, args: &[&str], source: &Path) -> Result<(), String> {
    let output = Command::new(compiler)
        .args(WARNINGS)
        .args(args)
        .arg("-I")
        .arg(crate::include_directory())
        .arg(source)
        .output()
        .unwrap_or_else(|e| panic!("{compiler}: {e}: apt-get install {}", package_of(compiler)));
    if output.status.success() {
        return Ok(());
    }
    // The first complaints: one wrong type makes hundreds.
    let complaints = String::from_utf8_lossy(&output.stderr).lines().take(20).collect::<Vec<_>>().join("\n");
    Err(format!("{compiler} {args:?} {}:\n{complaints}", source.display()))
}

/// The same, into a file.
pub fn build(compiler: &str, args: &[&str], source: &Path, out: &Path) {
    let out = ["-o", out.to_str().unwrap()];
    compile(compiler, &[args, &out].concat(), source).unwrap();
}

/// What a header must say without a C library, for any machine.
pub fn freestanding(machine: &str, source: &Path) -> Result<(), String> {
    let target = format!("--target={machine}");
    compile("clang", &["-std=c11", &target, "-fsyntax-only", "-ffreestanding", "-DSLND_NO_STDIO"], source)
}
