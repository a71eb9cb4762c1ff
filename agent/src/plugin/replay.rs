//! Plays a recording into a plugin, on the recording's own time: the verdicts depend on nothing else.
//!
//! One thread, one event after the other: what was told at a time is told at that time, and between two records the
//! plugin's timers run.  Only threads of the plugin's own are faster than they were.  Nothing is done with what it asks
//! for; its verdicts are told to whoever plays.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rtrb::{Consumer, RingBuffer};
use serialnumberd_core::{ClaimId, Event, Product};
use serialnumberd_plugin::abi::{SLND_EV_LOST, SLND_PERM_RAW, SLND_PERM_VERDICT, slnd_ev_bit};

use super::batch::Batch;
use super::begin::{self, Facts};
use super::calls::{CallError, Calls};
use super::context::{Context, HolderSource, Seat};
use super::error::{PluginError, Rule};
use super::handshake::Doorbell;
use super::host_table::{self, HostInfo};
use super::limits::MESSAGES;
use super::outbox::{self, Answer, Item, Lost};
use super::permission::Permissions;
use super::scratch::Scratch;
use super::shared::{Claims, Clocks, Message, Shared};
use super::view::claim_of;
use super::{descriptor, file, manifest, state_dir};
use crate::record::line::ReadRecord;
use crate::record::{Body, Decision};
use crate::recording::{Part, Recording};

/// Rounds of wakes after one record: a plugin that wakes itself at each tick would never come to the next one.
const WAKES_A_RECORD: usize = 16;
/// Times between two records at which timers run: the timers of a plugin that wants more are late, and told so.
const TICKS_A_GAP: usize = 10_000;
/// What a plugin gets to write out what it holds back, on its own clock.
const FLUSH_NS: u64 = 1_000_000_000;

/// What is to be played into.
#[derive(Clone, Debug)]
pub struct Player {
    /// The plugin's file.
    pub file: PathBuf,
    /// Names of the permissions to grant; `None` is all that it asks for.
    pub grant: Option<Vec<String>>,
    /// Its options, each as text.
    pub options: Vec<(String, String)>,
}

/// Why a verdict was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This record asked.
    Asked(u64),
    /// It decided by itself, so long after the recording's begin, nanoseconds.
    Itself(u64),
}

/// What the plugin said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A verdict.
    Verdict {
        /// Why.
        cause: Cause,
        /// On which product.
        product: Product,
        /// The verdict, with its reason.
        decision: Decision,
    },
    /// A call failed.
    Failed {
        /// At which record, or when.
        cause: Cause,
        /// Which, and what it said.
        what: String,
    },
}

/// The recording's clocks, as far as it has been played.
struct Time {
    boot: Arc<AtomicU64>,
    /// Wall clock less boot clock, which may be negative.
    wall_offset: Arc<AtomicI64>,
    begin_ns: u64,
}

impl Time {
    fn clocks(&self) -> Clocks {
        let (boot, wall, offset) =
            (Arc::clone(&self.boot), Arc::clone(&self.boot), Arc::clone(&self.wall_offset));
        Clocks {
            boot: Arc::new(move || boot.load(Ordering::Acquire)),
            wall: Arc::new(move || {
                wall.load(Ordering::Acquire).saturating_add_signed(offset.load(Ordering::Acquire))
            }),
        }
    }

    /// Never backwards.
    fn set(&self, mono_ns: u64) {
        self.boot.fetch_max(mono_ns, Ordering::AcqRel);
    }

    fn set_wall(&self, mono_ns: u64, real_ns: u64) {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.wall_offset.store(signed(real_ns).saturating_sub(signed(mono_ns)), Ordering::Release);
    }

    fn now_ns(&self) -> u64 {
        self.boot.load(Ordering::Acquire)
    }

    fn since_begin(&self) -> u64 {
        self.now_ns().saturating_sub(self.begin_ns)
    }
}

