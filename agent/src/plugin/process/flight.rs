//! What a plugin's process was sent and has not dealt with, and what of its answers may pass.  Pure: reads no clock,
//! sends nothing.
//!
//! A process that answers what it cannot honestly have answered is broken, and its end.  What may be honest and late, as
//! a verdict on a claim that was released a moment ago, is dropped.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serialnumberd_core::ClaimId;
use serialnumberd_plugin::abi::{SLND_PERM_ANNOUNCE, SLND_PERM_VERDICT, slnd_perms};

use super::facts::Figures;
use crate::plugin::log_line::clean;
use crate::plugin::options::Settings;
use crate::plugin::outbox::{Item, Lost};
use crate::plugin::permission::Permissions;
use crate::plugin::shared::{Claims, Configure, Message};
use crate::record::line::REASON_MAX;

/// What is under way to one process.
#[derive(Debug)]
pub(super) struct Flight {
    granted: Permissions,
    /// The options that it has, or is to be started with.
    settings: Arc<Settings>,
    sent: VecDeque<Item>,
    /// Verdicts that are awaited, by the record that asked.
    asked: BTreeMap<u64, ClaimId>,
    configuring: Option<Configure>,
    figures: Figures,
    /// When it last took something, or was sent something while it owed nothing.
    sign_ns: u64,
}

/// What is left of a process that ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remains {
    /// Verdicts that will not come.
    pub(super) unanswered: Vec<(u64, ClaimId)>,
    /// Whatever it may not have seen, earlier losses among it.
    pub(super) lost: Lost,
    /// Of these those that are news.
    pub(super) newly_lost: [u64; 8],
    /// New options that it did not answer to.
    pub(super) unconfigured: Option<u64>,
}

impl Flight {
    pub(super) fn new(granted: Permissions, settings: Arc<Settings>) -> Flight {
        Flight {
            granted,
            settings,
            sent: VecDeque::new(),
            asked: BTreeMap::new(),
            configuring: None,
            figures: Figures::default(),
            sign_ns: 0,
        }
    }

    /// What was settled before it starts.
    pub(super) fn settle(&mut self, granted: Permissions, settings: Arc<Settings>) {
        (self.granted, self.settings) = (granted, settings);
    }

    pub(super) fn granted(&self) -> Permissions {
        self.granted
    }

    pub(super) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The options that it is to be started with next.
    pub(super) fn set_settings(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
    }

    pub(super) fn has(&self, permission: slnd_perms) -> bool {
        self.granted.covers(Permissions(permission))
    }

    /// How much it was sent that it has not taken.
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    /// Since when it owes an answer without having given any.
    pub(super) fn owes_since_ns(&self) -> Option<u64> {
        (!self.sent.is_empty() || self.configuring.is_some()).then_some(self.sign_ns)
    }

    pub(super) fn send(&mut self, item: Item, now_ns: u64) {
        self.note_sending(now_ns);
        self.asked.extend(item.question());
        self.sent.push_back(item);
    }

    /// Whether it can be given other options: one set of them after the other.
    pub(super) fn can_configure(&self) -> bool {
        self.configuring.is_none()
    }

    pub(super) fn configure(&mut self, command: Configure, now_ns: u64) {
        self.note_sending(now_ns);
        self.configuring = Some(command);
    }

    fn note_sending(&mut self, now_ns: u64) {
        if self.owes_since_ns().is_none() {
            self.sign_ns = now_ns;
        }
    }

    /// Takes its figures; what is new in them.
    pub(super) fn take(&mut self, figures: Figures, now_ns: u64) -> Result<Figures, String> {
        let news = figures.since(&self.figures).ok_or("figures that went back")?;
        let taken = usize::try_from(news.taken).unwrap_or(usize::MAX);
        if taken > self.sent.len() {
            return Err(format!("that it took {taken} events, and it was sent {}", self.sent.len()));
        }
        self.sent.drain(..taken);
        if taken > 0 {
            self.sign_ns = now_ns;
        }
        self.figures = figures;
        Ok(news)
    }

