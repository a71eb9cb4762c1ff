//! A scenario: who is on the LAN, what happens, and the truth that every agent is measured by.

mod compose;
pub(crate) mod deed;
mod file;
mod limits;
mod parts;
mod sentence;
mod slots;
pub(crate) mod span;
mod toml;
mod word;

use std::time::Duration;

use serde::Deserialize;
use serialnumberd_core::{Class, Mono, Settings, State};

pub(crate) use compose::Composition;
pub(crate) use deed::{Deed, HostId, SegmentId, Step};
pub(crate) use word::Word;

/// The scenarios that come with the simulator: name and text.
pub(crate) const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// One of the words for a defense of the engine.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// Datagrams of mine that come back are recognized by their tags.
    EchoLog,
    /// Only an answer to a datagram sent seconds ago is evidence.
    LiveQuestion,
    /// A datagram of my own boot that I did not send makes me take a new boot id.
    CloneCheck,
    /// Broadcast questions are answered by few.
    AnswerLimit,
    /// A late or suspended loop voids its open questions.
    HealthGate,
    /// Answers newer than the youngest counted holder.
    NewerThanYoungest,
    /// Silent holders are not counted.
    SilentNotCounted,
    /// One boot an installation.
    OneBoot,
}

/// Which cryptography is used.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CryptoKind {
    /// The stand-ins.
    #[default]
    Cheap,
    /// Ed25519, BLAKE3, Argon2id.
    Real,
    /// The stand-ins, with one claim id for all serials.
    Colliding,
}

/// Which IP a segment carries.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Family {
    #[default]
    Both,
    Ipv4,
    Ipv6,
}

/// How a card's two ports are bound together: the kernel's words.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bond {
    /// One port.
    #[default]
    None,
    BalanceRr,
    ActiveBackup,
    BalanceXor,
    Broadcast,
    #[serde(rename = "802.3ad")]
    Lag,
    BalanceTlb,
    BalanceAlb,
}

/// Whether a licensed host keeps to the protocol.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Temper {
    #[default]
    Honest,
    /// Announces and never answers.
    Refuses,
    /// Answers, but names a datagram that nobody sent.
    AnswersFalsely,
    /// Says everything a second time under a key that is not its own.
    Forges,
    /// Keeps to the protocol, but says that it has held the license since 2026 began.
    Backdates,
}

impl Temper {
    /// Whether what it says of others is worth hearing.
    pub(crate) fn is_honest(self) -> bool {
        matches!(self, Temper::Honest | Temper::Backdates)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct SegmentPlan {
    pub name: String,
    pub ip: Family,
}

#[derive(Clone, Debug)]
pub(crate) struct Nat {
    pub inside: SegmentId,
    pub outside: SegmentId,
    pub publish: Option<HostId>,
}

#[derive(Clone, Debug)]
pub(crate) struct LicensePlan {
    pub name: String,
    pub product: String,
    pub serial: String,
    pub seats: u16,
    pub standbys: u16,
    pub group: String,
    /// Stands for one of each host's own.
    pub each: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    pub name: String,
    /// Places in [`Scenario::licenses`].
    pub licenses: Vec<usize>,
    pub on: Vec<SegmentId>,
    pub bond: Bond,
    pub standby: bool,
    pub temper: Temper,
    /// Configured peers.
    pub peers: Vec<std::net::SocketAddr>,
}

/// How many hold a license from a moment on, as the file states it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TruthLine {
    pub at: Mono,
    pub license: usize,
    pub least: usize,
    pub most: usize,
}

/// By when everybody concerned must know.
#[derive(Clone, Debug)]
pub(crate) struct Detect {
    /// From the moment that there were too many, or that this agent started, whichever is later.
    pub within: Duration,
    /// Of all runs played together, nineteen of twenty hosts must know by then: what one run cannot show.
    pub most_within: Option<Duration>,
    /// The same as `within` for the stage `duplicate`.
    pub confirm: Option<Duration>,
    /// Not before this moment: until then the network keeps them apart.
    pub after: Mono,
    /// Which class it must be told as.
    pub class: Option<Class>,
    /// Only these must know; `None` is whoever holds the license.
    pub hosts: Option<Vec<HostId>>,
}

/// What hosts must say at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    pub at: Mono,
    pub hosts: Vec<HostId>,
    pub word: Word,
}

