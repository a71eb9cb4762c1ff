//! The book of claims: which are held, who holds each, and whether one more may.
//!
//! It judges and keeps; it tells neither engine nor plugins.

use std::collections::BTreeMap;
use std::fmt;

use serialnumberd_core::{ClaimId, ClaimKeys, Product, limits};

use super::{ClaimRequest, Owner, Terms};
use crate::text::count;
use crate::verdict::ClaimVerdict;

/// Claims that one client may hold: a suite of products is licensed one by one.
pub(in crate::event_loop) const CLAIMS_PER_CLIENT: usize = 16;
/// Claims that only programs hold, so that they leave room for a configuration that grows.
pub(in crate::event_loop) const CLAIMS_OF_PROGRAMS: usize = limits::CLAIMS / 2;

/// The claims of this agent.
pub(in crate::event_loop) type Book = BTreeMap<ClaimId, Held>;

/// One who holds a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::event_loop) struct Claimant {
    pub owner: Owner,
    /// What it wants the claim to be.
    pub terms: Terms,
    /// The program's name, for people; empty for the configuration.
    pub program: String,
    /// Its process; `None` for the configuration, and where the kernel cannot tell.
    pub pid: Option<u32>,
}

impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.owner, self.pid) {
            (Owner::Configuration, _) => f.write_str("the configuration"),
            (_, Some(pid)) => write!(f, "{} (pid {pid})", self.program),
            (_, None) => f.write_str(&self.program),
        }
    }
}

/// A claim as the agent remembers it beside the engine.
pub(in crate::event_loop) struct Held {
    pub product: Product,
    pub keys: ClaimKeys,
    pub verdict: ClaimVerdict,
    /// Those in force: the first claimant's.
    pub terms: Terms,
    /// Who holds it: the configuration first, then in the order in which they came.
    pub claimants: Vec<Claimant>,
}

impl Held {
    /// Adds a claimant, or takes its new terms.
    pub fn join(&mut self, claimant: Claimant) {
        match self.claimants.iter_mut().find(|c| c.owner == claimant.owner) {
            Some(before) => *before = claimant,
            None if claimant.owner == Owner::Configuration => self.claimants.insert(0, claimant),
            None => self.claimants.push(claimant),
        }
    }

    fn is_configured(&self) -> bool {
        self.claimants.iter().any(|c| c.owner == Owner::Configuration)
    }

    /// Who else holds it and has the say.
    fn other_than(&self, owner: Owner) -> Option<&Claimant> {
        self.claimants.iter().find(|c| c.owner != owner)
    }
}

/// Whether `owner` may hold what it asks for.
///
/// # Errors
/// A sentence for whoever asked.
pub(in crate::event_loop) fn judge(book: &Book, owner: Owner, request: &ClaimRequest) -> Result<(), String> {
    let product = request.product;
    let id = request.keys.id();
    if let Some((_, held)) = book.iter().find(|(other, held)| held.product == product && **other != id) {
        let who =
            held.other_than(owner).map_or_else(|| "this program itself".to_owned(), ToString::to_string);
        return Err(format!(
            "{product} is claimed on this host with another serial number, by {who}; a host holds one serial number \
             of a product: release that claim first"
        ));
    }
    let held = book.get(&id);
    // The same serial number of two products makes different claims; this is for whoever makes up keys.
    if held.is_some_and(|held| held.product != product) {
        return Err(format!("these keys are not those of {product}"));
    }
    if let Some(other) = held.and_then(|held| held.other_than(owner)) {
        request.terms.agree(&other.terms).map_err(|differ| {
            format!("{product} is claimed on this host already, by {other}, with {differ}: claim it alike")
        })?;
    }
    room(book, owner, &id)
}

/// Whether there is room for one more claimant.
fn room(book: &Book, owner: Owner, id: &ClaimId) -> Result<(), String> {
    let Owner::Client(_) = owner else { return Ok(()) };
    let of_owner =
        book.iter().filter(|(other, held)| *other != id && held.claimants.iter().any(|c| c.owner == owner));
    if of_owner.count() >= CLAIMS_PER_CLIENT {
        return Err(format!("one client holds at most {CLAIMS_PER_CLIENT} claims; release one"));
    }
    let of_programs = book.values().filter(|held| !held.is_configured()).count();
    if !book.contains_key(id) && of_programs >= CLAIMS_OF_PROGRAMS {
        return Err(format!(
            "programs hold {of_programs} claims of this agent, and the rest is for its configuration; \
             `serialnumberd status` shows which"
        ));
    }
    Ok(())
}

/// Which programs a new configuration, the licenses `coming`, pushes out of the book, each with the reason.
pub(in crate::event_loop) fn in_the_way(book: &Book, coming: &[ClaimRequest]) -> Vec<(Owner, String)> {
    let of_programs = || {
        book.iter().flat_map(|(id, held)| {
            let programs = held.claimants.iter().filter(|c| c.owner != Owner::Configuration);
            programs.map(move |claimant| (id, held.product, claimant))
        })
    };
    let differing = of_programs().filter_map(|(id, product, claimant)| {
        let license = coming.iter().find(|l| l.product == product || l.keys.id() == *id)?;
        let differ = if license.product == product && license.keys.id() == *id {
            claimant.terms.agree(&license.terms).err()?
        } else {
            "another serial number".to_owned()
        };
        Some((claimant.owner, format!("the configuration now has {} with {differ}", license.product)))
    });
    let is_coming = |id: &ClaimId| coming.iter().any(|license| license.keys.id() == *id);
    let alone = book.iter().filter(|(id, held)| {
        !is_coming(id) && held.claimants.iter().any(|c| c.owner != Owner::Configuration)
    });
    let surplus = (coming.len() + alone.count()).saturating_sub(limits::CLAIMS);
    let crowded: Vec<ClaimId> =
        book.keys().rev().filter(|id| !is_coming(id)).take(surplus).copied().collect();
    let crowded =
        of_programs().filter(move |(id, _, _)| crowded.contains(id)).map(|(_, product, claimant)| {
            (claimant.owner, format!("the configuration needs the place of {product}"))
        });
    differing.chain(crowded).collect()
}

impl Terms {
    /// Whether a program that wants these may share a claim with `others`.  Who names no group leaves it to them.
    ///
    /// # Errors
    /// What the others have instead.
    fn agree(&self, others: &Terms) -> Result<(), String> {
        if self.seats != others.seats {
            return Err(match others.seats {
                0 => "unlimited seats".to_owned(),
                seats => count(u64::from(seats), "seat"),
            });
        }
        match () {
            () if self.group.is_empty() || self == others => Ok(()),
            () if others.group.is_empty() => Err("no fail-over group".to_owned()),
            () if self.group != others.group => Err(format!("the fail-over group \"{}\"", others.group)),
            () if self.standby != others.standby => Err(format!("standby = {}", others.standby)),
            () => Err(format!("standbys = {}", others.standbys)),
        }
    }
}
