//! The system calls that no safe wrapper offers: `recvmmsg`, `sendmsg` and some socket options.
//!
//! It moves bytes and flags.  What they mean is read in `control.rs`, in safe code; nothing here decides.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmsg, some socket options and mio's raw descriptor have no safe wrapper that fits"
)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use libc::{c_int, c_uint};

/// Datagrams a receive call takes at most.  Twice and four times as many were measured to be no faster.
pub(super) const BATCH: usize = 32;
/// Bytes kept of a datagram: the protocol's is 320, a classic text at most 512; more is truncated.
pub(super) const DATAGRAM: usize = 512;
/// Room for the control messages asked for: 32 (v4) or 40 (v6) for the packet info and 24 for the TTL.
const CONTROL: usize = 96;
/// Room for the longest source address, `sockaddr_in6`.
pub(super) const NAME: usize = mem::size_of::<libc::sockaddr_in6>();
/// `SO_MEMINFO` of asm-generic/socket.h (Linux 4.12), which the libc crate does not name.
const SO_MEMINFO: c_int = 55;
/// `SK_MEMINFO_VARS` of linux/sock_diag.h: how many counters `SO_MEMINFO` gives; the drops are the last.
const MEMINFO_VARS: usize = 9;

/// Groups that a process is expected to have at most; who has more costs a second call.
const GROUPS: usize = 32;

/// What one datagram and its circumstances are written to.  Aligned for the kernel's `cmsghdr`.
#[repr(C, align(8))]
struct Slot {
    control: [u8; CONTROL],
    bytes: [u8; DATAGRAM],
    name: [u8; NAME],
}

/// Everything a `recvmmsg` needs.  Headers and vectors point into the same allocation, which therefore never
/// moves and is only reached through the raw pointer that [`Ring`] holds.
#[repr(C)]
struct Memory {
    headers: [libc::mmsghdr; BATCH],
    vectors: [libc::iovec; BATCH],
    slots: [Slot; BATCH],
}

/// The memory that a receive call fills, made once and used for ever.
pub(super) struct Ring {
    memory: NonNull<Memory>,
    /// How many headers the last call has written; these must be made ready again before the next.
    filled: usize,
}

// SAFETY: the ring is the only owner of its allocation, and nothing in it is tied to a thread.
unsafe impl Send for Ring {}

/// A datagram as the kernel handed it over, nothing interpreted.
pub(super) struct Raw<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) control: &'a [u8],
    pub(super) truncated: bool,
}

impl Ring {
    pub(super) fn new() -> Ring {
        // SAFETY: Memory is made of integers, arrays of them and raw pointers, for all of which zero is valid.
        let memory = Box::into_raw(unsafe { Box::<Memory>::new_zeroed().assume_init() });
        for i in 0..BATCH {
            // SAFETY: `memory` comes from Box::into_raw above and i < BATCH, the length of all three arrays;
            // no reference is made, so the pointers stored stay valid while the allocation lives.
            unsafe {
                let slot = &raw mut (*memory).slots[i];
                let vector = &raw mut (*memory).vectors[i];
                (*vector).iov_base = (&raw mut (*slot).bytes).cast();
                (*vector).iov_len = DATAGRAM;
                let header = &raw mut (*memory).headers[i].msg_hdr;
                (*header).msg_name = (&raw mut (*slot).name).cast();
                (*header).msg_iov = vector;
                (*header).msg_iovlen = 1;
                (*header).msg_control = (&raw mut (*slot).control).cast();
            }
        }
        // SAFETY: Box::into_raw never gives null.
        let memory = unsafe { NonNull::new_unchecked(memory) };
        let mut ring = Ring { memory, filled: BATCH };
        ring.rewind();
        ring
    }

    /// How many datagrams the last [`Ring::receive`] brought.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Offers the whole room of every header that the last call wrote to; the others still offer it.
    fn rewind(&mut self) {
        for i in 0..self.filled {
            // SAFETY: `memory` is a live allocation that only this ring reaches, borrowed mutably here, and
            // filled <= BATCH.
            unsafe {
                let header = &raw mut (*self.memory.as_ptr()).headers[i].msg_hdr;
                (*header).msg_namelen = NAME_LEN;
                (*header).msg_controllen = CONTROL;
            }
        }
        self.filled = 0;
    }

