//! The number types and the FROZEN structs: what others embed by value and what therefore never changes.

use core::ffi::c_char;

/// What a call came to: `SLND_OK` or one of `SLND_E_*`; all errors are negative.
pub type slnd_status = i32;
/// Weight of a log line: `SLND_LOG_*`, smaller is graver.
pub type slnd_level = u32;
/// May the licensed software run?  `SLND_VERDICT_*`; of several counted ones the greatest wins.
pub type slnd_verdict = u32;
/// What an event tells: `SLND_EV_*`.
pub type slnd_kind = u16;
/// A set of `SLND_PERM_*` bits: wanted in the descriptor, granted in the configuration.
pub type slnd_perms = u64;

/// FROZEN. Text: UTF-8, not NULL, and `ptr[len]` is 0 so that C may print it; `len` counts bytes without it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_str {
    /// First byte.
    pub ptr: *const c_char,
    /// Bytes, the final NUL not counted.
    pub len: usize,
}

/// FROZEN. An IP address with port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct slnd_addr {
    /// 4 or 6, never AF_*; 0 is "no address" (this agent itself).
    pub family: u8,
    /// Zero.
    pub zero: u8,
    /// UDP port, host byte order.
    pub port: u16,
    /// IPv6 link-local: the interface index; else 0.
    pub scope_id: u32,
    /// Network byte order; of IPv4 the first four bytes, the others zero.
    pub ip: [u8; 16],
}

/// FROZEN. 16 bytes that name a claim or an evidence; shown as lower-case hex.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct slnd_id16 {
    /// The bytes, in the order in which they are shown.
    pub b: [u8; 16],
}

/// FROZEN. Where a failed call says why. The caller owns it and has zeroed it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_error {
    /// The same status that the call returns.
    pub code: slnd_status,
    /// Zero.
    pub zero: u32,
    /// One sentence for people: UTF-8, NUL-terminated.
    pub message: [c_char; 248],
}

/// FROZEN. One option of the configuration; see slnd_option for the form of the value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_kv {
    /// The option's name.
    pub key: slnd_str,
    /// Its value, checked by the host.
    pub value: slnd_str,
}

/// FROZEN. A verdict with its reason. The caller owns it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_decision {
    /// `SLND_VERDICT_*`.
    pub verdict: slnd_verdict,
    /// Zero.
    pub zero: u32,
    /// For people: UTF-8, NUL-terminated, so at most 1015 bytes; empty for none.
    pub reason: [c_char; 1016],
}
