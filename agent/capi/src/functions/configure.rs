//! Making an agent, and all that comes before its start.

use std::ffi::{c_char, c_int};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use agent::embed::{Embedded, Mode, StaticPlugin};
use serialnumberd_plugin::abi::*;

use crate::argument::{c_text, check_size, options, read_grown, usable, write_sized};
use crate::barrier::{Refusal, guard};
use crate::callbacks::{Callbacks, LogGate};
use crate::constants::*;
use crate::convert::DEFAULTS;
use crate::core::Inside;
use crate::instance::{enter, slnd_agent};
use crate::signals::Blocked;
use crate::types::slnd_config;

/// Fills in the defaults for the fields that the caller has: `size` is sizeof *config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_config_init(config: *mut slnd_config, size: usize) -> slnd_status {
    let init = || {
        usable(config, "slnd_config")?;
        let size = check_size::<slnd_config>(size)?;
        // SAFETY: the caller has a struct of that size.
        unsafe {
            write_sized(config, size, &DEFAULTS);
            (&raw mut (*config).struct_size).write(u32::try_from(size).unwrap_or(0));
        }
        Ok(())
    };
    // SAFETY: NULL.
    unsafe { guard(std::ptr::null_mut(), init) }
}

/// Makes an agent: `*out` is it, or NULL. The configuration is copied. It does nothing before its start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_new(
    config: *const slnd_config,
    out: *mut *mut slnd_agent,
    error: *mut slnd_error,
) -> slnd_status {
    let make = || {
        usable(out, "out")?;
        // SAFETY: the caller's place for a pointer.
        unsafe { out.write(std::ptr::null_mut()) };
        // SAFETY: the caller's struct, of the size that it states.
        let config = unsafe { read_grown(config, DEFAULTS) }?;
        let callbacks = Callbacks::new(&config);
        let log = LogGate::new(callbacks);
        let mut embedded = Embedded::new(log.sink())?;
        // SAFETY: the caller's text.
        unsafe { apply(&config, &mut embedded) }?;
        let agent = slnd_agent::new(embedded, callbacks, log, config.flags & SLND_CONFIG_NO_BIND != 0);
        // SAFETY: as above.
        unsafe { out.write(Box::into_raw(Box::new(agent))) };
        Ok(())
    };
    // SAFETY: the caller's struct.
    unsafe { guard(error, make) }
}

/// # Safety
/// `config.interfaces` is as [`c_text`] wants it.
unsafe fn apply(config: &slnd_config, embedded: &mut Embedded) -> Result<(), Refusal> {
    let unknown = config.flags & !(SLND_CONFIG_NO_BIND | SLND_CONFIG_NO_PLUGINS);
    if unknown != 0 || config.zero16 != 0 {
        let what = format!("slnd_config: flags {unknown:#x} are unknown, or zero16 is not zero");
        return Err(Refusal::new(SLND_E_VERSION, what));
    }
    embedded.set_mode(match config.mode {
        0 | SLND_MODE_AUTO => Mode::Auto,
        SLND_MODE_CONNECT => Mode::Connect,
        SLND_MODE_OWN => Mode::Own,
        other => return Err(Refusal::invalid(format!("slnd_config: {other} is no mode: SLND_MODE_*"))),
    })?;
    if config.port != 0 && config.port != DEFAULTS.port {
        embedded.set("port", &config.port.to_string())?;
    }
    if !config.interfaces.is_null() {
        // SAFETY: the caller's promise.
        let interfaces = unsafe { c_text(config.interfaces, "slnd_config: interfaces") }?;
        embedded.set("interfaces", &list(interfaces))?;
    }
    if let Some(seconds) = interval_s(config) {
        embedded.set("interval", &format!("{seconds}s"))?;
    }
    if config.events != 0 && config.on_events.is_none() {
        return Err(Refusal::invalid("slnd_config: events are wanted, but on_events is NULL"));
    }
    if config.on_events.is_some() {
        embedded.want_events(config.events);
    }
    if config.flags & SLND_CONFIG_NO_PLUGINS != 0 {
        embedded.no_plugins();
    }
    Ok(())
}

/// Names with commas between as TOML has them; what is no name of an interface is refused as in a file.
fn list(names: &str) -> String {
    let quoted: Vec<String> = names.split(',').map(|name| format!("'{}'", name.trim())).collect();
    format!("[{}]", quoted.join(", "))
}

/// The interval that is asked for, in whole seconds; `None` for the default.
fn interval_s(config: &slnd_config) -> Option<u64> {
    const NS_PER_S: u64 = 1_000_000_000;
    // A holder is gone 3.3 of its intervals after it was last heard (PROTOCOL.md).
    let by_expiry = (config.expire_ns != 0).then_some(config.expire_ns / 33 * 10);
    let wishes = [(config.announce_ns != 0).then_some(config.announce_ns), by_expiry];
    let interval_ns = wishes.into_iter().flatten().min()?;
    (interval_ns != DEFAULTS.announce_ns).then_some(interval_ns / NS_PER_S)
}

