//! What one agent has said of one license, and how long it has said so by its own clock.

use std::collections::VecDeque;
use std::time::Duration;

use serialnumberd_core::{Class, Mono, Stage};

use crate::detector::Accused;
use crate::plugin::Plugin;
use crate::truth::Span;

/// So many conflicts within [`FLAP_WINDOW`] are a duplicate, as PROTOCOL.md has it: not taken from the engine's limits,
/// which are what is judged.
const FLAPS: usize = 5;
/// See [`FLAPS`].
const FLAP_WINDOW: Duration = Duration::from_secs(180);

/// A time during which an agent accused.
#[derive(Clone, Debug)]
pub(super) struct Accusation {
    pub(super) span: Span,
    /// When it was first told as `duplicate`.
    pub(super) confirmed: Option<Mono>,
    pub(super) classes: Vec<Class>,
    /// When it was first told, by the agent's own clock.
    declared: Mono,
    /// Who counted when it was told last, and who of them was over the seats.
    pub(super) counted: (usize, usize),
}

/// What lasts as long as a process: it ends with it, and a live snapshot of it holds the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// When conflicts were declared, by the agent's own clock; the newest [`FLAPS`].
    declared: VecDeque<Mono>,
    /// What it accuses of now.
    open: Option<Accusation>,
    plugin: Plugin,
}

/// What hearing an agent showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// It is the first time in this conflict that it is told as this stage.
    pub(super) rises: bool,
    /// A plugin stops the licensed software because of it.
    pub(super) stops: bool,
    /// It is told as `duplicate`, and that is neither `confirm_after` later nor for flapping.
    pub(super) too_early: bool,
}

/// One agent about one license.
#[derive(Debug, Default)]
pub(super) struct Watch {
    over: Vec<Accusation>,
    memory: Memory,
}

impl Watch {
    /// The agent tells its plugins of a duplicate; `own` is its own boot clock.
    pub(super) fn accuses(
        &mut self,
        at: Mono,
        own: Mono,
        accused: &Accused,
        confirm_after: Duration,
    ) -> News {
        let Memory { declared, open, plugin } = &mut self.memory;
        let begins = open.is_none();
        if begins {
            if declared.len() == FLAPS {
                declared.pop_front();
            }
            declared.push_back(own);
        }
        let accusation = open.get_or_insert_with(|| Accusation {
            span: Span { from: at, until: None },
            confirmed: None,
            classes: Vec::new(),
            declared: own,
            counted: (0, 0),
        });
        accusation.counted = (accused.counted, accused.over);
        if !accusation.classes.contains(&accused.class) {
            accusation.classes.push(accused.class);
        }
        let confirms = accused.stage == Stage::Duplicate && accusation.confirmed.is_none();
        let waited = own.since(accusation.declared) >= confirm_after;
        let flaps = declared.len() == FLAPS && own.since(declared[0]) <= FLAP_WINDOW;
        if confirms {
            accusation.confirmed = Some(at);
        }
        News {
            rises: begins || confirms,
            stops: plugin.duplicate(accused.stage),
            too_early: confirms && !waited && !flaps,
        }
    }

    /// The agent says that it is over.  Says whether it had said that there was anything.
    pub(super) fn resolves(&mut self, at: Mono) -> bool {
        self.memory.plugin.resolved();
        let open = self.memory.open.take();
        let accused = open.is_some();
        self.over.extend(open.map(|a| Accusation { span: Span { until: Some(at), ..a.span }, ..a }));
        accused
    }

    /// The process is gone, and with it what it remembered.
    pub(super) fn ends(&mut self, at: Mono) {
        self.resolves(at);
        self.memory = Memory::default();
    }

    /// What a live snapshot of the process holds.
    pub(super) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// A process goes on that remembers this.
    pub(super) fn goes_on(&mut self, at: Mono, memory: Memory) {
        self.ends(at);
        self.memory = memory;
        if let Some(open) = &mut self.memory.open {
            open.span.from = at;
        }
    }

    /// What it accuses of now.
    pub(super) fn open(&self) -> Option<&Accusation> {
        self.memory.open.as_ref()
    }

    pub(super) fn accusations(&self) -> impl Iterator<Item = &Accusation> {
        self.over.iter().chain(&self.memory.open)
    }
}
