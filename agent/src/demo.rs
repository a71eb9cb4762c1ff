//! `serialnumberd demo`: three agents in one process, on three loopback addresses, over real sockets.
//!
//! Two of them share a serial.  What the protocol says must follow is shown as it happens, and checked: the
//! demonstration fails if it showed anything else.

use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Token};
use serialnumberd_core::{Event, Mono, Product, State};

use crate::clock;
use crate::config::Config;
use crate::event_loop::{Agent, Setup};
use crate::paths::{Environment, Profile};
use crate::record::{Body, Record, Verdict};
use crate::text::wrap;

const POLICY: &str = "libslnd_policy.so";
const HOSTS: [&str; 3] = ["alpha", "beta", "gamma"];
/// What the demonstration shortens, as the configuration has it.
const TIMINGS: &str = "interval = \"1s\"\nconfirm_after = \"3s\"\n";
/// Not one that an agent of this host might have.
const PORT: u16 = 62_600;
/// The whole of it must be over by then.
const BOUND: Duration = Duration::from_secs(20);

/// What a host is known to have gone through.
#[derive(Debug, Default)]
struct Seen {
    states: Vec<State>,
    accused: bool,
    resolved: bool,
    verdict: Verdict,
}

struct Show<'a> {
    /// The hosts' files.
    dir: &'a Path,
    plugin_dirs: &'a [PathBuf],
    has_policy: bool,
    agents: [Option<Agent>; 3],
    seen: [Seen; 3],
    poll: mio::Poll,
    began: Mono,
}

/// Shows the demonstration; the policy plugin is searched in `plugin_dirs` and the usual places.
///
/// # Errors
/// A sentence, if it cannot be shown, or if what it showed is not what the protocol says.
pub fn demo(plugin_dirs: &[PathBuf]) -> Result<(), String> {
    let dir = std::env::temp_dir().join(format!("serialnumberd-demo-{}", std::process::id()));
    // Made here and by nobody else: what lies in a folder that others can write to may be a trap.
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&dir)
        .map_err(|e| format!("{} cannot be made: {e}; set TMPDIR to a folder of your own", dir.display()))?;
    let shown = show(plugin_dirs, &dir);
    // Keys and counters of three hosts that never were.
    let removed = std::fs::remove_dir_all(&dir);
    shown?;
    removed.map_err(|e| format!("{} cannot be removed: {e}", dir.display()))
}

fn show(plugin_dirs: &[PathBuf], dir: &Path) -> Result<(), String> {
    // Where the first host finds it, the others do.
    let policy = configuration(0, true, plugin_dirs, dir)?.plugin_specs();
    let has_policy = policy.is_ok();
    say("Three hosts on one network: alpha and gamma use the same serial number, beta its own.")?;
    say(
        "Timings are shortened: an interval is 1 s instead of 5 min, confirmation comes after 3 s instead of 90 s.",
    )?;
    match policy.ok().and_then(|specs| specs.into_iter().next()) {
        Some(policy) => say(&format!("Policy: seniority, by {}", policy.source.path().display()))?,
        None => say(&format!(
            "{POLICY} is not built, so no policy decides: a duplicate is a warning (`make demo` builds it)."
        ))?,
    }
    say("\n  time     host    what it finds")?;
    let mut show = Show {
        dir,
        plugin_dirs,
        has_policy,
        agents: [None, None, None],
        seen: Default::default(),
        poll: mio::Poll::new().map_err(|e| e.to_string())?,
        began: Mono(clock::boottime_ns()),
    };
    for place in [0, 1] {
        show.start(place)?;
    }
    show.until("alpha and beta are clear", |s| s.is(0, State::Clear) && s.is(1, State::Clear))?;
    show.start(2)?;
    show.until("alpha and gamma know of the conflict", |s| {
        s.is(0, State::Conflict) && s.is(2, State::Conflict)
    })?;
    show.until("it is confirmed", |s| s.is(0, State::Duplicate) && s.is(2, State::Duplicate))?;
    let (senior, junior) =
        if has_policy { (Verdict::ALLOW, Verdict::DENY) } else { (Verdict::WARN, Verdict::WARN) };
    show.until("the verdicts are given", |s| s.seen[0].verdict == senior && s.seen[2].verdict == junior)?;
    show.stop(2)?;
    show.until("the goodbye resolves it", |s| s.seen[0].resolved && s.is(0, State::Clear))?;
    show.until("alpha may run", |s| s.seen[0].verdict == Verdict::ALLOW)?;
    if show.seen[1].accused || show.seen[1].states != [State::Clear] {
        return Err(format!(
            "beta, whose serial is its own, was to stay clear, but went through {:?}",
            show.seen[1].states
        ));
    }
    let seconds = show.elapsed().as_secs_f64();
    show.stop(0)?;
    show.stop(1)?;
    say(&format!(
        "\nAll of this is what the protocol says; it took {seconds:.1} s. Nothing left this host, and no serial was sent."
    ))
}