/// \[one\] Before the start: sets a key of the configuration file: a key of `[agent]`, "interval"; "mode": auto,
/// connect or own; license.PRODUCT.group, .standby and .standbys; plugin.FILE.verdict, .isolation and .grant. The
/// value is as in the file, and a text may come without quotes. What the file would refuse is refused here, with
/// the same sentence.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_set(
    agent: *mut slnd_agent,
    key: *const c_char,
    value: *const c_char,
    error: *mut slnd_error,
) -> slnd_status {
    let set = || {
        // SAFETY: the caller's agent and texts.
        let (agent, key, value) = unsafe { (enter(agent)?, c_text(key, "key")?, c_text(value, "value")?) };
        let _seat = agent.sit()?;
        agent.core.with(|inside| Ok(inside.embedded.set(key, value)?))
    };
    // SAFETY: the caller's struct.
    unsafe { guard(error, set) }
}

/// \[one\] Before the start: takes a bound UDP socket over, one of IPv4 and one of IPv6 at most. It belongs to the
/// library if this succeeds, else to the caller as before. For systemd, for dropping privileges, for tests.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_adopt_socket(
    agent: *mut slnd_agent,
    fd: c_int,
    error: *mut slnd_error,
) -> slnd_status {
    let adopt = || {
        // SAFETY: the caller's agent.
        let agent = unsafe { enter(agent) }?;
        let _seat = agent.sit()?;
        agent.core.with(|inside| adopt(inside, fd))
    };
    // SAFETY: the caller's struct.
    unsafe { guard(error, adopt) }
}

fn adopt(inside: &mut Inside, fd: c_int) -> Result<(), Refusal> {
    // SAFETY: asks the kernel whether there is such a descriptor, and changes nothing.
    if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(Refusal::invalid(format!("{fd} is no open descriptor")));
    }
    // SAFETY: the caller's descriptor, open until this returns.
    let theirs = unsafe { BorrowedFd::borrow_raw(fd) };
    let fail = |e| Refusal::new(SLND_E_FAIL, format!("descriptor {fd} cannot be duplicated: {e}"));
    // A duplicate, so that a refusal leaves the caller with what it had.
    inside.embedded.adopt_socket(theirs.try_clone_to_owned().map_err(fail)?)?;
    inside.adopted += 1;
    // SAFETY: now ours, as the header says; nothing else of this function uses it.
    drop(unsafe { OwnedFd::from_raw_fd(theirs.as_raw_fd()) });
    Ok(())
}

/// \[one\] Before the start: adds a plugin by its path, with its options, all copied. Its verdict, isolation and grants
/// are keys for slnd_agent_set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_add_plugin(
    agent: *mut slnd_agent,
    path: *const c_char,
    options: *const slnd_kv,
    n: usize,
    error: *mut slnd_error,
) -> slnd_status {
    let add = || {
        // SAFETY: the caller's agent, text and options.
        let (agent, path, options) =
            unsafe { (enter(agent)?, c_text(path, "path")?, self::options(options, n)?) };
        let _seat = agent.sit()?;
        agent.core.with(|inside| Ok(inside.embedded.add_plugin(path, &options)?))
    };
    // SAFETY: the caller's struct.
    unsafe { guard(error, add) }
}

/// \[one\] Before the start: adds a plugin that is linked into the program. The descriptor and its code stay for ever;
/// the options are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_add_plugin_static(
    agent: *mut slnd_agent,
    plugin: *const slnd_plugin,
    options: *const slnd_kv,
    n: usize,
    error: *mut slnd_error,
) -> slnd_status {
    let add = || {
        // SAFETY: the caller's agent and options.
        let (agent, options) = unsafe { (enter(agent)?, self::options(options, n)?) };
        // SAFETY: the caller's descriptor, which lives for ever; NULL and misaligned ones are refused.
        let plugin = unsafe { StaticPlugin::new(plugin) }.map_err(|e| Refusal::invalid(e.to_string()))?;
        let _seat = agent.sit()?;
        agent.core.with(|inside| Ok(inside.embedded.add_plugin_static(plugin, &options)?))
    };
    // SAFETY: the caller's struct.
    unsafe { guard(error, add) }
}

/// \[one\] Starts: sockets, keys, plugins, or the connection to the agent of this host. Threads that it makes take no
/// signals.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_start(agent: *mut slnd_agent, error: *mut slnd_error) -> slnd_status {
    let start = || {
        // SAFETY: the caller's agent.
        let agent = unsafe { enter(agent) }?;
        let _seat = agent.sit()?;
        let no_bind = agent.no_bind;
        let _quiet = Blocked::new();
        agent.core.with(|inside| {
            if no_bind && inside.adopted == 0 {
                return Err(Refusal::invalid(
                    "SLND_CONFIG_NO_BIND, but no socket was adopted: slnd_agent_adopt_socket",
                ));
            }
            inside.embedded.start()?;
            inside.is_started = true;
            Ok(())
        })
    };
    // SAFETY: the caller's struct.
    unsafe { guard(error, start) }
}
