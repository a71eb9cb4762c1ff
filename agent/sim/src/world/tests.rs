use fastrand::Rng;
use serialnumberd_core::{Arrival, Coverage, Interface, Mono, Now, State, Transmit};

use super::World;
use crate::detector::{Detector, Said, Terms};
use crate::scenario::Scenario;

/// A process that always has something due, and never does it.
struct Restless;

impl Detector for Restless {
    fn turn(&mut self, _: Now, _: &mut Rng) {}
    fn hear(&mut self, _: Now, _: &mut Rng, _: &Arrival<'_>) {}
    fn on_time(&mut self, _: Now, _: &mut Rng) {}
    fn deadline(&mut self) -> Mono {
        Mono(1)
    }
    fn transmit(&mut self) -> Option<Transmit> {
        None
    }
    fn said(&mut self) -> Option<Said> {
        None
    }
    fn set_interfaces(&mut self, _: Now, _: &mut Rng, _: Vec<Interface>) {}
    fn set_broken(&mut self, _: Now, _: &mut Rng, _: u32, _: bool) {}
    fn stop(&mut self, _: Now, _: &mut Rng) {}
    fn release(&mut self, _: Now, _: &mut Rng, _: usize) {}
    fn relicense(&mut self, _: Now, _: &mut Rng, _: &Terms) {}
    fn state(&self, _: usize) -> State {
        State::Clear
    }
    fn coverage(&self, _: Now) -> Coverage {
        Coverage::Good
    }
    fn snapshot(&self) -> Box<dyn Detector> {
        Box::new(Restless)
    }
}

#[test]
fn a_process_that_turns_for_ever_at_one_moment_ends_the_run() {
    let text = "title = \"one\"\nlength = \"1 h\"\nhosts = [\"a\"]\ntruth = [[\"0 s\", \"0 to 1 holders\"]]\n\
                story = [[\"5 s\", \"a starts\"]]\nmust-not-accuse = true\n";
    let scenario = Scenario::read("one", text).expect("it is right");
    let outcome = World::play(&scenario, &scenario.story, 0, |_| Box::new(Restless));
    assert_eq!(outcome.findings, ["at 5s: a woke up 10000 times at one moment, and would for ever"]);
}
