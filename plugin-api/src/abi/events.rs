//! What a plugin is told: a common head, then a body.  All GROWS, with the size of the whole in the head.

use super::{slnd_addr, slnd_id16, slnd_kind, slnd_str, slnd_verdict};

/// FROZEN. The head of every event; the body follows it, and `struct_size` covers both.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_event {
    /// Bytes of the whole event, this head included.
    pub struct_size: u32,
    /// `SLND_EV_*`: which body follows. An unknown kind is skipped.
    pub kind: slnd_kind,
    /// `SLND_EVF_*`.
    pub flags: u16,
    /// Rises strictly per agent, and a gap means that events were lost or not asked for. 0 for the ticks of timers and
    /// wakes: they are this instance's alone, and not counted.
    pub seq: u64,
    /// When, in nanoseconds of CLOCK_BOOTTIME: the clock of now_ns.
    pub mono_ns: u64,
    /// When, in Unix nanoseconds of this host's wall clock; for people only.
    pub real_ns: u64,
}

/// GROWS, always reached by stride or pointer. One holder of a claim.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_holder {
    /// Bytes of this struct as the writer knows it.
    pub struct_size: u32,
    /// `SLND_HOLDER_*`.
    pub flags: u32,
    /// Ed25519 public key of the installation: its identity.
    pub public_key: [u8; 32],
    /// Which run of it: the eight bytes of the boot id, read as big-endian.
    pub boot_id: u64,
    /// Where it was last heard from; family 0 for this agent itself.
    pub from: slnd_addr,
    /// On which interface it was last heard; 0 for this agent itself.
    pub ifindex: u32,
    /// Its steady interval in seconds.
    pub interval_s: u32,
    /// Its host name; empty if it does not tell.
    pub host: slnd_str,
    /// Its fail-over group: the name if it is ours, else the digest in hex; empty for none.
    pub group: slnd_str,
    /// How it was heard: "lan", or the id of the plugin that carried it.
    pub transport: slnd_str,
    /// Name of the interface `ifindex` when the event was made; empty if unknown.
    pub ifname: slnd_str,
    /// Since when it says to hold the claim, Unix milliseconds of its clock; 0 is unknown.
    pub since_ms: u64,
    /// First heard, nanoseconds of our CLOCK_BOOTTIME; for this agent itself, since it claimed.
    pub first_heard_ns: u64,
    /// Last heard, likewise.
    pub last_heard_ns: u64,
    /// When it last validly answered a question of ours, likewise; 0 is never.
    pub last_proved_ns: u64,
}

/// GROWS. A valid announcement was heard.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_ev_announcement {
    /// Kind SLND_EV_ANNOUNCEMENT.
    pub h: slnd_event,
    /// Of which product.
    pub product: slnd_str,
    /// Of which claim.
    pub claim: slnd_id16,
    /// Who.
    pub holder: *const slnd_holder,
    /// The datagram itself, with SLND_PERM_RAW; else NULL.
    pub raw: *const u8,
    /// Its bytes; 0 if `raw` is NULL.
    pub raw_len: usize,
    /// Zero.
    pub zero: usize,
}

/// GROWS. A claim held here is over-subscribed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_ev_duplicate {
    /// Kind SLND_EV_DUPLICATE.
    pub h: slnd_event,
    /// Of which product.
    pub product: slnd_str,
    /// Of which claim.
    pub claim: slnd_id16,
    /// Under which name the evidence is kept.
    pub evidence: slnd_id16,
    /// Numbers this agent's conflicts from 1; the same in both stages and in slnd_ev_resolved.
    pub conflict_id: u64,
    /// `SLND_STAGE_*`.
    pub stage: u32,
    /// `SLND_CLASS_*`.
    pub conflict_class: u32,
    /// The local license's seats; 0 is unlimited.
    pub seats: u32,
    /// `SLND_COVERAGE_*`.
    pub coverage: u32,
    /// All holders, in the order of (since, public key, boot id): go on by `holder_stride` bytes.
    pub holders: *const slnd_holder,
    /// How many.
    pub n_holders: u32,
    /// Bytes from one to the next.
    pub holder_stride: u32,
    /// With SLND_EVF_DECIDE: until when a verdict is awaited, CLOCK_BOOTTIME nanoseconds; else 0.
    pub deadline_ns: u64,
}

/// GROWS. A conflict ended.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_ev_resolved {
    /// Kind SLND_EV_RESOLVED.
    pub h: slnd_event,
    /// Of which product.
    pub product: slnd_str,
    /// Of which claim.
    pub claim: slnd_id16,
    /// Which conflict.
    pub conflict_id: u64,
    /// `SLND_CAUSE_*`.
    pub cause: u32,
    /// Zero.
    pub zero: u32,
}

/// GROWS. State, coverage or verdict of a local claim changed. Only with SLND_EVF_DECIDE in the head is a
/// verdict awaited: a changed verdict alone asks nobody.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_ev_state {
    /// Kind SLND_EV_STATE.
    pub h: slnd_event,
    /// Of which product.
    pub product: slnd_str,
    /// Of which claim.
    pub claim: slnd_id16,
    /// `SLND_STATE_*` before; the same as `state` if only coverage or verdict changed.
    pub old_state: u32,
    /// `SLND_STATE_*` now.
    pub state: u32,
    /// `SLND_COVERAGE_*` in sum.
    pub coverage: u32,
    /// Zero.
    pub zero: u32,
    /// The verdict in force when the event was made.
    pub verdict: slnd_verdict,
    /// Zero.
    pub zero2: u32,
    /// Its reason; empty for none.
    pub reason: slnd_str,
    /// With SLND_EVF_DECIDE: until when a verdict is awaited, CLOCK_BOOTTIME nanoseconds; else 0.
    pub deadline_ns: u64,
}

/// GROWS. A classic text query or response was seen. It proves nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_ev_query {
    /// Kind SLND_EV_QUERY.
    pub h: slnd_event,
    /// For which product; empty if it names no valid one.
    pub product: slnd_str,
    /// From whom.
    pub from: slnd_addr,
    /// What it said, any bytes.
    pub text: *const u8,
    /// How many, at most 512.
    pub text_len: usize,
}

/// GROWS. The scheduler's beat, one of the plugin's own timers, or a wake.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_ev_tick {
    /// Kind SLND_EV_TICK.
    pub h: slnd_event,
    /// SLND_TIMER_BEAT, or the id given to `timer` or `wake`.
    pub timer_id: u64,
    /// How many ticks of this timer passed undelivered before this one.
    pub overruns: u64,
}

/// GROWS. This instance was too slow: its queue was full, and the newest events were dropped. In band, where
/// they are missing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct slnd_ev_lost {
    /// Kind SLND_EV_LOST.
    pub h: slnd_event,
    /// `seq` of the first one lost.
    pub first_seq: u64,
    /// `seq` of the last one lost.
    pub last_seq: u64,
    /// How many in sum.
    pub count: u64,
    /// How many of each kind, by `SLND_EV_*`; in \[0\] those of any other kind.
    pub by_kind: [u64; 8],
}
