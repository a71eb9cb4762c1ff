//! The agent of a host, as `serialnumberd run` has it, on a thread of the test.

use std::sync::mpsc;
use std::thread::JoinHandle;

use agent::config::Config;
use agent::event_loop::{Agent, Setup, Wake};
use agent::paths::{Environment, Profile};

use crate::site::Site;

/// It runs until it is dropped.
pub struct Daemon {
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts it, with further tables of its configuration.
    pub fn start(site: &Site, tables: &str) -> Daemon {
        let keys =
            site.keys().iter().fold(String::new(), |text, (key, value)| text + &format!("{key} = {value}\n"));
        let control = site.path("control.sock");
        let text = format!("[agent]\n{keys}control = \"{}\"\n{tables}", control.display());
        let config =
            Config::parse(&text, Profile::System, &Environment::of_this_process()).expect("a good text");
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut agent = Agent::start(Setup { config, control: true, records: false, directory: false })
                .expect("it starts");
            tell.send(agent.wake()).expect("the test waits for it");
            agent.run(|_| {}).expect("it polls");
            agent.shut_down();
        });
        Daemon { wake: told.recv().expect("it has started"), thread: Some(thread) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.wake.stop();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "the agent panicked");
        }
    }
}
