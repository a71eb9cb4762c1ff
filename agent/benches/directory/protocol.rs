//! What is asked, in words that both protocols have.

use crate::data::{DEPARTMENTS, MEMBERS, Person, Random, USERS};

/// A read.
#[derive(Clone, Copy)]
pub enum Read {
    /// The person with this uid among all users, by an index.
    LookUp(u32),
    /// A member of a department whose place is known: an id, or a name.
    Known(u32, u32),
    /// The names of all in a department.
    List(u32),
}

/// The kinds of [`Read`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    LookUp,
    Known,
    List,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::LookUp, Kind::Known, Kind::List];

    pub fn name(self) -> &'static str {
        match self {
            Kind::LookUp => "look-up by key",
            Kind::Known => "read",
            Kind::List => "list of 99",
        }
    }

    /// One of this kind.
    pub fn any(self, random: &mut Random) -> Read {
        match self {
            Kind::LookUp => Read::LookUp(random.below(USERS)),
            Kind::Known => Read::Known(random.below(DEPARTMENTS), random.below(MEMBERS)),
            Kind::List => Read::List(random.below(DEPARTMENTS)),
        }
    }
}

impl Read {
    /// Texts that must stand in the reply.
    pub fn tells(self) -> Vec<String> {
        match self {
            Read::LookUp(user) => vec![Person(user).name(), Person(user).real_name()],
            Read::Known(d, n) => vec![Person::of(d, n).uid(), Person::of(d, n).real_name()],
            Read::List(d) => (0..MEMBERS).map(|n| Person::of(d, n).name()).collect(),
        }
    }
}

/// How requests are written and replies are told apart.
pub trait Protocol {
    /// Appends a request.
    fn request(&self, number: u32, read: Read, out: &mut Vec<u8>);

    /// How many bytes at the beginning of `bytes` are one whole, successful reply; `None` if it is not whole yet.
    ///
    /// # Panics
    /// If it is a refusal.
    fn reply(&self, bytes: &[u8]) -> Option<usize>;
}
