//! The files and TCP ports that a plugin's process may reach: Landlock, as far as the kernel has it.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

use crate::plugin::process::sandbox::{Reach, Sandbox};

/// What is asked for; what an older kernel does not know of it is left out.  A later one adds nothing that this needs.
const ASKED: ABI = ABI::V6;

/// What programs need to be loaded, to know the time and their host, and to resolve names.  No secrets: what is secret
/// in `/etc` is not among it.
const SYSTEM: [&str; 26] = [
    "/usr",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
];
/// What may also be written, since nothing becomes of it.
const SINKS: [&str; 2] = ["/dev/null", "/dev/zero"];

/// Makes the rules, while the paths in them can still be opened.
pub(super) fn rules(sandbox: &Sandbox, state_dir: &Path, plugin: &File) -> Result<RulesetCreated, String> {
    let asked =
        |what: &str, paths: &[PathBuf]| match paths.iter().find_map(|p| Some((p, PathFd::new(p).err()?))) {
            Some((path, error)) => Err(format!("`{what}` in [plugin.sandbox]: {}: {error}", path.display())),
            None => Ok(()),
        };
    asked("read", &sandbox.read)?;
    asked("write", &sandbox.write)?;
    build(sandbox, state_dir, plugin).map_err(|error| format!("its files cannot be restricted: {error}"))
}

fn build(sandbox: &Sandbox, state_dir: &Path, plugin: &File) -> Result<RulesetCreated, RulesetError> {
    let execute = BitFlags::from(AccessFs::Execute);
    let read = AccessFs::from_read(ASKED);
    let read = if sandbox.exec { read } else { read & !execute };
    // Never what it can write.
    let write = AccessFs::from_all(ASKED) & !execute;
    let own = [state_dir.to_owned()];
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ASKED))?
        .handle_access(AccessNet::from_all(ASKED))?
        .scope(Scope::from_all(ASKED))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(&sandbox.read, read))?
        .add_rules(path_beneath_rules(SINKS, AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(own.iter().chain(&sandbox.write), write))?
        .add_rule(PathBeneath::new(plugin.as_fd(), AccessFs::ReadFile))?;
    for (reaches, access) in
        [(&sandbox.connect, AccessNet::ConnectTcp), (&sandbox.listen, AccessNet::BindTcp)]
    {
        for reach in reaches {
            if let Reach::Tcp(port) = reach {
                rules = rules.add_rule(NetPort::new(*port, access))?;
            }
        }
    }
    Ok(rules)
}

/// Binds this thread and all that it starts; says what is in force.
pub(super) fn enforce(rules: RulesetCreated) -> Result<String, String> {
    let status = rules.restrict_self().map_err(|error| format!("its files cannot be restricted: {error}"))?;
    Ok(told(&status.landlock))
}

fn told(status: &LandlockStatus) -> String {
    let words = match status {
        LandlockStatus::Available { effective_abi, .. } if *effective_abi >= ABI::V6 => "files, tcp, signals",
        LandlockStatus::Available { effective_abi, .. } if *effective_abi >= ABI::V4 => {
            "files, tcp; signals are not restricted, which takes Linux 6.12"
        }
        LandlockStatus::Available { .. } => {
            "files; TCP ports are not restricted, which takes Linux 6.7, nor signals, which takes 6.12"
        }
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => {
            "not in this kernel: files, TCP ports and signals are not restricted"
        }
    };
    format!("landlock: {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_an_older_kernel_cannot_do() {
        let abi = |effective_abi| told(&LandlockStatus::Available { effective_abi, kernel_abi: None });
        assert_eq!(abi(ABI::V10), "landlock: files, tcp, signals");
        assert_eq!(abi(ABI::V5), "landlock: files, tcp; signals are not restricted, which takes Linux 6.12");
        assert!(abi(ABI::V3).starts_with("landlock: files; TCP ports are not restricted"));
        assert!(told(&LandlockStatus::NotEnabled).contains("not in this kernel"));
    }
}
