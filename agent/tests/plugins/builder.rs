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
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins").join(source);
    match ["", "cc", "c"].map(|suffix| source.with_extension(suffix)).into_iter().find(|s| s.exists()) {
        Some(source) => build_from(&source, defines, into),
        None => panic!("there is no {}", source.display()),
    }
}

/// The same of any file or folder.
///
/// # Panics
/// As [`build`].
pub fn build_from(source: &Path, defines: &[&str], into: &Path) {
    if source.is_dir() {
        return build_package(source, into);
    }
    let is_cxx = source.extension().is_some_and(|suffix| suffix == "cc");
    let (compiler, standard) = if is_cxx { ("c++", "-std=c++17") } else { ("cc", "-std=gnu11") };
    let mut command = Command::new(compiler);
    command.args([standard, "-shared", "-fPIC", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror"]);
    command.args(defines.iter().map(|define| format!("-D{define}")));
    command.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../include"));
    run(command.arg("-o").arg(into).arg(source));
    // Whatever the umask of whoever runs the tests.
    fs::set_permissions(into, fs::Permissions::from_mode(0o755)).expect("mode set");
}

/// Cargo waits for another cargo that builds the same, so tests may do this at once.
fn build_package(package: &Path, into: &Path) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    let manifest = package.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("a package has a Cargo.toml");
    // The library's name if it has one, else the package's; both stand in lines `name = "..."`, the library's last.
    let mut names = text.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let name = names.next_back().expect("a package has a name").replace('-', "_");
    let mut cargo = Command::new(env!("CARGO"));
    // What the tests' own build was told is none of this one's business.
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
    cargo.args(["build", "--quiet", "--locked", "--lib", "--manifest-path"]).arg(manifest);
    run(cargo.arg("--target-dir").arg(&target));
    fs::copy(target.join("debug").join(format!("lib{name}.so")), into).expect("built and copied");
    fs::set_permissions(into, fs::Permissions::from_mode(0o755)).expect("mode set");
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| {
        panic!("{command:?}: {e} (Debian packages gcc, g++ and libc6-dev)");
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
