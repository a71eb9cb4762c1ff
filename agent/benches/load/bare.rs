//! The least that a program can do to receive datagrams: `recvmmsg`, batches of 32, nothing else.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, setsockopt, sockopt};

/// As in the agent.
const BATCH: usize = 32;
/// Longer than any datagram sent here.
const LONGEST: usize = 2048;
/// The receive buffer that the agent asks for.
pub const RECEIVE_BUFFER: usize = 4 << 20;

/// Receives on `address` until killed.
pub fn receive(address: &str) -> ! {
    let socket = UdpSocket::bind(address).expect("the address");
    if setsockopt(&socket.as_fd(), sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket.as_fd(), sockopt::RcvBuf, &RECEIVE_BUFFER).expect("SO_RCVBUF");
    }
    let mut buffers = vec![[0_u8; LONGEST]; BATCH];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    loop {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
        recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None)
            .map(drop)
            .expect("recvmmsg");
    }
}
