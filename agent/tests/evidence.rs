//! `serialnumberd evidence` where no agent runs: on the desk of whoever was sent a file, and on a host that is down.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A file of evidence of the serial `XSVR-123-456`.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/core/tests/golden/evidence.json");
const SERIAL: &str = "XSVR-123-456";

fn program(arguments: &[&str]) -> Command {
    // Whatever it reads, it is done at once.
    let mut program = Command::new("timeout");
    program.arg("20").arg(env!("CARGO_BIN_EXE_serialnumberd")).arg("evidence").args(arguments);
    program.stdin(Stdio::null()).env_remove("XDG_RUNTIME_DIR").env_remove("RUST_LOG");
    program
}

/// Exit code, standard output and standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    ended(program(arguments).output().expect("it runs"))
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn golden_id() -> String {
    let golden: Value = serde_json::from_str(&fs::read_to_string(GOLDEN).unwrap()).unwrap();
    golden["id"].as_str().unwrap().to_owned()
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
        self.text(name)
    }

    /// A state directory that keeps the golden file, and something damaged.
    fn state(&self) -> String {
        let folder = self.path("state/evidence");
        fs::create_dir_all(&folder).unwrap();
        fs::copy(GOLDEN, folder.join(golden_id() + ".json")).unwrap();
        fs::write(folder.join("00".repeat(16) + ".json"), "{").unwrap();
        self.text("state")
    }
}

#[test]
fn a_file_is_verified_with_nothing_else_at_hand() {
    let (code, said, wrong) = run(&["verify", GOLDEN]);
    assert_eq!((code, wrong.as_str()), (0, ""), "{said}");
    assert!(said.starts_with(&format!("evidence {}: verified\n", golden_id())), "{said}");
    assert!(said.contains("What is only the recorder's word") && said.contains("--serial-file"), "{said}");
    let mut from_stdin = program(&["verify", "-", "--json"]);
    let mut child = from_stdin.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(GOLDEN).unwrap()).unwrap();
    let (code, said, _) = ended(child.wait_with_output().unwrap());
    let document: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &document["verified"], &document["evidence"]), (0, &true.into(), &golden_id().into()));
    assert_eq!(document["serial_checked"], false);
}

#[test]
fn with_the_serial_the_claim_is_checked_too() {
    let desk = Desk::new();
    let (right, wrong) = (desk.put("right", "xsvr 123 456\n"), desk.put("wrong", "XSVR-123-457"));
    let (code, said, _) = run(&["verify", GOLDEN, "--serial-file", &right]);
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(code == 0 && flat.contains("made by somebody who knows it"), "{said}");
    assert!(!said.contains("XSVR-123") && !said.contains(&SERIAL.replace('-', "")), "the serial is a secret");
    let (code, _, said) = run(&["verify", GOLDEN, "--serial-file", &wrong]);
    assert_eq!(code, 1);
    assert!(said.contains("this serial makes another claim id"), "{said}");
    let (code, _, said) = run(&["verify", GOLDEN, "--serial-file", &desk.text("missing")]);
    assert!(code == 1 && said.contains("cannot read the serial file"), "{said}");
}

#[test]
fn what_proves_nothing_is_refused_with_the_reason() {
    let desk = Desk::new();
    let good = fs::read_to_string(GOLDEN).unwrap();
    let last = good.len() - 10;
    for (bad, said) in [
        (good[..good.len() / 2].to_owned(), "it was cut off"),
        (good.replace("192.0.2.7", "192.0.2.8"), "its signature is not that of the installation"),
        (good.replace("\"seats\": 1", "\"seats\": 0"), "its signature is not that of the installation"),
        (format!("{}0{}", &good[..last], &good[last + 1..]), "its signature is not that of the installation"),
        (good.replace('\n', "\r\n"), "sent again as an attachment"),
        ("Dear support".to_owned(), "it is no file of evidence"),
        (String::new(), "it was cut off"),
    ] {
        assert_ne!(bad, good, "{said}");
        let file = desk.put("bad.json", &bad);
        let (code, out, wrong) = run(&["verify", &file]);
        assert_eq!((code, out.as_str()), (1, ""), "{wrong}");
        assert!(wrong.contains(said) && wrong.contains("bad.json proves nothing: "), "{wrong}");
        assert_eq!(wrong.lines().count(), 1, "{wrong}");
        let (code, out, _) = run(&["verify", &file, "--json"]);
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &document["verified"]), (1, &false.into()));
        assert!(document["flaw"].as_str().unwrap().contains(said), "{out}");
    }
    for (odd, said) in
        [("/dev/zero", "longer than 4 MiB"), ("/nowhere", "cannot read /nowhere"), ("/", "cannot read /")]
    {
        let (code, _, wrong) = run(&["verify", odd]);
        assert!(code == 1 && wrong.contains(said), "{odd}: {wrong}");
    }
}

