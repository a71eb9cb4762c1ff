use std::time::Duration;

use fastrand::Rng;
use serialnumberd_core::{Arrival, Coverage, Interface, Mono, Now, State, Transmit};

use super::World;
use crate::detector::{Birth, Detector, Make, Said, Terms, agent};
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

/// What is found in a scenario of `a` and `b` that is played with the agent's engine.
fn found(truth: &str, story: &str, must: &str) -> Vec<String> {
    found_with(agent, truth, story, must)
}

fn found_with(make: Make, truth: &str, story: &str, must: &str) -> Vec<String> {
    let text = format!(
        "title = \"two\"\nlength = \"1 h\"\nhosts = [\"a\", \"b\"]\ntruth = [{truth}]\nstory = [{story}]\n{must}\n\
         [segment.lan]\nip = \"ipv4\"\n"
    );
    let scenario = Scenario::read("two", &text).expect("it is right");
    World::play(&scenario, &scenario.story, 0, make).findings
}

const INNOCENT: &str = "must-not-accuse = true";

#[test]
fn what_the_story_says_and_cannot_be_is_found() {
    let starts = "[\"0 s\", \"a starts\"], [\"1 min\", \"a loses its newest card\"]";
    for sentence in [
        "a gets another address",
        "a gets another IPv6 prefix",
        "a takes the address 10.0.9.9",
        "a gives up the address 10.0.9.9",
        "a moves to lan",
        "a loses its newest card",
        "the card of a is swapped",
        "the address of a is passed on to b",
        "the address of b is passed on to a",
        "b has the same address as a",
    ] {
        let story = format!("{starts}, [\"2 min\", \"{sentence}\"]");
        let found = found("[\"0 s\", \"0 to 1 holders\"]", &story, INNOCENT);
        assert_eq!(
            found,
            ["at 2m: what the story says of a cannot be: it has lost its last card"],
            "{sentence}"
        );
    }
    for (sentence, why) in [
        ("a goes on from the snapshot of b with fresh entropy", "b cannot be: it has no snapshot"),
        ("the state directory of a is restored", "a cannot be: it has no state directory"),
    ] {
        let found = found("[\"0 s\", \"0 to 1 holders\"]", &format!("[\"2 min\", \"{sentence}\"]"), INNOCENT);
        assert!(found.len() == 1 && found[0].contains(why), "{sentence}: {found:?}");
    }
}

#[test]
fn a_process_started_on_a_machine_that_sleeps_starts_when_it_wakes_up() {
    let story = "[\"0 s\", \"a is suspended\"], [\"1 s\", \"a starts\"], [\"1 min\", \"a resumes\"]";
    let made = |birth: Birth<'_>| {
        let awake = Mono(0).after(Duration::from_secs(1060));
        assert!(birth.now.boot >= awake, "machines have been up for 1000 s when a scenario begins");
        agent(birth)
    };
    let truth = "[\"0 s\", \"0 holders\"], [\"1 min\", \"1 holder\"]";
    assert_eq!(found_with(made, truth, story, INNOCENT), [""; 0]);
    let killed = story.replace("[\"1 min\"", "[\"2 s\", \"a is killed\"], [\"1 min\"");
    assert_eq!(found("[\"0 s\", \"0 holders\"]", &killed, INNOCENT), [""; 0]);
}

#[test]
fn who_is_starved_hears_late_what_comes() {
    let story = "[\"0 s\", \"a starts\"], [\"9 min\", \"a is starved by 3 s a turn for 3 min\"], [\"10 min\", \"b starts\"]";
    let must = "must-detect = { within = \"1 s\", after = \"15 min\" }\n\
                must-say = [[\"10 min 2 s\", \"b\", \"clear\"], [\"10 min 9 s\", \"b\", \"conflict\"]]";
    assert_eq!(found("[\"0 s\", \"0 to 2 holders\"]", story, must), [""; 0]);
}
