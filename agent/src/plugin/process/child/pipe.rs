//! The child's main thread: passes on what the agent says to the plugin's thread, and what that has to say to the agent.
//!
//! It never runs the plugin's code, so it hears that the agent is gone whatever the plugin does.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Thread};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rtrb::{Consumer, Producer, RingBuffer};
use serialnumberd_core::{Event, HolderView};

use super::instance::{self, Ends, Go, Teller};
use crate::clock;
use crate::plugin::handshake::{Doorbell, End};
use crate::plugin::host_table::HostInfo;
use crate::plugin::limits::{
    BATCH_MAX, BATCHES_SENT, CALL_WATCHED, COMMANDS, FIGURES_EVERY, FRAME_FROM_CHILD, MESSAGES,
};
use crate::plugin::manifest::Manifest;
use crate::plugin::outbox::Item;
use crate::plugin::permission::Permissions;
use crate::plugin::process::facts::Figures;
use crate::plugin::process::frame::{Frames, frame};
use crate::plugin::process::words::{FromChild, SentItem, ToChild, read_claims, read_settings};
use crate::plugin::shared::{Configure, Message, Shared};
use crate::plugin::text_room::Interfaces;
use crate::record::Body;
use crate::record::line::HolderLine;

/// Names of interfaces that are remembered: where containers come and go, so do they.
const INTERFACES: usize = 256;

/// What the main thread has in hand.
pub(super) struct Pipe {
    pipe: UnixStream,
    frames: Frames,
    bell: Arc<Doorbell>,
    bell_end: UnixStream,
    shared: Arc<Shared>,
    interfaces: Interfaces,
    /// What the agent was told last.
    figures: Figures,
    /// Beginning of the call that the agent was told of.
    call_told_ns: Option<u64>,
    /// How many changes of metrics it was told, and when.
    metrics_told: (u64, Option<u64>),
    metrics: Vec<crate::plugin::Metric>,
}

/// Its ends of what leads to the plugin's thread.
struct Plugin {
    thread: Thread,
    words: Receiver<FromChild>,
    go: Option<Sender<Go>>,
    queue: Producer<Item>,
    commands: Producer<Configure>,
    messages: Consumer<Message>,
    holders: Sender<Option<Arc<[HolderView]>>>,
}

impl Pipe {
    pub(super) fn new(pipe: UnixStream, frames: Frames) -> Result<Pipe, String> {
        let failed = |error: std::io::Error| format!("no bell can be made: {error}");
        let (bell_end, ringer) = UnixStream::pair().map_err(failed)?;
        bell_end.set_nonblocking(true).and_then(|()| ringer.set_nonblocking(true)).map_err(failed)?;
        let bell = Arc::new(Doorbell::new(Arc::new(move || {
            // A full one has been rung.
            let _ = (&ringer).write(&[1]);
        })));
        let shared = Arc::new(Shared::watched(Arc::clone(&bell)));
        // From the first record on interfaces are called as in the agent: the kernel is never asked here.
        shared.interfaces.put(Arc::default());
        Ok(Pipe {
            pipe,
            frames,
            bell,
            bell_end,
            shared,
            interfaces: Interfaces::new(),
            figures: Figures::default(),
            call_told_ns: None,
            metrics_told: (0, None),
            metrics: Vec::new(),
        })
    }

    /// Runs the plugin until it has ended, or the agent is gone.
    pub(super) fn serve(
        mut self,
        plugin: File,
        manifest: Manifest,
        state_dir: PathBuf,
    ) -> Result<(), String> {
        let mut plugin = self.launch(plugin, manifest, state_dir)?;
        loop {
            let (agent_spoke, rung) = self.wait()?;
            if rung {
                self.answer_bell();
            }
            let has_ended = self.shared.ended();
            self.report(&mut plugin)?;
            if let Some(end) = has_ended {
                return self.say(&[FromChild::Ended { is_quarantined: end == End::Quarantined }]);
            }
            if agent_spoke {
                self.hear(&mut plugin)?;
            }
        }
    }

