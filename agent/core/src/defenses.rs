//! The single defences of the engine, so that a simulator can take one away and see who is accused then.
//! Constants of a zero-sized type: in the agent all are on and cost nothing.

/// Which defences are up.  Every one is on unless an implementation says otherwise.
pub trait Defenses {
    /// Datagrams of mine that come back are recognized by their tags.
    const ECHO_LOG: bool = true;
    /// Only an answer to a datagram sent seconds ago is evidence.
    const LIVE_QUESTION: bool = true;
    /// A datagram of my own boot that I did not send makes me take a new boot id.
    const CLONE_CHECK: bool = true;
    /// Broadcast questions are answered only if the claim is over-subscribed, and not by everyone.
    const ANSWER_LIMIT: bool = true;
    /// A late or suspended loop voids its open questions.
    const HEALTH_GATE: bool = true;
    /// All counted answers answer questions sent after the youngest counted holder was first heard.
    const NEWER_THAN_YOUNGEST: bool = true;
    /// Who left a whole round unanswered does not count until it answers.
    const SILENT_NOT_COUNTED: bool = true;
    /// Of one installation only the newest-heard boot counts, unless an older one proves itself.
    const ONE_BOOT: bool = true;
}

/// All defences up: the agent's.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllOn;

impl Defenses for AllOn {}
