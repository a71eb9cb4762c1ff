//! Claims have owners: the configuration, the program that embeds this agent, clients of the control socket.
//!
//! A claim is held as long as one owner holds it, and released with a goodbye when the last one goes.  A license
//! counts hosts, not programs: who claims the same on one host shares it.  What the configuration holds no program
//! can alter or take away.  Here follows from a change of owners what engine, plugins and memory are told of it.

mod book;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serialnumberd_core::{ClaimId, ClaimKeys, License, Mono, Product};

pub(super) use book::{Book, Held};
use book::{Claimant, in_the_way, judge};

use super::{Agent, os_entropy};
use crate::clock;
use crate::control::server::ClientId;
pub use crate::control::{ClaimRequest, Terms};
use crate::verdict::ClaimVerdict;

/// New claims of clients at once: each probes, and may be remembered on the disk ...
const BURST: u32 = 64;
/// ... and further ones at this distance.  A restarted agent has all of its clients back within the burst.
const REFILL: Duration = Duration::from_secs(1);

/// Who holds a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A `[[license]]`.
    Configuration,
    /// The program that embeds this agent.
    Program,
    /// A program that is connected to the control socket.
    Client(ClientId),
}

/// How many new claims clients have made lately.  Kept as the time at which none of them will count any more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(Mono);

impl Pace {
    /// Takes one more.
    ///
    /// # Errors
    /// A sentence, if there were too many.
    fn take(&mut self, now: Mono) -> Result<(), String> {
        if self.0.since(now) > REFILL * (BURST - 1) {
            return Err(format!(
                "clients claimed more than {BURST} licenses in a short time; try again in {} s",
                REFILL.as_secs()
            ));
        }
        self.0 = self.0.max(now).after(REFILL);
        Ok(())
    }
}

impl Agent {
    /// Claims for `owner`, beside others who hold the same; again for the same owner, it is with other terms.
    ///
    /// # Errors
    /// A sentence: others on this host claim the product differently, or there are too many claims.
    pub fn hold(&mut self, owner: Owner, request: ClaimRequest) -> Result<ClaimId, String> {
        // A turn is due: it takes what follows to plugins and the network.
        (self.now, self.again) = (clock::now(), true);
        self.take_claim(owner, request)
    }

    /// Ends `owner`'s part in the claim on a product.
    ///
    /// # Errors
    /// A sentence, if it has none.
    pub fn let_go(&mut self, owner: Owner, product: Product) -> Result<(), String> {
        (self.now, self.again) = (clock::now(), true);
        self.drop_claim(owner, product)
    }

    /// As [`Agent::hold`], within a turn.
    pub(super) fn take_claim(&mut self, owner: Owner, request: ClaimRequest) -> Result<ClaimId, String> {
        judge(&self.held, owner, &request)?;
        let (id, is_new) = (request.keys.id(), !self.held.contains_key(&request.keys.id()));
        if is_new && matches!(owner, Owner::Client(_)) {
            self.pace.take(self.now.boot)?;
        }
        self.enter(owner, request)?;
        if is_new {
            self.tell_claims();
        }
        Ok(id)
    }

    /// As [`Agent::let_go`], within a turn.
    pub(super) fn drop_claim(&mut self, owner: Owner, product: Product) -> Result<(), String> {
        let holds = |(_, held): &(&ClaimId, &Held)| {
            held.product == product && held.claimants.iter().any(|c| c.owner == owner)
        };
        let Some(id) = self.held.iter().find(holds).map(|(id, _)| *id) else {
            return Err(format!("{product} is not claimed by this program"));
        };
        self.leave(owner, id);
        self.tell_claims();
        Ok(())
    }

