//! The installed library as build systems find it: by pkg-config and by CMake, shared and static.

mod rig;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use rig::{WARNINGS, command_output, include, library, package, succeed};

/// A template of the package with its words filled in, as `make install` does.
fn filled(template: &str, prefix: &Path) -> String {
    let text = fs::read_to_string(package().join(template)).unwrap();
    let prefix = prefix.to_str().unwrap();
    text.replace("@PREFIX@", prefix)
        .replace("@LIBDIR@", &format!("{prefix}/lib"))
        .replace("@INCLUDEDIR@", &format!("{prefix}/include"))
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
}

/// Installs below a new directory; `kinds` of so and a.
fn installed(kinds: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path();
    for below in ["include/serialnumberd", "lib/pkgconfig", "lib/cmake/serialnumberd"] {
        fs::create_dir_all(prefix.join(below)).unwrap();
    }
    for header in ["serialnumberd.h", "plugin.h", "types.h"] {
        let name = Path::new("serialnumberd").join(header);
        fs::copy(include().join(&name), prefix.join("include").join(&name)).unwrap();
    }
    for kind in kinds {
        let name = if *kind == "so" { "libserialnumberd.so.1.0.0" } else { "libserialnumberd.a" };
        std::os::unix::fs::symlink(library(kind), prefix.join("lib").join(name)).unwrap();
    }
    if kinds.contains(&"so") {
        for (name, to) in [
            ("libserialnumberd.so.1", "libserialnumberd.so.1.0.0"),
            ("libserialnumberd.so", "libserialnumberd.so.1"),
        ] {
            std::os::unix::fs::symlink(to, prefix.join("lib").join(name)).unwrap();
        }
    }
    fs::write(prefix.join("lib/pkgconfig/serialnumberd.pc"), filled("serialnumberd.pc.in", prefix)).unwrap();
    let cmake = prefix.join("lib/cmake/serialnumberd");
    let version = filled("cmake/serialnumberd-config-version.cmake.in", prefix);
    fs::write(cmake.join("serialnumberd-config-version.cmake"), version).unwrap();
    let config = "serialnumberd-config.cmake";
    fs::copy(package().join("cmake").join(config), cmake.join(config)).unwrap();
    dir
}

fn pkg_config(prefix: &Path, args: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(args).arg("serialnumberd");
    succeed(&mut command).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn pkg_config_links_both_kinds() {
    let source = package().join("tests/c/every_function.c");
    for (kind, linking) in [("so", &["--libs"][..]), ("a", &["--libs", "--static"])] {
        let dir = installed(&[kind]);
        let prefix = dir.path();
        assert_eq!(pkg_config(prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
        let program = prefix.join("program");
        succeed(
            Command::new("cc")
                .args(WARNINGS)
                .args(pkg_config(prefix, &["--cflags"]))
                .arg(&source)
                .args(pkg_config(prefix, linking))
                .arg("-o")
                .arg(&program),
        );
        succeed(Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")));
        let needs = succeed(Command::new("readelf").arg("-dW").arg(&program));
        assert_eq!(needs.contains("libserialnumberd.so.1]"), kind == "so", "{needs}");
    }
}

const PROJECT: &str = "
cmake_minimum_required(VERSION 3.16)
project(program C)
find_package(serialnumberd VERSION_WANTED REQUIRED)
add_executable(shared SOURCE)
target_link_libraries(shared PRIVATE serialnumberd::serialnumberd)
add_executable(static SOURCE)
target_link_libraries(static PRIVATE serialnumberd::static)
";

#[test]
fn cmake_links_both_kinds_and_knows_the_version() {
    let dir = installed(&["so", "a"]);
    let source = package().join("tests/c/every_function.c");
    for (wanted, is_found) in [("1.0", true), ("", true), ("1.1", false), ("2.0", false)] {
        let project = PROJECT.replace("VERSION_WANTED", wanted).replace("SOURCE", source.to_str().unwrap());
        fs::write(dir.path().join("CMakeLists.txt"), project).unwrap();
        let build = dir.path().join(format!("build-{wanted}"));
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(dir.path()).arg("-B").arg(&build).arg("-DCMAKE_BUILD_TYPE=Release");
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", dir.path().display()));
        let output = command_output(&mut configure);
        assert_eq!(output.status.success(), is_found, "{}", String::from_utf8_lossy(&output.stderr));
        if wanted == "1.0" {
            succeed(Command::new("cmake").arg("--build").arg(&build));
            succeed(&mut Command::new(build.join("shared")));
            succeed(&mut Command::new(build.join("static")));
        }
    }
}

/// What the static library needs beside itself, as the compiler says it.
#[test]
fn the_libraries_of_the_system_are_those_that_rustc_names() {
    let lib = library("a");
    let target = lib.ancestors().nth(2).unwrap();
    let profile = if lib.parent().unwrap().ends_with("debug") { "dev" } else { "release" };
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["rustc", "--locked", "--offline", "--lib", "--profile", profile, "--target-dir"])
        .arg(target);
    command.args(["--", "--print", "native-static-libs"]).current_dir(package());
    let output = command_output(&mut command);
    let said = String::from_utf8_lossy(&output.stderr);
    let named = said.lines().find_map(|l| l.split("native-static-libs: ").nth(1)).expect("rustc names them");
    let named: BTreeSet<&str> = named.split(' ').filter(|l| *l != "-lc").collect();
    let pc = fs::read_to_string(package().join("serialnumberd.pc.in")).unwrap();
    let private = pc.lines().find_map(|l| l.strip_prefix("Libs.private: ")).unwrap();
    assert_eq!(named, private.split(' ').collect());
    let cmake = fs::read_to_string(package().join("cmake/serialnumberd-config.cmake")).unwrap();
    let list = private.split(' ').map(|l| l.trim_start_matches("-l")).collect::<Vec<_>>().join(";");
    assert!(cmake.contains(&format!("INTERFACE_LINK_LIBRARIES \"{list}\"")));
}