    fn launch(&self, file: File, manifest: Manifest, state_dir: PathBuf) -> Result<Plugin, String> {
        let room = BATCHES_SENT * usize::try_from(BATCH_MAX).unwrap_or(usize::MAX);
        let (queue, queue_end) = RingBuffer::new(room);
        let (commands, commands_end) = RingBuffer::new(COMMANDS);
        let (messages_end, messages) = RingBuffer::new(MESSAGES);
        let ((words_end, words), (go, go_end), (holders, holders_end)) = (channel(), channel(), channel());
        let ends = Ends {
            teller: Teller { words: words_end, bell: Arc::clone(&self.bell) },
            shared: Arc::clone(&self.shared),
            go: go_end,
            queue: queue_end,
            commands: commands_end,
            messages: messages_end,
            holders: holders_end,
        };
        let (shared, bell) = (Arc::clone(&self.shared), Arc::clone(&self.bell));
        let thread = thread::Builder::new()
            .name("plugin".to_owned())
            .spawn(move || {
                shared.end(instance::live(file, manifest, state_dir, ends));
                bell.ring();
            })
            .map_err(|error| format!("no thread can be made for the plugin: {error}"))?;
        let thread = thread.thread().clone();
        Ok(Plugin { thread, words, go: Some(go), queue, commands, messages, holders })
    }