/// Plays a recording, and tells what the plugin says as it says it.
///
/// # Errors
/// A sentence: the plugin is refused or does not start, an option does not fit, the recording cannot be read.
pub fn replay(player: &Player, recording: &mut Recording, told: &mut dyn FnMut(Said)) -> Result<(), String> {
    // Read before the plugin runs: what it is told first, and since when the recording's clock goes.
    let standing = recording.standing().map_err(|e| e.to_string())?;
    let scratch = Scratch::new("replay")?;
    let begin_ns = recording.header().mono_ns;
    let first_ns = standing.first().map_or(begin_ns, |read| read.record.mono_ns.min(begin_ns));
    let time = Time { boot: Arc::new(AtomicU64::new(first_ns)), wall_offset: Arc::default(), begin_ns };
    let mut stage = Stage::set_up(player, &scratch, time, claims(recording)?).map_err(|e| e.to_string())?;
    for read in standing {
        stage.play(read, told);
    }
    while let Some(part) = recording.next().map_err(|e| e.to_string())? {
        match part {
            Part::Record(read) => stage.play(*read, told),
            Part::Lost { first_seq, last_seq } => stage.lose(first_seq, last_seq, told),
        }
    }
    stage.wind_up(told);
    Ok(())
}

/// The claims that were held at the beginning.  Others become known as they are told of.
fn claims(recording: &Recording) -> Result<Claims, String> {
    let read = |held: &crate::recording::HeldClaim| {
        let product = Product::new(&held.product).ok()?;
        let id = crate::hex::read::<16>(&held.claim)?;
        Some((ClaimId(id), product))
    };
    let wrong =
        |held: &crate::recording::HeldClaim| format!("the header's claim on {} is none", held.product);
    recording.header().claims.iter().map(|held| read(held).ok_or_else(|| wrong(held))).collect()
}

/// The plugin's instance, and all that stands behind it.
struct Stage {
    context: &'static Context,
    shared: Arc<Shared>,
    calls: Calls,
    batch: Batch,
    messages: Consumer<Message>,
    claims: Claims,
    time: Time,
    events: u64,
    decides: bool,
}

