//! `examples/plugin_minimal.c`, built as its first lines say, on a fake host.
#![allow(unsafe_code, reason = "it loads a library")]

mod fake_host;

use std::path::Path;
use std::process::Command;

use fake_host::{Dup, FakeHost, HolderSpec, announcement, duplicate, resolved, state, tick};
use serialnumberd_plugin::abi::*;

fn build() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libplugin_minimal.so");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-Iinclude", "-o"])
        .arg(&library)
        .arg("examples/plugin_minimal.c")
        .current_dir(root)
        .status()
        .expect("cc: apt-get install gcc");
    assert!(status.success());
    library
}

fn load(library: &Path) -> slnd_plugin {
    // SAFETY: our own example; it runs no code when it is loaded.
    let library = unsafe { libloading::Library::new(library) }.unwrap();
    // SAFETY: the entry symbol has this type in every plugin of major 1.
    let entry = unsafe {
        library.get::<unsafe extern "C" fn() -> *const slnd_plugin>(SLND_PLUGIN_ENTRY.to_bytes_with_nul())
    };
    // SAFETY: as above; it returns constant data of a library that is never unmapped.
    let descriptor = unsafe { *entry.unwrap()() };
    std::mem::forget(library);
    descriptor
}

#[test]
fn it_logs_what_it_is_told_and_decides_on_duplicates() {
    let descriptor = load(&build());
    assert_eq!((descriptor.layout, descriptor.abi_major), (SLND_LAYOUT, 1));
    assert_eq!((descriptor.wants, descriptor.wants_if_granted), (0, SLND_PERM_VERDICT));
    let mut host = FakeHost::of(descriptor, Path::new("/nowhere"));
    host.create().unwrap();
    host.configure(&[("verdict", "deny")], false).unwrap();
    let holders = vec![HolderSpec::other(1, "alpha", "10.0.0.9:626"), HolderSpec::me(2).over()];
    let dup = Dup {
        claim: 7,
        conflict_id: 1,
        stage: SLND_STAGE_DUPLICATE,
        class: 1,
        seats: 1,
        coverage: 1,
        holders,
    };
    let events = [
        announcement(&dup.holders[0], b""),
        state(7, SLND_STATE_PROBING, SLND_STATE_CLEAR, SLND_COVERAGE_GOOD).asking(),
        duplicate(&Dup { stage: SLND_STAGE_CONFLICT, ..dup.clone() }).asking(),
        duplicate(&dup).asking(),
        state(7, SLND_STATE_CONFLICT, SLND_STATE_DUPLICATE, SLND_COVERAGE_GOOD).asking(),
        tick(0),
        resolved(7, 1, SLND_CAUSE_GOODBYE),
    ];
    let answers = host.deliver(&events).unwrap();
    let verdicts: Vec<slnd_verdict> = answers.iter().map(|a| a.0).collect();
    let (allow, warn, deny) = (SLND_VERDICT_ALLOW, SLND_VERDICT_WARN, SLND_VERDICT_DENY);
    assert_eq!(verdicts, [0, allow, warn, deny, deny, 0, 0]);
    assert_eq!(answers[3].1, "2 hosts use the license of xsvr: stop one");
    let lines: Vec<String> = host.lines().into_iter().map(|l| l.1).collect();
    let expected = [
        "announcement xsvr from alpha",
        "state xsvr 1 -> 2",
        "duplicate xsvr stage 1: 2 holders",
        "duplicate xsvr stage 2: 2 holders",
        "state xsvr 4 -> 5",
        "resolved xsvr cause 1",
    ];
    // The tick is logged at a level that this host does not want.
    assert_eq!(lines, expected);
    host.configure(&[("verdict", "warn")], true).unwrap();
    assert_eq!(host.ask(duplicate(&dup)).0, warn);
}
