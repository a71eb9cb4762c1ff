//! The supervisor while there is a process: passes on what the loop has for the plugin, and sees to it that it answers.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serialnumberd_core::{Event, HolderView, Product};
use serialnumberd_plugin::abi::SLND_PERM_RAW;

use super::hearing::Word;
use super::spawn::{Child, Why};
use super::supervisor::Supervisor;
use super::words::{NewOptions, SentItem, ToChild, room_for, write_claims, write_settings};
use crate::plugin::limits::{
    BATCHES_SENT, CALL_KILLED, CALL_SLOW, CALL_WATCHED, FRAME_EVENTS, FRAME_HOLDERS, KILL_SHARE, KILL_TIME,
    LINGER, PIPE_HOLDERS, WORDS,
};
use crate::plugin::outbox::{Item, Lost};
use crate::plugin::permission::Permissions;
use crate::plugin::shared::{Call, Message};
use crate::record::Body;
use crate::record::line::{HolderLine, Raw, RecordLine};

/// How a process came to its end.
pub(super) enum Over {
    /// It was asked to.
    Stopped,
    /// It panicked, or crashed, too often.
    Quarantined,
    Crashed(Why),
}

/// How tending goes on.
enum Going {
    /// Whether there was anything to do.
    On(bool),
    Over(Over),
}

