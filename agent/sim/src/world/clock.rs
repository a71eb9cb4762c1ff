//! A machine's clocks, as the world's time makes them go.

use std::time::Duration;

use serialnumberd_core::{Mono, Now};

/// What every boot clock shows when a scenario begins: machines have been up for a while.
const UP_FOR: Duration = Duration::from_secs(1000);
/// What right wall clocks show then, Unix ms: 2027-01-15.
const EPOCH_MS: i64 = 1_800_000_000_000;

/// The wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wall {
    /// Ahead of the right time by so many ms.
    Ahead(i64),
    /// It shows this, always.
    Stopped(i64),
}

/// The clocks of one machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// By how much the boot clock is behind the world's time, in ns: what it stood still, or its age at boot.
    behind: i128,
    /// How long it was suspended.
    slept: Duration,
    wall: Wall,
}

fn right_ms(at: Mono) -> i64 {
    EPOCH_MS + i64::try_from(at.0 / 1_000_000).unwrap_or(i64::MAX)
}

impl Clocks {
    pub(crate) fn new() -> Clocks {
        Clocks { behind: 0, slept: Duration::ZERO, wall: Wall::Ahead(0) }
    }

    /// What the process reads.
    pub(crate) fn read(&self, at: Mono) -> Now {
        let boot = i128::from(at.0) + i128::from(Mono(0).after(UP_FOR).0) - self.behind;
        let boot = Mono(u64::try_from(boot.max(0)).unwrap_or(u64::MAX));
        let wall = match self.wall {
            Wall::Ahead(ms) => right_ms(at).saturating_add(ms),
            Wall::Stopped(ms) => ms,
        };
        Now { boot, awake: boot.before(self.slept), wall_ms: u64::try_from(wall).unwrap_or(0) }
    }

    /// When the world's time is what this machine's boot clock will call `boot`.
    pub(crate) fn world_time(&self, boot: Mono) -> Mono {
        if boot == Mono::NEVER {
            return boot;
        }
        let at = i128::from(boot.0) - i128::from(Mono(0).after(UP_FOR).0) + self.behind;
        Mono(u64::try_from(at.max(0)).unwrap_or(u64::MAX))
    }

    /// A boot: the boot clock begins anew.
    pub(crate) fn boot(&mut self, at: Mono) {
        self.behind = i128::from(at.0) + i128::from(Mono(0).after(UP_FOR).0);
        self.slept = Duration::ZERO;
    }

    pub(crate) fn sleep(&mut self, d: Duration) {
        self.slept += d;
    }

    /// The machine stood still and its clocks with it: they go on where they were.
    pub(crate) fn stand_still(&mut self, d: Duration) {
        self.behind += i128::try_from(d.as_nanos()).unwrap_or(i128::MAX);
        if let Wall::Ahead(ms) = &mut self.wall {
            *ms -= i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        }
    }

    pub(crate) fn step(&mut self, at: Mono, ms: i64) {
        let shown = i64::try_from(self.read(at).wall_ms).unwrap_or(i64::MAX);
        self.wall = Wall::Ahead(shown + ms - right_ms(at));
    }

    pub(crate) fn stop(&mut self, at: Mono) {
        self.wall = Wall::Stopped(i64::try_from(self.read(at).wall_ms).unwrap_or(i64::MAX));
    }

    /// No battery: it counts from 1970.
    pub(crate) fn unset(&mut self, at: Mono) {
        self.wall = Wall::Ahead(-right_ms(at));
    }

    pub(crate) fn set_right(&mut self) {
        self.wall = Wall::Ahead(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn clocks_sleep_stand_still_and_step_each_in_its_way() {
        let mut clocks = Clocks::new();
        let before = clocks.read(Mono(5 * S));
        clocks.sleep(Duration::from_secs(60));
        let slept = clocks.read(Mono(65 * S));
        assert_eq!(slept.boot.since(before.boot).as_secs(), 60);
        assert_eq!(slept.awake, before.awake);
        assert_eq!(slept.wall_ms - before.wall_ms, 60_000);
        clocks.stand_still(Duration::from_secs(3));
        let stood = clocks.read(Mono(68 * S));
        assert_eq!((stood.boot, stood.awake, stood.wall_ms), (slept.boot, slept.awake, slept.wall_ms));
        assert_eq!(clocks.world_time(stood.boot), Mono(68 * S));
        clocks.step(Mono(68 * S), -3_600_000);
        assert_eq!(clocks.read(Mono(68 * S)).wall_ms, stood.wall_ms - 3_600_000);
        clocks.unset(Mono(70 * S));
        assert_eq!(clocks.read(Mono(71 * S)).wall_ms, 1000);
        clocks.set_right();
        clocks.stop(Mono(71 * S));
        assert_eq!(clocks.read(Mono(99 * S)).wall_ms, clocks.read(Mono(71 * S)).wall_ms);
        clocks.boot(Mono(100 * S));
        assert_eq!(clocks.read(Mono(101 * S)).boot, Mono(S));
    }
}