    /// A message of it as the loop may get it; `None` if it comes to nothing.
    pub(super) fn pass(
        &mut self,
        message: Message,
        claims: &Claims,
        now_ns: u64,
    ) -> Result<Option<Message>, String> {
        match message {
            Message::Decided { claim, ref decision, answers } => {
                self.must_have(SLND_PERM_VERDICT, "a verdict")?;
                if decision.reason.len() > REASON_MAX {
                    return Err(format!("a reason of {} bytes", decision.reason.len()));
                }
                match answers {
                    Some(seq) => self.close(seq, claim)?,
                    None if !claims.contains_key(&claim) => return Ok(None),
                    None => {}
                }
            }
            Message::NoAnswer { claim, seq } => self.close(seq, claim)?,
            Message::Announce { product, .. } => {
                self.must_have(SLND_PERM_ANNOUNCE, "a wish to announce")?;
                if product.is_some_and(|product| claims.values().all(|held| *held != product)) {
                    return Ok(None);
                }
            }
            Message::Configuring { is_withdrawn } => {
                if self.configuring.as_ref().is_none_or(|command| command.is_withdrawn != is_withdrawn) {
                    return Err("that it takes options, of which it got none".to_owned());
                }
            }
            Message::Configured { generation, result } => {
                let command = self.configuring.take().filter(|command| command.generation == generation);
                let command = command.ok_or("that it took options, of which it got none")?;
                self.sign_ns = now_ns;
                if result.is_ok() {
                    self.settings = command.settings;
                }
                let result = result.map_err(|what| clean(what.as_bytes()));
                return Ok(Some(Message::Configured { generation, result }));
            }
            Message::StartedAnew => return Err("what only an agent says".to_owned()),
        }
        Ok(Some(message))
    }

    fn must_have(&self, permission: slnd_perms, what: &str) -> Result<(), String> {
        if self.has(permission) { Ok(()) } else { Err(format!("{what}, for which it has no permission")) }
    }

    fn close(&mut self, seq: u64, claim: ClaimId) -> Result<(), String> {
        match self.asked.remove(&seq) {
            Some(asked) if asked == claim => Ok(()),
            _ => Err("an answer to what it was not asked".to_owned()),
        }
    }

    /// It is gone: what it leaves, and a clean slate for the next one.
    pub(super) fn end(&mut self) -> Remains {
        let mut remains = Remains {
            unanswered: std::mem::take(&mut self.asked).into_iter().collect(),
            unconfigured: self.configuring.take().map(|command| command.generation),
            ..Remains::default()
        };
        for item in self.sent.drain(..) {
            match item {
                Item::Event { record, .. } => {
                    let mut news = Lost::default();
                    news.add(&record);
                    remains.newly_lost.iter_mut().zip(news.by_kind).for_each(|(sum, more)| *sum += more);
                    remains.lost.merge(&news);
                }
                Item::Lost(lost) => remains.lost.merge(&lost),
            }
        }
        self.figures = Figures::default();
        remains
    }
}

#[cfg(test)]
mod tests {
    use serialnumberd_core::{Coverage, Product, State};

    use super::*;
    use crate::record::{Body, Decision, Record, Verdict};

    const CLAIM: ClaimId = ClaimId([7; 16]);
    const OTHER: ClaimId = ClaimId([8; 16]);

    fn xsvr() -> Product {
        Product::new("xsvr").unwrap()
    }

    fn flight(granted: slnd_perms) -> Flight {
        Flight::new(Permissions(granted), Arc::default())
    }

    fn event(seq: u64, decide: bool) -> Item {
        let (old, new, coverage) = (State::Clear, State::Clear, Coverage::Good);
        let decision = Decision::default();
        let body = Body::State { product: xsvr(), claim: CLAIM, old, new, coverage, decision };
        let body = if decide { body } else { Body::Tick };
        let record =
            Record { seq, mono_ns: seq, real_ns: 0, caused_by_self: false, decide_until_ns: None, body };
        Item::Event { record: Arc::new(record), decide }
    }

    fn decided(claim: ClaimId, answers: Option<u64>) -> Message {
        Message::Decided {
            claim,
            decision: Decision { verdict: Verdict::DENY, reason: String::new() },
            answers,
        }
    }

    /// What becomes of a message: 1 it passes, 0 it is dropped, -1 it is the process's end.
    fn fate(flight: &mut Flight, message: Message) -> i8 {
        match flight.pass(message, &Claims::from([(CLAIM, xsvr())]), 5) {
            Ok(Some(_)) => 1,
            Ok(None) => 0,
            Err(_) => -1,
        }
    }

