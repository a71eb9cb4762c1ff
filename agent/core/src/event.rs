//! What the engine concludes.  One vocabulary for plugins, embedders, `watch` and recordings.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::{ClaimId, EvidenceId, Instance, Mono, Product};

/// An enum whose values have a word each, the same on the wire of tools, in logs and in status.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// What a word of the protocol stands for.
            #[must_use]
            pub fn of_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|it| it.as_str() == word)
            }

            /// The protocol's lower-case word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words!(
    /// State of a local claim.
    State {
        /// The start-up burst is under way.
        Probing = "probing",
        /// No over-subscription known.
        Clear = "clear",
        /// More holders heard than seats, but not proved.
        Suspected = "suspected",
        /// A round proved more holders than seats.
        Conflict = "conflict",
        /// A second round, at least `confirm_after` later, proved it again.
        Duplicate = "duplicate",
    }
);
words!(
    /// How far a conflict has been established.
    Stage {
        /// Proved once.
        Conflict = "conflict",
        /// Proved again, `confirm_after` later.
        Duplicate = "duplicate",
    }
);
words!(
    /// What kind of over-subscription it is.
    Class {
        /// Another installation holds the same license.
        Copy = "copy",
        /// Two runs with one installation key: a copied disk or state directory, a resumed snapshot.
        Clone = "clone",
        /// Two active holders of one fail-over group.
        SplitBrain = "split-brain",
    }
);
words!(
    /// Why a conflict ended.
    ResolvedCause {
        /// The other holder said goodbye.
        Goodbye = "goodbye",
        /// The other holder was not heard for its lifetime.
        Expired = "expired",
        /// The other holder left a whole round unanswered.
        Silent = "silent",
        /// The local license changed its seats, group or role.
        Seats = "seats",
    }
);
words!(
    /// What this agent can and cannot hear.
    Coverage {
        /// Somebody else was heard with a valid signature within three intervals.
        Good = "good",
        /// Nobody else was: neutral, a host may be alone.
        NoneHeard = "none-heard",
        /// An instance that is heard left a whole round unanswered.
        OneWay = "one-way",
        /// Cannot bind, send or join; fewer peers than expected; or all peers vanished together.
        Blind = "blind",
    }
);
words!(
    /// Whether a holder serves or waits.
    PeerRole {
        /// It serves.
        Active = "active",
        /// It waits to take over within its fail-over group.
        Standby = "standby",
    }
);

/// A holder of a claim as others may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderView {
    /// Which run of which installation.
    pub instance: Instance,
    /// Where it was last heard from; `None` for this agent itself.
    pub from: Option<SocketAddr>,
    /// On which interface it was last heard; 0 for this agent itself, and for a configured peer that the routing
    /// table reaches by an interface that is not used.
    pub interface: u32,
    /// Its host name, empty if it does not tell.
    pub host: String,
    /// Its fail-over group: the name if it is ours, else the digest in hex, empty for none.
    pub group: String,
    /// Whether it serves or waits.
    pub role: PeerRole,
    /// Its steady interval in seconds.
    pub interval_s: u16,
    /// Seats as its license states them; shown only.
    pub seats: u16,
    /// How many times the installation was started; a hint for people.
    pub runs: u64,
    /// Since when it says to hold the claim, Unix ms of its clock; 0 is unknown.
    pub since_ms: u64,
    /// First and last heard, `CLOCK_BOOTTIME`; for this agent itself, since it claimed.
    pub first_heard: Mono,
    /// See `first_heard`.
    pub last_heard: Mono,
    /// When it last validly answered a question of ours.
    pub last_proved: Option<Mono>,
    /// It is this agent.
    pub is_self: bool,
    /// The MAC of a claim held here was right: it knows the serial.
    pub verified: bool,
    /// It answered within the current conflict's rounds or in the open one; without a conflict, within its lifetime.
    pub proved: bool,
    /// It left a whole round unanswered and has not answered since.
    pub silent: bool,
    /// It is beyond the seats in the order of (since, public key, boot id).
    pub over: bool,
}

/// What one interface can hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceCoverage {
    /// The kernel's index.
    pub index: u32,
    /// The kernel's name.
    pub name: String,
    /// What it can hear.
    pub state: Coverage,
    /// Since when, `CLOCK_BOOTTIME`.
    pub since: Mono,
    /// How many other installations were heard here with a valid signature and have not expired.
    pub peers: u32,
    /// Why, for people; empty if `good` or `none-heard`.
    pub why: String,
}

/// Something that happened.  No event carries a serial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A valid announcement was heard.
    Announcement {
        /// Of which product.
        product: Product,
        /// Of which claim.
        claim: ClaimId,
        /// Who.
        holder: HolderView,
        /// The datagram itself; the engine always tells it, whoever passes an event on may leave it out.
        raw: Option<alloc::boxed::Box<[u8; 320]>>,
    },
    /// A claim held here is over-subscribed.
    Duplicate {
        /// Of which product.
        product: Product,
        /// Of which claim.
        claim: ClaimId,
        /// Numbers this agent's conflicts from 1.
        conflict_id: u64,
        /// Under which name the evidence is kept.
        evidence: EvidenceId,
        /// How far it is established.
        stage: Stage,
        /// What kind it is.
        class: Class,
        /// The local license's seats.
        seats: u16,
        /// What this agent could hear.
        coverage: Coverage,
        /// All holders, in the order of (since, public key, boot id).
        holders: Vec<HolderView>,
    },
    /// That conflict ended.
    Resolved {
        /// Of which product.
        product: Product,
        /// Of which claim.
        claim: ClaimId,
        /// Which conflict.
        conflict_id: u64,
        /// Why it ended.
        cause: ResolvedCause,
    },
    /// State or coverage of a local claim changed.
    State {
        /// Of which product.
        product: Product,
        /// Of which claim.
        claim: ClaimId,
        /// The state before.
        old: State,
        /// The state now.
        new: State,
        /// What this agent can hear.
        coverage: Coverage,
        /// The verdict before no longer holds: a change of role starts from ABSTAIN.
        verdict_void: bool,
    },
    /// A classic text query or response was seen.
    Query {
        /// From whom.
        from: SocketAddr,
        /// For which product, if it names a valid one.
        product: Option<Product>,
        /// What it said, at most 512 bytes.
        text: Vec<u8>,
    },
}
