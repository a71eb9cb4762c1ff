//! Why the port could not be had, as one sentence that says what to do.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::occupant::Occupant;

/// Why [`super::Sockets::bind`] failed.
#[derive(Debug)]
pub enum BindError {
    /// `EACCES`: the port is privileged, or a security module forbids it.
    Denied {
        /// What was to be bound.
        at: SocketAddr,
    },
    /// `EADDRINUSE`: the port is bound exclusively, so there is no sharing it.
    InUse {
        /// What was to be bound.
        at: SocketAddr,
        /// Who has it, if this process may see that.
        by: Option<Occupant>,
    },
    /// `EADDRNOTAVAIL`: the configured address is not one of this host.
    NotMine {
        /// The address.
        address: IpAddr,
    },
    /// The configured address means another host on every link.
    LinkLocal {
        /// The address.
        address: IpAddr,
    },
    /// The kernel has neither IPv4 nor IPv6.
    NoFamily,
    /// Any other system call that failed.
    System {
        /// Which step.
        step: &'static str,
        /// For which address.
        at: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::Denied { at } => write!(
                f,
                "cannot bind UDP {at}: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE: run as root, let \
                 systemd grant it (AmbientCapabilities=CAP_NET_BIND_SERVICE), or use --unprivileged"
            ),
            BindError::InUse { at, by: Some(by) } => {
                write!(f, "cannot bind UDP {at}: {by} has the port; stop it, or choose another port")
            }
            BindError::InUse { at, by: None } => write!(
                f,
                "cannot bind UDP {at}: another process has the port; `ss -lunp sport = :{}` as root shows which; stop \
                 it, or choose another port",
                at.port()
            ),
            BindError::NotMine { address } => write!(
                f,
                "cannot bind UDP to address {address}: no interface of this host has it; correct `address`, or leave \
                 it out to use all interfaces"
            ),
            BindError::LinkLocal { address } => write!(
                f,
                "cannot bind UDP to address {address}: it is link-local and does not say on which link; leave out \
                 `address` and name the interface in `interfaces`"
            ),
            BindError::NoFamily => f.write_str(
                "cannot open a UDP socket: this kernel has neither IPv4 nor IPv6; run it where there is a network",
            ),
            BindError::System { step, at, error } => {
                write!(f, "cannot prepare UDP {at}: {step} failed: {error}")?;
                match error.raw_os_error() {
                    Some(libc::ENOPROTOOPT) => f.write_str("; Linux 4.20 or newer is needed"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BindError::System { error, .. } => Some(error),
            _ => None,
        }
    }
}
