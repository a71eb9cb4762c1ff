//! The holders of one claim: who was heard, when, and what of it is proved.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::bucket::Bucket;
use crate::defenses::Defenses;
use crate::limits::{HOLDERS, HOLDERS_PER_SEAT, LIFETIME_INTERVALS, LIFETIME_SLACK_PERCENT, SINCE_MIN_MS};
use crate::window::Window;
use crate::wire::{Datagram, HostName};
use crate::{BootId, GroupDigest, Installation, Instance, Mono};

/// A valid answer to a question of mine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// Which question.
    pub ordinal: u64,
    /// When the answer came.
    pub at: Mono,
}

/// An instance that holds the claim, or did.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub instance: Instance,
    pub window: Window,
    pub from: SocketAddr,
    pub interface: u32,
    pub host: HostName,
    pub group: GroupDigest,
    pub standby: bool,
    pub interval_s: u16,
    pub seats: u16,
    pub runs: u64,
    pub since_ms: u64,
    pub first_heard: Mono,
    pub last_heard: Mono,
    /// For how long since then I could not have heard it.
    pub unheard: Duration,
    /// What my next datagram's ordinal was when it was first heard, and last heard.
    pub first_ordinal: u64,
    pub last_ordinal: u64,
    pub proof: Option<Proof>,
    /// It left a whole round unanswered; the ordinal at which that round began.
    pub silent: Option<u64>,
    /// It said goodbye: a tombstone against replays.
    pub gone: bool,
    /// It counts in the current conflict.
    pub counted: bool,
    /// When hearing it last began a round.
    pub began_round: Option<Mono>,
    pub budget: Bucket,
}

/// How long a holder with this interval lives after it was last heard.
pub(crate) fn lifetime(interval_s: u16) -> Duration {
    let intervals = Duration::from_secs(u64::from(interval_s)) * LIFETIME_INTERVALS;
    intervals + intervals * LIFETIME_SLACK_PERCENT / 100
}

/// Position among holders: (since, public key, boot id), since unknown or in the future last.
pub(crate) type Order = (u64, Instance);

pub(crate) fn order(since_ms: u64, instance: Instance, wall_ms: u64) -> Order {
    let known = since_ms >= SINCE_MIN_MS && since_ms <= wall_ms;
    (if known { since_ms } else { u64::MAX }, instance)
}

impl Holder {
    pub(crate) fn expires(&self) -> Mono {
        self.last_heard.after(lifetime(self.interval_s)).after(self.unheard)
    }

    /// Whether it answered a datagram of mine of this ordinal or a later one.
    pub(crate) fn proved_from(&self, ordinal: u64) -> bool {
        self.proof.is_some_and(|p| p.ordinal >= ordinal)
    }

    /// STANDBY of a group: may take no seat.
    pub(crate) fn is_grouped_standby(&self) -> bool {
        self.standby && self.group != GroupDigest::NONE
    }

    /// It left a whole round unanswered, and was heard in or after it.
    pub(crate) fn is_one_way(&self) -> bool {
        !self.gone && self.silent.is_some_and(|began| self.last_ordinal > began)
    }
}

/// What hearing a datagram changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The instance is new, or came back after its goodbye.
    New,
    /// A known one, with a new sequence.
    Fresh,
    /// A known one, with a sequence seen before.
    Again,
    /// The table is full of proved holders.
    Full,
}

/// The holders of one claim but this agent itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holders {
    table: BTreeMap<Instance, Holder>,
    /// Never later than the first expiry.
    next_expiry: Option<Mono>,
    /// Instances that did not fit, since the table was last below its bound.
    pub overflow: u64,
}

impl Holders {
    pub(crate) fn find(&self, instance: &Instance) -> Option<&Holder> {
        self.table.get(instance)
    }

    pub(crate) fn find_mut(&mut self, instance: &Instance) -> Option<&mut Holder> {
        self.table.get_mut(instance)
    }

