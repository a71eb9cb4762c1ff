//! Which files are taken for plugins, up to a start that succeeds.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::Ordering;

use serialnumberd::plugin::{Rule, check, describe, find, manifest};

use crate::STOP;
use crate::rig::Rig;

fn refused(rig: &Rig, path: &Path, rule: Rule, part: &str) {
    let error =
        rig.start(vec![rig.spec(path.to_owned())]).err().unwrap_or_else(|| panic!("accepted: {part}"));
    assert_eq!(error.rule(), rule, "{error}");
    assert!(error.to_string().contains(part), "{error}");
    assert!(error.to_string().ends_with(&format!("(rule: {})", rule.as_str())), "{error}");
}

fn two_plugins_are_two_libraries(rig: Rig) {
    let specs = vec![
        rig.spec(rig.build("good", "good.so", &[])),
        rig.spec(rig.build("bad", "bad.so", &[])),
        rig.spec(rig.build("broken", "broken.so", &[])),
    ];
    let mut host = rig.start(specs).expect("three different ones");
    let ids: Vec<String> = host.status(rig.now_ns()).into_iter().map(|status| status.id).collect();
    assert_eq!(ids, ["good", "bad", "broken"]);
    assert_eq!(host.stop(STOP), Vec::<String>::new());
    let twice = vec![rig.spec(rig.dir.path().join("good.so")), rig.spec(rig.dir.path().join("good.so"))];
    let error = rig.start(twice).err().expect("one too many");
    assert_eq!(error.rule(), Rule::Set);
    rig.await_line("good", "destroy");
}

#[test]
fn the_file_rules() {
    let rig = Rig::new();
    let library = rig.build("good", "good.so", &[]);
    let link = rig.dir.path().join("link.so");
    symlink(&library, &link).expect("linked");
    refused(&rig, &link, Rule::File, "symbolic link");
    std::fs::set_permissions(&library, std::fs::Permissions::from_mode(0o775)).expect("mode set");
    refused(&rig, &library, Rule::File, "chmod go-w");
    refused(&rig, Path::new("/nowhere/x.so"), Rule::File, "cannot be opened");
    refused(&rig, Path::new("/etc/hostname"), Rule::Manifest, "no ELF shared library");
    let error = find(Path::new("x.so"), &["/nowhere".into(), "/etc".into()]).expect_err("not there");
    assert!(error.to_string().contains("none of /nowhere, /etc"), "{error}");
}