    /// Takes up to [`BATCH`] waiting datagrams; 0 if none waits.  Interrupted calls are repeated.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.rewind();
        loop {
            // SAFETY: the headers are BATCH valid ones whose pointers and lengths name memory of the same live
            // allocation, and nobody holds a reference into it, since that would borrow the ring.
            let got = unsafe {
                let headers = (&raw mut (*self.memory.as_ptr()).headers).cast();
                libc::recvmmsg(socket.as_raw_fd(), headers, BATCH_LEN, 0, ptr::null_mut())
            };
            if let Ok(got) = usize::try_from(got) {
                self.filled = got.min(BATCH);
                return Ok(self.filled);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(0),
                _ => return Err(error),
            }
        }
    }

    /// The i-th datagram of the last [`Ring::receive`], `None` beyond them.
    pub(super) fn raw(&self, i: usize) -> Option<Raw<'_>> {
        if i >= self.filled {
            return None;
        }
        // SAFETY: i < filled <= BATCH; the allocation is live and initialized (it began as zeroes), and as the
        // ring is borrowed, neither the kernel nor `rewind` writes to it while these references live.
        let (header, slot) = unsafe {
            let memory = self.memory.as_ptr();
            (&(*memory).headers[i], &(*memory).slots[i])
        };
        let len = |n: usize, room: usize| n.min(room);
        Some(Raw {
            bytes: &slot.bytes[..len(usize::try_from(header.msg_len).unwrap_or(0), DATAGRAM)],
            name: &slot.name[..len(usize::try_from(header.msg_hdr.msg_namelen).unwrap_or(0), NAME)],
            control: &slot.control[..len(header.msg_hdr.msg_controllen, CONTROL)],
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        })
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: `memory` came from Box::into_raw in `new`, and only this ring has it.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

#[allow(clippy::cast_possible_truncation, reason = "28, and const conversions cannot be fallible yet")]
const NAME_LEN: libc::socklen_t = NAME as libc::socklen_t;
#[allow(clippy::cast_possible_truncation, reason = "32, and const conversions cannot be fallible yet")]
const BATCH_LEN: c_uint = BATCH as c_uint;

/// The descriptor of a poll: mio hands it out raw only.
pub(crate) fn poll_descriptor(poll: &mio::Poll) -> BorrowedFd<'_> {
    // SAFETY: the poll owns the descriptor, and is borrowed for as long as the answer lives.
    unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) }
}

/// Sends one datagram to `name` (a `sockaddr`) with `control` (whole control messages).
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], name: &[u8], control: &[u8]) -> io::Result<()> {
    let name_len = libc::socklen_t::try_from(name.len()).map_err(io::Error::other)?;
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: msghdr is a C struct of integers and raw pointers, for which zero is valid.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = name.as_ptr().cast_mut().cast();
    header.msg_namelen = name_len;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_ptr().cast_mut().cast();
    header.msg_controllen = control.len();
    loop {
        // SAFETY: the header names the memory of three slices and a vector that outlive the call, with their
        // lengths; sendmsg only reads them, so the casts from const are sound.
        if unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) } >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sets an option whose value is an `int`.
pub(super) fn set_option(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let len = libc::socklen_t::try_from(mem::size_of::<c_int>()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to a c_int on this stack frame and `len` is its size; the kernel only reads it.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an option whose value is an `int`.
pub(super) fn option(socket: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut len = libc::socklen_t::try_from(mem::size_of::<c_int>()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to a c_int on this stack frame and `len` is its size; the kernel writes no more.
    let done = unsafe {
        let room = (&raw mut value).cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, room, &raw mut len)
    };
    if done == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// How many datagrams the kernel has ever dropped on this socket, modulo 2^32.
///
/// This is `sk_drops`, the number that `SO_RXQ_OVFL` would deliver too, but only with the next datagram that gets
/// through (so the last drops of a flood stay unseen) and at the price of a control message on each (ran).
pub(super) fn drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut counters = [0u32; MEMINFO_VARS];
    let mut len = libc::socklen_t::try_from(mem::size_of_val(&counters)).map_err(io::Error::other)?;
    // SAFETY: the pointer is to nine u32 on this stack frame and `len` is their size in bytes; the kernel
    // writes no more than that.
    let done = unsafe {
        let room = (&raw mut counters).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, room, &raw mut len)
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(counters[MEMINFO_VARS - 1])
}

/// The supplementary groups of the process at the other end of a connected Unix stream, as they were when it
/// connected (`SO_PEERGROUPS`, Linux 4.13).  Its own group is in the peer credentials.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<libc::gid_t>> {
    let mut groups: Vec<libc::gid_t> = vec![0; GROUPS];
    loop {
        let mut len =
            libc::socklen_t::try_from(mem::size_of_val(groups.as_slice())).map_err(io::Error::other)?;
        // SAFETY: the pointer is to the vector's initialized elements and `len` is their size in bytes; the
        // kernel writes no more than that.
        let done = unsafe {
            let room = groups.as_mut_ptr().cast();
            libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERGROUPS, room, &raw mut len)
        };
        let error = io::Error::last_os_error();
        let told = usize::try_from(len).map_err(io::Error::other)? / mem::size_of::<libc::gid_t>();
        if done == 0 {
            groups.truncate(told);
            return Ok(groups);
        }
        // Too little room: the kernel says how much it takes, and that does not change any more.
        if error.raw_os_error() != Some(libc::ERANGE) || told <= groups.len() {
            return Err(error);
        }
        groups.resize(told, 0);
    }
}
