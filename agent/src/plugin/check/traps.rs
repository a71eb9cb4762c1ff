//! The last words of a child that dies by a signal: which, on what memory, and whether there was any left.
//!
//! Installs signal handlers, which only a child of the validator may do: it is this process's business how it dies.
#![allow(unsafe_code, reason = "signal handlers")]

use std::io;
use std::mem;
use std::ptr;

use libc::{c_int, c_void, siginfo_t};

use super::arena;
use super::progress::{self, Word};

/// The signals that a defect raises.
const DEADLY: [c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT, libc::SIGILL, libc::SIGFPE, libc::SIGSYS];
/// If not even this much can be had, memory was the reason: a sixteenth of what there was, and more than the step of any
/// hog.
const PROBE: usize = 64 << 20;

/// From here on a deadly signal leaves its last words in the shared page.
pub(super) fn set() -> io::Result<()> {
    for signal in DEADLY {
        // SAFETY: all zeros are an action with an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = on_signal as *const () as usize;
        // On the stack that threads have for this: their own may be what is used up.  And once: then the default.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        // SAFETY: the handler has the type that SA_SIGINFO wants, and calls only what a handler may.
        if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    progress::set(Word::Signal, u64::try_from(signal).unwrap_or(0));
    // SAFETY: the kernel gives the information of this signal.
    let code = unsafe { (*info).si_code };
    let is_fault = code > 0 && (signal == libc::SIGSEGV || signal == libc::SIGBUS);
    if is_fault {
        // SAFETY: both signals have an address if the kernel raised them.
        let address = unsafe { (*info).si_addr() };
        progress::set(Word::Fault, u64::from(arena::code_at(address.addr())));
    }
    progress::set(Word::NoMemory, u64::from(!is_memory_left()));
    // The instruction is tried again and dies by the default action; what another process or `raise` sent is not.
    if code <= 0 {
        // SAFETY: delivered once this handler has returned.
        unsafe { libc::raise(signal) };
    }
}

fn is_memory_left() -> bool {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: one system call; the memory, if there is any, is given back.
    unsafe {
        let probe = libc::mmap(ptr::null_mut(), PROBE, protection, flags, -1, 0);
        if probe == libc::MAP_FAILED {
            return false;
        }
        libc::munmap(probe, PROBE);
    }
    true
}
