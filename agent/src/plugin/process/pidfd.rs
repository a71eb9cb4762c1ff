//! A descriptor that tells when a process has ended: the pipe does not, where the plugin left a copy of it to others.
#![allow(unsafe_code, reason = "a system call that no library here wraps")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Of a child that was not waited for yet; takes Linux 5.3.
pub(super) fn open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let number = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match i32::try_from(number) {
        // SAFETY: just made for this call, closed on exec, and nobody else's.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
