//! Making an agent: sockets first, so that nothing said meanwhile is missed, keys next, plugins last.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::unix::SourceFd;
use mio::{Interest, Token};
use serialnumberd_core::{
    ClaimKeys, Crypto as _, Engine, Identity, Serial, Settings, Standard, wire::HostName,
};

use super::claims::Pace;
use super::filing::Filing;
use super::requests::Asker;
use super::{Agent, Program, Setup, Wake, host_info, host_name, os_entropy};
use crate::clock;
use crate::config::{AgentConfig, Config, LicenseConfig};
use crate::control::{
    Access,
    server::{Server, TOKENS},
};
use crate::counters::Counters;
use crate::directory::{self, Directory, Surroundings};
use crate::evidence::{Archivist, Shelf};
use crate::generation::Generation;
use crate::identity::StateDir;
use crate::plugin::{Clocks, PluginError, PluginHost, PluginSpec};
use crate::socket::{Adopted, Batch, Family, Monitor, Sockets};

pub(super) const V4: Token = Token(0);
pub(super) const V6: Token = Token(1);
pub(super) const NETLINK: Token = Token(2);
pub(super) const WAKE: Token = Token(3);
pub(super) const GENERATION: Token = Token(4);
/// The control server's tokens begin here.
const CONTROL: Token = Token(16);
/// The directory's tokens begin here, behind the control server's.
pub(super) const DIRECTORY: Token = Token(128);
const _: () = assert!(CONTROL.0 + TOKENS <= DIRECTORY.0);
/// Readiness taken from the kernel at once: two sockets, netlink, the wake and the control clients.
const READY: usize = 128;

impl Agent {
    /// Makes an agent and starts it: it probes for its licenses as soon as it turns.
    ///
    /// # Errors
    /// One sentence that says what, where, and what to do.
    pub fn start(setup: Setup) -> Result<Agent, String> {
        Agent::embed(setup, Program::default())
    }

    /// As [`Agent::start`], with what the program that embeds it brings.
    ///
    /// # Errors
    /// As [`Agent::start`].
    pub fn embed(mut setup: Setup, program: Program) -> Result<Agent, String> {
        let tree = directory::fixed_tree(&setup.config.directory)?;
        let sockets = open_sockets(&mut setup.config.agent, program.sockets)?;
        let agent = &setup.config.agent;
        let now = clock::now();
        let state = StateDir::open(&agent.state_dir)?;
        let identity = Identity { seed: state.seed()?, runs: state.runs() };
        let poll = mio::Poll::new().map_err(|e| format!("no poll can be made: {e}"))?;
        let (wake_end, wake) = make_wake()?;
        let monitor =
            Monitor::open().map_err(|e| format!("the kernel does not tell of changes to interfaces: {e}"))?;
        // A container may not be allowed to: then a copied machine is found by its datagrams only.
        let generation = Generation::listen().ok();
        register(&poll, &sockets, &monitor, generation.as_ref(), &wake_end)?;
        let control = open_control(&setup, poll.registry())?;
        let directory = open_directory(&setup, tree.as_ref(), poll.registry());
        let engine = Engine::new(now, &mut os_entropy, &identity, settings(agent));
        let keys: Vec<ClaimKeys> = setup.config.licenses.iter().map(derive).collect::<Result<_, _>>()?;
        let plugins = start_plugins(&setup, program.plugins, &wake, &keys)?;
        let archivist = archivist(&state, &identity, &wake);
        let mut agent = Agent {
            poll,
            ready: mio::Events::with_capacity(READY),
            wake,
            wake_end,
            sockets,
            batch: Batch::new(),
            // What came before the sockets were polled is told by no readiness.
            waiting: [true, true],
            taken: 0,
            monitor,
            changes_wait: false,
            generation,
            generation_changed: false,
            links: Vec::new(),
            look_at: None,
            routes_changed: false,
            broken: BTreeMap::new(),
            unjoined: BTreeMap::new(),
            engine,
            beats: 0,
            state,
            archivist,
            filing: Filing::default(),
            held: BTreeMap::new(),
            pace: Pace::default(),
            unsettled: true,
            again: false,
            plugins,
            program: program.audience,
            control,
            directory,
            checks: Vec::new(),
            reloading: None,
            stop_wanted: Vec::new(),
            counters: Counters::default(),
            records: VecDeque::new(),
            recorder: None,
            seq: 0,
            // Deriving keys and starting plugins took its time; that was no stall.
            now: clock::now(),
            started: now,
            setup,
        };
        agent.look_to_itself();
        agent.look_at_links();
        agent.claim_licenses(keys)?;
        agent.log_start();
        if let Some(control) = &mut agent.control {
            control.publish()?;
        }
        Ok(agent)
    }

    /// Keeps since when claims are held.
    pub(super) fn remember_since(&mut self) {
        for view in self.engine.claims(self.now) {
            self.state.remember_since(&view.claim, view.since_ms);
        }
    }

