//! Times as the status document writes them: RFC 3339, UTC, milliseconds.

use std::time::{Duration, UNIX_EPOCH};

use serialnumberd_core::{Mono, Now};

/// A wall-clock time in Unix milliseconds as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(wall_ms: u64) -> String {
    // humantime ends with the year 9999, and a stranger's clock need not.
    const LAST_MS: u64 = 253_402_300_799_999;
    let at = UNIX_EPOCH + Duration::from_millis(wall_ms.min(LAST_MS));
    humantime::format_rfc3339_millis(at).to_string()
}

/// A point of `CLOCK_BOOTTIME` as RFC 3339, by what the wall clock says now.
#[must_use]
pub fn wall_time(now: &Now, at: Mono) -> String {
    rfc3339(wall_ms(now, at))
}

/// A point of `CLOCK_BOOTTIME` in Unix milliseconds, by what the wall clock says now.
#[must_use]
pub fn wall_ms(now: &Now, at: Mono) -> u64 {
    let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let ahead = ms(at.since(now.boot));
    now.wall_ms.saturating_sub(ms(now.boot.since(at))).saturating_add(ahead)
}

/// The Unix milliseconds of an RFC 3339 time as [`rfc3339`] writes it.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let at = humantime::parse_rfc3339(text).ok()?;
    u64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(parse_rfc3339("2026-01-01T00:00:00.123Z"), Some(1_767_225_600_123));
        for no_time in ["", "soon", "2026-01-01T00:00:00", "1969-12-31T23:59:59Z"] {
            assert_eq!(parse_rfc3339(no_time), None, "{no_time}");
        }
    }

    #[test]
    fn boot_times_are_told_by_the_wall_clock() {
        let s = 1_000_000_000;
        let now = Now { boot: Mono(100 * s), awake: Mono(90 * s), wall_ms: 1_767_225_600_000 };
        assert_eq!(wall_time(&now, Mono(70 * s)), "2025-12-31T23:59:30.000Z");
        assert_eq!(wall_time(&now, Mono(160 * s)), "2026-01-01T00:01:00.000Z");
        assert_eq!(wall_time(&now, Mono::NEVER), "2610-07-22T23:32:53.709Z");
    }
}
