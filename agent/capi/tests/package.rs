//! What build systems are told of the library; `.ci/install` installs it and builds with pkg-config and CMake.

mod rig;

use std::collections::BTreeSet;
use std::process::Command;

use rig::{command_output, library, package};

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
    let named: BTreeSet<&str> = named.split(' ').collect();
    let pc = std::fs::read_to_string(package().join("install/serialnumberd.pc.in")).unwrap();
    let private = pc.lines().find_map(|l| l.strip_prefix("Libs.private: ")).unwrap();
    assert_eq!(named, private.split(' ').collect());
    let cmake = std::fs::read_to_string(package().join("install/serialnumberd-config.cmake.in")).unwrap();
    let list = private.split(' ').map(|l| l.trim_start_matches("-l")).collect::<Vec<_>>().join(";");
    assert!(cmake.contains(&format!("INTERFACE_LINK_LIBRARIES \"{list}\"")));
}
