//! The examples, built as their own first lines say, with all warnings, against the library as it is installed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::rig;

/// pkg-config's names, and Debian's of the packages that have them.
const PACKAGES: [(&str, &str); 2] = [("libuv", "libuv1-dev"), ("libmicrohttpd", "libmicrohttpd-dev")];

/// The strictest that a reader's own project may have.
const STRICT: &str = "-O2 -Wall -Wextra -Wpedantic -Wconversion -Werror";

/// A command that runs `examples/FILE`: what is to be compiled is compiled, once, by gcc.
pub fn run(file: &str) -> Command {
    let program = if file.ends_with(".py") { sources().join(file) } else { compiled(file, "gcc") };
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", installed());
    command
}

/// The same under valgrind: exit code 9 if there is an error or a leak.
pub fn run_checked(file: &str) -> Command {
    let mut command = Command::new("valgrind");
    command.env("LD_LIBRARY_PATH", installed()).arg("--quiet").args([
        "--leak-check=full",
        "--errors-for-leak-kinds=definite,possible",
        concat!("--suppressions=", env!("CARGO_MANIFEST_DIR"), "/tests/examples/valgrind.supp"),
        "--error-exitcode=9",
    ]);
    command.arg(compiled(file, "gcc"));
    command
}

/// Builds an example with a compiler, gcc or clang, and with its C++ side if that is what it takes.
pub fn compiled(file: &str, compiler: &'static str) -> PathBuf {
    type Built = BTreeMap<(String, &'static str), Arc<OnceLock<PathBuf>>>;
    static BUILT: Mutex<Built> = Mutex::new(BTreeMap::new());
    let once = Arc::clone(
        BUILT.lock().unwrap_or_else(PoisonError::into_inner).entry((file.to_owned(), compiler)).or_default(),
    );
    once.get_or_init(|| compile(file, compiler)).clone()
}

fn compile(file: &str, compiler: &str) -> PathBuf {
    let source = sources().join(file);
    let text = std::fs::read_to_string(&source).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
    // The line that tells readers how to build it.
    let line = text.lines().map(|line| line.trim_start_matches([' ', '*', '/']));
    let (is_cxx, arguments) = line
        .clone()
        .find_map(|line| line.strip_prefix("cc ").map(|rest| (false, rest)))
        .or_else(|| line.clone().find_map(|line| line.strip_prefix("c++ ").map(|rest| (true, rest))))
        .unwrap_or_else(|| panic!("{file} does not say how it is built"));
    for (module, package) in PACKAGES {
        assert!(!arguments.contains(module) || exists(module), "{file}: apt-get install {package}");
    }
    let compiler = match (compiler, is_cxx) {
        ("gcc", true) => "g++",
        ("clang", true) => "clang++",
        (other, _) => other,
    };
    let place = scratch(compiler);
    std::fs::copy(&source, place.join(file)).expect("copied");
    let output = Command::new("sh")
        .args(["-c", &format!("{compiler} {STRICT} {arguments}")])
        .current_dir(&place)
        .env("PKG_CONFIG_PATH", installed())
        .output()
        .expect("there is a shell");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{compiler} {arguments}:\n{complaints}");
    place.join(Path::new(file).file_stem().expect("a name"))
}

fn exists(module: &str) -> bool {
    let asked = Command::new("pkg-config").args(["--exists", module]).status();
    asked.expect("pkg-config: apt-get install pkg-config").success()
}

fn sources() -> PathBuf {
    rig::package().join("../../examples")
}

/// A directory of these tests in the target directory.
fn scratch(name: &str) -> PathBuf {
    let place = rig::scratch("examples").join(name);
    std::fs::create_dir_all(&place).expect("made");
    place
}

/// The library by the names that it is installed under, and a pkg-config module for it.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let place = rig::library_dir();
        let module = format!(
            "Name: serialnumberd\nDescription: as these tests build it\nVersion: 1.0.0\n\
             Cflags: -I{}\nLibs: -L{} -lserialnumberd\n",
            rig::include().display(),
            place.display()
        );
        std::fs::write(place.join("serialnumberd.pc"), module).expect("written");
        place
    })
}

/// `examples/plugin_minimal.c`, which denies every holder of a duplicate.
pub fn plugin_minimal() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let library = scratch("plugin").join("libplugin_minimal.so");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-Iinclude", "-o"])
            .arg(&library)
            .arg("examples/plugin_minimal.c")
            .current_dir(sources().join(".."))
            .status()
            .expect("cc: apt-get install gcc");
        assert!(status.success());
        // Whatever the umask of whoever runs the tests: others must not be able to write to it.
        std::fs::set_permissions(&library, std::fs::Permissions::from_mode(0o755)).expect("set");
        library
    };
    BUILT.get_or_init(build).clone()
}