    /// All that are not gone.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Holder> {
        self.table.values().filter(|h| !h.gone)
    }

    pub(crate) fn live_mut(&mut self) -> impl Iterator<Item = &mut Holder> {
        self.table.values_mut().filter(|h| !h.gone)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether `sequence` is new for `instance`: never seen, not below a goodbye.
    pub(crate) fn is_new(&self, instance: &Instance, sequence: u64) -> bool {
        self.table
            .get(instance)
            .is_none_or(|h| h.window.is_new(sequence) && !(h.gone && sequence <= h.window.highest()))
    }

    /// Whether `sequence` of `instance` is from before its goodbye: whatever it says, it is over.
    pub(crate) fn is_buried(&self, instance: &Instance, sequence: u64) -> bool {
        self.table.get(instance).is_some_and(|h| h.gone && sequence <= h.window.highest())
    }

    /// Takes note of a valid datagram.
    pub(crate) fn hear(
        &mut self,
        now: Mono,
        ordinal: u64,
        seats: u16,
        d: &Datagram,
        path: (SocketAddr, u32),
    ) -> Heard {
        if !self.table.contains_key(&d.instance) {
            if !self.make_room(seats) {
                self.overflow += 1;
                return Heard::Full;
            }
            self.table.insert(d.instance, Holder::new(d, now, ordinal, path));
            self.expect_expiry(now.after(lifetime(d.interval_s)));
            return Heard::New;
        }
        let Some(holder) = self.table.get_mut(&d.instance) else { return Heard::Full };
        if !holder.window.is_new(d.sequence) {
            return Heard::Again;
        }
        let back = holder.gone;
        if back {
            let window = holder.window;
            *holder = Holder::new(d, now, ordinal, path);
            holder.window = window;
        }
        let newest = d.sequence > holder.window.highest() || back;
        holder.window.mark(d.sequence);
        if newest {
            holder.refresh(d, path);
        }
        (holder.last_heard, holder.last_ordinal) = (now, ordinal);
        holder.unheard = Duration::ZERO;
        let expires = holder.expires();
        self.expect_expiry(expires);
        if back { Heard::New } else { Heard::Fresh }
    }

    /// Takes note of a goodbye: leaves a tombstone.  Returns whether the instance was live.  One that is older than
    /// what was heard since frees nothing: the claim was taken up again.
    pub(crate) fn goodbye(
        &mut self,
        now: Mono,
        ordinal: u64,
        seats: u16,
        d: &Datagram,
        path: (SocketAddr, u32),
    ) -> bool {
        if let Some(holder) = self.table.get_mut(&d.instance)
            && !holder.gone
            && d.sequence <= holder.window.highest()
        {
            holder.window.mark(d.sequence);
            return false;
        }
        let was_live = self.table.get(&d.instance).is_some_and(|h| !h.gone);
        let was_gone = self.table.get(&d.instance).is_some_and(|h| h.gone);
        if !was_gone && self.hear(now, ordinal, seats, d, path) == Heard::Full {
            return false;
        }
        if let Some(holder) = self.table.get_mut(&d.instance) {
            holder.window.mark(d.sequence);
            (holder.gone, holder.counted) = (true, false);
        }
        if was_live {
            self.bury_earlier_boots(&d.instance);
        }
        was_live
    }

    /// What an installation was before the boot that says goodbye is over, too: unless it has proved itself since that
    /// boot was heard, so that there are two.
    fn bury_earlier_boots(&mut self, instance: &Instance) {
        let Some((ordinal, heard)) = self.table.get(instance).map(|h| (h.first_ordinal, h.first_heard))
        else {
            return;
        };
        let earlier = |h: &&mut Holder| {
            h.instance.installation == instance.installation
                && h.first_ordinal <= ordinal
                && h.first_heard <= heard
                && !h.proved_from(ordinal)
        };
        self.live_mut().filter(earlier).for_each(|h| (h.gone, h.counted) = (true, false));
    }

    fn make_room(&mut self, seats: u16) -> bool {
        if self.table.len() < HOLDERS.max(usize::from(seats) * HOLDERS_PER_SEAT) {
            self.overflow = 0;
            return true;
        }
        // Tombstones first, then who was heard longest ago; a proved one never.
        let victim = self
            .table
            .values()
            .filter(|h| h.gone || h.proof.is_none())
            .min_by_key(|h| (!h.gone, h.last_heard))
            .map(|h| h.instance);
        let Some(evicted) = victim.and_then(|v| self.table.remove(&v)) else { return false };
        self.overflow += u64::from(!evicted.gone);
        true
    }

    fn expect_expiry(&mut self, at: Mono) {
        self.next_expiry = Some(self.next_expiry.map_or(at, |e| e.min(at)));
    }

    /// I could not listen for so long: that nobody was heard meanwhile says nothing of anybody.
    pub(crate) fn forgive(&mut self, unheard: Duration) {
        self.table.values_mut().for_each(|h| h.unheard = h.unheard.saturating_add(unheard));
    }

    /// When [`Holders::expire`] has something to do, at the earliest.
    pub(crate) fn next_expiry(&self) -> Option<Mono> {
        self.next_expiry
    }

    /// Removes whoever was not heard for its lifetime; says who of them was live.
    pub(crate) fn expire(&mut self, now: Mono) -> Vec<Instance> {
        if self.next_expiry.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        self.table.retain(|instance, h| {
            let keep = now < h.expires();
            if !keep && !h.gone {
                expired.push(*instance);
            }
            keep
        });
        self.next_expiry = self.table.values().map(Holder::expires).min();
        expired
    }

    /// Instances that count as heard under the rule that of one installation only the newest-heard boot
    /// counts, unless an older one answered a question sent after the newer was heard.  `own` is left out:
    /// another run of my own installation counts only by a valid answer.
    pub(crate) fn counting<D: Defenses>(&self, own: Installation) -> impl Iterator<Item = &Holder> {
        let mut newest: BTreeMap<Installation, (u64, Mono, Instance)> = BTreeMap::new();
        for h in self.live() {
            let at = (h.first_ordinal, h.first_heard, h.instance);
            let slot = newest.entry(h.instance.installation).or_insert(at);
            *slot = (*slot).max(at);
        }
        self.live().filter(move |h| {
            h.instance.installation != own
                && (!D::ONE_BOOT
                    || newest.get(&h.instance.installation).is_some_and(|(ordinal, _, instance)| {
                        *instance == h.instance || h.proved_from(*ordinal)
                    }))
        })
    }

    /// Whether a newer boot of the same installation was heard, and this one has not proved itself since.
    pub(crate) fn is_superseded(&self, holder: &Holder) -> bool {
        let boot = |byte| Instance { boot: BootId([byte; 8]), ..holder.instance };
        let of_installation = self.table.range(boot(0)..=boot(u8::MAX)).map(|(_, h)| h);
        of_installation.filter(|h| !h.gone && h.instance != holder.instance).any(|h| {
            h.first_ordinal >= holder.first_ordinal
                && h.first_heard >= holder.first_heard
                && !holder.proved_from(h.first_ordinal)
        })
    }
}

