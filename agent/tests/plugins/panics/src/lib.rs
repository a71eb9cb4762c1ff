//! Panics in each `on_events`: the SDK's barrier turns that into a status, and the host counts it.

use serialnumberd_plugin::{About, Error, Events, Host, Kinds, Permissions, Plugin};

struct Panics;

impl Plugin for Panics {
    const ABOUT: About = About {
        name: c"Panics",
        wants_if_granted: Permissions::VERDICT,
        events: Kinds::DUPLICATE.and(Kinds::STATE).and(Kinds::TICK),
        ..About::new(c"panics", c"1.0", c"Panics at each event")
    };

    fn create(_host: Host, _instance: &str) -> Result<Self, Error> {
        Ok(Panics)
    }

    fn on_events(&mut self, _events: Events<'_>) -> Result<(), Error> {
        panic!("at the sight of an event")
    }
}

serialnumberd_plugin::export_plugin!(Panics);
