//! The protocol's words as Rust types.  All are open: a number that this SDK does not know is kept as it is.

use core::fmt;

use crate::abi;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:ident $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A number that this SDK does not know.
            Unknown(u32),
        }

        impl From<u32> for $name {
            fn from(number: u32) -> $name {
                match number {
                    $(abi::$number => $name::$variant,)*
                    other => $name::Unknown(other),
                }
            }
        }

        impl $name {
            /// The protocol's lower-case word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                    $name::Unknown(_) => "unknown",
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

words! {
    /// State of a local claim.
    State {
        /// The start-up burst is under way.
        Probing = SLND_STATE_PROBING "probing",
        /// No over-subscription known.
        Clear = SLND_STATE_CLEAR "clear",
        /// More holders heard than seats, but not proved.
        Suspected = SLND_STATE_SUSPECTED "suspected",
        /// A round proved more holders than seats.
        Conflict = SLND_STATE_CONFLICT "conflict",
        /// A second round, at least `confirm_after` later, proved it again.
        Duplicate = SLND_STATE_DUPLICATE "duplicate",
    }
    /// How far a conflict has been established.
    Stage {
        /// Proved once.
        Conflict = SLND_STAGE_CONFLICT "conflict",
        /// Proved again, `confirm_after` later.
        Duplicate = SLND_STAGE_DUPLICATE "duplicate",
    }
    /// What kind of over-subscription it is.
    Class {
        /// Another installation holds the same license.
        Copy = SLND_CLASS_COPY "copy",
        /// Two runs with one installation key: a copied disk or state directory, a resumed snapshot.
        Clone = SLND_CLASS_CLONE "clone",
        /// Two active holders of one fail-over group.
        SplitBrain = SLND_CLASS_SPLIT_BRAIN "split-brain",
    }
    /// What the agent can and cannot hear.
    Coverage {
        /// Somebody else was heard with a valid signature within three intervals.
        Good = SLND_COVERAGE_GOOD "good",
        /// Nobody else was: neutral, a host may be alone.
        NoneHeard = SLND_COVERAGE_NONE_HEARD "none-heard",
        /// An instance that is heard left a whole round unanswered.
        OneWay = SLND_COVERAGE_ONE_WAY "one-way",
        /// Cannot bind, send or join; fewer peers than expected; or all peers vanished together.
        Blind = SLND_COVERAGE_BLIND "blind",
    }
    /// Why a conflict ended.
    Cause {
        /// The other holder said goodbye.
        Goodbye = SLND_CAUSE_GOODBYE "goodbye",
        /// The other holder was not heard for its lifetime.
        Expired = SLND_CAUSE_EXPIRED "expired",
        /// The other holder left a whole round unanswered.
        Silent = SLND_CAUSE_SILENT "silent",
        /// The local license changed its seats, group or role.
        Seats = SLND_CAUSE_SEATS "seats",
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}

ids! {
    /// Names a claim: it reveals neither product nor serial.
    ClaimId
    /// Names a kept evidence.
    EvidenceId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_words_and_unknown_ones_stay() {
        assert_eq!(State::from(3), State::Suspected);
        assert_eq!(Class::from(3).as_str(), "split-brain");
        assert_eq!(Coverage::from(2).to_string(), "none-heard");
        assert_eq!(Cause::from(77), Cause::Unknown(77));
        assert_eq!(Stage::from(0), Stage::Unknown(0));
    }
}