    /// Waits for the agent or the plugin's threads; which of them has something to say.
    fn wait(&self) -> Result<(bool, bool), String> {
        let now_ns = clock::boottime_ns();
        let wake_ns = self.call_watch_ns().into_iter().chain(self.metrics_due_ns()).min();
        let timeout = wake_ns.map_or(PollTimeout::NONE, |at| {
            let left = Duration::from_nanos(at.saturating_sub(now_ns)) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let mut ready = [
            PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.bell_end.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(format!("the pipe cannot be polled: {error}")),
        }
        let spoke = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        Ok((spoke(&ready[0]), spoke(&ready[1])))
    }

    fn answer_bell(&mut self) {
        let mut rings = [0; 16];
        while matches!(self.bell_end.read(&mut rings), Ok(n) if n > 0) {}
        self.bell.answer();
    }

    /// When the agent is to be told of the call that the plugin is in; most are over by then.
    fn call_watch_ns(&self) -> Option<u64> {
        let (since_ns, _) = self.shared.present_call()?;
        (self.call_told_ns != Some(since_ns)).then(|| since_ns.saturating_add(nanoseconds(CALL_WATCHED)))
    }

    fn metrics_due_ns(&self) -> Option<u64> {
        let (told, at_ns) = self.metrics_told;
        let due_ns = at_ns.map_or(0, |at_ns| at_ns.saturating_add(nanoseconds(FIGURES_EVERY)));
        (self.shared.metrics.changes() != told).then_some(due_ns)
    }

    /// Tells the agent whatever is new.
    fn report(&mut self, plugin: &mut Plugin) -> Result<(), String> {
        let figures = self.shared.figures();
        let mut words: Vec<FromChild> = Vec::new();
        while let Ok(message) = plugin.messages.pop() {
            words.extend(FromChild::of_message(message));
        }
        words.extend(plugin.words.try_iter());
        words.extend(self.shared.last_error.take().map(FromChild::LastError));
        words.extend(self.shared.detail.take().map(FromChild::Detail));
        let now_ns = clock::boottime_ns();
        if self.metrics_due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            words.push(self.changed_metrics(now_ns));
        }
        if figures != self.figures {
            self.figures = figures;
            words.push(FromChild::Figures(figures));
        }
        if let (Some(watch_ns), Some((since_ns, call))) = (self.call_watch_ns(), self.shared.present_call())
            && watch_ns <= now_ns
        {
            self.call_told_ns = Some(since_ns);
            words.push(FromChild::Call { call: call.to_owned(), lasted_ns: now_ns.saturating_sub(since_ns) });
        }
        self.say(&words)
    }

    fn changed_metrics(&mut self, now_ns: u64) -> FromChild {
        self.metrics_told = (self.shared.metrics.changes(), Some(now_ns));
        let all = self.shared.metrics.all();
        let changed = all.iter().filter(|metric| !self.metrics.contains(metric)).cloned();
        let changed = changed.map(Into::into).collect();
        self.metrics = all;
        FromChild::Metrics(changed)
    }

    fn say(&mut self, words: &[FromChild]) -> Result<(), String> {
        let mut bytes = Vec::new();
        for word in words {
            let frame = frame(word, 256, FRAME_FROM_CHILD).ok_or("a word is too long for the pipe")?;
            bytes.extend_from_slice(&frame);
        }
        self.pipe.write_all(&bytes).map_err(|error| format!("the agent cannot be told: {error}"))
    }

    /// Does what the agent says.
    fn hear(&mut self, plugin: &mut Plugin) -> Result<(), String> {
        match self.frames.fill(&mut self.pipe) {
            Ok(0) => return Err("the agent is gone".to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(format!("the agent is not heard: {error}")),
        }
        while let Some(word) = self.frames.next()? {
            self.obey(word, plugin)?;
        }
        plugin.thread.unpark();
        Ok(())
    }

    fn obey(&mut self, word: ToChild<'static>, plugin: &mut Plugin) -> Result<(), String> {
        const FULL: &str = "the agent sent more than there is room for";
        match word {
            ToChild::Begin(_) => return Err("the agent begins twice".to_owned()),
            ToChild::Start(start) => {
                self.take_claims(&start.claims)?;
                let host = HostInfo { name: start.host_name, version: start.host_version };
                let settings = read_settings(start.settings);
                let go = Go { granted: Permissions(start.granted), settings, host };
                let thread = plugin.go.take().ok_or("the agent starts it twice")?;
                // It may have ended by itself.
                let _ = thread.send(go);
            }
            ToChild::Events(items) => {
                for item in items {
                    let item = self.item(item)?;
                    plugin.queue.push(item).map_err(|_| FULL)?;
                }
            }
            ToChild::Configure(new) => {
                let settings = read_settings(new.settings);
                let command =
                    Configure { generation: new.generation, settings, is_withdrawn: new.is_withdrawn };
                plugin.commands.push(command).map_err(|_| FULL)?;
            }
            ToChild::Claims(claims) => self.take_claims(&claims)?,
            ToChild::Holders(lines) => {
                let holders = lines.map(|lines| self.holders(lines)).transpose()?;
                let _ = plugin.holders.send(holders);
            }
            ToChild::Stop { within_ns } => {
                // What was not started is not to be.
                plugin.go = None;
                self.shared.ask_to_stop(clock::boottime_ns().saturating_add(within_ns));
            }
        }
        Ok(())
    }

    fn take_claims(&self, claims: &[crate::plugin::process::words::HeldClaim]) -> Result<(), String> {
        let claims = read_claims(claims).ok_or("the agent names a claim that is none")?;
        self.shared.claims.put(Arc::new(claims));
        Ok(())
    }

    fn item(&mut self, item: SentItem) -> Result<Item, String> {
        match item {
            SentItem::Lost(lost) => Ok(Item::Lost(lost)),
            SentItem::Event { record, decide } => {
                let read = record.read().map_err(|error| error.to_string())?;
                self.learn(holders_of(&read.record.body), read.interfaces);
                Ok(Item::Event { record: Arc::new(read.record), decide })
            }
        }
    }

    fn holders(&mut self, lines: Vec<HolderLine>) -> Result<Arc<[HolderView]>, String> {
        let mut interfaces = Interfaces::new();
        let holders = lines.into_iter().map(|line| line.read(&mut interfaces));
        let holders = holders.collect::<Result<Arc<[_]>, _>>()?;
        self.learn(&holders, interfaces);
        Ok(holders)
    }

    /// Takes note of what the interfaces of these holders are called now, if anything.
    fn learn(&mut self, holders: &[HolderView], names: Interfaces) {
        let known = self.interfaces.len();
        let indexes = holders.iter().map(|holder| holder.interface);
        let unnamed: Vec<u32> = indexes.filter(|index| !names.contains_key(index)).collect();
        self.interfaces.retain(|index, _| !unnamed.contains(index));
        let is_new = self.interfaces.len() < known
            || names.iter().any(|(index, name)| self.interfaces.get(index) != Some(name));
        if is_new {
            if self.interfaces.len() > INTERFACES {
                self.interfaces.clear();
            }
            self.interfaces.extend(names);
            self.shared.interfaces.put(Arc::new(self.interfaces.clone()));
        }
    }
}

fn holders_of(body: &Body) -> &[HolderView] {
    match body {
        Body::Engine(Event::Announcement { holder, .. }) => std::slice::from_ref(holder),
        Body::Engine(Event::Duplicate { holders, .. }) => holders,
        _ => &[],
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