impl Show<'_> {
    fn start(&mut self, place: usize) -> Result<(), String> {
        let config = configuration(place, self.has_policy, self.plugin_dirs, self.dir)?;
        let agent = Agent::start(Setup { config, control: false, records: true, directory: false })?;
        let fd = agent.fd();
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), Token(place), Interest::READABLE)
            .map_err(|e| e.to_string())?;
        self.agents[place] = Some(agent);
        self.tell(place, "starts, and probes for its license")
    }

    fn stop(&mut self, place: usize) -> Result<(), String> {
        if let Some(agent) = self.agents[place].take() {
            self.tell(place, "stops, and says goodbye")?;
            agent.shut_down();
        }
        Ok(())
    }

    fn is(&self, place: usize, state: State) -> bool {
        self.seen[place].states.last() == Some(&state)
    }

    fn elapsed(&self) -> Duration {
        Mono(clock::boottime_ns()).since(self.began)
    }

    /// Lets the agents run until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Show<'_>) -> bool) -> Result<(), String> {
        let mut ready = mio::Events::with_capacity(8);
        while !done(self) {
            let left = BOUND.saturating_sub(self.elapsed());
            if left.is_zero() {
                return Err(format!("{what}: this was to happen, but did not within {} s", BOUND.as_secs()));
            }
            let timeouts = self.agents.iter_mut().flatten().filter_map(Agent::timeout);
            let timeout = timeouts.min().unwrap_or(left).min(left);
            match self.poll.poll(&mut ready, Some(timeout)) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e.to_string()),
                _ => {}
            }
            for place in 0..HOSTS.len() {
                self.turn(place)?;
            }
        }
        Ok(())
    }

    fn turn(&mut self, place: usize) -> Result<(), String> {
        let Some(agent) = &mut self.agents[place] else { return Ok(()) };
        agent.dispatch(usize::MAX).map_err(|e| e.to_string())?;
        let records: Vec<_> = std::iter::from_fn(|| agent.poll_record()).collect();
        for record in records {
            self.take(place, &record)?;
        }
        Ok(())
    }

    fn take(&mut self, place: usize, record: &Record) -> Result<(), String> {
        let seen = &mut self.seen[place];
        match &record.body {
            Body::Engine(Event::Duplicate { stage, class, holders, .. }) => {
                seen.accused = true;
                let others = holders.iter().filter(|h| !h.is_self && h.proved);
                let others: Vec<String> =
                    others.map(|h| h.from.map_or_else(String::new, |a| a.ip().to_string())).collect();
                self.tell(
                    place,
                    &format!("{stage} ({class}): {} proved to hold the same license", others.join(", ")),
                )
            }
            Body::Engine(Event::Resolved { cause, .. }) => {
                seen.resolved = true;
                self.tell(place, &format!("resolved ({cause})"))
            }
            Body::State { old, new, decision, .. } => {
                let news = (old != new, decision.verdict != seen.verdict);
                if news.0 {
                    seen.states.push(*new);
                }
                seen.verdict = decision.verdict;
                match news {
                    (true, _) => self.tell(place, &format!("state {old} -> {new}")),
                    (_, true) => {
                        self.tell(place, &format!("verdict {}: {}", decision.verdict, decision.reason))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn tell(&self, place: usize, what: &str) -> Result<(), String> {
        let head = format!("  {:5.2} s  {:<6}  ", self.elapsed().as_secs_f64(), HOSTS[place]);
        say(wrap(&head, head.len(), what).trim_end())
    }
}

fn say(line: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(|e| format!("nothing can be printed: {e}"))
}

fn configuration(
    place: usize,
    has_policy: bool,
    plugin_dirs: &[PathBuf],
    dir: &Path,
) -> Result<Config, String> {
    let address = |n: usize| format!("127.0.0.{}", n + 1);
    let peers: Vec<String> =
        (0..HOSTS.len()).filter(|n| *n != place).map(|n| format!("\"{}:{PORT}\"", address(n))).collect();
    let home = dir.join(HOSTS[place]).display().to_string();
    let serial = if place == 1 { "DEMO-BETA" } else { "DEMO-SHARED" };
    let product = Product::new("demo").map_err(|e| e.to_string())?;
    let mut text = format!(
        "[agent]\nstate_dir = \"{home}\"\ncontrol = \"{home}/control.sock\"\nport = {PORT}\naddress = \"{}\"\npeers = [{}]\n{TIMINGS}\
         [[license]]\nproduct = \"{product}\"\nserial = \"{serial}\"\n",
        address(place),
        peers.join(", ")
    );
    if has_policy {
        text += &format!(
            "[[plugin]]\npath = \"{POLICY}\"\nverdict = \"require\"\ngrant = [\"verdict\"]\n[plugin.options]\nmode = \"seniority\"\n"
        );
    }
    let mut config =
        Config::parse(&text, Profile::System, &Environment::of_this_process()).map_err(|e| e.to_string())?;
    config.plugin_dirs = plugin_dirs.to_vec();
    // The system's installation may be older than this program.
    config.agent.plugin_dir = None;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::plugin_directories;

    #[test]
    fn a_relative_plugin_directory_is_searched_first_as_run_does() {
        let dir = tempfile::tempdir().unwrap();
        let config = configuration(0, true, &[PathBuf::from("target/debug")], dir.path()).unwrap();
        assert_eq!(config.plugin_search()[0], Path::new("target/debug"));
        assert_eq!(config.plugin_search(), plugin_directories(&config.plugin_dirs, None));
        assert_eq!(config.plugins[0].path, Path::new(POLICY));
        assert!(configuration(2, false, &[], dir.path()).unwrap().plugins.is_empty());
    }
}
