//! Machines' agents take up claims, change them and give them up; the truth is told of it, and their witnesses.

use super::super::cheap::Cheap;
use super::machine::Process;
use super::truth::Seats;
use super::world::World;
use serialnumberd_core::{ClaimId, ClaimKeys, License, Product, Serial};

pub fn keys(serial: usize) -> ClaimKeys {
    let text = ["S", "T"][serial];
    ClaimKeys::derive::<Cheap>(
        &Product::new("xsvr").expect("a product"),
        &Serial::new(text).expect("a serial"),
    )
}

impl World {
    pub fn claim(&mut self, n: usize, license: License) {
        let (id, keys, seats, now) = (license.keys.id(), license.keys.clone(), Seats::of(&license), self.now);
        let Some(process) = self.machines[n].running() else { return };
        let (process, installation) = (process.witness.process, process.engine.installation());
        if self.truth.holds(process, id) {
            let again = self.act(n, |engine, now, entropy| engine.claim(now, entropy, license));
            assert!(again.is_some_and(|claimed| claimed.is_err()));
            return;
        }
        self.truth.begin(process, installation, id, now, seats.standby);
        if let Some(process) = self.machines[n].running() {
            process.witness.claimed(keys, seats);
        }
        let claimed = self.act(n, |engine, now, entropy| engine.claim(now, entropy, license));
        assert!(claimed.is_some_and(|claimed| claimed == Ok(id)));
    }

    /// The agent of machine `n`, if it turns and holds `claim`.
    fn holder(&mut self, n: usize, claim: ClaimId) -> Option<&mut Process> {
        let process = self.machines[n].running()?;
        self.truth.holds(process.witness.process, claim).then_some(process)
    }

    pub fn relicense(&mut self, n: usize, license: License) {
        let (id, seats, now) = (license.keys.id(), Seats::of(&license), self.now);
        let Some(process) = self.holder(n, id) else { return };
        process.witness.relicensed(id, seats);
        let process = process.witness.process;
        self.truth.change_role(process, id, now, seats.standby);
        self.act(n, |engine, now, entropy| engine.relicense(now, entropy, license));
    }

    pub fn release(&mut self, n: usize, claim: ClaimId) {
        let now = self.now;
        let Some(process) = self.holder(n, claim) else { return };
        process.witness.releases(claim);
        let process = process.witness.process;
        self.truth.end(process, Some(claim), now);
        self.act(n, |engine, now, entropy| engine.release(now, entropy, &claim));
    }

    /// Ends it with goodbyes.
    pub fn stop(&mut self, n: usize) {
        let now = self.clocks(n);
        if let Some(Process { engine, rng, witness }) = self.machines[n].running() {
            engine.shut_down(now, rng);
            witness.shut_down();
            self.collect(n, now);
        }
        self.kill(n);
    }
}