impl Stage {
    fn set_up(player: &Player, scratch: &Scratch, time: Time, claims: Claims) -> Result<Stage, PluginError> {
        let path = player.file.as_path();
        let file = file::open(path)?;
        let manifest = manifest::read(path, &file)?;
        let descriptor = descriptor::load(file, &manifest)?;
        let id = manifest.id.as_str();
        let facts = Facts::of(&descriptor);
        let grant = match &player.grant {
            None => Permissions(descriptor.wants.0 | descriptor.wants_if_granted.0),
            Some(names) => Permissions::from_names(names.iter().map(String::as_str))
                .map_err(|what| PluginError::new(id, Rule::Permission, what))?,
        };
        let options =
            player.options.iter().map(|(key, text)| (key.clone(), toml::Value::from(text.as_str())));
        let (granted, settings) = begin::settle(id, &facts, grant, (&options.collect(), true))?;
        let state_dir = state_dir::prepare(scratch.path(), id, None)?;
        let shared = Arc::new(Shared::new(Arc::new(claims.clone())));
        let (producer, messages) = RingBuffer::new(MESSAGES);
        let seat = Seat { id: id.to_owned(), granted, shared: Arc::clone(&shared), clocks: time.clocks() };
        let doorbell = Arc::new(Doorbell::new(Arc::new(|| {})));
        let context = Context::new(seat, doorbell, producer, HolderSource::published());
        let host = HostInfo {
            name: "serialnumberd plugin replay".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let table = host_table::table(context, &host, granted, &state_dir);
        let failed =
            |error: CallError| PluginError::new(id, Rule::LifeCycle, settings.redact(&error.to_string()));
        let calls = Calls::create(descriptor.raw, table, id, Arc::clone(&shared), time.clocks().boot)
            .map_err(failed)?;
        if let Err(error) = calls.configure(&settings, false).and_then(|()| calls.start()) {
            calls.stop_and_destroy();
            return Err(failed(error));
        }
        let batch = Batch::new(facts.batch(), granted.covers(Permissions(SLND_PERM_RAW)));
        let decides = granted.covers(Permissions(SLND_PERM_VERDICT));
        let events = facts.events | slnd_ev_bit(SLND_EV_LOST);
        Ok(Stage { context, shared, calls, batch, messages, claims, time, events, decides })
    }

    /// Lets time pass until a record, and tells it.
    fn play(&mut self, read: ReadRecord, told: &mut dyn FnMut(Said)) {
        let ReadRecord { record, interfaces } = read;
        self.pass(record.mono_ns, told);
        self.time.set_wall(record.mono_ns, record.real_ns);
        self.learn(&record.body);
        if self.events & slnd_ev_bit(outbox::kind(&record.body)) == 0 {
            return;
        }
        let asks = record.decide_until_ns.is_some() && claim_of(&record.body).is_some();
        let (seq, decide) = (record.seq, asks && self.decides);
        self.batch.learn(Some(Arc::new(interfaces)));
        self.batch.add(Item::Event { record: Arc::new(record), decide });
        self.deliver(Cause::Asked(seq), told);
        self.wake(told);
    }

    /// Tells that records are missing.
    fn lose(&mut self, first_seq: u64, last_seq: u64, told: &mut dyn FnMut(Said)) {
        let count = last_seq - first_seq + 1;
        let (mono_ns, real_ns) = (self.time.now_ns(), (self.context.clocks.wall)());
        // Of what kind they were nobody knows.
        let by_kind = [count, 0, 0, 0, 0, 0, 0, 0];
        self.batch.add(Item::Lost(Box::new(Lost { first_seq, last_seq, count, by_kind, mono_ns, real_ns })));
        self.deliver(Cause::Asked(last_seq), told);
    }

    /// A claim that was made later, by a reload or a program, is held from when it is told of.
    fn learn(&mut self, body: &Body) {
        let (Body::State { product, claim, .. } | Body::Engine(Event::Duplicate { product, claim, .. })) =
            body
        else {
            return;
        };
        if self.claims.insert(*claim, *product).is_none() {
            self.shared.claims.put(Arc::new(self.claims.clone()));
        }
    }

    /// Lets the plugin's timers run until a time.
    fn pass(&mut self, until_ns: u64, told: &mut dyn FnMut(Said)) {
        for _ in 0..TICKS_A_GAP {
            let Some(due_ns) = self.context.next_timer_ns().filter(|due_ns| *due_ns <= until_ns) else {
                break;
            };
            self.time.set(due_ns);
            self.tick(told);
        }
        self.time.set(until_ns);
        self.tick(told);
    }

    fn wake(&mut self, told: &mut dyn FnMut(Said)) {
        for _ in 0..WAKES_A_RECORD {
            if !self.tick(told) {
                break;
            }
        }
    }

    /// Delivers what is due; false if nothing was.
    fn tick(&mut self, told: &mut dyn FnMut(Said)) -> bool {
        let mut due = Vec::new();
        let now_ns = self.time.now_ns();
        self.context.take_due(now_ns, &mut due);
        for due in &due {
            self.batch.add_due(due, now_ns, (self.context.clocks.wall)());
            self.deliver(Cause::Itself(self.time.since_begin()), told);
        }
        !due.is_empty()
    }

    fn deliver(&mut self, cause: Cause, told: &mut dyn FnMut(Said)) {
        let (answers, result) = self.batch.replay(&self.calls);
        match result {
            Ok(()) => {
                for Answer { claim, seq, decision } in answers {
                    self.tell(Cause::Asked(seq), claim, decision, told);
                }
            }
            Err(error) => told(Said::Failed { cause, what: error.to_string() }),
        }
        self.hear(told);
    }

    /// What it decided by itself.
    fn hear(&mut self, told: &mut dyn FnMut(Said)) {
        while let Ok(message) = self.messages.pop() {
            if let Message::Decided { claim, decision, .. } = message {
                self.tell(Cause::Itself(self.time.since_begin()), claim, decision, told);
            }
        }
    }

    fn tell(&self, cause: Cause, claim: ClaimId, decision: Decision, told: &mut dyn FnMut(Said)) {
        if let Some(product) = self.claims.get(&claim).copied() {
            told(Said::Verdict { cause, product, decision });
        }
    }

    fn wind_up(mut self, told: &mut dyn FnMut(Said)) {
        if let Err(error) = self.calls.flush(self.time.now_ns().saturating_add(FLUSH_NS)) {
            told(Said::Failed { cause: Cause::Itself(self.time.since_begin()), what: error.to_string() });
        }
        self.calls.stop();
        self.hear(told);
        self.shared.close();
        self.calls.destroy();
    }
}
