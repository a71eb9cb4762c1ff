//! Plugin binaries of earlier releases: each lives its whole life under this agent as it did under its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serialnumberd::plugin::manifest;

use crate::rig::Rig;
use crate::running::lives_its_whole_life;

/// The releases that left a binary, each with it.
fn old_plugins() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old-plugins");
    let entries =
        fs::read_dir(folder).expect("the folder of old plugins").map(|entry| entry.expect("an entry"));
    let releases = entries.filter(|entry| entry.path().is_dir());
    let name = |entry: &fs::DirEntry| entry.file_name().to_str().expect("UTF-8").to_owned();
    let mut all: Vec<_> = releases.map(|entry| (name(&entry), entry.path().join("good.so"))).collect();
    all.sort();
    assert_eq!(all[0].0, "1.0", "the first release is there for ever: {all:?}");
    all
}

fn binaries_of_old_releases_live_as_they_did(rig: Rig) {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED binaries_of_old_releases_live_as_they_did: they are for x86-64");
        return;
    }
    for (release, binary) in old_plugins() {
        let library = rig.dir.path().join(format!("good-{release}.so"));
        fs::copy(&binary, &library).expect("copied");
        // Whatever the umask of whoever checked them out.
        fs::set_permissions(&library, fs::Permissions::from_mode(0o755)).expect("mode set");
        let (major, minor) = manifest(&library).expect("a manifest").abi;
        assert_eq!(format!("{major}.{minor}"), release, "a binary is never built anew");
        lives_its_whole_life(&rig, library);
        fs::remove_dir_all(rig.state("good")).expect("for the next one");
    }
}

in_both_modes! {
    binaries_of_old_releases_live_as_they_did,
}
