//! A claim as others may see it: for status, events and people.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Claim;
use crate::crypto::Crypto;
use crate::holders::{Holder, Order, order};
use crate::station::{Station, group_text};
use crate::{ClaimId, Class, EvidenceId, HolderView, Mono, Now, PeerRole, Product, Stage, State};

/// A conflict as others may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictView {
    /// Numbers this agent's conflicts from 1.
    pub id: u64,
    /// How far it is established.
    pub stage: Stage,
    /// What kind it is.
    pub class: Class,
    /// Since when, `CLOCK_BOOTTIME`.
    pub since: Mono,
    /// Since when, Unix ms of this host's clock.
    pub since_ms: u64,
    /// Under which name the evidence is kept.
    pub evidence: EvidenceId,
}

/// A claim as others may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimView {
    /// Of which product.
    pub product: Product,
    /// What it is called on the wire.
    pub claim: ClaimId,
    /// Its state.
    pub state: State,
    /// Since when it is in this state, `CLOCK_BOOTTIME`.
    pub state_since: Mono,
    /// Since when this installation holds it, Unix ms; 0 is unknown.
    pub since_ms: u64,
    /// Seats of the local license; 0 is unlimited.
    pub seats: u16,
    /// The fail-over group's name, empty for none.
    pub group: String,
    /// This host waits to take over.
    pub standby: bool,
    /// How many STANDBY holders of a group take no seat.
    pub standbys: u16,
    /// All holders, this agent included, in the order of (since, public key, boot id).
    pub holders: Vec<HolderView>,
    /// Instances that did not fit into the table of holders.
    pub more_holders: u64,
    /// The conflict, if there is one.
    pub conflict: Option<ConflictView>,
    /// A round is open.
    pub asking: bool,
    /// When the next announcement is due, `CLOCK_BOOTTIME`.
    pub next_announcement: Mono,
    /// When the next scheduled round begins, `CLOCK_BOOTTIME`.
    pub next_round: Option<Mono>,
}

impl Claim {
    pub(crate) fn view<C: Crypto>(&self, station: &Station<C>, now: Now) -> ClaimView {
        ClaimView {
            product: self.license.product,
            claim: self.license.keys.id(),
            state: self.state,
            state_since: self.state_since,
            since_ms: self.license.since_ms,
            seats: self.license.seats,
            group: self.license.group.clone(),
            standby: self.license.standby,
            standbys: self.license.standbys,
            holders: self.holder_views(station, now),
            more_holders: self.holders.overflow,
            conflict: self.conflict.as_ref().map(|c| c.view.clone()),
            asking: self.has_round(),
            next_announcement: self.next_announcement(),
            next_round: self.next_round_at(),
        }
    }

    /// All holders, this agent included, in order; who is beyond the seats among the proved ones is marked.
    pub(super) fn holder_views<C: Crypto>(&self, station: &Station<C>, now: Now) -> Vec<HolderView> {
        let mut views: Vec<(Order, HolderView)> = self
            .holders
            .live()
            .map(|h| (order(h.since_ms, h.instance, now.wall_ms), self.view_of(h, now)))
            .collect();
        let mine = self.own_view(station, now);
        views.push((order(mine.since_ms, mine.instance, now.wall_ms), mine));
        views.sort_by_key(|(order, _)| *order);
        let mut views: Vec<HolderView> = views.into_iter().map(|(_, view)| view).collect();
        if self.conflict.is_some() {
            self.mark_over(&mut views);
        }
        views
    }

    /// Only proved holders take part: a dead one must push nobody over the seats.
    fn mark_over(&self, views: &mut [HolderView]) {
        let (mut taken, mut standbys) = (0u32, 0u32);
        for view in views.iter_mut().filter(|v| v.is_self || v.proved) {
            if view.role == PeerRole::Standby && !view.group.is_empty() {
                standbys += 1;
                if standbys <= u32::from(self.license.standbys) {
                    continue;
                }
            }
            taken += 1;
            view.over = self.license.seats != 0 && taken > u32::from(self.license.seats);
        }
    }

    pub(super) fn view_of(&self, h: &Holder, now: Now) -> HolderView {
        let in_round = self.round.as_ref().is_some_and(|r| r.has_answered(h));
        let lately = h.proof.is_some_and(|p| now.boot < p.at.after(crate::holders::lifetime(h.interval_s)));
        HolderView {
            instance: h.instance,
            from: Some(h.from),
            interface: h.interface,
            host: h.host.as_str().to_string(),
            group: group_text(h.group, self.group_digest, &self.license.group),
            role: if h.standby { PeerRole::Standby } else { PeerRole::Active },
            interval_s: h.interval_s,
            seats: h.seats,
            runs: h.runs,
            since_ms: h.since_ms,
            first_heard: h.first_heard,
            last_heard: h.last_heard,
            last_proved: h.proof.map(|p| p.at),
            is_self: false,
            verified: true,
            proved: h.counted || in_round || (self.conflict.is_none() && lately && h.silent.is_none()),
            silent: h.silent.is_some(),
            over: false,
        }
    }

    fn own_view<C: Crypto>(&self, station: &Station<C>, now: Now) -> HolderView {
        HolderView {
            instance: station.me,
            from: None,
            interface: 0,
            host: station.host.as_str().to_string(),
            group: self.license.group.clone(),
            role: if self.license.standby { PeerRole::Standby } else { PeerRole::Active },
            interval_s: station.interval_s,
            seats: self.license.seats,
            runs: station.runs,
            since_ms: self.license.since_ms,
            first_heard: self.claimed_at,
            last_heard: now.boot,
            last_proved: None,
            is_self: true,
            verified: true,
            proved: false,
            silent: false,
            over: false,
        }
    }
}
