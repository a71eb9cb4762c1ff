//! Builds the plugins of the tests: one C or C++ file each, or a package of the Rust SDK.
//!
//! Their objects are named as the tests wish, never `libslnd_*`, and none is a member of the workspace: nothing that
//! is built or installed can take one for a plugin that is shipped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Builds `tests/plugins/SOURCE` (a `.c` or `.cc` file with these `-D`s, or the folder of a package) into a file.
///
/// # Panics
/// If it does not compile, or with a warning.
pub fn build(source: &str, defines: &[&str], into: &Path) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins");
    if folder.join(source).is_dir() {
        return build_package(&folder.join(source), into);
    }
    let of = |suffix| folder.join(format!("{source}.{suffix}"));
    let (compiler, standard, source) = match of("cc") {
        cxx if cxx.exists() => ("c++", "-std=c++17", cxx),
        _ => ("cc", "-std=gnu11", of("c")),
    };
    let mut command = Command::new(compiler);
    command.args([standard, "-shared", "-fPIC", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror"]);
    command.args(defines.iter().map(|define| format!("-D{define}")));
    command.arg("-I").arg(folder.join("../../../include"));
    run(command.arg("-o").arg(into).arg(&source));
    // Whatever the umask of whoever runs the tests.
    fs::set_permissions(into, fs::Permissions::from_mode(0o755)).expect("mode set");
}

/// Cargo waits for another cargo that builds the same, so tests may do this at once.
fn build_package(package: &Path, into: &Path) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    let mut cargo = Command::new(env!("CARGO"));
    // What the tests' own build was told is none of this one's business.
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
    run(cargo
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target));
    let name = package.file_name().and_then(|name| name.to_str()).expect("a package's folder");
    fs::copy(target.join("debug").join(format!("lib{name}.so")), into).expect("built and copied");
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| {
        panic!("{command:?}: {e} (Debian packages gcc, g++ and libc6-dev)");
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