    /// An owner has gone, and what it held goes with it.
    pub(super) fn drop_claims(&mut self, owner: Owner) {
        let held = self.held.iter().filter(|(_, held)| held.claimants.iter().any(|c| c.owner == owner));
        let ids: Vec<ClaimId> = held.map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return;
        }
        ids.into_iter().for_each(|id| self.leave(owner, id));
        self.tell_claims();
    }

    /// Claims what the configuration holds, at the start; `keys` are those of its licenses.
    ///
    /// # Errors
    /// If the engine takes no more.
    pub(super) fn claim_licenses(&mut self, keys: Vec<ClaimKeys>) -> Result<(), String> {
        // The plugins know of these from their own start.
        let licenses = self.licenses(keys);
        licenses.into_iter().try_for_each(|license| self.enter(Owner::Configuration, license))
    }

    /// What the configuration is to hold.
    pub(super) fn licenses(&self, keys: Vec<ClaimKeys>) -> Vec<ClaimRequest> {
        let licenses = self.setup.config.licenses.iter().zip(keys);
        licenses.map(|(license, keys)| ClaimRequest::of_license(license, keys)).collect()
    }

    /// Puts into the book what [`judge`] allowed.  The plugins are still to be told.
    fn enter(&mut self, owner: Owner, request: ClaimRequest) -> Result<(), String> {
        let ClaimRequest { product, keys, terms, program } = request;
        let id = keys.id();
        if !self.held.contains_key(&id) {
            let license = license(product, &keys, &terms, self.state.since_ms(&id));
            self.engine
                .claim(self.now, &mut os_entropy, license)
                .map_err(|e| format!("license {product}: {e}"))?;
            let mut verdict = ClaimVerdict::default();
            // Of an earlier claim on it answers may still be under way.
            verdict.forget(self.seq);
            let held = Held { product, keys, verdict, terms: terms.clone(), claimants: Vec::new() };
            self.held.insert(id, held);
            self.remember_since();
        }
        let claimant = Claimant { owner, terms, program, pid: self.pid_of(owner) };
        if owner != Owner::Configuration {
            log::info!("{product}: claimed by {claimant}");
        }
        if let Some(held) = self.held.get_mut(&id) {
            held.join(claimant);
        }
        self.settle_terms(id);
        Ok(())
    }

    /// Takes an owner off a claim.  The plugins are still to be told.
    fn leave(&mut self, owner: Owner, id: ClaimId) {
        if let Some(held) = self.held.get_mut(&id) {
            for claimant in held.claimants.extract_if(.., |c| c.owner == owner) {
                if owner != Owner::Configuration {
                    log::info!("{}: released by {claimant}", held.product);
                }
            }
        }
        self.settle_terms(id);
    }

    /// Has the engine hold a claim as its first claimant wants it, and release it if there is none.
    fn settle_terms(&mut self, id: ClaimId) {
        let Some(held) = self.held.get_mut(&id) else { return };
        self.unsettled = true;
        match held.claimants.first() {
            None => {
                let product = held.product;
                self.held.remove(&id);
                self.engine.release(self.now, &mut os_entropy, &id);
                self.plugins.set_holders(product, None);
            }
            Some(first) if first.terms != held.terms => {
                held.terms = first.terms.clone();
                let license = license(held.product, &held.keys, &held.terms, 0);
                self.engine.relicense(self.now, &mut os_entropy, license);
            }
            Some(_) => {}
        }
    }

    /// Plugins decide on what is held, and on nothing else.
    fn tell_claims(&mut self) {
        self.plugins.set_claims(self.held.iter().map(|(claim, held)| (*claim, held.product)).collect());
    }

    /// What the configuration holds from now on: all of it, whoever is in the way, and nothing else.  Answers who was
    /// in the way, in sentences.
    pub(super) fn configure_claims(&mut self, licenses: Vec<ClaimRequest>) -> Vec<String> {
        let in_the_way = in_the_way(&self.held, &licenses);
        let expelled = in_the_way.into_iter().filter_map(|(owner, why)| self.expel(owner, &why)).collect();
        let is_wanted = |id: &ClaimId| licenses.iter().any(|license| license.keys.id() == *id);
        let gone: Vec<ClaimId> = self.held.keys().filter(|id| !is_wanted(id)).copied().collect();
        gone.into_iter().for_each(|id| self.leave(Owner::Configuration, id));
        for license in licenses {
            if let Err(error) = self.enter(Owner::Configuration, license) {
                log::error!("{error}");
            }
        }
        self.tell_claims();
        expelled
    }

    /// Ends all that a program holds, as the configuration wants it otherwise.  A client loses its connection: it
    /// may come back and claim what is left.
    fn expel(&mut self, owner: Owner, why: &str) -> Option<String> {
        let mut claimants = self.held.values().flat_map(|held| &held.claimants);
        let who = claimants.find(|c| c.owner == owner)?.to_string();
        self.drop_claims(owner);
        if let (Owner::Client(client), Some(control)) = (owner, &mut self.control) {
            control.dismiss(client, why);
        }
        Some(format!("{who} lost its claims: {why}"))
    }

    fn pid_of(&self, owner: Owner) -> Option<u32> {
        match owner {
            Owner::Configuration => None,
            Owner::Program => Some(std::process::id()),
            Owner::Client(client) => self.control.as_ref().and_then(|control| control.pid(client)),
        }
    }
}

fn license(product: Product, keys: &ClaimKeys, terms: &Terms, since_ms: u64) -> License {
    let Terms { seats, group, standby, standbys } = terms.clone();
    License { product, keys: keys.clone(), seats, group, standby, standbys, since_ms }
}
