//! Claims that are not held here, with `observe`: who announced what.  Unverified: whether the announcer knows a
//! serial is not known, and nothing is ever concluded from it.

use alloc::collections::BTreeMap;

use crate::holders::lifetime;
use crate::limits::PEERS;
use crate::{ClaimId, HolderView, Instance, Mono, Product};

/// Who announced which foreign claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inventory {
    seen: BTreeMap<(ClaimId, Instance), (Product, HolderView)>,
}

fn is_live(view: &HolderView, now: Mono) -> bool {
    now < view.last_heard.after(lifetime(view.interval_s))
}

impl Inventory {
    /// Takes note of an announcement; gives back the holder with its times.  When full, the oldest go first.
    pub(crate) fn hear(
        &mut self,
        now: Mono,
        product: Product,
        claim: ClaimId,
        mut view: HolderView,
    ) -> HolderView {
        let key = (claim, view.instance);
        if let Some((_, known)) = self.seen.get(&key) {
            view.first_heard = known.first_heard;
        } else if self.seen.len() >= PEERS {
            self.seen.retain(|_, (_, v)| is_live(v, now));
            if self.seen.len() >= PEERS {
                let oldest = self.seen.iter().min_by_key(|(_, (_, v))| v.last_heard).map(|(key, _)| *key);
                oldest.map(|key| self.seen.remove(&key));
            }
        }
        self.seen.insert(key, (product, view.clone()));
        view
    }

    pub(crate) fn goodbye(&mut self, claim: ClaimId, instance: &Instance) {
        self.seen.remove(&(claim, *instance));
    }

    pub(crate) fn live(&self, now: Mono) -> impl Iterator<Item = (Product, ClaimId, &HolderView)> {
        self.seen
            .iter()
            .filter(move |(_, (_, v))| is_live(v, now))
            .map(|((claim, _), (product, v))| (*product, *claim, v))
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}
