//! What one engine said and sent, checked against the truth, the protocol's bounds and what it said before.

use super::super::cheap::Cheap;
use super::truth::{Seats, Truth};
use serialnumberd_core::limits::{HEARTBEAT, LIVE_FOR, ROUND_OPEN, STALL, TOTAL_BUDGET};
use serialnumberd_core::wire::{Datagram, Header, Kind, verify_mac, verify_signature};
use serialnumberd_core::{
    BootId, ClaimId, ClaimKeys, Class, Crypto, Destination, Engine, Event, Evidence, EvidenceId, Fate,
    HolderView, Instance, Legacy, Mono, Now, Payload, Stage, State, Tag, Transmit, crypto,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How far back an accusation may look: a round is open for so long, the loop may be late by so much before it doubts
/// itself, and while a round is open it promises to turn once a heartbeat.
const LOOKS_BACK: Duration = ROUND_OPEN.saturating_add(STALL).saturating_add(HEARTBEAT);
/// A machine does at most so much at one moment: each turn must leave the next deadline later.
const MOST_REPEATS: u32 = 8;

/// What all engines together have made: nobody else can.
#[derive(Default)]
pub struct Made {
    datagrams: BTreeSet<Tag>,
    /// What is under the signature, and that: all of a datagram but its MAC, which only holders of the claim can check.
    signed: BTreeSet<[u8; 32]>,
    instances: BTreeSet<Instance>,
}

/// What was told of one claim.
struct Told {
    keys: ClaimKeys,
    seats: Seats,
    state: State,
    /// The conflict that is told of: its number, its stage and since when.
    conflict: Option<(u64, Stage, Mono)>,
}

/// The witness of one process.
pub struct Witness {
    pub process: usize,
    held: BTreeMap<ClaimId, Told>,
    /// Keys of all claims ever held: a goodbye comes after the release.
    keys: BTreeMap<ClaimId, ClaimKeys>,
    conflicts: u64,
    /// The last sequence of each boot.
    sequences: BTreeMap<BootId, u64>,
    /// What is left of the budget for questions and answers, in nanoseconds' worth of refill.
    budget: (Mono, u64),
    /// What was asked and heard lately.
    sent: VecDeque<(Mono, Tag)>,
    received: VecDeque<(Mono, Tag)>,
    repeats: (Mono, u32),
    leaving: Option<ClaimId>,
}

const TOKEN: u64 = 1_000_000_000 / TOTAL_BUDGET as u64;
const PURSE: u64 = TOKEN * TOTAL_BUDGET as u64;

/// Forgets what is older than an answer can be awaited for.
fn forget_old(list: &mut VecDeque<(Mono, Tag)>, now: Mono) {
    while list.front().is_some_and(|(at, _)| now.since(*at) > LOOKS_BACK) {
        list.pop_front();
    }
}

fn signed(bytes: &[u8]) -> [u8; 32] {
    <Cheap as Crypto>::hash(&[&bytes[..bytes.len().min(304)]])
}

fn tag(bytes: &[u8]) -> Option<Tag> {
    Some(crypto::tag::<Cheap>(bytes.try_into().ok()?))
}

impl Witness {
    pub fn new(process: usize) -> Witness {
        Witness {
            process,
            held: BTreeMap::new(),
            keys: BTreeMap::new(),
            conflicts: 0,
            sequences: BTreeMap::new(),
            budget: (Mono::default(), PURSE),
            sent: VecDeque::new(),
            received: VecDeque::new(),
            repeats: (Mono::default(), 0),
            leaving: None,
        }
    }

    pub fn claimed(&mut self, keys: ClaimKeys, seats: Seats) {
        self.keys.insert(keys.id(), keys.clone());
        self.held.insert(keys.id(), Told { keys, seats, state: State::Probing, conflict: None });
    }

    pub fn relicensed(&mut self, claim: ClaimId, seats: Seats) {
        self.held.get_mut(&claim).expect("it is held").seats = seats;
    }

    /// It gives up a claim in this turn.
    pub fn releases(&mut self, claim: ClaimId) {
        self.leaving = Some(claim);
    }

    pub fn shut_down(&mut self) {
        self.held.clear();
    }

    /// In peace, what it must find out of a claim that it holds.
    pub fn expected(&self, claim: ClaimId, truth: &Truth, now: Mono) -> Option<State> {
        let exceeded = truth.was_exceeded(self.process, claim, self.held.get(&claim)?.seats, now, now);
        Some(if exceeded { State::Duplicate } else { State::Clear })
    }

    /// What was received, and what became of it.
    pub fn received(&mut self, now: Mono, bytes: &[u8], truncated: bool, fate: Fate, made: &Made) {
        let tag = tag(bytes).filter(|_| !truncated);
        let genuine = tag.is_some_and(|t| made.datagrams.contains(&t));
        let believed = [
            Fate::Heard,
            Fate::Proof,
            Fate::LateAnswer,
            Fate::Goodbye,
            Fate::Echo,
            Fate::CloneDeferred,
            Fate::Replayed,
            Fate::TableFull,
        ];
        assert!(genuine || !believed.contains(&fate), "made by nobody, but {fate:?}");
        assert!(
            fate != Fate::Inventory || made.signed.contains(&signed(bytes)),
            "signed by nobody, but {fate:?}"
        );
        let refused = [Fate::Forged, Fate::ForeignForged, Fate::WrongMac, Fate::WrongText];
        assert!(!genuine || !refused.contains(&fate), "an engine made it, but {fate:?}");
        forget_old(&mut self.received, now);
        self.received.extend(tag.map(|t| (now, t)));
        if fate == Fate::Proof {
            let Ok(Datagram { kind: Kind::Answer { answers, .. }, .. }) = Datagram::decode(bytes) else {
                panic!("a proof is an answer")
            };
            let live = |(at, t): &(Mono, Tag)| *t == answers && now.since(*at) <= LIVE_FOR;
            assert!(self.sent.iter().any(live), "a proof answers what this process asked within 10 s");
        }
    }

    /// What it sends.  Every datagram is new, signed, in sequence, and within the budget.
    pub fn transmitted(
        &mut self,
        now: Mono,
        engine: &Engine<Cheap>,
        transmit: &Transmit,
        legacy: Legacy,
        made: &mut Made,
    ) {
        let Payload::Datagram(bytes) = &transmit.payload else {
            assert_eq!(legacy, Legacy::Answer);
            assert!(matches!(transmit.to, Destination::Unicast { .. } | Destination::Link { .. }));
            return;
        };
        let header = Header::peek(&bytes[..]).expect("what is sent has a header");
        let datagram = Datagram::decode(&bytes[..]).expect("what is sent can be read");
        let keys = self.keys.get(&datagram.claim).expect("a claim of its own");
        assert!(verify_mac::<Cheap>(&header, keys) && verify_signature::<Cheap>(&header));
        assert_eq!(datagram.instance.installation, engine.installation());
        let last = self.sequences.entry(datagram.instance.boot).or_insert(0);
        *last += 1;
        assert_eq!(datagram.sequence, *last, "one more than the last of its boot");
        let tag = crypto::tag::<Cheap>(bytes);
        made.datagrams.insert(tag);
        made.signed.insert(signed(&bytes[..]));
        made.instances.insert(datagram.instance);
        forget_old(&mut self.sent, now);
        self.sent.push_back((now, tag));
        if let Kind::Answer { answers, .. } = datagram.kind {
            let heard = self.received.iter().any(|(_, t)| *t == answers);
            assert!(heard, "it answers what it heard while that is live");
        }
        if transmit.to != Destination::Everywhere {
            self.pay(now);
        }
    }

    /// Questions and answers to one are at most 20 at once, and 20 a second.
    fn pay(&mut self, now: Mono) {
        let (before, left) = self.budget;
        let refilled = u64::try_from(now.since(before).as_nanos()).unwrap_or(u64::MAX);
        let left = left.saturating_add(refilled).min(PURSE);
        assert!(left >= TOKEN, "more questions and answers than the budget");
        self.budget = (now, left - TOKEN);
    }

    /// What it concludes.
    pub fn said(&mut self, now: Mono, engine: &Engine<Cheap>, event: &Event, truth: &Truth, made: &Made) {
        match event {
            Event::Announcement { raw, holder, .. } => {
                let raw = raw.as_ref().expect("the engine tells the datagram");
                assert!(made.signed.contains(&signed(&raw[..])), "nobody announced this");
                assert_eq!(Datagram::decode(&raw[..]).map(|d| d.instance), Ok(holder.instance));
            }
            Event::Duplicate { claim, conflict_id, evidence, stage, class, seats, holders, .. } => {
                assert!(holders.iter().all(|v| v.is_self || made.instances.contains(&v.instance)));
                assert!(holders.iter().all(|v| !v.over || v.proved || v.is_self));
                assert!(holders.iter().any(|v| v.over), "nobody is over the seats");
                assert!(holders.iter().any(|v| v.proved), "nobody proved it");
                let told = self.held.get(claim).expect("of a claim held here");
                assert_eq!(told.seats.seats, *seats);
                let first = told.conflict.is_none_or(|(known, _, _)| known != *conflict_id);
                self.accused(now, *claim, (*conflict_id, *stage, *class), truth);
                let evidence = engine.evidence(*evidence).expect("the evidence is kept");
                self.check_evidence(*claim, evidence, made);
                let shown =
                    |v: &HolderView| evidence.first.pairs.iter().any(|pair| pair.instance == v.instance);
                assert!(!first || holders.iter().all(|v| !v.proved || shown(v)), "who counts is shown to");
            }
            Event::Resolved { claim, conflict_id, .. } => {
                let told = self.held.get_mut(claim).expect("of a claim held here");
                let (id, _, _) = told.conflict.take().expect("what was told of is resolved, once");
                assert_eq!(id, *conflict_id);
            }
            Event::State { claim, old, new, verdict_void, .. } => {
                let told = self.held.get_mut(claim).expect("of a claim held here");
                assert_eq!(told.state, *old, "it goes on from the state that was told");
                assert!(!verdict_void || *new == State::Probing);
                told.state = *new;
            }
            Event::Query { text, .. } => assert!(text.len() <= serialnumberd_core::limits::CLASSIC_BYTES),
        }
    }

    /// The heart of it: nobody is accused who is innocent.
    fn accused(&mut self, now: Mono, claim: ClaimId, what: (u64, Stage, Class), truth: &Truth) {
        let (id, stage, class) = what;
        let process = self.process;
        let told = self.held.get_mut(&claim).expect("of a claim held here");
        let before = told.conflict.filter(|(known, _, _)| *known == id);
        let rises = before.is_none_or(|(_, known, _)| stage > known);
        if before.is_none() {
            assert_eq!(told.conflict, None, "one conflict at a time");
            assert!(id > self.conflicts, "conflicts are numbered");
            self.conflicts = id;
        }
        let since = before.map_or(now, |(_, _, since)| since);
        let window = now.before(LOOKS_BACK);
        assert!(
            !rises || truth.was_exceeded(process, claim, told.seats, window, now),
            "FALSE ACCUSATION: process {process} says {stage} at {now:?}, with {:?}",
            told.seats
        );
        assert!(before.is_none_or(|(_, known, _)| stage >= known), "a conflict never gets less certain");
        if class == Class::Clone {
            assert!(truth.had_clones(claim, since.before(LOOKS_BACK)), "FALSE CLASS: there was no clone");
        }
        told.conflict = Some((id, stage, since));
    }

    /// Evidence convinces whoever has nothing but the claim's keys.
    fn check_evidence(&self, claim: ClaimId, evidence: &Evidence, made: &Made) {
        let keys = &self.keys[&claim];
        let id: [&[u8]; 2] =
            evidence.first.pairs.first().map_or([&[], &[]], |p| [&p.question[..], &p.answer[..]]);
        assert_eq!(evidence.id, EvidenceId(crypto::first(&<Cheap as Crypto>::hash(&id))));
        assert!(!evidence.first.pairs.is_empty(), "a conflict without evidence");
        for pair in evidence.first.pairs.iter().chain(&evidence.second.pairs) {
            for bytes in [&pair.question, &pair.answer] {
                let header = Header::peek(&bytes[..]).expect("a datagram");
                assert!(verify_mac::<Cheap>(&header, keys) && verify_signature::<Cheap>(&header));
                assert!(made.datagrams.contains(&crypto::tag::<Cheap>(bytes)));
            }
            let question = Datagram::decode(&pair.question[..]).expect("a question");
            let answer = Datagram::decode(&pair.answer[..]).expect("an answer");
            assert!(self.sequences.contains_key(&question.instance.boot), "asked by this process");
            assert_eq!(answer.instance, pair.instance);
            assert!(
                matches!(answer.kind, Kind::Answer { answers, .. } if answers == crypto::tag::<Cheap>(&pair.question))
            );
            let took = pair.answered_at.since(pair.asked_at);
            assert!(
                pair.asked_at <= pair.answered_at && took <= LIVE_FOR,
                "an answer to something old: {took:?}"
            );
        }
    }

    /// After a turn: what it shows is what it told, and it does not spin.
    pub fn turned(&mut self, now: Now, engine: &mut Engine<Cheap>, made: &Made) {
        assert_eq!(engine.events_dropped(), 0);
        if let Some(told) = self.leaving.take().and_then(|claim| self.held.remove(&claim)) {
            assert_eq!(told.conflict, None, "a conflict outlives its claim");
        }
        let mut shown = 0;
        for view in engine.claims(now) {
            let told = self.held.get(&view.claim).expect("nothing is held that was not claimed");
            assert_eq!(view.state, told.state, "a state that was not told");
            let conflict = view.conflict.as_ref().map(|c| (c.id, c.stage, c.since));
            assert_eq!(conflict, told.conflict, "a conflict that was not told, or that is over");
            assert_eq!(conflict.is_some(), matches!(view.state, State::Conflict | State::Duplicate));
            assert_eq!(told.keys.id(), view.claim);
            let known = |i: &Instance| made.instances.contains(i) || *i == engine.instance();
            assert!(view.holders.iter().all(|h| known(&h.instance)), "a holder that never was");
            shown += 1;
        }
        assert_eq!(shown, self.held.len());
        let again = engine.next_deadline() <= now.boot;
        let before = if self.repeats.0 == now.boot { self.repeats.1 } else { 0 };
        self.repeats = (now.boot, if again { before + 1 } else { 0 });
        assert!(self.repeats.1 <= MOST_REPEATS, "it would spin: its deadline stays at {:?}", now.boot);
    }
}
