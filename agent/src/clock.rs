//! The clocks: the one file that reads them, so that everything else can be run on made-up time.
//!
//! It decides nothing.  The loop reads once a turn and passes the [`Now`] on.

use nix::time::ClockId;
use serialnumberd_core::{Mono, Now};

const NS_PER_S: u64 = 1_000_000_000;
const NS_PER_MS: u64 = 1_000_000;

/// All three clocks, read one after the other.
#[must_use]
pub fn now() -> Now {
    Now { boot: Mono(boottime_ns()), awake: Mono(awake_ns()), wall_ms: wall_ns() / NS_PER_MS }
}

/// `CLOCK_BOOTTIME` in nanoseconds: since the host started, suspend included.
#[must_use]
pub fn boottime_ns() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// `CLOCK_MONOTONIC` in nanoseconds: since the host started, suspend left out.
#[must_use]
pub fn awake_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME` in Unix nanoseconds; 0 on a host that believes to live before 1970.  Lasts until 2554.
#[must_use]
pub fn wall_ns() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

#[allow(clippy::disallowed_methods, reason = "this is the place that the rule leaves for it")]
fn read(clock: ClockId) -> u64 {
    let time = nix::time::clock_gettime(clock).expect("Linux has had all three clocks since 2.6.39");
    match (u64::try_from(time.tv_sec()), u64::try_from(time.tv_nsec())) {
        (Ok(s), Ok(ns)) => s.saturating_mul(NS_PER_S).saturating_add(ns),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_the_ones_they_are_named_after() {
        let before = now();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let after = now();
        // The kernel's own word for CLOCK_BOOTTIME, in hundredths of a second.
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let seconds = |mono: Mono| mono.since(Mono(0)).as_secs_f64();
        assert!(seconds(before.boot) - 0.02 <= uptime && uptime <= seconds(after.boot) + 0.02);
        assert!(before.boot <= after.boot && before.awake <= after.awake);
        // Suspend counts for one and not for the other, so the other never leads.
        assert!(after.awake <= Mono(boottime_ns()));
        let file = tempfile::NamedTempFile::new().unwrap();
        let written = file.as_file().metadata().unwrap().modified().unwrap();
        let written_ms =
            u64::try_from(written.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap();
        assert!(written_ms.abs_diff(after.wall_ms) < 5_000, "{written_ms} against {}", after.wall_ms);
    }
}
