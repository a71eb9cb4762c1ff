//! Why evidence proves nothing: each fault a value with one sentence, and where it is.

use core::fmt;

use crate::EvidenceId;

/// Where a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In all of it.
    Whole,
    /// In this round, 1 or 2.
    Round(usize),
    /// In this round and this pair of it, both counted from 1.
    Pair(usize, usize),
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first round has no pair.
    NoPairs,
    /// More pairs than any agent keeps.
    TooManyPairs,
    /// A license without a limit cannot be over-subscribed.
    Unlimited,
    /// The id is not that of the first pair, which is this one.
    Id(EvidenceId),
    /// The question is no datagram of the protocol.
    QuestionUnreadable,
    /// The answer is no datagram of the protocol.
    AnswerUnreadable,
    /// The question's signature is not that of the installation that it names.
    QuestionSignature,
    /// The answer's signature is not that of the installation that it names.
    AnswerSignature,
    /// The question is another installation's than the recorder's.
    Asker,
    /// The question is a GOODBYE.
    QuestionKind,
    /// The answer is no ANSWER.
    AnswerKind,
    /// The question is about another claim.
    QuestionClaim,
    /// The answer is about another claim.
    AnswerClaim,
    /// The question is about another product.
    QuestionProduct,
    /// The answer is about another product.
    AnswerProduct,
    /// The answer names another question.
    AnotherQuestion,
    /// The instance that asked answered itself.
    OwnAnswer,
    /// The answer came before the question.
    AnsweredBeforeAsked,
    /// The answer came when the question was no longer live.
    AnsweredLate,
    /// The instance was first heard after its answer came.
    HeardLate,
    /// One question was asked at two times.
    AskedTwice,
    /// Two questions have one nonce.
    NonceAgain,
    /// The questions' sequences do not rise with the times at which they were asked.
    Sequence,
    /// The second round began before the first one's last answer.
    RoundsOverlap,
    /// No installation answered in both rounds.
    NothingInCommon,
    /// The holders shown take so many seats, and there are as many.
    NotOver {
        /// Seats taken by all that are shown to have been alive together, the recorder included.
        taken: usize,
        /// Seats that there are.
        seats: u16,
    },
    /// No pair of the newest round is of the class that the evidence is said to be.
    Class(crate::Class),
    /// The serial gives another claim id.
    Serial,
    /// The question was not made with this serial.
    QuestionMac,
    /// The answer was not made with this serial.
    AnswerMac,
    /// The question names another fail-over group.
    QuestionGroup,
    /// The answer names another fail-over group.
    AnswerGroup,
}

/// Why evidence proves nothing, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Whole => {}
            Place::Round(round) => write!(f, "round {round}: ")?,
            Place::Pair(round, pair) => write!(f, "round {round}, pair {pair}: ")?,
        }
        write!(f, "{}", self.fault)
    }
}

impl core::error::Error for Flaw {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Id(derived) => {
                return write!(f, "the id is not that of its first pair, which makes it {derived}");
            }
            Fault::NotOver { taken, seats } => {
                return write!(
                    f,
                    "the holders that it shows to have been alive together take {taken} of {seats} seats: that is no conflict"
                );
            }
            Fault::Class(class) => {
                return write!(f, "it is said to be of class {class}, but no pair shows that");
            }
            Fault::NoPairs => "there is no question with its answer",
            Fault::TooManyPairs => "there are more pairs than an agent ever keeps",
            Fault::Unlimited => "its license has no limit of seats, so that nothing could exceed it",
            Fault::QuestionUnreadable => "the question is no datagram of the protocol",
            Fault::AnswerUnreadable => "the answer is no datagram of the protocol",
            Fault::QuestionSignature => {
                "the question's signature is wrong: it was forged, or changed after it was signed"
            }
            Fault::AnswerSignature => {
                "the answer's signature is wrong: it was forged, or changed after it was signed"
            }
            Fault::Asker => "the question was signed by another installation than the one that recorded this",
            Fault::QuestionKind => "the question is a goodbye, which asks nothing",
            Fault::AnswerKind => "the answer is an announcement or a goodbye, which answers nothing",
            Fault::QuestionClaim => "the question is about another claim",
            Fault::AnswerClaim => "the answer is about another claim",
            Fault::QuestionProduct => "the question is about another product",
            Fault::AnswerProduct => "the answer is about another product",
            Fault::AnotherQuestion => "the answer is to another question",
            Fault::OwnAnswer => "the answer is by the very instance that asked",
            Fault::AnsweredBeforeAsked => "the answer is said to have come before the question was asked",
            Fault::AnsweredLate => "the answer is said to have come more than 10 s after the question",
            Fault::HeardLate => "who answered is said to have been heard for the first time after its answer came",
            Fault::AskedTwice => "the same question is said to have been asked at another time in another pair",
            Fault::NonceAgain => "the question has the nonce of another question: it was not made afresh",
            Fault::Sequence => {
                "the question's sequence does not fit the time at which it is said to have been asked"
            }
            Fault::RoundsOverlap => "it is said to have begun before the first round was over",
            Fault::NothingInCommon => "nobody who answered in the first round did so again",
            Fault::Serial => "this serial makes another claim id: the evidence is about another license",
            Fault::QuestionMac => "the question was not made with this serial",
            Fault::AnswerMac => "the answer was not made with this serial",
            Fault::QuestionGroup => "the question names another fail-over group",
            Fault::AnswerGroup => "the answer names another fail-over group",
        })
    }
}