fn each_acceptance_rule_refuses_with_its_name(rig: Rig) {
    let mut built = 0;
    let good_manifest = r#"MANIFEST="abi=1.0\nid=broken\nversion=1.0\nwants=\n""#;
    for (defines, rule, part) in [
        (vec!["NO_MANIFEST"], Rule::Manifest, "has no manifest"),
        (vec![r#"MANIFEST="abi=2.0\nid=broken\nversion=1.0\nwants=\n""#], Rule::Abi, "major 2"),
        (vec![r#"MANIFEST="abi=1.0\nid=BROKEN\nversion=1.0\nwants=\n""#], Rule::Manifest, "its id"),
        (
            vec![r#"MANIFEST="abi=1.0\nid=other\nversion=1.0\nwants=\n""#],
            Rule::Identity,
            "its manifest \"other\"",
        ),
        (
            vec![r#"MANIFEST="abi=1.0\nid=broken\nversion=1.1\nwants=\n""#],
            Rule::Identity,
            "its descriptor says version \"1.0\", its manifest \"1.1\"",
        ),
        (vec![good_manifest, "WANTS=SLND_PERM_RAW"], Rule::Identity, "wants \"raw\", of which"),
        (
            vec![r#"MANIFEST="abi=1.0\nid=broken\nversion=1.0\nwants=raw\n""#, "WANTS=SLND_PERM_RAW"],
            Rule::Permission,
            "write grant = [\"raw\"]",
        ),
        (vec!["UNRESOLVED"], Rule::Load, "8.so: undefined symbol: nowhere_to_be_found"),
        (vec!["NO_ENTRY"], Rule::Entry, "does not export serialnumberd_plugin_v1"),
        (vec!["NO_DESCRIPTOR"], Rule::Entry, "returned no descriptor"),
        (vec!["SIZE=UINT32_MAX"], Rule::StructSize, "says it has 4294967295 bytes"),
        (vec!["SIZE=sizeof(slnd_plugin)-8"], Rule::StructSize, "set struct_size to sizeof"),
        (vec!["MAJOR=2"], Rule::Abi, "its descriptor says major 2"),
        (vec!["LAYOUT=SLND_LAYOUT+1"], Rule::Layout, "without packing flags"),
        (vec!["ON_EVENTS=NULL"], Rule::Slots, "does not set on_events"),
        (vec!["N_OPTIONS=1"], Rule::Options, "the type 99 is unknown"),
        (vec!["N_OPTIONS=UINT32_MAX"], Rule::Options, "its options table is none"),
        (vec!["N_OPTIONS=1", "STRIDE=4"], Rule::Options, "its options table is none"),
        (vec!["ID=NULL"], Rule::Identity, "its descriptor's id is NULL"),
        (vec!["CREATE_FAILS"], Rule::LifeCycle, "its create failed: there is no\\u{a}such device"),
        (vec!["START_FAILS"], Rule::LifeCycle, "its start panicked: xxx"),
    ] {
        built += 1;
        let library = rig.build("broken", &format!("{built}.so"), &defines);
        refused(&rig, &library, rule, part);
    }
    assert_eq!(rig.trace("broken"), ["create", "create", "destroy"], "code ran in the last two only");
}

fn control_characters_of_a_version_are_left_out_alike(rig: Rig) {
    let defines = [r#"MANIFEST="abi=1.0\nid=broken\nversion=1\033[2J\nwants=\n""#, r#"VERSION="1\033[2J""#];
    let library = rig.build("broken", "escapes.so", &defines);
    let mut host = rig.start(vec![rig.spec(library)]).expect("both say the same");
    assert_eq!(host.status(rig.now_ns())[0].version, "1[2J");
    assert_eq!(host.stop(STOP), Vec::<String>::new());
}

fn what_is_known_without_starting(rig: Rig) {
    let library = rig.build("good", "good.so", &[]);
    let read = manifest(&library).expect("a manifest");
    assert_eq!((read.id.as_str(), read.abi), ("good", (1, 0)));
    let description = describe(&library).expect("a description");
    assert_eq!(description.name, "Good");
    assert_eq!(
        description.events,
        ["announcement", "duplicate", "resolved", "state", "query", "tick", "lost"]
    );
    assert_eq!(description.options[0].choices, ["observe", "strict", "refused"]);
    let mut spec = rig.spec(library);
    assert_eq!(check(&spec), Ok(()));
    spec.options = "grace = \"soon\"".parse().expect("toml");
    assert_eq!(check(&spec).expect_err("no duration").option(), Some("grace"));
    assert!(rig.trace("good").is_empty(), "no instance was made");
}

#[test]
fn loading_one_file_after_another_never_mixes_them_up() {
    // glibc would return the first library, were its descriptor's number used again for the second.
    let rig = Rig::new();
    for (source, name) in [("good", "Good"), ("bad", "Bad"), ("sink", "Sink"), ("good", "Good")] {
        let library = rig.build(source, &format!("{source}.so"), &[]);
        assert_eq!(describe(&library).expect("a description").name, name);
    }
}

#[test]
fn a_plugin_that_hangs_in_start_is_given_up() {
    let mut rig = Rig::new();
    let real = std::sync::Arc::clone(&rig.clock);
    let is_begun = std::sync::atomic::AtomicBool::new(false);
    // After its first reading it is almost ten seconds later, so that the test need not wait for them.
    rig.clock = std::sync::Arc::new(move || {
        real() + if is_begun.swap(true, Ordering::SeqCst) { 9_800_000_000 } else { 0 }
    });
    let good = rig.spec(rig.build("good", "good.so", &[]));
    let hanging = rig.spec(rig.build("bad", "bad.so", &["HANGS_IN_START"]));
    let error = rig.start(vec![good, hanging]).err().expect("it hangs");
    assert_eq!(error.to_string(), "plugin bad: its start did not return within 10 s (rule: life cycle)");
    rig.await_line("good", "destroy");
}

fn options_that_do_not_fit_stop_the_start(rig: Rig) {
    let mut spec = rig.spec(rig.build("good", "good.so", &[]));
    spec.options = "mode = \"strikt\"".parse().expect("toml");
    let error = rig.start(vec![spec]).err().expect("no such mode");
    assert_eq!((error.rule(), error.option()), (Rule::Options, Some("mode")));
    assert!(error.to_string().contains("did you mean \"strict\"?"), "{error}");
}

in_both_modes! {
    two_plugins_are_two_libraries,
    each_acceptance_rule_refuses_with_its_name,
    control_characters_of_a_version_are_left_out_alike,
    what_is_known_without_starting,
    options_that_do_not_fit_stop_the_start,
}
