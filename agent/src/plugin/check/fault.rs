//! What a fault's address says of the mistake: the kinds of memory that a plugin is given, as one number a page, and the
//! sentence for each.
//!
//! Touches no memory; the numbers are written by [`super::arena`] and read by [`super::traps`].

use super::report::Breach;

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Event,
    Batch,
    Holders,
    Text,
    Datagram,
    Options,
    Host,
    Answers,
    Status,
    Name,
}

const THINGS: [(Thing, &str); 10] = [
    (Thing::Event, "an event"),
    (Thing::Batch, "the array of events"),
    (Thing::Holders, "the holders of an event"),
    (Thing::Text, "a text"),
    (Thing::Datagram, "the bytes of a datagram"),
    (Thing::Options, "the options"),
    (Thing::Host, "the host's table"),
    (Thing::Answers, "the array of decisions"),
    (Thing::Status, "the room for its status"),
    (Thing::Name, "the instance's name"),
];

/// How a page may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Behind something: never.
    Guard,
    /// To be read.
    Given,
    /// To be written.
    Room,
    /// Not any more.
    Past,
}

const STATES: [State; 4] = [State::Guard, State::Given, State::Room, State::Past];

/// Where the pointers lead that lie in what a plugin of this minor cannot know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trap {
    /// Behind the last field of an event.
    EventTail,
    /// Between two holders.
    HolderTail,
    /// The whole body of an event of an unknown kind.
    UnknownBody,
    /// Slots behind the last one of the host's table.
    HostTail,
}

impl Trap {
    pub(super) const ALL: [Trap; 4] = [Trap::EventTail, Trap::HolderTail, Trap::UnknownBody, Trap::HostTail];

    /// Its page of the arena.
    pub(super) fn page(self) -> usize {
        place(&Trap::ALL, self)
    }
}

/// Traps count from here, uses from 1.
const TRAPS: u8 = 128;

fn place<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|other| *other == one).unwrap_or(0)
}

fn small(n: usize) -> u8 {
    u8::try_from(n).unwrap_or(0)
}

pub(super) fn trap_code(trap: Trap) -> u8 {
    TRAPS + small(trap.page())
}

pub(super) fn use_code(thing: Thing, state: State) -> u8 {
    1 + small(THINGS.iter().position(|(one, _)| *one == thing).unwrap_or(0) * STATES.len())
        + small(place(&STATES, state))
}

impl Thing {
    pub(super) fn of_code(code: u8) -> Thing {
        THINGS[usize::from(code.saturating_sub(1)) / STATES.len() % THINGS.len()].0
    }
}

/// What a fault at a page of this code means; `None` if the page was none of the arena's.
pub(super) fn breach(code: u8) -> Option<Breach> {
    let trap = Trap::ALL.iter().find(|trap| trap_code(**trap) == code);
    if let Some(trap) = trap {
        return Some(of_trap(*trap));
    }
    let index = usize::from(code.checked_sub(1)?);
    let (_, thing) = THINGS.get(index / STATES.len())?;
    let (rule, what, mend) = match STATES[index % STATES.len()] {
        State::Guard => (
            "R2",
            format!("it went past the end of {thing}"),
            "use no more of it than struct_size, len, n or cap says",
        ),
        // It may be read: so it was written.
        State::Given => {
            ("R5", format!("it wrote into {thing}, which is the host's"), "copy what is to be changed")
        }
        State::Past => (
            "R5",
            format!("it used {thing} of an earlier call"),
            "copy what is needed later: pointers live until the call returns",
        ),
        State::Room => return None,
    };
    Some(Breach::new(rule, what, mend))
}

fn of_trap(trap: Trap) -> Breach {
    let (rule, what, mend) = match trap {
        Trap::EventTail => (
            "R2",
            "it took bytes behind the last field that it knows of an event for a pointer",
            "read a field only if SLND_EV_HAS says that it is there",
        ),
        Trap::HolderTail => (
            "R3",
            "it took bytes between two holders for a holder",
            "go from one holder to the next by holder_stride: SLND_AT",
        ),
        Trap::UnknownBody => (
            "R6",
            "it read the body of an event of an unknown kind as one that it knows",
            "skip events of unknown kinds",
        ),
        Trap::HostTail => (
            "R2",
            "it called a slot behind the last one that it knows of the host's table",
            "call a slot only if SLND_HAS says that it is there",
        ),
    };
    Breach::new(rule, what, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_has_a_number_of_its_own_and_every_misuse_a_sentence() {
        let mut seen = std::collections::BTreeSet::from([0]);
        for (thing, words) in THINGS {
            for state in STATES {
                let code = use_code(thing, state);
                assert!(code < TRAPS && seen.insert(code), "{thing:?} {state:?}");
                assert_eq!(Thing::of_code(code), thing);
                match (state, breach(code)) {
                    (State::Room, None) => {}
                    (_, Some(breach)) => assert!(breach.what.contains(words), "{breach:?}"),
                    (state, None) => panic!("{thing:?} {state:?} says nothing"),
                }
            }
        }
        for trap in Trap::ALL {
            assert!(seen.insert(trap_code(trap)));
            assert!(breach(trap_code(trap)).is_some(), "{trap:?}");
        }
        assert_eq!((breach(0), breach(255)), (None, None));
    }
}
