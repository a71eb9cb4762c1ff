//! Events made by hand.  What they point to is leaked: tests are short, and events are few.

use std::net::SocketAddr;

use serialnumberd_plugin::abi::*;

use super::leaked;

/// The wall clock when the host's clock says 0: a second later it is 2026-12-01T00:00:00Z.
const WALL_AT_0_NS: u64 = 1_796_083_199_000_000_000;

/// Some event, in memory of its own, aligned as its body wants.
pub struct Event {
    words: Vec<u64>,
}

impl Event {
    fn of<T: Copy>(body: T) -> Event {
        assert!(size_of::<T>().is_multiple_of(8) && align_of::<T>() <= 8);
        let mut words = vec![0; size_of::<T>() / 8];
        // SAFETY: as many bytes as the body has, aligned for it.
        unsafe { words.as_mut_ptr().cast::<T>().write(body) };
        Event { words }
    }

    pub fn head(&self) -> *const slnd_event {
        self.words.as_ptr().cast()
    }

    fn head_mut(&mut self) -> &mut slnd_event {
        // SAFETY: every event starts with its head.
        unsafe { &mut *self.words.as_mut_ptr().cast() }
    }

    /// As the host sends it at a time: `seq` is the number of those that are counted.
    pub fn sent(&self, seq: u64, mono_ns: u64) -> Event {
        let mut event = Event { words: self.words.clone() };
        let head = event.head_mut();
        (head.seq, head.mono_ns, head.real_ns) = (seq, mono_ns, WALL_AT_0_NS + mono_ns);
        event
    }

    /// Whether it has a number: a tick of a timer or a wake has none.
    pub fn is_counted(&self) -> bool {
        // SAFETY: every event starts with its head.
        let kind = unsafe { (*self.head()).kind };
        let timer_id = self.words[size_of::<slnd_event>() / 8];
        kind != SLND_EV_TICK || timer_id == SLND_TIMER_BEAT
    }

    /// With SLND_EVF_DECIDE.
    pub fn asking(mut self) -> Event {
        self.head_mut().flags |= SLND_EVF_DECIDE;
        self
    }

    /// Its deadline, the last field of a body that has one, is long past.
    pub fn late(mut self) -> Event {
        *self.words.last_mut().unwrap() = 1;
        self
    }

    /// As a newer host would send it: longer.
    pub fn grown(mut self) -> Event {
        self.words.extend([u64::MAX; 4]);
        self.head_mut().struct_size += 32;
        self
    }

    /// As a broken host would send it: shorter than in 1.0.
    pub fn cut(mut self) -> Event {
        self.head_mut().struct_size -= 8;
        self
    }
}

fn head<T>(kind: slnd_kind) -> slnd_event {
    let struct_size = u32::try_from(size_of::<T>()).unwrap();
    slnd_event { struct_size, kind, flags: 0, seq: 0, mono_ns: 0, real_ns: 0 }
}

/// A holder, in words of the tests.
#[derive(Clone, Debug)]
pub struct HolderSpec {
    pub key: u8,
    pub flags: u32,
    pub host: &'static str,
    pub from: Option<&'static str>,
    pub ifname: &'static str,
    pub since_ms: u64,
}

impl HolderSpec {
    /// This agent itself.
    pub fn me(key: u8) -> HolderSpec {
        HolderSpec {
            key,
            flags: SLND_HOLDER_SELF | SLND_HOLDER_VERIFIED | SLND_HOLDER_PROVED,
            host: "here",
            from: None,
            ifname: "",
            since_ms: 1_790_000_000_000,
        }
    }

    /// Another one.
    pub fn other(key: u8, host: &'static str, from: &'static str) -> HolderSpec {
        HolderSpec {
            key,
            flags: SLND_HOLDER_VERIFIED | SLND_HOLDER_PROVED,
            host,
            from: Some(from),
            ifname: "eth0",
            since_ms: 1_780_000_000_000,
        }
    }

    /// Beyond the seats.
    pub fn over(mut self) -> HolderSpec {
        self.flags |= SLND_HOLDER_OVER;
        self
    }

    pub fn raw(&self) -> slnd_holder {
        slnd_holder {
            struct_size: u32::try_from(size_of::<slnd_holder>()).unwrap(),
            flags: self.flags,
            public_key: [self.key; 32],
            boot_id: u64::from(self.key),
            from: self.from.map_or(slnd_addr::default(), |a| raw_address(a.parse().unwrap())),
            ifindex: u32::from(self.from.is_some()) * 2,
            interval_s: 300,
            host: leaked(self.host),
            group: slnd_str::EMPTY,
            transport: leaked("lan"),
            ifname: leaked(self.ifname),
            since_ms: self.since_ms,
            first_heard_ns: 1,
            last_heard_ns: 2,
            last_proved_ns: 3,
        }
    }
}

