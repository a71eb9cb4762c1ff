//! Sequences of operations on two to four engines of one LAN: time, claims, mishaps, and what befalls datagrams.
//!
//! | file | owns |
//! |---|---|
//! | `operations` | what the bytes mean |
//! | `machine`, `world` | the machines, their clocks and turns |
//! | `network` | the datagrams under way |
//! | `claims` | who takes up and gives up what |
//! | `truth` | who really held which claim when |
//! | `witness` | what one engine said and sent, and whether that can be true |
//! | `calm` | the end: the LAN is healed and left in peace, and every engine must find out the truth |

mod calm;
mod claims;
mod machine;
mod network;
mod operations;
mod truth;
mod witness;
mod world;

use super::input::Input;
use world::World;

/// Operations after this many turns of engines are not begun: an input costs milliseconds, not seconds.
const TURNS: u32 = 20_000;

pub fn engine(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new(&mut input);
    while !input.is_empty() && world.turns < TURNS {
        operations::perform(&mut world, &mut input);
    }
    world.calm();
}
