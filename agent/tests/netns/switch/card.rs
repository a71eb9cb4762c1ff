//! A host's network card whose cable ends in this process: a tap device.
#![allow(unsafe_code, reason = "a tap device is made by ioctl(2), of which there is no safe form")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

use crate::lan::Host;

/// Longer than any frame: these cards do no segmentation of their own.
const LONGEST: usize = 2048;

/// The end of the cable.  The card is gone when it is dropped.
pub struct Card {
    cable: File,
}

impl Card {
    /// Gives `host` a card, whose hardware address ends with `number`.
    pub fn plug_into(host: &Host, name: &str, number: usize) -> Card {
        let wanted = name.to_owned();
        // The card belongs to the namespace in which the device is opened.
        let cable = host.ns.run(move || {
            let mut options = OpenOptions::new();
            let opened = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun");
            let cable = opened.expect("/dev/net/tun: is the module `tun` loaded?");
            attach(&cable, &wanted).expect("a tap device");
            cable
        });
        host.ns.ip(&format!("link set dev {name} address 02:00:00:00:00:{number:02x}"));
        Card { cable }
    }

    /// The next frame that the host has sent, if there is one.
    pub fn next(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; LONGEST];
        let n = (&self.cable).read(&mut frame).ok()?;
        frame.truncate(n);
        Some(frame)
    }

    /// Gives the host a frame; one that is down takes none.
    pub fn deliver(&self, frame: &[u8]) {
        let _ = (&self.cable).write(frame);
    }
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.cable.as_fd()
    }
}

/// Makes a tap device of this name of an open `/dev/net/tun` (Linux, Documentation/networking/tuntap.rst).
fn attach(cable: &File, name: &str) -> nix::Result<()> {
    let flags = libc::c_short::try_from(libc::IFF_TAP | libc::IFF_NO_PI).expect("two flags of 16 bits");
    let ifr_ifru = libc::__c_anonymous_ifr_ifru { ifru_flags: flags };
    let mut request = libc::ifreq { ifr_name: [0; libc::IFNAMSIZ], ifr_ifru };
    assert!(name.len() < libc::IFNAMSIZ, "{name}");
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    // SAFETY: TUNSETIFF reads and writes one `ifreq` at the address that it is given; that is `request`, which
    // nothing else refers to and which lives until the call is over.
    let done = unsafe { libc::ioctl(cable.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    Errno::result(done).map(drop)
}
