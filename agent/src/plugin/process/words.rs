//! What agent and child say to each other: one JSON object a frame.
//!
//! Records are those of [`crate::record::line`].  Times cross as spans, but for those in records: each side counts on a
//! clock of its own.  Both sides are of one release, since the child is the agent's own program; an installed program of
//! another release, which an embedding one may find, is told by [`VERSION`].

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serialnumberd_core::{ClaimId, Product};
use zeroize::Zeroizing;

use super::facts::Figures;
use super::sandbox::Sandbox;
use crate::hex;
use crate::plugin::begin::Facts;
use crate::plugin::error::PluginError;
use crate::plugin::metrics::Metric;
use crate::plugin::options::{Setting, Settings};
use crate::plugin::outbox::Lost;
use crate::plugin::shared::{Claims, Message};
use crate::record::line::{HolderLine, RecordLine};
use crate::record::{Decision, Verdict};

/// Of these words; one for each release in which they change.
pub(super) const VERSION: u32 = 1;

/// Agent to child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToChild<'a> {
    /// The first word: what it is, and what it may do.
    Begin(Begin),
    /// After [`FromChild::Described`]: make an instance.
    Start(Start<'a>),
    Events(Vec<SentItem>),
    Configure(NewOptions<'a>),
    /// The claims that are held from now on.
    Claims(Vec<HeldClaim>),
    /// What [`FromChild::AskHolders`] asked for.
    Holders(Option<Vec<HolderLine>>),
    /// Deliver what was sent, flush, stop, end.
    Stop {
        within_ns: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) version: u32,
    pub(super) id: String,
    /// What messages call the file, which the child has as a descriptor.
    pub(super) path: PathBuf,
    pub(super) abi: (u16, u16),
    pub(super) plugin_version: String,
    pub(super) wants: u64,
    pub(super) state_dir: PathBuf,
    pub(super) sandbox: Sandbox,
    /// What the agent logs of this plugin: `error`, `warn` ...
    pub(super) log: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start<'a> {
    pub(super) granted: u64,
    pub(super) settings: Vec<SetOption<'a>>,
    pub(super) host_name: String,
    pub(super) host_version: String,
    pub(super) claims: Vec<HeldClaim>,
}

/// An option and its value, which may be secret.
#[derive(Serialize, Deserialize)]
pub(super) struct SetOption<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    secret: bool,
}

impl std::fmt::Debug for SetOption<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

pub(super) fn write_settings(settings: &Settings) -> Vec<SetOption<'_>> {
    let all = settings.0.iter();
    all.map(|s| SetOption { name: s.name.as_str().into(), value: s.value.as_str().into(), secret: s.secret })
        .collect()
}

pub(super) fn read_settings(settings: Vec<SetOption<'_>>) -> Arc<Settings> {
    let all = settings.into_iter().map(|s| Setting {
        name: s.name.into_owned(),
        value: Zeroizing::new(s.value.into_owned()),
        secret: s.secret,
    });
    Arc::new(Settings(all.collect()))
}

/// Bytes that a frame with these settings has at most: each byte of a value may take six.
pub(super) fn room_for(settings: &Settings) -> usize {
    settings.0.iter().map(|s| 64 + s.name.len() + 6 * s.value.len()).sum::<usize>() + 4096
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SentItem {
    Event { record: Box<RecordLine>, decide: bool },
    Lost(Box<Lost>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewOptions<'a> {
    pub(super) generation: u64,
    pub(super) settings: Vec<SetOption<'a>>,
    pub(super) is_withdrawn: bool,
}

/// A claim, as 32 hex digits, and its product.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeldClaim(String, String);

pub(super) fn write_claims(claims: &Claims) -> Vec<HeldClaim> {
    claims.iter().map(|(claim, product)| HeldClaim(claim.to_string(), product.to_string())).collect()
}

pub(super) fn read_claims(claims: &[HeldClaim]) -> Option<Claims> {
    claims.iter().map(|HeldClaim(id, product)| Some((claim(id)?, Product::new(product).ok()?))).collect()
}

fn claim(text: &str) -> Option<ClaimId> {
    hex::read(text).map(ClaimId)
}

/// Child to agent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromChild {
    /// What is in force of its sandbox, and what is not, in sentences for people.
    Sandbox(Vec<String>),
    /// The file was loaded; nothing but its initializers has run.
    Described(Facts),
    /// It will not run, and why.
    Refused(PluginError),
    /// The instance has started.
    Started,
    /// What its calls came to since the process began.
    Figures(Figures),
    /// It is in this call, for so long.
    Call {
        call: String,
        lasted_ns: u64,
    },
    /// What is new or has changed of its metrics.
    Metrics(Vec<MetricLine>),
    Detail(String),
    LastError(String),
    /// A verdict, asked for or not.
    Decided {
        claim: String,
        verdict: u32,
        reason: String,
        answers: Option<u64>,
    },
    NoAnswer {
        claim: String,
        seq: u64,
    },
    Announce {
        product: Option<String>,
        probe: bool,
    },
    Configuring {
        is_withdrawn: bool,
    },
    Configured {
        generation: u64,
        error: Option<String>,
    },
    /// To be answered by [`ToChild::Holders`].
    AskHolders {
        product: String,
    },
    /// The instance is not called any more: it stopped, or panicked too often.
    Ended {
        is_quarantined: bool,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MetricLine {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) is_counter: bool,
}

impl From<Metric> for MetricLine {
    fn from(metric: Metric) -> MetricLine {
        MetricLine { name: metric.name, value: metric.value, is_counter: metric.is_counter }
    }
}

impl FromChild {
    /// What a worker tells the loop.
    pub(super) fn of_message(message: Message) -> Option<FromChild> {
        Some(match message {
            Message::Decided { claim, decision, answers } => FromChild::Decided {
                claim: claim.to_string(),
                verdict: decision.verdict.0,
                reason: decision.reason,
                answers,
            },
            Message::NoAnswer { claim, seq } => FromChild::NoAnswer { claim: claim.to_string(), seq },
            Message::Announce { product, probe } => {
                FromChild::Announce { product: product.map(|product| product.to_string()), probe }
            }
            Message::Configuring { is_withdrawn } => FromChild::Configuring { is_withdrawn },
            Message::Configured { generation, result } => {
                FromChild::Configured { generation, error: result.err() }
            }
            // Only an agent says that.
            Message::StartedAnew => return None,
        })
    }

    /// The message that it is, if it is one and well formed; nothing of it is permitted yet.
    pub(super) fn into_message(self) -> Option<Message> {
        Some(match self {
            FromChild::Decided { claim: id, verdict, reason, answers } => {
                let decision = Decision { verdict: Verdict(verdict), reason };
                Message::Decided { claim: claim(&id)?, decision, answers }
            }
            FromChild::NoAnswer { claim: id, seq } => Message::NoAnswer { claim: claim(&id)?, seq },
            FromChild::Announce { product: None, probe } => Message::Announce { product: None, probe },
            FromChild::Announce { product: Some(product), probe } => {
                Message::Announce { product: Some(Product::new(&product).ok()?), probe }
            }
            FromChild::Configuring { is_withdrawn } => Message::Configuring { is_withdrawn },
            FromChild::Configured { generation, error } => {
                Message::Configured { generation, result: error.map_or(Ok(()), Err) }
            }
            _ => return None,
        })
    }
}
