//! Holders of a claim, read from the host's array by its stride.
#![allow(unsafe_code, reason = "reads the host's structs")]

use core::marker::PhantomData;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::abi::{self, slnd_addr, slnd_holder};
use crate::text;

/// What is known of a holder: a set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HolderFlags(pub u32);

impl HolderFlags {
    /// It is this agent.
    #[must_use]
    pub fn is_self(self) -> bool {
        self.0 & abi::SLND_HOLDER_SELF != 0
    }

    /// The MAC of a claim held here was right: it knows the serial.
    #[must_use]
    pub fn verified(self) -> bool {
        self.0 & abi::SLND_HOLDER_VERIFIED != 0
    }

    /// It freshly answered a question of this agent's.
    #[must_use]
    pub fn proved(self) -> bool {
        self.0 & abi::SLND_HOLDER_PROVED != 0
    }

    /// It waits to take over within its fail-over group.
    #[must_use]
    pub fn standby(self) -> bool {
        self.0 & abi::SLND_HOLDER_STANDBY != 0
    }

    /// It is beyond the seats in the order of (since, public key, boot id).
    #[must_use]
    pub fn over(self) -> bool {
        self.0 & abi::SLND_HOLDER_OVER != 0
    }

    /// It is heard, but left a whole round unanswered.
    #[must_use]
    pub fn silent(self) -> bool {
        self.0 & abi::SLND_HOLDER_SILENT != 0
    }
}

/// One holder of a claim.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Holder<'a> {
    /// What is known of it.
    pub flags: HolderFlags,
    /// Ed25519 public key of the installation: its identity.
    pub installation: [u8; 32],
    /// Which run of it: the boot id, read as big-endian.
    pub boot_id: u64,
    /// Where it was last heard from; `None` for this agent itself.
    pub from: Option<SocketAddr>,
    /// On which interface it was last heard; 0 for this agent itself.
    pub ifindex: u32,
    /// The name of that interface; empty if unknown.
    pub ifname: &'a str,
    /// Its steady interval in seconds.
    pub interval_s: u32,
    /// Its host name; empty if it does not tell.
    pub host: &'a str,
    /// Its fail-over group; empty for none.
    pub group: &'a str,
    /// How it was heard: "lan", or the plugin that carried it.
    pub transport: &'a str,
    /// Since when it says to hold the claim, Unix ms of its clock; 0 is unknown.
    pub since_ms: u64,
    /// First heard, on the host's clock.
    pub first_heard_ns: u64,
    /// Last heard, on the host's clock.
    pub last_heard_ns: u64,
    /// When it last validly answered a question of ours; 0 is never.
    pub last_proved_ns: u64,
}

/// The address, if there is one.
pub(crate) fn address(addr: slnd_addr) -> Option<SocketAddr> {
    let ip = addr.ip;
    match addr.family {
        4 => {
            let v4 = Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]);
            Some(SocketAddr::new(IpAddr::V4(v4), addr.port))
        }
        6 => Some(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), addr.port, 0, addr.scope_id))),
        _ => None,
    }
}

impl<'a> Holder<'a> {
    /// Reads one; `None` if it is NULL or smaller than in 1.0.
    ///
    /// # Safety
    /// `p` is NULL, or points to a holder of the host that lives, with its texts, as long as `'a`.
    pub(crate) unsafe fn read(p: *const slnd_holder) -> Option<Holder<'a>> {
        if p.is_null() {
            return None;
        }
        // SAFETY: not NULL; every holder starts with its size.
        let size = unsafe { (&raw const (*p).struct_size).read() };
        if !crate::slnd_has!(slnd_holder, size, last_proved_ns) {
            return None;
        }
        // SAFETY: its size covers all that 1.0 has.
        let h = unsafe { &*p };
        // SAFETY: texts of the host, which live as long as the holder.
        let [host, group, transport, ifname] =
            [h.host, h.group, h.transport, h.ifname].map(|s| unsafe { text::read(s) });
        Some(Holder {
            flags: HolderFlags(h.flags),
            installation: h.public_key,
            boot_id: h.boot_id,
            from: address(h.from),
            ifindex: h.ifindex,
            ifname,
            interval_s: h.interval_s,
            host,
            group,
            transport,
            since_ms: h.since_ms,
            first_heard_ns: h.first_heard_ns,
            last_heard_ns: h.last_heard_ns,
            last_proved_ns: h.last_proved_ns,
        })
    }
}

/// The holders of a claim, in the order of (since, public key, boot id).
#[derive(Clone, Copy, Debug)]
pub struct Holders<'a> {
    first: *const u8,
    len: usize,
    stride: usize,
    lives: PhantomData<&'a slnd_holder>,
}

impl<'a> Holders<'a> {
    /// Takes the host's array.  A stride smaller than in 1.0, or one that breaks alignment, is no array: it is
    /// taken as empty.
    ///
    /// # Safety
    /// `first` is NULL, or `len` holders of the host, `stride` bytes apart, live there, with their texts, as long
    /// as `'a`.
    pub(crate) unsafe fn new(first: *const slnd_holder, len: usize, stride: usize) -> Holders<'a> {
        let sound = !first.is_null()
            && stride >= size_of::<slnd_holder>()
            && stride.is_multiple_of(align_of::<slnd_holder>());
        Holders { first: first.cast(), len: if sound { len } else { 0 }, stride, lives: PhantomData }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One after the other, in order.
    pub fn iter(&self) -> impl Iterator<Item = Holder<'a>> + use<'a> {
        let Holders { first, len, stride, .. } = *self;
        (0..len).filter_map(move |i| {
            // SAFETY: `new` was promised an array of that length and stride.
            let at = unsafe { first.add(i * stride) };
            // SAFETY: as above; it lives as long as 'a.
            unsafe { Holder::read(at.cast()) }
        })
    }
}