fn raw_address(address: SocketAddr) -> slnd_addr {
    let mut raw = slnd_addr { port: address.port(), ..slnd_addr::default() };
    match address {
        SocketAddr::V4(v4) => {
            raw.family = 4;
            raw.ip[..4].copy_from_slice(&v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            raw.family = 6;
            raw.ip = v6.ip().octets();
            raw.scope_id = v6.scope_id();
        }
    }
    raw
}

/// A duplicate event, in words of the tests.
#[derive(Clone, Debug)]
pub struct Dup {
    pub claim: u8,
    pub conflict_id: u64,
    pub stage: u32,
    pub class: u32,
    pub seats: u32,
    pub coverage: u32,
    pub holders: Vec<HolderSpec>,
}

/// One holder as a newer host would write it: longer.
#[repr(C)]
#[derive(Clone, Copy)]
struct Grown {
    holder: slnd_holder,
    more: [u64; 3],
}

pub fn duplicate(d: &Dup) -> Event {
    let stride = u32::try_from(size_of::<Grown>()).unwrap();
    let grown = |h: &HolderSpec| Grown {
        holder: slnd_holder { struct_size: stride, ..h.raw() },
        more: [u64::MAX; 3],
    };
    let holders: &'static [Grown] = Vec::leak(d.holders.iter().map(grown).collect());
    Event::of(slnd_ev_duplicate {
        h: head::<slnd_ev_duplicate>(SLND_EV_DUPLICATE),
        product: leaked("xsvr"),
        claim: slnd_id16 { b: [d.claim; 16] },
        evidence: slnd_id16 { b: [0xEE; 16] },
        conflict_id: d.conflict_id,
        stage: d.stage,
        conflict_class: d.class,
        seats: d.seats,
        coverage: d.coverage,
        holders: holders.as_ptr().cast(),
        n_holders: u32::try_from(holders.len()).unwrap(),
        holder_stride: stride,
        deadline_ns: u64::MAX,
    })
}

pub fn announcement(holder: &HolderSpec, raw: &'static [u8]) -> Event {
    Event::of(slnd_ev_announcement {
        h: head::<slnd_ev_announcement>(SLND_EV_ANNOUNCEMENT),
        product: leaked("xsvr"),
        claim: slnd_id16 { b: [1; 16] },
        holder: Box::leak(Box::new(holder.raw())),
        raw: if raw.is_empty() { std::ptr::null() } else { raw.as_ptr() },
        raw_len: raw.len(),
        zero: 0,
    })
}

pub fn resolved(claim: u8, conflict_id: u64, cause: u32) -> Event {
    Event::of(slnd_ev_resolved {
        h: head::<slnd_ev_resolved>(SLND_EV_RESOLVED),
        product: leaked("xsvr"),
        claim: slnd_id16 { b: [claim; 16] },
        conflict_id,
        cause,
        zero: 0,
    })
}

pub fn state(claim: u8, old_state: u32, state: u32, coverage: u32) -> Event {
    Event::of(slnd_ev_state {
        h: head::<slnd_ev_state>(SLND_EV_STATE),
        product: leaked("xsvr"),
        claim: slnd_id16 { b: [claim; 16] },
        old_state,
        state,
        coverage,
        zero: 0,
        verdict: SLND_VERDICT_ALLOW,
        zero2: 0,
        reason: leaked("because"),
        deadline_ns: u64::MAX,
    })
}

pub fn query(text: &'static [u8]) -> Event {
    Event::of(slnd_ev_query {
        h: head::<slnd_ev_query>(SLND_EV_QUERY),
        product: slnd_str::EMPTY,
        from: raw_address("[fe80::1%3]:626".parse().unwrap()),
        text: text.as_ptr(),
        text_len: text.len(),
    })
}

pub fn tick(timer_id: u64) -> Event {
    Event::of(slnd_ev_tick { h: head::<slnd_ev_tick>(SLND_EV_TICK), timer_id, overruns: 4 })
}

pub fn lost(by_kind: [u64; 8]) -> Event {
    let count = by_kind.iter().sum();
    Event::of(slnd_ev_lost {
        h: head::<slnd_ev_lost>(SLND_EV_LOST),
        first_seq: 1,
        last_seq: 5,
        count,
        by_kind,
    })
}

/// A kind of a later minor.
pub fn unknown() -> Event {
    Event::of(slnd_ev_tick { h: head::<slnd_ev_tick>(60), timer_id: 1, overruns: 1 })
}
