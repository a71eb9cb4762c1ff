//! Hosts that are none: loopback addresses, each with a directory of its own, of which each is told to the other.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// One of two hosts.
pub struct Site {
    dir: tempfile::TempDir,
    address: String,
    peer: String,
    port: u16,
}

/// Two hosts of a network that no other test uses: 127.0.NETWORK.1 and .2.
pub fn pair(network: u8) -> [Site; 2] {
    let addresses = [format!("127.0.{network}.1"), format!("127.0.{network}.2")];
    let port = free_port(&addresses);
    [(0, 1), (1, 0)].map(|(own, other)| Site {
        dir: tempfile::tempdir().expect("a temporary directory"),
        address: addresses[own].clone(),
        peer: addresses[other].clone(),
        port,
    })
}

/// One that is free at both: another run of these tests may have taken any that was fixed.
fn free_port(addresses: &[String; 2]) -> u16 {
    for _ in 0..100 {
        let first = UdpSocket::bind((addresses[0].as_str(), 0)).expect("loopback has all of 127.0.0.0/8");
        let port = first.local_addr().expect("bound").port();
        if UdpSocket::bind((addresses[1].as_str(), port)).is_ok() {
            return port;
        }
    }
    panic!("no UDP port is free at both {} and {}", addresses[0], addresses[1]);
}

impl Site {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The file with the serial that both hosts use.
    pub fn serial_file(&self) -> PathBuf {
        let path = self.path("xsvr.serial");
        std::fs::write(&path, "SHARED-BY-BOTH\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        path
    }

    /// Keys of [agent] and their values, in TOML.  With so long an interval a conflict ends by a goodbye, or late.
    pub fn keys(&self) -> Vec<(&'static str, String)> {
        let quoted = |text: &str| format!("\"{text}\"");
        vec![
            ("state_dir", quoted(&self.path("state").display().to_string())),
            ("port", self.port.to_string()),
            ("address", quoted(&self.address)),
            ("peers", format!("[\"{}\"]", self.peer)),
            ("interval", quoted("1m")),
            ("confirm_after", quoted("1s")),
        ]
    }

    /// What makes an example an agent of its own on this host: PRODUCT SERIAL_FILE --mode own --set ...
    pub fn own(&self) -> Vec<String> {
        let mut arguments = vec!["xsvr".to_owned(), self.serial_file().display().to_string()];
        arguments.extend(["--mode", "own"].map(str::to_owned));
        arguments.extend(
            self.keys().iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]),
        );
        arguments
    }

    /// The license as an agent's configuration has it.
    pub fn license(&self) -> String {
        format!("[[license]]\nproduct = \"xsvr\"\nserial_file = \"{}\"\n", self.serial_file().display())
    }

    /// What makes an example a client of the agent on this host.
    pub fn connected(&self) -> Vec<String> {
        let control = format!("control={}", self.path("control.sock").display());
        let serial = self.serial_file().display().to_string();
        ["xsvr", &serial, "--mode", "connect", "--set", &control].map(str::to_owned).to_vec()
    }
}
