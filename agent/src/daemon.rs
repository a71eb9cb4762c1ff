//! `serialnumberd run`: an agent on its own, in the foreground, until a signal or a client stops it.
//!
//! Signal handlers belong to a program, not to the agent: here they are made, and only here.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

use crate::config::Config;
use crate::event_loop::{Agent, Setup, Wake};
use crate::memory::Code;

/// Runs an agent until it is stopped: SIGTERM and SIGINT say goodbye and end it, SIGHUP reads the configuration
/// again.  With `record`, what happens is recorded in that file.
///
/// # Errors
/// One sentence that says what, where, and what to do.
pub fn run(config: Config, record: Option<&Path>) -> Result<(), String> {
    // Until the agent is there a SIGHUP must not end it, nor be lost: the configuration is read already.
    let early = Arc::new(AtomicBool::new(false));
    flag::register(SIGHUP, Arc::clone(&early)).map_err(|e| format!("signals cannot be received: {e}"))?;
    let mut agent = Agent::start(Setup { config, control: true, records: false, directory: true })?;
    if let Some(path) = record {
        agent.record_to(path)?;
    }
    let wake = agent.wake();
    listen_to_signals(&wake).map_err(|e| format!("signals cannot be received: {e}"))?;
    if early.load(Ordering::Acquire) {
        wake.reload();
    }
    let mut code = Code::mapped();
    agent.run(|pause| code.before_sleep(pause)).map_err(|e| format!("the kernel refuses to poll: {e}"))?;
    log::info!("stopping");
    agent.shut_down();
    Ok(())
}

fn listen_to_signals(wake: &Wake) -> io::Result<()> {
    let (stop, reload, end) = wake.parts();
    for (signal, wanted) in [(SIGTERM, &stop), (SIGINT, &stop), (SIGHUP, &reload)] {
        // In this order: when the loop turns, the flag is set.
        flag::register(signal, wanted.clone())?;
        pipe::register(signal, end.try_clone()?)?;
    }
    Ok(())
}
