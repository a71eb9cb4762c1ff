//! The end of every input: all is healed, and in peace every agent finds out the truth.

use super::claims::keys;
use super::machine::{Halt, LONGEST_INTERVAL_S, address};
use super::world::World;
use serialnumberd_core::limits::{CONFIRM_AFTER, DUPLICATE_ROUND_EVERY};
use std::time::Duration;

/// A dead holder is forgotten, a conflict confirmed, and a few rounds more go by.
const LONG_ENOUGH: Duration = Duration::from_millis(LONGEST_INTERVAL_S * 3300)
    .saturating_add(CONFIRM_AFTER)
    .saturating_add(DUPLICATE_ROUND_EVERY.saturating_mul(3));

impl World {
    /// Heals everything, waits, and asks every agent for the truth.
    pub fn calm(&mut self) {
        self.network.lose_all();
        self.cut = Default::default();
        for n in 0..self.machines.len() {
            self.heal(n);
        }
        self.pass(LONG_ENOUGH);
        for n in 0..self.machines.len() {
            let now = self.clocks(n);
            let Some(process) = &self.machines[n].process else { continue };
            for claim in [0, 1].map(|serial| keys(serial).id()) {
                let expected = process.witness.expected(claim, &self.truth, self.now);
                let state = process.engine.claims(now).find(|c| c.claim == claim).map(|c| c.state);
                assert_eq!(state, expected, "machine {n} does not find out the truth in peace");
            }
        }
    }

    fn heal(&mut self, n: usize) {
        let machine = &mut self.machines[n];
        if let Some(Halt::Asleep { since, .. }) = machine.halt {
            machine.slept += self.now.since(since);
        }
        (machine.halt, machine.losses, machine.mute) = (None, 0, false);
        (machine.nics, machine.address, machine.wall_stopped) = (1, address(n), None);
        machine.settings.interval = Duration::from_secs(LONGEST_INTERVAL_S);
        machine.settings.confirm_after = CONFIRM_AFTER;
        machine.inbox.clear();
        let settings = machine.settings.clone();
        if let Some(process) = &mut machine.process {
            // Two copies of one machine state do not stay in step for ever.
            process.rng.0 ^= n as u64 + 1;
        }
        self.link(n);
        self.act(n, |engine, now, entropy| {
            engine.set_broken(now, entropy, 1, None);
            engine.configure(now, settings);
        });
    }
}
