//! Every number of the ABI, each with its meaning, and the empty values.
//!
//! cbindgen would write them as bare `int` literals, so `plugin.h` states them by hand with their types, and
//! a test compares both sides through [`CONSTANTS`].

use super::{
    slnd_decision, slnd_error, slnd_kind, slnd_level, slnd_perms, slnd_status, slnd_str, slnd_verdict,
};

macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $type = $value;)*

        /// Name and value of every number above: what the header is compared with.
        pub const CONSTANTS: &[(&str, i128)] = &[$((stringify!($name), $name as i128),)*];
    };
}

constants! {
    /// The major: part of the entry symbol's name.
    SLND_ABI_MAJOR: u16 = 1;
    /// The minor: grows with every addition.
    SLND_ABI_MINOR: u16 = 0;

    /// Done.
    SLND_OK: slnd_status = 0;
    /// It did not work; the message says why.
    SLND_E_FAIL: slnd_status = -1;
    /// No memory, or a bound of the host is reached.
    SLND_E_NOMEM: slnd_status = -2;
    /// An argument or option is wrong.
    SLND_E_INVALID: slnd_status = -3;
    /// This host or plugin cannot do that.
    SLND_E_UNSUPPORTED: slnd_status = -4;
    /// Not now; try again.
    SLND_E_AGAIN: slnd_status = -5;
    /// The permission was not granted.
    SLND_E_DENIED: slnd_status = -6;
    /// A deadline passed.
    SLND_E_TIMEOUT: slnd_status = -7;
    /// Too late: the instance is stopped.
    SLND_E_CLOSED: slnd_status = -8;
    /// The SDK's barrier caught a panic or an exception.
    SLND_E_PANIC: slnd_status = -9;
    /// The other side is too old or too new.
    SLND_E_VERSION: slnd_status = -10;
    /// A \[worker\] function was called on another thread.
    SLND_E_NOT_WORKER: slnd_status = -11;

    /// Somebody must act.
    SLND_LOG_ERROR: slnd_level = 1;
    /// Somebody should look.
    SLND_LOG_WARN: slnd_level = 2;
    /// Worth knowing.
    SLND_LOG_INFO: slnd_level = 3;
    /// For who debugs the plugin.
    SLND_LOG_DEBUG: slnd_level = 4;

    /// No opinion; the host fills it in before it asks.
    SLND_VERDICT_ABSTAIN: slnd_verdict = 0;
    /// Run.
    SLND_VERDICT_ALLOW: slnd_verdict = 100;
    /// Run, and tell people.
    SLND_VERDICT_WARN: slnd_verdict = 200;
    /// Run restricted: read-only, fewer users.
    SLND_VERDICT_LIMIT: slnd_verdict = 300;
    /// Do not run.
    SLND_VERDICT_DENY: slnd_verdict = 400;

    /// A valid announcement was heard: slnd_ev_announcement.
    SLND_EV_ANNOUNCEMENT: slnd_kind = 1;
    /// A claim held here is over-subscribed: slnd_ev_duplicate.
    SLND_EV_DUPLICATE: slnd_kind = 2;
    /// That conflict ended: slnd_ev_resolved.
    SLND_EV_RESOLVED: slnd_kind = 3;
    /// State, coverage or verdict of a local claim changed: slnd_ev_state.
    SLND_EV_STATE: slnd_kind = 4;
    /// A classic text query or response was seen: slnd_ev_query.
    SLND_EV_QUERY: slnd_kind = 5;
    /// The scheduler's beat, a timer or a wake: slnd_ev_tick.
    SLND_EV_TICK: slnd_kind = 6;
    /// This instance's queue overflowed: slnd_ev_lost.
    SLND_EV_LOST: slnd_kind = 7;

    /// Event flag: from a recording, not from the wire.
    SLND_EVF_REPLAY: u16 = 0x0001;
    /// Event flag: a verdict is awaited until the event's deadline_ns.
    SLND_EVF_DECIDE: u16 = 0x0002;
    /// Event flag: caused by this agent's own announcement.
    SLND_EVF_SELF: u16 = 0x0004;

    /// Its verdicts count.
    SLND_PERM_VERDICT: slnd_perms = 1 << 0;
    /// May ask for an announcement or a probe now.
    SLND_PERM_ANNOUNCE: slnd_perms = 1 << 1;
    /// May read the holder table.
    SLND_PERM_HOLDERS: slnd_perms = 1 << 2;
    /// Sees raw datagrams.
    SLND_PERM_RAW: slnd_perms = 1 << 3;
    /// May publish a subtree of the directory.
    SLND_PERM_DIRECTORY: slnd_perms = 1 << 4;

    /// Holder flag: it is this agent.
    SLND_HOLDER_SELF: u32 = 1;
    /// Holder flag: the MAC of a claim held here was right, so it knows the serial.
    SLND_HOLDER_VERIFIED: u32 = 2;
    /// Holder flag: it freshly answered a question of this agent's.
    SLND_HOLDER_PROVED: u32 = 4;
    /// Holder flag: it waits to take over within its fail-over group.
    SLND_HOLDER_STANDBY: u32 = 8;
    /// Holder flag: it is beyond the seats in the order of (since, public key, boot id).
    SLND_HOLDER_OVER: u32 = 16;
    /// Holder flag: it is heard, but left a whole round unanswered and has not answered since.
    SLND_HOLDER_SILENT: u32 = 32;

    /// State: the start-up burst is under way.
    SLND_STATE_PROBING: u32 = 1;
    /// State: no over-subscription known.
    SLND_STATE_CLEAR: u32 = 2;
    /// State: more holders heard than seats, but not proved.
    SLND_STATE_SUSPECTED: u32 = 3;
    /// State: a round proved more holders than seats.
    SLND_STATE_CONFLICT: u32 = 4;
    /// State: a second round, at least `confirm_after` later, proved it again.
    SLND_STATE_DUPLICATE: u32 = 5;

    /// Stage of a conflict: proved once.
    SLND_STAGE_CONFLICT: u32 = 1;
    /// Stage of a conflict: proved again, `confirm_after` later.
    SLND_STAGE_DUPLICATE: u32 = 2;

    /// Class of a conflict: another installation holds the same license.
    SLND_CLASS_COPY: u32 = 1;
    /// Class of a conflict: two runs with one installation key.
    SLND_CLASS_CLONE: u32 = 2;
    /// Class of a conflict: two active holders of one fail-over group.
    SLND_CLASS_SPLIT_BRAIN: u32 = 3;

    /// Coverage: somebody else was heard with a valid signature within three intervals.
    SLND_COVERAGE_GOOD: u32 = 1;
    /// Coverage: nobody else was heard; neutral, a host may be alone.
    SLND_COVERAGE_NONE_HEARD: u32 = 2;
    /// Coverage: an instance that is heard left a whole round unanswered.
    SLND_COVERAGE_ONE_WAY: u32 = 3;
    /// Coverage: cannot bind, send or join, fewer peers than expected, or peers vanished together.
    SLND_COVERAGE_BLIND: u32 = 4;

    /// Cause of a resolution: the other holder said goodbye.
    SLND_CAUSE_GOODBYE: u32 = 1;
    /// Cause of a resolution: the other holder was not heard for its lifetime.
    SLND_CAUSE_EXPIRED: u32 = 2;
    /// Cause of a resolution: the other holder left a whole round unanswered.
    SLND_CAUSE_SILENT: u32 = 3;
    /// Cause of a resolution: the local license changed its seats, group or role.
    SLND_CAUSE_SEATS: u32 = 4;

    /// Timer id of the scheduler's beat; a plugin's own ids are all others.
    SLND_TIMER_BEAT: u64 = 0;
    /// How many timers one instance may have at once; one more is SLND_E_NOMEM.
    SLND_TIMERS_MAX: u32 = 64;

    /// Option type: any text.
    SLND_OPT_STRING: u32 = 1;
    /// Option type: a whole number; min and max apply.
    SLND_OPT_INT: u32 = 2;
    /// Option type: true or false.
    SLND_OPT_BOOL: u32 = 3;
    /// Option type: a span of time; min and max apply, in nanoseconds.
    SLND_OPT_DURATION: u32 = 4;
    /// Option type: an absolute path.
    SLND_OPT_PATH: u32 = 5;
    /// Option type: one of `choices`.
    SLND_OPT_ENUM: u32 = 6;

    /// Option flag: must be given.
    SLND_OPTF_REQUIRED: u32 = 1;
    /// Option flag: never shown, never logged.
    SLND_OPTF_SECRET: u32 = 2;
    /// Option flag: a reload may change it; a change of any other option asks for a restart.
    SLND_OPTF_RELOADABLE: u32 = 4;
}

/// The bit of a kind of event in `slnd_plugin.events`; 0 for a kind beyond 63.
#[must_use]
pub const fn slnd_ev_bit(kind: slnd_kind) -> u64 {
    if kind < 64 { 1 << kind } else { 0 }
}

impl slnd_str {
    /// The empty text.
    pub const EMPTY: slnd_str = slnd_str { ptr: c"".as_ptr(), len: 0 };
}

impl slnd_error {
    /// No error yet: what a caller hands in.
    pub const NONE: slnd_error = slnd_error { code: 0, zero: 0, message: [0; 248] };
}

impl slnd_decision {
    /// No opinion: what the host fills in before it asks.
    pub const ABSTAIN: slnd_decision = slnd_decision { verdict: 0, zero: 0, reason: [0; 1016] };
}