fn ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl Supervisor {
    /// Until it ends, or is to end.
    pub(super) fn tend(&mut self, mut child: Child) -> Over {
        let mut is_rested = true;
        loop {
            if let Some(by_ns) = self.desk.shared.stop_by_ns() {
                return self.wind_up(child, by_ns);
            }
            match self.turn(&mut child) {
                Ok(Going::On(true)) => is_rested = false,
                Ok(Going::On(false)) if is_rested => self.rest(),
                Ok(Going::On(false)) => {
                    thread::sleep(LINGER);
                    is_rested = !self.is_full() || self.is_late(CALL_WATCHED);
                }
                Ok(Going::Over(over)) => {
                    child.end("was asked to end".to_owned());
                    return over;
                }
                Err(why) => return Over::Crashed(child.end(why)),
            }
        }
    }

    fn turn(&mut self, child: &mut Child) -> Result<Going, Why> {
        let mut has_worked = false;
        for _ in 0..WORDS {
            let Some(word) = child.word()? else { break };
            has_worked = true;
            if let Some(over) = self.obey(word, child)? {
                return Ok(Going::Over(over));
            }
        }
        has_worked |= self.pass_claims(child)? | self.pass_options(child)? | self.pass_events(child)?;
        self.note_silence();
        if self.is_late(CALL_KILLED) {
            let call = self.desk.shared.present_call().map_or("on_events", |(_, call)| call);
            return Err(format!("was killed: its {call} did not return within {} s", CALL_KILLED.as_secs()));
        }
        Ok(Going::On(has_worked))
    }

    fn obey(&mut self, word: Word, child: &mut Child) -> Result<Option<Over>, Why> {
        match word {
            Word::AskHolders(product) => {
                let holders = self.holders(product);
                child.say(&ToChild::Holders(holders), 4096)?;
            }
            Word::Panicked(times) => {
                let now_ns = self.desk.now_ns();
                if (0..times.min(16)).any(|_| self.restarts.panicked(now_ns)) {
                    return Ok(Some(Over::Quarantined));
                }
            }
            Word::Ended { is_quarantined: true } => return Ok(Some(Over::Quarantined)),
            Word::Ended { is_quarantined: false } => {
                return Err("stopped without having been asked to".to_owned());
            }
            Word::Described(_) | Word::Refused(_) | Word::Started => {
                return Err("said that it starts, long after it had".to_owned());
            }
        }
        Ok(None)
    }

    /// The holders of a product's claim as the loop published them last; none if they are too many for the pipe.
    fn holders(&mut self, product: Product) -> Option<Vec<HolderLine>> {
        if let Some(newer) = self.desk.shared.holders.take() {
            self.holders = Some(newer);
        }
        let holders = Arc::clone(self.holders.as_ref()?.get(&product)?);
        if holders.len() > PIPE_HOLDERS {
            log::warn!(
                "plugin {}: {} holders of {product} are too many for its process",
                self.desk.id,
                holders.len()
            );
            return None;
        }
        Some(self.with_names(|names| holders.iter().map(|holder| HolderLine::of(holder, names)).collect()))
    }

    /// Does something with the names of interfaces, as they are now.
    fn with_names<R>(&mut self, work: impl FnOnce(&dyn Fn(u32) -> Option<String>) -> R) -> R {
        if let Some(told) = self.desk.shared.interfaces.take() {
            self.names.learn(Some(told));
        }
        self.names.forget();
        let names = RefCell::new(&mut self.names);
        work(&|index| Some(names.borrow_mut().of(index).to_owned()))
    }

    fn pass_claims(&mut self, child: &mut Child) -> Result<bool, Why> {
        let claims = self.desk.claims();
        if Arc::ptr_eq(&claims, &self.claims_told) {
            return Ok(false);
        }
        child.say(&ToChild::Claims(write_claims(&claims)), 4096)?;
        self.claims_told = claims;
        Ok(true)
    }

    /// One set of options after the other: what waits stays where the loop can count it.
    fn pass_options(&mut self, child: &mut Child) -> Result<bool, Why> {
        if !self.desk.flight().can_configure() {
            return Ok(false);
        }
        let Ok(command) = self.commands.pop() else { return Ok(false) };
        let settings = Arc::clone(&command.settings);
        let (generation, is_withdrawn) = (command.generation, command.is_withdrawn);
        self.desk.flight().configure(command, self.desk.now_ns());
        let new = NewOptions { generation, settings: write_settings(&settings), is_withdrawn };
        child.say(&ToChild::Configure(new), room_for(&settings))?;
        Ok(true)
    }

    fn window(&self) -> usize {
        BATCHES_SENT * self.facts.batch()
    }

    fn is_full(&self) -> bool {
        self.desk.flight().len() >= self.window()
    }

    fn pass_events(&mut self, child: &mut Child) -> Result<bool, Why> {
        let items = self.next_items();
        if items.is_empty() {
            return Ok(false);
        }
        let raw = if self.granted.covers(Permissions(SLND_PERM_RAW)) { Raw::Keep } else { Raw::Omit };
        let lines = self.with_names(|names| items.iter().map(|item| line(item, names, raw)).collect());
        // Before they are sent: the answers may come at once.
        let now_ns = self.desk.now_ns();
        let mut flight = self.desk.flight();
        items.into_iter().for_each(|item| flight.send(item, now_ns));
        self.desk.shared.process.set_in_flight(flight.len());
        drop(flight);
        child.say(&ToChild::Events(lines), 64 * 1024)?;
        Ok(true)
    }

    /// As much as the process has room for, and a frame.
    fn next_items(&mut self) -> Vec<Item> {
        let room = self.window().saturating_sub(self.desk.flight().len()).min(FRAME_EVENTS);
        let (mut items, mut holders) = (Vec::new(), 0);
        while items.len() < room {
            if self.untold.count > 0 {
                items.push(Item::Lost(Box::new(std::mem::take(&mut self.untold))));
                continue;
            }
            let Ok(next) = self.queue.peek() else { break };
            let more = holders_of(next);
            if holders > 0 && holders + more > FRAME_HOLDERS {
                break;
            }
            let Ok(item) = self.queue.pop() else { break };
            if more > PIPE_HOLDERS {
                self.lose(&item);
                continue;
            }
            holders += more;
            items.push(item);
        }
        items
    }

    /// Of an event that no frame has room for.
    fn lose(&mut self, item: &Item) {
        if let Item::Event { record, .. } = item {
            let mut lost = Lost::default();
            lost.add(record);
            self.desk.shared.process.lose(&lost.by_kind);
            self.untold.merge(&lost);
        }
        if let Some((seq, claim)) = item.question() {
            self.desk.post(Message::NoAnswer { claim, seq });
        }
    }

    /// Since when the plugin is in a call, or its process owes an answer.
    fn waits_since_ns(&self) -> Option<u64> {
        let call = self.desk.shared.present_call().map(|(since_ns, _)| since_ns);
        call.into_iter().chain(self.desk.flight().owes_since_ns()).min()
    }

    fn is_late(&self, patience: Duration) -> bool {
        self.waits_since_ns().is_some_and(|since| self.desk.now_ns() >= since.saturating_add(ns(patience)))
    }

    /// A process that was stopped, or whose plugin broke it, does not even say that it is in a call; people are to see it.
    fn note_silence(&self) {
        let shared = &self.desk.shared;
        let flight = self.desk.flight();
        if let (None, Some(since_ns)) = (shared.present_call(), flight.owes_since_ns())
            && self.desk.now_ns() >= since_ns.saturating_add(ns(CALL_SLOW))
        {
            let call = if flight.can_configure() { Call::OnEvents } else { Call::Configure };
            shared.call_begins(call, since_ns);
        }
    }

    /// Until the loop has something for the plugin, its process something to say, or it has waited long enough.
    fn rest(&self) {
        if self.desk.shared.has_untold.load(std::sync::atomic::Ordering::Acquire) && self.queue.is_empty() {
            self.desk.ring();
        }
        match self.waits_since_ns() {
            None => thread::park(),
            Some(since_ns) => {
                let is_told = self.desk.shared.present_call().is_some();
                let late_ns = since_ns.saturating_add(ns(if is_told { CALL_KILLED } else { CALL_SLOW }));
                thread::park_timeout(Duration::from_nanos(late_ns.saturating_sub(self.desk.now_ns())));
            }
        }
    }

    /// Half of the time for what waits in the queue; then the process is asked to stop, and in the end it is killed.
    fn wind_up(&mut self, mut child: Child, by_ns: u64) -> Over {
        let begun_ns = self.desk.now_ns();
        let whole_ns = by_ns.saturating_sub(begun_ns);
        let kill_ns = by_ns - (whole_ns / KILL_SHARE).min(ns(KILL_TIME));
        let mut is_asked = false;
        let why = loop {
            match self.last_turn(&mut child, is_asked) {
                Ok(true) => break "stopped".to_owned(),
                Ok(false) => {}
                Err(why) => break why,
            }
            let now_ns = self.desk.now_ns();
            if !is_asked && (self.queue.is_empty() || now_ns >= begun_ns + whole_ns / 2) {
                is_asked = true;
                let within_ns = kill_ns.saturating_sub(now_ns);
                if let Err(why) = child.say(&ToChild::Stop { within_ns }, 64) {
                    break why;
                }
            }
            if now_ns >= kill_ns {
                let call = self.desk.shared.present_call().map_or("stop", |(_, call)| call);
                log::warn!(
                    "plugin {}: killed, its {call} did not return within the stop timeout",
                    self.desk.id
                );
                break "was killed".to_owned();
            }
            let until_ns = if is_asked { kill_ns } else { kill_ns.min(begun_ns + whole_ns / 2) };
            thread::park_timeout(Duration::from_nanos(until_ns.saturating_sub(now_ns)));
        };
        let left = self.queue.slots() + self.desk.flight().len();
        if left > 0 {
            log::warn!("plugin {}: stopped before it had taken {left} events that waited", self.desk.id);
        }
        let why = child.end(why);
        log::debug!("plugin {}: its process {why}", self.desk.id);
        Over::Stopped
    }

    /// Whether it has stopped.
    fn last_turn(&mut self, child: &mut Child, is_asked: bool) -> Result<bool, Why> {
        // What comes after these unparks this thread, which has not parked yet.
        for _ in 0..WORDS {
            let Some(word) = child.word()? else { break };
            if matches!(word, Word::Ended { .. }) || self.obey(word, child)?.is_some() {
                return Ok(true);
            }
        }
        if !is_asked {
            while self.pass_events(child)? {}
        }
        Ok(false)
    }
}

fn line(item: &Item, names: &dyn Fn(u32) -> Option<String>, raw: Raw) -> SentItem {
    match item {
        Item::Event { record, decide } => {
            SentItem::Event { record: Box::new(RecordLine::of(record, names, raw)), decide: *decide }
        }
        Item::Lost(lost) => SentItem::Lost(lost.clone()),
    }
}

/// How many holders an event tells: what makes it long.
fn holders_of(item: &Item) -> usize {
    let Item::Event { record, .. } = item else { return 0 };
    match &record.body {
        Body::Engine(Event::Duplicate { holders, .. }) => Vec::<HolderView>::len(holders),
        _ => 1,
    }
}
