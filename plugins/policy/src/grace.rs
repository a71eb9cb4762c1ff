//! How much grace each claim has used up.  Only arithmetic: `store` keeps the text of it.
//!
//! Grace is counted while a claim is restricted, on the host's clock, and adds up over restarts: what the file says is
//! where the next run goes on.  The file is charged ahead, up to the next time it is written, so that killing the agent
//! costs time and wins none.  It is forgotten when the claim was clear for [`FORGET_AFTER`] without a break: not at
//! the end of the conflict, or restarting the other host would renew it.

use std::collections::BTreeMap;
use std::time::Duration;

use serialnumberd_plugin::ClaimId;

use crate::facts::Now;
use crate::verdict::{Grace, nanoseconds};

/// How long a claim must have been clear: longer than any restart, every step of the start-up schedule (120 s) and the
/// lifetime of a holder at the default interval (16.5 min) together.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// The file is written at most and, while grace runs, at least this often; for a short grace after a tenth of it.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// But no more often than this.
const SAVE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// How many claims the ledger keeps, the file included: far more than a host has licenses.
pub(crate) const MAX_CLAIMS: usize = 1024;

const FIRST_LINE: &str = "slnd-policy grace 1";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// Nanoseconds used up before `running`.
    used_ns: u64,
    /// Since when it is being counted.
    running: Option<Now>,
    /// Since when the claim is clear.
    clear: Option<u64>,
    /// It is as long as the grace: nothing more to count, until the grace is made longer.
    full: bool,
}

impl Entry {
    fn used_at(&self, now_ns: u64) -> u64 {
        let running = self.running.map_or(0, |since| now_ns.saturating_sub(since.mono_ns));
        self.used_ns.saturating_add(running)
    }

    /// When it is used up, if it is being counted.
    fn ends(&self, grace_ns: u64) -> Option<(u64, Now)> {
        let since = self.running?;
        Some((since.mono_ns.saturating_add(grace_ns.saturating_sub(self.used_ns)), since))
    }
}

/// All claims' grace.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<ClaimId, Entry>,
    /// The file says something else.
    changed: bool,
    /// When the file was last written, or the attempt was made.
    saved_ns: u64,
}

impl Ledger {
    /// What a claim's grace has come to.
    pub(crate) fn grace(&self, claim: ClaimId, grace: Duration, now: Now) -> Grace {
        let grace_ns = nanoseconds(grace);
        let Some(entry) = self.entries.get(&claim) else { return Grace::Over };
        match entry.ends(grace_ns) {
            Some((end, since)) if now.mono_ns < end => Grace::Until(since.wall_at(end)),
            _ => Grace::Over,
        }
    }

    /// How much of it is used up.
    pub(crate) fn used(&self, claim: ClaimId, now: Now) -> Duration {
        Duration::from_nanos(self.entries.get(&claim).map_or(0, |e| e.used_at(now.mono_ns)))
    }

    /// Counts, or goes on counting: the claim is restricted.
    pub(crate) fn run(&mut self, claim: ClaimId, grace: Duration, now: Now) {
        if !self.entries.contains_key(&claim) {
            if grace.is_zero() {
                return;
            }
            self.make_room();
        }
        let entry = self.entries.entry(claim).or_default();
        entry.clear = None;
        if entry.running.is_none() {
            entry.running = Some(now);
            self.changed = true;
        }
        let full = entry.used_at(now.mono_ns) >= nanoseconds(grace);
        self.changed |= full && !entry.full;
        entry.full = full;
    }

    /// There are no more claims than entries, so a full ledger has one that the file brought and no claim uses.
    fn make_room(&mut self) {
        if self.entries.len() >= MAX_CLAIMS {
            let unused = self.entries.iter().find(|(_, e)| e.clear.is_some()).map(|(id, _)| *id);
            unused.map(|id| self.entries.remove(&id));
        }
    }

    /// Stops counting: the claim is not restricted; `clear` if nothing is wrong with it at all.
    pub(crate) fn pause(&mut self, claim: ClaimId, clear: bool, now: Now) {
        let Some(entry) = self.entries.get_mut(&claim) else { return };
        entry.used_ns = entry.used_at(now.mono_ns);
        self.changed |= entry.running.take().is_some();
        entry.clear = if clear { entry.clear.or(Some(now.mono_ns)) } else { None };
    }

