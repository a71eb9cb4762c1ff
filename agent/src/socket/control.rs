//! Reads and writes what the kernel puts beside a datagram: socket addresses and control messages.
//!
//! Safe code over bytes: the kernel's numbers are checked like anybody else's.  It makes no system call.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::sys::NAME;

/// A control message starts with its length (the kernel's `size_t`), level and type, and is padded to a word.
const WORD: usize = mem::size_of::<usize>();
const HEADER: usize = mem::size_of::<libc::cmsghdr>();
const INFO_V4: usize = mem::size_of::<libc::in_pktinfo>();
const INFO_V6: usize = mem::size_of::<libc::in6_pktinfo>();
/// Room for the larger of the two packet infos with its header and padding.
const INFO_ROOM: usize = (HEADER + INFO_V6).next_multiple_of(WORD);

/// What the control messages of a datagram say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// To which address it was sent.
    pub destination: Option<IpAddr>,
    /// The index of the interface by which it came; 0 if the kernel does not say.
    pub interface: u32,
    /// Its TTL or hop limit.
    pub ttl: Option<u8>,
}

/// The `N` bytes at `at`, if they are there.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    field(bytes, at).map(i32::from_ne_bytes)
}

/// Reads the control messages that came with a datagram.  What is unknown, short or cut off is left out.
#[must_use]
pub fn read(control: &[u8]) -> Circumstances {
    let mut found = Circumstances::default();
    let mut rest = control;
    while let Some((len, level, kind)) = header(rest) {
        // A length under the header's, or beyond the end, yields no data and ends it.
        let Some(data) = rest.get(HEADER..len) else { break };
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // ipi_ifindex, ipi_spec_dst (the local address that would answer), ipi_addr (the datagram's).
                if let (Some(index), Some(address)) = (field(data, 0), field::<4>(data, 8)) {
                    found.interface = u32::from_ne_bytes(index);
                    found.destination = Some(Ipv4Addr::from(address).into());
                }
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                if let (Some(address), Some(index)) = (field::<16>(data, 0), field(data, 16)) {
                    found.interface = u32::from_ne_bytes(index);
                    found.destination = Some(Ipv6Addr::from(address).into());
                }
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                found.ttl = int(data, 0).and_then(|ttl| u8::try_from(ttl).ok());
            }
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or(&[]);
    }
    found
}

fn header(bytes: &[u8]) -> Option<(usize, i32, i32)> {
    Some((usize::from_ne_bytes(field(bytes, 0)?), int(bytes, WORD)?, int(bytes, WORD + 4)?))
}

/// Reads a `sockaddr_in` or `sockaddr_in6`; `None` if it is neither.
#[must_use]
pub fn read_address(name: &[u8]) -> Option<SocketAddr> {
    let family = libc::c_int::from(u16::from_ne_bytes(field(name, 0)?));
    let port = u16::from_be_bytes(field(name, 2)?);
    match family {
        libc::AF_INET => Some(SocketAddrV4::new(Ipv4Addr::from(field::<4>(name, 4)?), port).into()),
        libc::AF_INET6 => {
            let flow = u32::from_be_bytes(field(name, 4)?);
            let address = Ipv6Addr::from(field::<16>(name, 8)?);
            let scope = u32::from_ne_bytes(field(name, 24)?);
            Some(SocketAddrV6::new(address, port, flow, scope).into())
        }
        _ => None,
    }
}