    fn log_start(&self) {
        let agent = &self.setup.config.agent;
        let buffer = |f| {
            self.sockets.receive_buffer(f).map_or_else(|_| "none".to_owned(), |n| format!("{} KiB", n / 1024))
        };
        log::info!(
            "installation {}, run {}, UDP port {} (receive buffers: IPv4 {}, IPv6 {}), state in {}",
            self.engine.installation(),
            self.state.runs(),
            self.sockets.port(),
            buffer(Family::V4),
            buffer(Family::V6),
            self.state.path().display()
        );
        let names: Vec<&str> = self.links.iter().map(|l| l.interface.name.as_str()).collect();
        if names.is_empty() {
            log::warn!("no interface is up that [agent] interfaces allows: nobody can be heard yet");
        } else {
            log::info!(
                "announcing on {} every {}",
                names.join(", "),
                humantime::format_duration(agent.interval)
            );
        }
    }
}

fn open_control(setup: &Setup, registry: &mio::Registry) -> Result<Option<Server>, String> {
    let agent = &setup.config.agent;
    let access = Access::new(&agent.control_uids, &agent.control_gids);
    setup.control.then(|| Server::bind(&agent.control, access, registry, CONTROL)).transpose()
}

/// The directory, if it is wanted.  One that cannot be served is said and does not keep the agent from its task.
fn open_directory(
    setup: &Setup,
    tree: Option<&netinfo::tree::Directory>,
    registry: &mio::Registry,
) -> Result<Directory, String> {
    if !setup.config.directory.enabled.unwrap_or(setup.directory) {
        return Err(String::new());
    }
    let around = Surroundings { registry, first: DIRECTORY, host: host_name() };
    Directory::open(&setup.config, tree, &around).map_err(|why| {
        let sentence = format!("the directory is not served: {why}; or set `enabled = false` in [directory]");
        log::error!("{sentence}");
        sentence
    })
}

/// Own sockets, where none were adopted.  The configuration then has their port and address, whatever it had before.
fn open_sockets(agent: &mut AgentConfig, adopted: Adopted) -> Result<Sockets, String> {
    let sockets = if adopted.is_empty() {
        Sockets::bind(agent.port, agent.address).map_err(|e| e.to_string())?
    } else {
        Sockets::adopt(adopted)?
    };
    (agent.port, agent.address) = (sockets.port(), sockets.address());
    Ok(sockets)
}

fn make_wake() -> Result<(UnixStream, Wake), String> {
    let fail = |e: std::io::Error| format!("no wake-up pipe can be made: {e}");
    let (read_end, write_end) = UnixStream::pair().map_err(fail)?;
    read_end.set_nonblocking(true).map_err(fail)?;
    write_end.set_nonblocking(true).map_err(fail)?;
    let flag = || Arc::new(AtomicBool::new(false));
    Ok((read_end, Wake { end: Arc::new(write_end), stop: flag(), reload: flag() }))
}

fn register(
    poll: &mio::Poll,
    sockets: &Sockets,
    monitor: &Monitor,
    generation: Option<&Generation>,
    wake: &UnixStream,
) -> Result<(), String> {
    let udp = sockets.sources().map(|(family, fd)| (if family == Family::V4 { V4 } else { V6 }, fd));
    let others = [(NETLINK, monitor.source()), (WAKE, wake.as_raw_fd())];
    for (token, fd) in udp.chain(others).chain(generation.map(|g| (GENERATION, g.source()))) {
        poll.registry()
            .register(&mut SourceFd(&fd), token, Interest::READABLE)
            .map_err(|e| format!("a socket cannot be polled: {e}"))?;
    }
    Ok(())
}

fn archivist(state: &StateDir, identity: &Identity, wake: &Wake) -> Archivist<Asker> {
    Archivist::new(Shelf::of(state.path()), Standard::signer(&identity.seed), wake.bell())
}

fn start_plugins(
    setup: &Setup,
    more: Vec<PluginSpec>,
    wake: &Wake,
    keys: &[ClaimKeys],
) -> Result<PluginHost, String> {
    let mut specs = setup.config.plugin_specs().map_err(|e| e.to_string())?;
    specs.extend(more);
    let clocks = Clocks { boot: Arc::new(clock::boottime_ns), wall: Arc::new(clock::wall_ns) };
    let claims = setup.config.licenses.iter().zip(keys).map(|(l, keys)| (keys.id(), l.product)).collect();
    PluginHost::start(specs, wake.bell(), &host_info(), clocks, claims)
        .map_err(|e| with_place(&setup.config, &e))
}

/// What the plugin host refused, with file and line if the configuration is to blame.
pub(super) fn with_place(config: &Config, error: &PluginError) -> String {
    config.check_plugins().err().map_or_else(|| error.to_string(), |problem| problem.to_string())
}

/// The engine's settings from the configuration.
pub(super) fn settings(agent: &AgentConfig) -> Settings {
    Settings {
        interval: agent.interval,
        confirm_after: agent.confirm_after,
        legacy: agent.legacy,
        observe: agent.observe,
        on_link_only: agent.on_link_only,
        expect_peers: agent.expect_peers,
        peers: agent.peers.clone(),
        host: if agent.announce_host { HostName::new(&host_name()) } else { HostName::default() },
    }
}

/// Derives a license's keys; takes some 30 ms.
pub(crate) fn derive(license: &LicenseConfig) -> Result<ClaimKeys, String> {
    let serial =
        Serial::new(license.serial.expose()).map_err(|e| format!("license {}: {e}", license.product))?;
    Ok(ClaimKeys::derive::<serialnumberd_core::Standard>(&license.product, &serial))
}
