//! The structs of the header from the facade's answers, and their sizes and defaults.

use std::ptr;
use std::time::Duration;

use agent::embed::{Answer, Counts, Mode};
use agent::plugin::state_number;
use serialnumberd_plugin::slnd_end;

use crate::argument::Grows;
use crate::constants::{SLND_MODE_AUTO, SLND_MODE_CONNECT, SLND_MODE_OWN};
use crate::types::{slnd_claim_info, slnd_config, slnd_status_info};

macro_rules! grows {
    ($($type:ident: $last_of_1_0:ident, $last:ident;)*) => {$(
        // SAFETY: repr(C), a u32 first, no padding at the end (below) nor inside (a test), and only numbers and
        // pointers in it.
        unsafe impl Grows for $type {
            const NAME: &'static str = stringify!($type);
            const LEAST: usize = slnd_end!($type, $last_of_1_0);
        }
        const _: () = assert!(slnd_end!($type, $last) == size_of::<$type>(), "tail padding");
    )*};
}

grows! {
    slnd_config: user, user;
    slnd_status_info: connected, connected;
    slnd_claim_info: age_ns, age_ns;
}

/// What slnd_config_init fills in.
pub(crate) const DEFAULTS: slnd_config = slnd_config {
    struct_size: 0,
    flags: 0,
    port: 626,
    zero16: 0,
    mode: SLND_MODE_AUTO,
    interfaces: ptr::null(),
    announce_ns: 300_000_000_000,
    expire_ns: 0,
    events: 0,
    on_events: None,
    on_log: None,
    user: ptr::null_mut(),
};

pub(crate) fn status_info(counts: &Counts) -> slnd_status_info {
    slnd_status_info {
        struct_size: 0,
        state: counts.state.map_or(0, state_number),
        rx: counts.received,
        tx: counts.sent,
        rx_malformed: counts.malformed,
        claims: counts.claims,
        conflicts: counts.conflicts,
        lost_events: counts.lost_events,
        plugins: counts.plugins,
        plugins_stalled: counts.stalled,
        mode: match counts.mode {
            Some(Mode::Connect) => SLND_MODE_CONNECT,
            Some(Mode::Own) => SLND_MODE_OWN,
            Some(Mode::Auto) | None => 0,
        },
        connected: u32::from(counts.connected),
    }
}

pub(crate) fn claim_info(answer: &Answer) -> slnd_claim_info {
    slnd_claim_info {
        struct_size: 0,
        state: state_number(answer.state),
        verdict: answer.verdict.0,
        connected: u32::from(answer.connected),
        age_ns: nanoseconds(answer.age),
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