    #[test]
    fn nothing_passes_that_was_not_granted() {
        let announce = |product| Message::Announce { product, probe: false };
        for (granted, verdict, wish) in [(0, -1, -1), (SLND_PERM_VERDICT, 1, -1), (SLND_PERM_ANNOUNCE, -1, 1)]
        {
            let mut flight = flight(granted);
            assert_eq!(fate(&mut flight, decided(CLAIM, None)), verdict);
            assert_eq!(fate(&mut flight, announce(None)), wish);
            assert_eq!(fate(&mut flight, announce(Some(xsvr()))), wish);
            assert_eq!(fate(&mut flight, announce(Product::new("other").ok())), wish.min(0));
            assert_eq!(fate(&mut flight, Message::StartedAnew), -1);
        }
    }

    #[test]
    fn an_answer_is_to_a_question_and_to_each_there_is_one() {
        let mut flight = flight(SLND_PERM_VERDICT);
        flight.send(event(1, true), 0);
        flight.send(event(2, true), 0);
        flight.send(event(3, false), 0);
        assert_eq!(fate(&mut flight, decided(CLAIM, Some(1))), 1);
        assert_eq!(fate(&mut flight, decided(CLAIM, Some(1))), -1, "twice");
        assert_eq!(fate(&mut flight, decided(OTHER, Some(2))), -1, "of another claim");
        assert_eq!(fate(&mut flight, Message::NoAnswer { claim: CLAIM, seq: 3 }), -1, "nobody asked");
        assert_eq!(fate(&mut flight, decided(OTHER, None)), 0, "it may have been held a moment ago");
        let reason = "x".repeat(REASON_MAX + 1);
        let decision = Decision { verdict: Verdict::WARN, reason };
        assert_eq!(fate(&mut flight, Message::Decided { claim: CLAIM, decision, answers: None }), -1);
    }

    #[test]
    fn options_are_answered_once_and_then_hold() {
        let mut flight = flight(0);
        let configured = |generation| Message::Configured { generation, result: Ok(()) };
        assert_eq!(fate(&mut flight, configured(1)), -1);
        let new = Arc::new(Settings(Vec::new()));
        let command = Configure { generation: 1, settings: Arc::clone(&new), is_withdrawn: false };
        flight.configure(command, 40);
        assert_eq!((flight.can_configure(), flight.owes_since_ns()), (false, Some(40)));
        assert_eq!(fate(&mut flight, Message::Configuring { is_withdrawn: true }), -1);
        assert_eq!(fate(&mut flight, Message::Configuring { is_withdrawn: false }), 1);
        assert_eq!(fate(&mut flight, configured(1)), 1);
        assert!(Arc::ptr_eq(flight.settings(), &new));
        assert_eq!((flight.can_configure(), flight.owes_since_ns()), (true, None));
    }

    #[test]
    fn it_owes_since_its_last_sign_of_life() {
        let mut flight = flight(0);
        flight.send(event(1, false), 10);
        flight.send(event(2, false), 20);
        assert_eq!((flight.owes_since_ns(), flight.len()), (Some(10), 2));
        let figures = Figures { taken: 1, ..Figures::default() };
        assert_eq!(flight.take(figures, 30), Ok(figures));
        assert_eq!((flight.owes_since_ns(), flight.len()), (Some(30), 1));
        assert!(flight.take(Figures { taken: 3, ..figures }, 40).is_err(), "more than it was sent");
        assert!(flight.take(Figures::default(), 40).is_err(), "less than before");
        flight.take(Figures { taken: 2, ..figures }, 50).unwrap();
        assert_eq!(flight.owes_since_ns(), None);
    }

    #[test]
    fn what_it_leaves_is_told_and_the_next_one_begins_anew() {
        let mut flight = flight(0);
        flight.take(Figures { calls: 3, ..Figures::default() }, 0).unwrap();
        let before = Lost {
            first_seq: 2,
            last_seq: 3,
            count: 2,
            by_kind: [0, 2, 0, 0, 0, 0, 0, 0],
            ..Lost::default()
        };
        flight.send(Item::Lost(Box::new(before)), 0);
        flight.send(event(4, true), 0);
        flight.send(event(5, false), 0);
        flight.configure(Configure { generation: 9, settings: Arc::default(), is_withdrawn: false }, 0);
        let remains = flight.end();
        assert_eq!((remains.unanswered, remains.unconfigured), (vec![(4, CLAIM)], Some(9)));
        assert_eq!((remains.lost.first_seq, remains.lost.last_seq, remains.lost.count), (2, 5, 4));
        assert_eq!(remains.newly_lost, [0, 0, 0, 0, 1, 0, 1, 0]);
        assert_eq!(flight.end(), Remains::default());
        assert!(flight.take(Figures::default(), 0).is_ok(), "a new process counts from zero");
    }
}
