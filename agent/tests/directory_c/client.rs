//! A client of the directory in C: `netinfo.x`, made into code by `rpcgen`, over libtirpc.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where its sources are.
fn sources() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/directory_c"))
}

/// The client's program, built once a process: `reader udp|tcp HOST PORT [TAG]`.
pub fn reader() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // Several test programs build it, each for itself.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("directory_c-{}", module_path!()));
        std::fs::create_dir_all(&dir).expect("a directory to build in");
        build(&dir)
    })
}

fn build(dir: &Path) -> PathBuf {
    let interface = sources().join("netinfo.x");
    // -N -M: arguments by value, results in the caller's memory.  rpcgen does not write over a file.
    for (what, file) in [("-h", "netinfo.h"), ("-c", "netinfo_xdr.c"), ("-l", "netinfo_clnt.c")] {
        let mut rpcgen = Command::new("rpcgen");
        // It names its header by the interface's path: told only the name, it stays beside what includes it.
        std::fs::copy(&interface, dir.join("netinfo.x")).expect("the interface");
        let text = printed(rpcgen.current_dir(dir).args(["-N", "-M", what, "netinfo.x"]), "rpcsvc-proto");
        std::fs::write(dir.join(file), text).expect("generated code");
    }
    let flags = printed(Command::new("pkg-config").args(["--cflags", "libtirpc"]), "pkg-config libtirpc-dev");
    let gcc = |more: &[&str]| {
        let mut gcc = Command::new("gcc");
        gcc.current_dir(dir).args(["-std=gnu11", "-g", "-DPORTMAP", "-I."]).args(flags.split_whitespace());
        printed(gcc.args(more), "gcc");
    };
    // What rpcgen writes has unused variables.
    gcc(&["-w", "-c", "netinfo_xdr.c", "netinfo_clnt.c"]);
    let [reader, walk] = ["reader.c", "walk.c"].map(|name| sources().join(name));
    let [reader, walk] = [&reader, &walk].map(|path| path.to_str().expect("a path in UTF-8"));
    let warnings = ["-Wall", "-Wextra", "-Wconversion", "-Werror"];
    let include = format!("-I{}", sources().display());
    let objects = ["netinfo_xdr.o", "netinfo_clnt.o", "-ltirpc", "-o", "reader"];
    gcc(&[&warnings[..], &[&include, reader, walk], &objects].concat());
    dir.join("reader")
}

/// Runs a tool that must succeed; what it printed.
fn printed(command: &mut Command, packages: &str) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}: apt-get install {packages}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
