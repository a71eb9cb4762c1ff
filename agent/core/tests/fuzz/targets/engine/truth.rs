//! Who really held which claim when: what engines can only infer.

use serialnumberd_core::{ClaimId, Installation, License, Mono};

/// One process that holds one claim without a break.
struct Tenure {
    process: usize,
    installation: Installation,
    claim: ClaimId,
    from: Mono,
    to: Mono,
    /// From when on it was a STANDBY of a group, or was none.
    roles: Vec<(Mono, bool)>,
}

impl Tenure {
    fn holds_at(&self, at: Mono) -> bool {
        self.from <= at && at <= self.to
    }

    /// Whether it waited, and never served, from `start` to `end`.
    fn only_waited(&self, start: Mono, end: Mono) -> bool {
        let ends = |i: usize| self.roles.get(i + 1).map_or(Mono::NEVER, |(at, _)| *at);
        let within = |i: usize, at: Mono| at <= end && ends(i) >= start;
        self.roles.iter().enumerate().all(|(i, (at, standby))| *standby || !within(i, *at))
    }
}

/// What a holder's own license says of seats.
#[derive(Clone, Copy, Debug)]
pub struct Seats {
    pub seats: u16,
    pub standbys: u16,
    /// It is itself a STANDBY of a group.
    pub standby: bool,
}

impl Seats {
    pub fn of(license: &License) -> Seats {
        let standby = license.standby && !license.group.is_empty();
        Seats { seats: license.seats, standbys: license.standbys, standby }
    }

    fn exceeded_by(self, active: usize, standby: usize) -> bool {
        let (active, standby) = (active + usize::from(!self.standby), standby + usize::from(self.standby));
        let taken = active + standby.saturating_sub(usize::from(self.standbys));
        self.seats != 0 && taken > usize::from(self.seats)
    }
}

#[derive(Default)]
pub struct Truth {
    tenures: Vec<Tenure>,
}

impl Truth {
    pub fn begin(
        &mut self,
        process: usize,
        installation: Installation,
        claim: ClaimId,
        now: Mono,
        standby: bool,
    ) {
        let roles = vec![(now, standby)];
        self.tenures.push(Tenure { process, installation, claim, from: now, to: Mono::NEVER, roles });
    }

    fn current(&mut self, process: usize) -> impl Iterator<Item = &mut Tenure> {
        self.tenures.iter_mut().filter(move |t| t.process == process && t.to == Mono::NEVER)
    }

    pub fn change_role(&mut self, process: usize, claim: ClaimId, now: Mono, standby: bool) {
        let changed =
            |t: &&mut Tenure| t.claim == claim && t.roles.last().is_some_and(|(_, s)| *s != standby);
        self.current(process).filter(changed).for_each(|t| t.roles.push((now, standby)));
    }

    pub fn end(&mut self, process: usize, claim: Option<ClaimId>, now: Mono) {
        self.current(process).filter(|t| claim.is_none_or(|c| c == t.claim)).for_each(|t| t.to = now);
    }

    /// Whether more held `claim` together, at some moment from `start` to `end`, than `process` has seats for.  Whoever
    /// served at any time from `start` on counts as serving.
    pub fn was_exceeded(&self, process: usize, claim: ClaimId, seats: Seats, start: Mono, end: Mono) -> bool {
        let others = || self.tenures.iter().filter(|t| t.claim == claim && t.process != process);
        let moments = others().map(|t| t.from).filter(|at| *at > start && *at <= end).chain([start]);
        moments.into_iter().any(|at| {
            let (standby, active): (Vec<&Tenure>, Vec<&Tenure>) =
                others().filter(|t| t.holds_at(at)).partition(|t| t.only_waited(start, end));
            seats.exceeded_by(active.len(), standby.len())
        })
    }

    /// Whether two processes of one installation held `claim` together at some moment since `start`.
    pub fn had_clones(&self, claim: ClaimId, start: Mono) -> bool {
        let held: Vec<&Tenure> = self.tenures.iter().filter(|t| t.claim == claim && t.to >= start).collect();
        let together = |a: &Tenure, b: &Tenure| a.from <= b.to && b.from <= a.to;
        held.iter().enumerate().any(|(i, a)| {
            held[..i]
                .iter()
                .any(|b| a.process != b.process && a.installation == b.installation && together(a, b))
        })
    }

    pub fn holds(&self, process: usize, claim: ClaimId) -> bool {
        self.tenures.iter().any(|t| t.process == process && t.claim == claim && t.to == Mono::NEVER)
    }
}
