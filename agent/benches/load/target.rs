//! The programs that are measured: started on ports of their own, killed in the end.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bare::RECEIVE_BUFFER;
use crate::traffic::Traffic;

/// On which processor targets run; the sender takes another.
const PROCESSOR: &str = "1";
/// Debian's rsyslog; an ordinary user's PATH does not lead there.
const RSYSLOGD: &str = "/usr/sbin/rsyslogd";
/// The serial of the agent that is measured.
pub const SERIAL: &str = "LOAD-0123";
/// Its product.
pub const PRODUCT: &str = "load";

/// A running program that receives on `port`.
pub struct Target {
    /// What it is called in the tables.
    pub name: &'static str,
    /// Its port on 127.0.0.1.
    pub port: u16,
    child: Child,
    _files: TempDir,
}

impl Target {
    /// Where to send to.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it is measured with: who does not know the protocol does the same for all.
    pub fn traffic(&self) -> &'static [Traffic] {
        if self.name == "agent" { &Traffic::ALL } else { &[Traffic::Foreign] }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bare loop: this program in its other mode.
pub fn bare() -> Target {
    let port = free_port();
    let mut command = pinned(&std::env::current_exe().expect("this program"));
    command.args(["bare", &format!("127.0.0.1:{port}")]);
    start("bare", port, command, files())
}

/// The agent, with one license whose seats are unlimited: what is measured is receiving, not asking.
pub fn agent() -> Target {
    let (port, files) = (free_port(), files());
    let dir = files.path().display();
    let config = format!(
        "[agent]\nstate_dir = \"{dir}/state\"\ncontrol = \"{dir}/control.sock\"\nport = {port}\n\
         address = \"127.0.0.1\"\ninterval = \"1h\"\n\
         [[license]]\nproduct = \"{PRODUCT}\"\nserial = \"{SERIAL}\"\nseats = 0\n"
    );
    let path = write(&files, "serialnumberd.toml", &config);
    let mut command = pinned(&PathBuf::from(
        std::env::var_os("SERIALNUMBERD").unwrap_or_else(|| env!("CARGO_BIN_EXE_serialnumberd").into()),
    ));
    command.arg("run").arg("-c").arg(path);
    start("agent", port, command, files)
}

/// Debian's rsyslog, receiving by imudp and discarding at once.
pub fn rsyslog() -> Target {
    assert!(Path::new(RSYSLOGD).exists(), "{RSYSLOGD} is missing: apt-get install rsyslog");
    let (port, files) = (free_port(), files());
    let config = format!(
        "module(load=\"imudp\")\n\
         ruleset(name=\"discard\") {{ stop }}\n\
         # It refuses to run without any action; nothing ever comes to this one.\n\
         action(type=\"omfile\" file=\"/dev/null\")\n\
         input(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"discard\" rcvbufSize=\"{}\")\n",
        RECEIVE_BUFFER
    );
    let path = write(&files, "rsyslog.conf", &config);
    let mut command = pinned(Path::new(RSYSLOGD));
    command.args(["-n", "-i"]).arg(files.path().join("pid")).arg("-f").arg(path);
    start("rsyslog", port, command, files)
}

fn start(name: &'static str, port: u16, mut command: Command, files: TempDir) -> Target {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let log = fs::File::create(files.path().join("log")).expect("a log");
    let child = command.stderr(log).spawn().expect("taskset: apt-get install util-linux");
    let mut target = Target { name, port, child, _files: files };
    let began = Instant::now();
    while !is_bound(port) {
        let ended = target.child.try_wait().expect("a child of ours").is_some();
        if ended || began.elapsed() > Duration::from_secs(5) {
            let said = fs::read_to_string(target._files.path().join("log")).unwrap_or_default();
            panic!("{name} cannot be measured: it does not receive: {said}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // Past its start-up, and for the agent past its announcements at 2 s and 5 s.
    std::thread::sleep(Duration::from_secs(if name == "agent" { 8 } else { 1 }));
    target
}

fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", PROCESSOR]).arg(program);
    command
}

fn files() -> TempDir {
    tempfile::Builder::new().prefix("slnd-load-").tempdir().expect("a temporary directory")
}

fn write(files: &TempDir, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = files.path().join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    path
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.local_addr().expect("an address").port()
}

fn is_bound(port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/udp").expect("/proc/net/udp");
    table.contains(&format!(":{port:04X} "))
}