/// A fault to compose with: sentences about hosts called A, B, C.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub name: String,
    pub story: Vec<(Duration, String)>,
}

/// Faults drawn at random.
#[derive(Clone, Debug)]
pub(crate) struct Compose {
    pub least: usize,
    pub most: usize,
    pub from: Mono,
    pub until: Mono,
    pub faults: Vec<Fault>,
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its file's name without the extension.
    pub name: String,
    /// What it is about, one line.
    pub title: String,
    pub(crate) length: Duration,
    pub(crate) crypto: CryptoKind,
    /// Takes minutes: run only if it is named.
    pub long: bool,
    /// More would take too long and show nothing new.
    pub seeds_at_most: Option<u64>,
    pub(crate) settings: Settings,
    pub(crate) segments: Vec<SegmentPlan>,
    pub(crate) nats: Vec<Nat>,
    pub(crate) licenses: Vec<LicensePlan>,
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) truth: Vec<TruthLine>,
    pub(crate) story: Vec<Step>,
    pub(crate) must_not_accuse: bool,
    pub(crate) must_detect: Option<Detect>,
    pub(crate) must_resolve: Option<Duration>,
    pub(crate) must_say: Vec<Saying>,
    /// Datagrams a host, over the whole length.
    pub(crate) must_send_at_most: Option<u64>,
    /// Defenses without which it turns red.
    pub guards: Vec<Guard>,
    pub(crate) compose: Option<Compose>,
}

impl Scenario {
    /// Reads a scenario from the text of its file.
    ///
    /// # Errors
    /// A sentence that says where in the file what is wrong; which file it is, the caller knows.
    pub fn read(name: &str, text: &str) -> Result<Scenario, String> {
        file::read(name, text).map_err(|e| e.trim_end().to_owned())
    }

    /// All that come with the simulator, by name.
    ///
    /// # Errors
    /// As [`Scenario::read`], with the scenario's name.
    pub fn shipped() -> Result<Vec<Scenario>, String> {
        let read = |(name, text): &(&str, &str)| {
            Scenario::read(name, text).map_err(|e| format!("scenario {name}: {e}"))
        };
        SHIPPED.iter().map(read).collect()
    }

    /// The state that a host must be in when all is over: the last one that it must say; if nobody must be accused
    /// and it need not say any, that is clear.
    pub(crate) fn last_state(&self, host: HostId) -> Option<State> {
        let own = self.must_say.iter().filter(|s| s.hosts.contains(&host));
        let states = own.filter_map(|s| match s.word {
            Word::State(state) => Some((s.at, state)),
            Word::Coverage(_) | Word::Counts(..) => None,
        });
        let last = states.max_by_key(|(at, _)| *at).map(|(_, state)| state);
        self.must_not_accuse.then(|| last.unwrap_or(State::Clear))
    }

    /// Whether faults are drawn for it.
    pub(crate) fn is_composed(&self) -> bool {
        self.compose.is_some()
    }

    /// What it asks for, in the words of its file.
    #[must_use]
    pub fn musts(&self) -> String {
        let mut musts = Vec::new();
        if self.must_not_accuse {
            musts.push("must-not-accuse".to_owned());
        }
        if let Some(detect) = &self.must_detect {
            musts.push(format!("must-detect {}", humantime::format_duration(detect.within)));
        }
        if !self.must_say.is_empty() {
            let words: std::collections::BTreeSet<String> =
                self.must_say.iter().map(|s| s.word.to_string()).collect();
            musts.push(format!("must-say {}", words.into_iter().collect::<Vec<_>>().join("/")));
        }
        if let Some(most) = self.must_send_at_most {
            musts.push(format!("must-send-at-most {most}"));
        }
        if self.compose.is_some() {
            musts.push("as the truth says".to_owned());
        }
        musts.join(", ")
    }
}
