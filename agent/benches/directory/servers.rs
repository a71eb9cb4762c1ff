//! The servers that are compared: started on loopback ports of their own, on one processor, killed in the end.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::data;
use crate::ldap::Ldap;
use crate::netinfo::NetInfo;
use crate::protocol::Protocol;

/// On which processor servers run; who asks takes the other one.
const PROCESSOR: &str = "1";
/// Debian's slapd; an ordinary user's PATH does not lead there.
const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
/// Until it takes connections, on a busy machine.
const UP: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    pub name: &'static str,
    pub port: u16,
    pub protocol: Box<dyn Protocol>,
    child: Child,
    files: TempDir,
}

impl Server {
    /// Time on a processor so far, of all its threads.
    pub fn cpu(&self) -> Duration {
        let clock = clock_getcpuclockid(self.pid()).expect("the server runs");
        clock.now().expect("its clock").into()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a pid"))
    }

    /// Its resident memory in MiB.
    pub fn memory_mib(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server runs");
        let line = status.lines().find(|l| l.starts_with("VmRSS")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("KiB") / 1024
    }

    /// A file of its own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The agent, serving generation 1 of the dump.
pub fn agent() -> Server {
    let (files, port) = (files(), free_port());
    let tree = files.path().join("tree.nidump");
    fs::write(&tree, data::nidump(1)).expect("the tree");
    let dir = files.path().display();
    let config = format!(
        "[agent]\nstate_dir = \"{dir}/state\"\ncontrol = \"{dir}/control.sock\"\nport = {}\naddress = \"127.0.0.1\"\n\
         [directory]\nport = {port}\ntree = {tree:?}\n",
        free_port()
    );
    let path = files.path().join("serialnumberd.toml");
    fs::write(&path, config).expect("the configuration");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    let binary =
        std::env::var_os("SERIALNUMBERD").unwrap_or_else(|| env!("CARGO_BIN_EXE_serialnumberd").into());
    let mut command = pinned(Path::new(&binary));
    command.arg("run").arg("-c").arg(path);
    start("agent", port, Box::new(NetInfo), command, files)
}

/// OpenLDAP's slapd with its usual backend, mdb, and an index of what is looked up.
pub fn slapd() -> Server {
    assert!(Path::new(SLAPD).exists(), "{SLAPD} is missing: apt-get install slapd");
    let (files, port) = (files(), free_port());
    let dir = files.path().display();
    fs::create_dir(files.path().join("db")).expect("its database");
    let suffix = data::SUFFIX;
    let config = format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/nis.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         pidfile {dir}/pid\nargsfile {dir}/args\ndatabase mdb\nmaxsize 1073741824\nsuffix \"{suffix}\"\n\
         directory {dir}/db\nindex objectClass eq\nindex uid eq\nindex uidNumber eq\n"
    );
    let path = files.path().join("slapd.conf");
    fs::write(&path, config).expect("its configuration");
    fs::write(files.path().join("data.ldif"), data::ldif()).expect("its data");
    let mut load = Command::new(SLAPADD);
    load.arg("-q").arg("-f").arg(&path).arg("-l").arg(files.path().join("data.ldif"));
    let loaded = load.output().expect("slapadd: apt-get install slapd");
    assert!(loaded.status.success(), "slapadd: {}", String::from_utf8_lossy(&loaded.stderr));
    let mut command = pinned(Path::new(SLAPD));
    // In the foreground, without a word.
    command.args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{port}"), "-f"]).arg(path);
    start("slapd", port, Box::new(Ldap), command, files)
}

fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", PROCESSOR]).arg(program);
    command
}

fn start(
    name: &'static str,
    port: u16,
    protocol: Box<dyn Protocol>,
    mut command: Command,
    files: TempDir,
) -> Server {
    let log = fs::File::create(files.path().join("log")).expect("a log");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let child = command.spawn().expect("taskset: apt-get install util-linux");
    let mut server = Server { name, port, protocol, child, files };
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let ended = server.child.try_wait().expect("a child of ours").is_some();
        if ended || began.elapsed() > UP {
            let said = fs::read_to_string(server.file("log")).unwrap_or_default();
            panic!("{name} cannot be measured: it takes no connection: {said}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

fn files() -> TempDir {
    tempfile::Builder::new().prefix("slnd-directory-").tempdir().expect("a temporary directory")
}

/// Free for UDP and TCP.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = udp.local_addr().expect("an address").port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