#[test]
fn a_host_that_is_down_is_read_by_its_state_directory() {
    let desk = Desk::new();
    let state = desk.state();
    let (code, said, _) = run(&["list", "--state-dir", &state]);
    assert_eq!(code, 0);
    assert!(said.contains(&golden_id()) && said.contains("duplicate of class copy with alpha"), "{said}");
    assert!(said.contains("proves nothing: it was cut off"), "{said}");
    let (_, said, _) = run(&["list", "--json", "--state-dir", &state]);
    let list: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&list[0]["id"], &list[0]["flaw"]), (&golden_id().into(), &Value::Null));
    let (code, said, _) = run(&["show", &golden_id(), "--state-dir", &state]);
    assert_eq!((code, said), (0, run(&["verify", GOLDEN]).1));
    let (code, _, said) = run(&["show", &"00".repeat(16), "--state-dir", &state]);
    assert!(code == 1 && said.contains("proves nothing: it was cut off"), "{said}");
    let (code, _, said) = run(&["show", &"11".repeat(16), "--state-dir", &state]);
    assert!(code == 1 && said.contains("`serialnumberd evidence list` says what is"), "{said}");
    let (code, _, said) = run(&["list", "--state-dir", &desk.text("nowhere")]);
    assert!(code == 1 && said.contains("there is no state directory"), "{said}");
    let (code, said, _) = run(&["list", "--state-dir", desk.0.path().to_str().unwrap()]);
    assert!(code == 0 && said.contains("No evidence is kept"), "{said}");
    let (code, _, said) = run(&["list", "--control", &desk.text("none.sock")]);
    assert!(code == 1 && said.contains("name the state directory with --state-dir"), "{said}");
}

#[test]
fn an_export_overwrites_nothing_by_mistake() {
    let desk = Desk::new();
    let (state, id, file) = (desk.state(), golden_id(), desk.text("out.json"));
    let export =
        |file: &str, more: &[&str]| run(&[&["export", &id, file, "--state-dir", &state], more].concat());
    let same = |path: &Path| fs::read(path).unwrap() == fs::read(GOLDEN).unwrap();
    let (code, said, _) = export(&file, &[]);
    assert!(code == 0 && said.contains(&format!("evidence verify {file}")), "{said}");
    assert!(same(Path::new(&file)) && run(&["verify", &file]).0 == 0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&file, "mine").unwrap();
    let (code, _, said) = export(&file, &[]);
    assert!(code == 1 && said.contains("exists already; name another file"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert_eq!(export(&file, &["--force"]).0, 0);
    assert!(same(Path::new(&file)));
    // A link is neither followed nor what it leads to overwritten.
    let victim = desk.put("victim", "mine");
    for (link, to) in [("to-nowhere", desk.text("made")), ("to-victim", victim.clone())] {
        symlink(to, desk.path(link)).unwrap();
        assert_eq!(export(&desk.text(link), &[]).0, 1);
        assert_eq!(export(&desk.text(link), &["--force"]).0, 0);
        assert!(same(&desk.path(link)) && !desk.path(link).is_symlink());
    }
    assert!(fs::read(victim).unwrap() == b"mine" && !desk.path("made").exists());
    let (code, said, _) = export("-", &[]);
    assert_eq!((code, said), (0, fs::read_to_string(GOLDEN).unwrap()));
    for bad in [desk.text("no/such/folder"), state.clone()] {
        let (code, _, said) = export(&bad, &["--force"]);
        assert!(code == 1 && said.contains(&format!("cannot write {bad}")), "{said}");
    }
    let left = fs::read_dir(desk.0.path()).unwrap().flatten().map(|f| f.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".new")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_damaged_one_is_exported_with_a_warning() {
    let desk = Desk::new();
    let (code, said, _) = run(&["export", &"00".repeat(16), &desk.text("out"), "--state-dir", &desk.state()]);
    assert!(code == 0 && said.contains("warning: it proves nothing: it was cut off"), "{said}");
}