impl Holder {
    fn new(d: &Datagram, now: Mono, ordinal: u64, path: (SocketAddr, u32)) -> Holder {
        let mut window = Window::default();
        window.mark(d.sequence);
        let mut holder = Holder {
            instance: d.instance,
            window,
            from: path.0,
            interface: path.1,
            host: d.host,
            group: d.group,
            standby: d.standby,
            interval_s: d.interval_s,
            seats: d.seats,
            runs: d.runs,
            since_ms: d.since_ms,
            first_heard: now,
            last_heard: now,
            unheard: Duration::ZERO,
            first_ordinal: ordinal,
            last_ordinal: ordinal,
            proof: None,
            silent: None,
            gone: false,
            counted: false,
            began_round: None,
            budget: Bucket::FULL,
        };
        holder.refresh(d, path);
        holder
    }

    /// What the newest datagram says, and whence it came.
    fn refresh(&mut self, d: &Datagram, path: (SocketAddr, u32)) {
        if (d.standby, d.group) != (self.standby, self.group) {
            // What it answered, it answered in another role: a new one that is only heard is no evidence.
            self.proof = None;
        }
        (self.from, self.interface) = path;
        (self.host, self.group, self.standby) = (d.host, d.group, d.standby);
        (self.interval_s, self.seats, self.runs, self.since_ms) = (d.interval_s, d.seats, d.runs, d.since_ms);
    }
}
