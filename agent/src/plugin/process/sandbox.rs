//! What the configuration says of a plugin's process: the program that it runs in, and what that may do.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::plugin::limits::MEMORY_MIB;

/// A plugin's process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The program to run it in; `None` in a program that is not `serialnumberd` itself and was told of none.
    pub helper: Option<PathBuf>,
    /// What it may do.
    pub sandbox: Sandbox,
}

/// `[plugin.sandbox]`: what is allowed beyond the plugin's own directory, the system's libraries, and thinking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Files and folders that it may read, absolute.
    pub read: Vec<PathBuf>,
    /// Files and folders that it may read, write and make, absolute.
    pub write: Vec<PathBuf>,
    /// Where it may connect to.
    pub connect: Vec<Reach>,
    /// Where it may be connected to.
    pub listen: Vec<Reach>,
    /// It may start processes, and in them programs from the system's folders and from `read`.
    pub exec: bool,
    /// As whom it runs, if not as the agent's user.
    pub user: Option<Account>,
    /// How much memory it may take, MiB.
    pub memory_mib: u32,
}

impl Default for Sandbox {
    fn default() -> Sandbox {
        Sandbox {
            read: Vec::new(),
            write: Vec::new(),
            connect: Vec::new(),
            listen: Vec::new(),
            exec: false,
            user: None,
            memory_mib: MEMORY_MIB,
        }
    }
}

/// Where a plugin's process may connect to, or be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reach {
    /// This TCP port, of any host.
    Tcp(u16),
    /// Any UDP port: kernels cannot narrow it.
    Udp,
    /// Local sockets, as far as the files' modes allow.
    Unix,
}

impl Reach {
    /// `tcp`, `udp` or `unix`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Reach::Tcp(_) => "tcp",
            Reach::Udp => "udp",
            Reach::Unix => "unix",
        }
    }
}

impl fmt::Display for Reach {
    /// As the configuration writes it, but for the quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Tcp(port) => write!(f, "{port}"),
            Reach::Udp => f.write_str("udp"),
            Reach::Unix => f.write_str("unix"),
        }
    }
}

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name, or its number in words.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
}
