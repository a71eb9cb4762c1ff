//! What a plugin's process gives up for good: resources, the agent's user, capabilities.
#![allow(unsafe_code, reason = "system calls that no library here wraps")]

use std::ffi::CString;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{AccessFlags, Gid, Uid, access, setgroups, setresgid, setresuid};

use crate::plugin::limits::{ADDRESS_SPACE_FACTOR, DESCRIPTORS};
use crate::plugin::process::sandbox::{Account, Sandbox};

const MIB: u64 = 1024 * 1024;
/// linux/capability.h: `_LINUX_CAPABILITY_VERSION_3`, sets of 64 bits.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// What `ps` shows, of which the kernel keeps 15 bytes.
pub(super) fn be_called(id: &str) {
    if let Ok(name) = CString::new(format!("slnd-{id}")) {
        // A name is no reason not to run.
        let _ = nix::sys::prctl::set_name(&name);
    }
}

/// Bounds memory and descriptors; a crash leaves no image of a memory with secrets.
pub(super) fn limit(sandbox: &Sandbox) -> Result<(), String> {
    let memory = u64::from(sandbox.memory_mib) * MIB;
    for (resource, bound) in [
        (Resource::RLIMIT_DATA, memory),
        (Resource::RLIMIT_AS, memory.saturating_mul(ADDRESS_SPACE_FACTOR)),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS),
        (Resource::RLIMIT_CORE, 0),
    ] {
        let set =
            getrlimit(resource).and_then(|(_, hard)| setrlimit(resource, bound.min(hard), bound.min(hard)));
        set.map_err(|error| format!("its {resource:?} cannot be set: {error}"))?;
    }
    Ok(())
}

/// Becomes that user, for good.
pub(super) fn become_user(user: &Account, state_dir: &Path) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    setgroups(&[gid])
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid))
        .map_err(|error| match error {
            Errno::EPERM => format!(
                "`user` in [plugin.sandbox]: it cannot become the user {}, since the agent does not run as root: \
                 leave `user` out",
                user.name
            ),
            error => format!("`user` in [plugin.sandbox]: it cannot become the user {}: {error}", user.name),
        })?;
    access(state_dir, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
        format!(
            "the user {} cannot reach its directory {}: {error}: chmod o+x the folders on the way, not that one",
            user.name,
            state_dir.display()
        )
    })
}

/// Gives up every capability, those of programs that it might start, and the right to gain any.
pub(super) fn drop_all() -> Result<(), String> {
    let failed = |error: io::Error| format!("its capabilities cannot be dropped: {error}");
    // Needs a capability itself; without it the last line makes up for it.
    for capability in 0..64 {
        let _an_unknown_one = prctl(libc::PR_CAPBSET_DROP, capability);
    }
    let _where_there_are_none = prctl(libc::PR_CAP_AMBIENT, flag(libc::PR_CAP_AMBIENT_CLEAR_ALL));
    let header: [u32; 2] = [CAPABILITY_VERSION, 0];
    let none = [0_u32; 6];
    // SAFETY: a header of 8 bytes for this thread, the only one, and two sets of three words, as version 3 has them.
    if unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) } != 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(failed)
}

/// Ends when the agent's thread that started it does, even if it is stopped and cannot notice.  Not for one that may have
/// started others: it must live to end those.  Forgotten by a change of user, so called after that.
pub(super) fn end_with_the_agent() -> Result<(), String> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|error| format!("it cannot be bound to the agent: {error}"))
}

fn flag(flag: libc::c_int) -> libc::c_ulong {
    libc::c_ulong::from(flag.unsigned_abs())
}

fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<()> {
    let zero: libc::c_ulong = 0;
    // SAFETY: an option that takes numbers only.
    match unsafe { libc::prctl(option, argument, zero, zero, zero) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends the process at once: no destructor of the plugin runs, since it may not return.  If the agent did not let it end,
/// whatever it started ends, too.
pub(super) fn leave(is_let: bool) -> ! {
    let group = nix::unistd::getpgrp();
    // Of its own, as the agent makes it; started otherwise it would take others with it.
    if !is_let && group == nix::unistd::getpid() {
        let _where_it_is_alone = nix::sys::signal::killpg(group, Signal::SIGKILL);
    }
    // SAFETY: ends the process, and runs nothing.
    unsafe { libc::_exit(i32::from(!is_let)) }
}

/// Closes every descriptor from this one on.
pub(super) fn close_from(first: libc::c_uint) -> io::Result<()> {
    // SAFETY: called when this process has opened nothing yet: nobody owns what is closed.
    match unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