    /// Forgets what was long enough clear.
    pub(crate) fn forget(&mut self, now: Now) {
        let before = self.entries.len();
        let long_ago = |clear: u64| now.mono_ns >= clear.saturating_add(nanoseconds(FORGET_AFTER));
        self.entries.retain(|_, e| !e.clear.is_some_and(long_ago));
        self.changed |= self.entries.len() != before;
    }

    /// When `run`, `forget` or a save next has something to do.
    pub(crate) fn deadline(&self, grace: Duration) -> Option<u64> {
        let grace_ns = nanoseconds(grace);
        let ends =
            self.entries.values().filter(|e| !e.full).filter_map(|e| e.ends(grace_ns)).map(|(end, _)| end);
        let forgets = self
            .entries
            .values()
            .filter_map(|e| e.clear)
            .map(|c| c.saturating_add(nanoseconds(FORGET_AFTER)));
        let due = self.entries.values().any(|e| e.running.is_some() && !e.full);
        let save = due.then(|| self.saved_ns.saturating_add(nanoseconds(period(grace))));
        ends.chain(forgets).chain(save).min()
    }

    /// Whether the file is to be written now.
    pub(crate) fn wants_save(&self, grace: Duration, now: Now) -> bool {
        let counting = self.entries.values().any(|e| e.running.is_some() && !e.full);
        self.changed || (counting && now.mono_ns >= self.saved_ns.saturating_add(nanoseconds(period(grace))))
    }

    /// The text of the file.  `ahead`: what is being counted is charged up to the next save.
    pub(crate) fn encode(&mut self, grace: Duration, now: Now, ahead: bool) -> String {
        self.changed = false;
        self.saved_ns = now.mono_ns;
        let mut text = format!("{FIRST_LINE}\n");
        for (claim, entry) in &self.entries {
            let counting = ahead && entry.running.is_some() && !entry.full;
            let charge = if counting { nanoseconds(period(grace)) } else { 0 };
            text.push_str(&format!("{claim} {}\n", entry.used_at(now.mono_ns).saturating_add(charge)));
        }
        text
    }

    /// Whether there is anything to keep, or to take back.
    pub(crate) fn is_used(&self) -> bool {
        self.changed || !self.entries.is_empty()
    }

    /// Reads the text of the file; what cannot be read is left out and told, one sentence a line.
    pub(crate) fn decode(text: &str, now: Now) -> (Ledger, Vec<String>) {
        let mut ledger = Ledger { saved_ns: now.mono_ns, ..Ledger::default() };
        let mut damage = Vec::new();
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, first)| first != FIRST_LINE) {
            damage.push(format!("it does not begin with \"{FIRST_LINE}\""));
            return (ledger, damage);
        }
        for (i, line) in lines {
            match line.split_once(' ').and_then(|(c, ns)| Some((claim_id(c)?, ns.parse::<u64>().ok()?))) {
                Some(_) if ledger.entries.len() >= MAX_CLAIMS => {
                    damage.push(format!("it has more than {MAX_CLAIMS} claims"));
                    break;
                }
                Some((claim, used_ns)) => {
                    // A claim that never turns up again is clear from here on.
                    let entry = Entry { used_ns, clear: Some(now.mono_ns), ..Entry::default() };
                    ledger.entries.insert(claim, entry);
                }
                None => damage.push(format!("line {} cannot be read", i + 1)),
            }
        }
        (ledger, damage)
    }
}

/// How often the file is written while grace runs.
fn period(grace: Duration) -> Duration {
    (grace / 10).clamp(SAVE_AT_MOST_EVERY, SAVE_EVERY)
}

fn claim_id(hex: &str) -> Option<ClaimId> {
    let digits = hex.as_bytes();
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if digits.len() != 32 {
        return None;
    }
    let mut id = ClaimId::default();
    for (byte, pair) in id.0.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(&pair[0])? << 4 | digit(&pair[1])?;
    }
    Some(id)
}

#[cfg(test)]
mod tests;
