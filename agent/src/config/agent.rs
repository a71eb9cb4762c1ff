//! `[agent]`: its defaults and its keys.

use std::path::PathBuf;
use std::time::Duration;

use super::document::{Document, Section};
use super::value::{boolean, duration, group, host_address, list, number, number16, peer, text, user, word};
use super::{AgentConfig, Legacy, OnPolicyFailure};
use crate::paths::{self, Environment, Profile};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// The longest `stop_timeout`: an agent that waits longer for its plugins is killed by systemd first
/// (`TimeoutStopSec`, 90 s).
pub const LONGEST_STOP: Duration = Duration::from_secs(60);
/// `IFNAMSIZ` of linux/if.h, less its NUL.
const LONGEST_INTERFACE: usize = 15;
/// The engine's table of holders has as many places.
const MOST_PEERS: u32 = 1024;
/// Every announcement is copied to each of them.
const MOST_UNICAST: usize = 64;

impl AgentConfig {
    /// What holds without a file.
    ///
    /// # Errors
    /// A sentence, if the environment of an ordinary user names no place for state or control.
    pub fn defaults(profile: Profile, environment: &Environment) -> Result<AgentConfig, String> {
        let places = (environment.state_dir(profile)?, environment.control(profile)?);
        Ok(AgentConfig::with_places(profile, places))
    }

    fn with_places(profile: Profile, (state_dir, control): (PathBuf, PathBuf)) -> AgentConfig {
        AgentConfig {
            state_dir,
            control,
            port: match profile {
                Profile::System => paths::PORT,
                Profile::Unprivileged => paths::UNPRIVILEGED_PORT,
            },
            interfaces: vec!["*".to_owned()],
            interval: Duration::from_secs(300),
            confirm_after: Duration::from_secs(90),
            legacy: Legacy::Listen,
            observe: false,
            plugin_dir: Some(PathBuf::from(paths::PLUGIN_DIR)),
            plugin_helper: None,
            stop_timeout: Duration::from_secs(5),
            on_policy_failure: OnPolicyFailure::Keep,
            on_link_only: true,
            control_uids: Vec::new(),
            control_gids: Vec::new(),
            expect_peers: 0,
            announce_host: true,
            address: None,
            peers: Vec::new(),
        }
    }
}

/// Reads `[agent]` over the profile's defaults.
pub(super) fn read(mut section: Section<'_, '_>, profile: Profile, environment: &Environment) -> AgentConfig {
    let places = read_places(&mut section, profile, environment);
    let mut agent = AgentConfig::with_places(profile, places);
    read_network(&mut section, &mut agent, profile);
    let s = &mut section;
    s.set("interval", &mut agent.interval, whole_seconds);
    s.set("confirm_after", &mut agent.confirm_after, duration(SECOND..=HOUR));
    let legacy = [Legacy::Off, Legacy::Listen, Legacy::Answer].map(|l| (l.as_str(), l));
    s.set("legacy", &mut agent.legacy, word(&legacy));
    s.set("observe", &mut agent.observe, boolean);
    let document = s.document;
    s.set("plugin_dir", &mut agent.plugin_dir, |v| path(document, v).map(Some));
    s.set("plugin_helper", &mut agent.plugin_helper, |v| path(document, v).map(Some));
    s.set("stop_timeout", &mut agent.stop_timeout, duration(Duration::ZERO..=LONGEST_STOP));
    let failure = [("keep", OnPolicyFailure::Keep), ("deny", OnPolicyFailure::Deny)];
    s.set("on_policy_failure", &mut agent.on_policy_failure, word(&failure));
    s.set("control_uids", &mut agent.control_uids, list(user));
    s.set("control_gids", &mut agent.control_gids, list(group));
    s.set("announce_host", &mut agent.announce_host, boolean);
    section.finish();
    agent
}

/// State directory and control socket.  The environment is asked only for what the file leaves open.
fn read_places(
    section: &mut Section<'_, '_>,
    profile: Profile,
    environment: &Environment,
) -> (PathBuf, PathBuf) {
    let document = section.document;
    // An ordinary user cannot have the system's places: a file that spells them out means the defaults.
    let spelled_out =
        |path: &PathBuf, system: &str| profile == Profile::Unprivileged && path.as_os_str() == system;
    let mut place = |key, system, default: Result<PathBuf, String>| {
        let set = section.take_at(key, |v| path(document, v)).map(|(path, _)| path);
        match set.filter(|path| !spelled_out(path, system)) {
            Some(path) => path,
            None => default.unwrap_or_else(|sentence| {
                document.error_of_file(sentence);
                PathBuf::from(system)
            }),
        }
    };
    let state_dir = place("state_dir", paths::STATE_DIR, environment.state_dir(profile));
    let control = place("control", paths::CONTROL, environment.control(profile));
    (state_dir, control)
}

fn read_network(section: &mut Section<'_, '_>, agent: &mut AgentConfig, profile: Profile) {
    section.set("port", &mut agent.port, number16(1));
    if profile == Profile::Unprivileged && agent.port == paths::PORT {
        agent.port = paths::UNPRIVILEGED_PORT;
    }
    section.set("interfaces", &mut agent.interfaces, |v| {
        let globs = list(interface_pattern)(v)?;
        if globs.is_empty() { Err("an empty list fits no interface".to_owned()) } else { Ok(globs) }
    });
    section.set("on_link_only", &mut agent.on_link_only, boolean);
    section.set("expect_peers", &mut agent.expect_peers, number(0..=MOST_PEERS));
    section.set("address", &mut agent.address, |v| host_address(v).map(Some));
    let port = agent.port;
    section.set("peers", &mut agent.peers, |v| {
        let mut peers = list(peer(port))(v)?;
        if peers.len() > MOST_UNICAST {
            return Err(format!("at most {MOST_UNICAST} peers; there are {}", peers.len()));
        }
        peers.sort();
        peers.dedup();
        Ok(peers)
    });
}

/// A name of an interface, or a pattern for some.
fn interface_pattern(value: &toml::de::DeValue<'_>) -> Result<String, String> {
    let pattern = text(value)?;
    if pattern.is_empty() {
        return Err("an interface name is not empty; \"*\" means all of them".to_owned());
    }
    if pattern.chars().any(|c| c.is_whitespace() || c == '/') {
        return Err(format!("an interface name has no white space and no '/', but \"{pattern}\" has"));
    }
    if pattern.bytes().filter(|b| *b != b'*').count() > LONGEST_INTERFACE {
        return Err(format!(
            "an interface name has at most {LONGEST_INTERFACE} bytes; \"{pattern}\" is longer"
        ));
    }
    Ok(pattern)
}

/// The datagram's interval is in whole seconds, so a fraction could not be told to others.
fn whole_seconds(value: &toml::de::DeValue<'_>) -> Result<Duration, String> {
    let interval = duration(SECOND..=HOUR)(value)?;
    if interval.subsec_nanos() == 0 {
        Ok(interval)
    } else {
        Err("the interval is a number of whole seconds".to_owned())
    }
}

fn path(document: &Document<'_>, value: &toml::de::DeValue<'_>) -> Result<PathBuf, String> {
    let written = text(value)?;
    if written.is_empty() || written.contains('\0') {
        return Err("a path is not empty".to_owned());
    }
    Ok(document.resolve(&written))
}