/// Bytes for a system call, in a buffer of `N` on the stack.
#[repr(align(8))]
pub(super) struct Written<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Written<N> {
    fn empty() -> Written<N> {
        Written { bytes: [0; N], len: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Writes the `sockaddr` of `to`; link-local and group addresses without a scope get `interface`.
pub(super) fn write_address(to: SocketAddr, interface: u32) -> Written<NAME> {
    let mut name = Written::empty();
    match to {
        SocketAddr::V4(to) => {
            name.put(&FAMILY_V4.to_ne_bytes());
            name.put(&to.port().to_be_bytes());
            name.put(&to.ip().octets());
            name.put(&[0; 8]);
        }
        SocketAddr::V6(to) => {
            let scoped = to.ip().is_unicast_link_local() || to.ip().is_multicast();
            let scope = if scoped && to.scope_id() == 0 { interface } else { to.scope_id() };
            name.put(&FAMILY_V6.to_ne_bytes());
            name.put(&to.port().to_be_bytes());
            name.put(&to.flowinfo().to_be_bytes());
            name.put(&to.ip().octets());
            name.put(&scope.to_ne_bytes());
        }
    }
    name
}

#[allow(clippy::cast_possible_truncation, reason = "2, and const conversions cannot be fallible yet")]
const FAMILY_V4: libc::sa_family_t = libc::AF_INET as libc::sa_family_t;
#[allow(clippy::cast_possible_truncation, reason = "10, and const conversions cannot be fallible yet")]
const FAMILY_V6: libc::sa_family_t = libc::AF_INET6 as libc::sa_family_t;

/// Writes the packet info that makes a datagram leave by `interface` (0: as routed) with `source` (unspecified:
/// as the kernel chooses).
pub(super) fn write_packet_info(interface: u32, source: IpAddr) -> Written<INFO_ROOM> {
    let mut info = Written::empty();
    match source {
        IpAddr::V4(source) => {
            put_header(&mut info, INFO_V4, libc::IPPROTO_IP, libc::IP_PKTINFO);
            info.put(&interface.to_ne_bytes());
            info.put(&source.octets());
            info.put(&[0; 4]);
        }
        IpAddr::V6(source) => {
            put_header(&mut info, INFO_V6, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
            info.put(&source.octets());
            info.put(&interface.to_ne_bytes());
        }
    }
    info.len = info.len.next_multiple_of(WORD);
    info
}

fn put_header(info: &mut Written<INFO_ROOM>, data: usize, level: i32, kind: i32) {
    info.put(&(HEADER + data).to_ne_bytes());
    info.put(&level.to_ne_bytes());
    info.put(&kind.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(len: usize, level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut m = len.to_ne_bytes().to_vec();
        m.extend(level.to_ne_bytes());
        m.extend(kind.to_ne_bytes());
        m.extend(data);
        m.resize(m.len().next_multiple_of(WORD), 0);
        m
    }

    #[test]
    fn packet_info_is_read_as_written() {
        for address in ["192.0.2.7", "fe80::7"] {
            let address: IpAddr = address.parse().unwrap();
            let mut control = write_packet_info(9, address).as_bytes().to_vec();
            let (level, kind) = match address {
                IpAddr::V4(_) => {
                    // Sent, the second word is the source; received, the third is the destination.
                    let octets = control[HEADER + 4..HEADER + 8].to_vec();
                    control[HEADER + 8..HEADER + 12].copy_from_slice(&octets);
                    (libc::IPPROTO_IP, libc::IP_TTL)
                }
                IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT),
            };
            control.extend(message(HEADER + 4, level, kind, &255i32.to_ne_bytes()));
            let expected = Circumstances { destination: Some(address), interface: 9, ttl: Some(255) };
            assert_eq!(read(&control), expected);
        }
    }

    #[test]
    fn short_long_and_unknown_messages_are_left_out() {
        let ttl = message(HEADER + 4, libc::IPPROTO_IP, libc::IP_TTL, &64i32.to_ne_bytes());
        // An unknown one in front is stepped over.
        let mut control = message(HEADER + 3, libc::SOL_SOCKET, 99, &[1, 2, 3]);
        control.extend(&ttl);
        assert_eq!(read(&control).ttl, Some(64));
        // Lengths of zero, under a header, beyond the end and around the number space end it, for nothing.
        for len in [0, HEADER - 1, HEADER + 4 + 1, usize::MAX - 2, usize::MAX] {
            let mut bad = ttl.clone();
            bad.truncate(HEADER + 4);
            bad[..WORD].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(read(&bad), Circumstances::default(), "length {len}");
        }
        // A packet info that is too short for its fields, and a TTL that is none.
        let short = message(HEADER + 11, libc::IPPROTO_IP, libc::IP_PKTINFO, &[7; 11]);
        assert_eq!(read(&short), Circumstances::default());
        let wild = message(HEADER + 4, libc::IPPROTO_IP, libc::IP_TTL, &256i32.to_ne_bytes());
        assert_eq!(read(&wild).ttl, None);
    }

    #[test]
    fn addresses_survive_and_get_their_scope() {
        for text in ["192.0.2.7:626", "[2001:db8::7]:626", "[fe80::7%3]:626", "[ff12::5e71%4]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(read_address(write_address(address, 8).as_bytes()), Some(address));
        }
        for (text, scope) in [("[fe80::7]:626", 8), ("[ff12::5e71]:626", 8), ("[2001:db8::7]:626", 0)] {
            let SocketAddr::V6(mut expected) = text.parse().unwrap() else { panic!("{text} is IPv6") };
            let written = write_address(expected.into(), 8);
            expected.set_scope_id(scope);
            assert_eq!(read_address(written.as_bytes()), Some(expected.into()));
        }
        assert_eq!(read_address(&[]), None);
        assert_eq!(read_address(&write_address("[::1]:1".parse().unwrap(), 0).as_bytes()[..27]), None);
        assert_eq!(read_address(&[1, 0, 0, 0, 0, 0, 0, 0]), None, "AF_UNIX");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(control: Vec<u8>, name: Vec<u8>) {
            let _ = read(&control);
            let _ = read_address(&name);
        }

        #[test]
        fn a_broken_length_never_hides_what_came_before(len: usize, tail: Vec<u8>) {
            let mut control = message(HEADER + 4, libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &1i32.to_ne_bytes());
            control.extend(message(len, 0, 99, &tail));
            prop_assert_eq!(read(&control).ttl, Some(1));
        }
    }
}
