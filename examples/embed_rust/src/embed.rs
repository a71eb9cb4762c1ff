//! A program that guards its own license, in Rust without C: prints what it may do, whenever that changes, until its
//! standard input ends.
//!
//! `embed MODE PRODUCT SERIAL [KEY=VALUE]...`, where MODE is own (an agent in this process), connect (a client of the
//! agent on this host) or auto, and the keys are those of the configuration file:
//!
//! `embed own xsvr ABC-1 state_dir=/tmp/a port=62700 address=127.0.0.1 peers='["127.0.0.2"]'`
#![forbid(unsafe_code)]

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use serialnumberd::embed::{Answer, Delivery, Dispatched, Embedded, Failure, Sink};
use serialnumberd::record::Body;
use serialnumberd_plugin::abi::{SLND_EV_DUPLICATE, slnd_ev_bit};

/// What the agent would log goes to stderr.
struct Stderr;

impl Sink for Stderr {
    fn log(&self, level: log::Level, line: &str) {
        // Who closed stderr does not want to know.
        let _ = writeln!(io::stderr(), "{level} {line}");
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, product, serial, keys @ ..] = arguments.as_slice() else {
        let _ = writeln!(io::stderr(), "usage: embed own|connect|auto PRODUCT SERIAL [KEY=VALUE]...");
        return ExitCode::from(2);
    };
    match guard(mode, product, serial, keys) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            let _ = writeln!(io::stderr(), "embed: {refusal}");
            ExitCode::FAILURE
        }
    }
}

fn guard(mode: &str, product: &str, serial: &str, keys: &[String]) -> Result<(), Failure> {
    let mut agent = Embedded::new(Some(Arc::new(Stderr)))?;
    agent.set("mode", mode)?;
    for (key, value) in keys.iter().filter_map(|pair| pair.split_once('=')) {
        agent.set(key, value)?;
    }
    agent.want_events(slnd_ev_bit(SLND_EV_DUPLICATE));
    agent.start()?;
    let handle = agent.handle();
    handle.claim(product, serial, 1)?;
    let stopper = handle.clone();
    thread::spawn(move || {
        // An error of the standard input is an end, too.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        stopper.stop();
    });
    let mut shown = None;
    // In a program with a loop of its own: wait for `agent.fd()` or `agent.timeout()`, then `agent.dispatch()`.
    while agent.turn(usize::MAX)? != Dispatched::Stopping {
        while let Some(delivery) = agent.poll_delivery() {
            tell(&delivery);
        }
        let answer = handle.check(product)?;
        let news = (answer.verdict, answer.state, answer.connected);
        if shown.replace(news) != Some(news) {
            serve(&answer);
        }
    }
    agent.shut_down();
    Ok(())
}

/// Here a server would open or close its doors.
fn serve(answer: &Answer) {
    let away = if answer.connected { "" } else { " (the agent is away)" };
    let _ = writeln!(io::stdout(), "{} {}{away}: {}", answer.verdict, answer.state, answer.reason);
}

fn tell(delivery: &Delivery) {
    if let Delivery::Event { record, .. } = delivery
        && let Body::Engine(event) = &record.body
    {
        let _ = writeln!(io::stderr(), "event {}: {event:?}", record.seq);
    }
}
