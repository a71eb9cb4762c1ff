//! What the tests of the library share: where things are, compilers, and C programs built and run.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

/// All that a careful program turns on.
pub const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/// Compiler, language and standard.
pub const LANGUAGES: [(&str, &str, &str); 6] = [
    ("gcc", "c", "-std=c11"),
    ("gcc", "c", "-std=c17"),
    ("g++", "c++", "-std=c++17"),
    ("clang", "c", "-std=c11"),
    ("clang", "c", "-std=c17"),
    ("clang++", "c++", "-std=c++17"),
];

pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn include() -> PathBuf {
    package().join("../../include")
}

pub fn header() -> PathBuf {
    include().join("serialnumberd/serialnumberd.h")
}

/// A file of these tests: those of other packages make theirs beside them.
pub fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi");
    let _there_already = std::fs::create_dir_all(&dir);
    dir.join(name)
}

/// The library, in the profile in which these tests are built.  Cargo does not build it for them: nothing that is
/// written in Rust can link it.
pub fn library(extension: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    // TARGET/PROFILE/deps/PROGRAM
    let program = std::env::current_exe().unwrap();
    let profile_dir = program.ancestors().nth(2).unwrap();
    BUILT.call_once(|| {
        let profile = match profile_dir.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let args =
            ["build", "--quiet", "--locked", "--offline", "--lib", "--profile", profile, "--target-dir"];
        let target = profile_dir.parent().unwrap();
        succeed(Command::new(env!("CARGO")).args(args).arg(target).current_dir(package()));
    });
    profile_dir.join(format!("libserialnumberd.{extension}"))
}

/// A directory with the library by the names under which programs are linked with it and find it.
pub fn library_dir() -> PathBuf {
    static MADE: Once = Once::new();
    let dir = scratch("lib");
    MADE.call_once(|| {
        let _there_already = std::fs::create_dir_all(&dir);
        for (name, to) in [
            ("libserialnumberd.so", library("so")),
            ("libserialnumberd.so.1", library("so")),
            ("libserialnumberd.a", library("a")),
        ] {
            // Several test programs may do this at once, and all mean the same.
            let new = dir.join(format!("{name}.{}", std::process::id()));
            std::os::unix::fs::symlink(to, &new).unwrap();
            std::fs::rename(new, dir.join(name)).unwrap();
        }
    });
    dir
}

/// The Debian package of a program.
fn package_of(program: &str) -> &str {
    match program {
        "clang++" => "clang",
        "nm" | "readelf" | "strip" => "binutils",
        "cc" => "gcc",
        "c++" => "g++",
        other => other,
    }
}

pub fn command_output(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|e| panic!("{program}: {e}: apt-get install {}", package_of(&program)))
}

/// Runs a tool that must succeed; what it printed.
pub fn output_of(program: &str, args: &[&str]) -> String {
    succeed(Command::new(program).args(args))
}

pub fn succeed(command: &mut Command) -> String {
    let output = command_output(command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Compiles with all warnings.
pub fn compile(compiler: &str, args: &[&str], source: &Path, out: &Path) {
    succeed(
        Command::new(compiler)
            .args(WARNINGS)
            .args(args)
            .arg("-I")
            .arg(include())
            .arg(source)
            .arg("-o")
            .arg(out),
    );
}

/// Runs a program that must succeed; what it printed.
pub fn run(program: &Path) -> String {
    succeed(&mut Command::new(program))
}
