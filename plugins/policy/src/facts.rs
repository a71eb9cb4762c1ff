//! What is known of one claim, put together from events.

use std::net::IpAddr;

use serialnumberd_plugin::{Class, Coverage, Decision, Duplicate, Holder, Stage, State, StateChange};

/// How many other holders a sentence names; with more it would not fit into 1015 bytes.
pub(crate) const NAMED: usize = 3;

/// A point in time on both clocks: the host's for arithmetic, the wall's for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    /// Nanoseconds on the host's clock, `CLOCK_BOOTTIME`.
    pub(crate) mono_ns: u64,
    /// Unix milliseconds.
    pub(crate) wall_ms: u64,
}

impl Now {
    /// The Unix time when the host's clock says `mono_ns`, to the second: a later look must say the same.
    pub(crate) fn wall_at(self, mono_ns: u64) -> u64 {
        let (later, earlier) = (mono_ns.saturating_sub(self.mono_ns), self.mono_ns.saturating_sub(mono_ns));
        self.wall_ms.saturating_add(later / 1_000_000).saturating_sub(earlier / 1_000_000)
    }
}

/// A holder as sentences name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) host: String,
    pub(crate) address: Option<IpAddr>,
    pub(crate) interface: String,
    pub(crate) since_ms: u64,
    pub(crate) over: bool,
}

impl Party {
    fn of(holder: &Holder<'_>) -> Party {
        let interface = match (holder.ifname, holder.ifindex) {
            ("", 0) => String::new(),
            ("", index) => format!("interface {index}"),
            (name, _) => printable(name),
        };
        Party {
            host: printable(holder.host),
            address: holder.from.map(|a| a.ip()),
            interface,
            since_ms: holder.since_ms,
            over: holder.flags.over(),
        }
    }
}

/// A stranger's text must not break a sentence, or a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '"' { '?' } else { c }).collect()
}

/// A proved over-subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) id: u64,
    pub(crate) confirmed: bool,
    pub(crate) class: Class,
    pub(crate) seats: u32,
    /// This agent's own place; `None` if the event does not tell.
    pub(crate) own: Option<Party>,
    /// Some of the others: first those of whom the opposite holds, over the seats or not.
    pub(crate) others: Vec<Party>,
    /// How many others there are.
    pub(crate) n_others: usize,
}

impl Conflict {
    pub(crate) fn of(dup: &Duplicate<'_>) -> Conflict {
        let own = dup.holders.iter().find(|h| h.flags.is_self()).map(|h| Party::of(&h));
        let is_other = |h: &Holder<'_>| !h.flags.is_self();
        // Whoever was only heard, or waits as a standby within its group, is not accused.
        let takes_part = |h: &Holder<'_>| h.flags.proved() && (h.flags.over() || !h.flags.standby());
        let mut others: Vec<Party> =
            dup.holders.iter().filter(|h| is_other(h) && takes_part(h)).map(|h| Party::of(&h)).collect();
        if others.is_empty() {
            others = dup.holders.iter().filter(is_other).map(|h| Party::of(&h)).collect();
        }
        let n_others = others.len();
        let own_over = own.as_ref().is_some_and(|p| p.over);
        others.sort_by_key(|p| p.over == own_over);
        others.truncate(NAMED);
        Conflict {
            id: dup.conflict_id,
            confirmed: dup.stage == Stage::Duplicate,
            class: dup.class,
            seats: dup.seats,
            own,
            others,
            n_others,
        }
    }
}

/// What is known of one claim.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) product: String,
    pub(crate) state: State,
    pub(crate) coverage: Coverage,
    /// Since when the agent has been blind; kept to the first moment.
    pub(crate) blind_since: Option<Now>,
    pub(crate) conflict: Option<Conflict>,
    /// The verdict that the host has from us.
    pub(crate) given: Decision,
}

impl Claim {
    pub(crate) fn new(product: &str) -> Claim {
        Claim {
            product: printable(product),
            state: State::Probing,
            coverage: Coverage::NoneHeard,
            blind_since: None,
            conflict: None,
            given: Decision::abstain(),
        }
    }

    pub(crate) fn hear_duplicate(&mut self, dup: &Duplicate<'_>, now: Now) {
        let conflict = Conflict::of(dup);
        // The change of state may come after it, or not at all if only the holders changed.
        self.state = if conflict.confirmed { State::Duplicate } else { State::Conflict };
        self.conflict = Some(conflict);
        self.hear_coverage(dup.coverage, now);
    }

    pub(crate) fn hear_state(&mut self, change: &StateChange<'_>, now: Now) {
        self.state = change.state;
        match change.state {
            State::Probing | State::Clear | State::Suspected => self.conflict = None,
            State::Duplicate => self.conflict.iter_mut().for_each(|c| c.confirmed = true),
            _ => {}
        }
        self.hear_coverage(change.coverage, now);
    }

    pub(crate) fn hear_resolved(&mut self, conflict_id: u64) {
        if self.conflict.take_if(|c| c.id == conflict_id).is_some() {
            self.state = State::Clear;
        }
    }

    fn hear_coverage(&mut self, coverage: Coverage, now: Now) {
        self.coverage = coverage;
        if coverage != Coverage::Blind {
            self.blind_since = None;
        } else if self.blind_since.is_none() {
            self.blind_since = Some(now);
        }
    }
}
