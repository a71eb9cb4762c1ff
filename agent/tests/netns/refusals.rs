//! What the agent refuses, in one clear sentence and with a non-zero exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::agent::{Config, binary};
use crate::clock::s;
use crate::lan::{Host, Lan};
use crate::namespace::command;
use crate::wire::Tap;

/// The agent must end with a failure and say all of `words` in one line.
fn refuses_with(host: &Host, config: &Config, program: Command, words: &[&str]) {
    let (code, said) = host.refused("refused", config, program);
    assert!(code != 0 && code != 124, "exit code {code}: {said}");
    let line = said.lines().find(|l| words.iter().all(|w| l.contains(w)));
    assert!(line.is_some(), "no line says {words:?}:\n{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_port_in_use_is_refused() {
    let lan = Lan::new(1);
    let _tap = Tap::new(&lan.hosts[0]);
    // It names who has the port: here this test itself.
    let who = format!("process {}", std::process::id());
    refuses_with(&lan.hosts[0], &Config::xsvr(), Command::new(binary()), &["626", &who]);
}

#[test]
fn a_second_agent_in_one_state_directory_is_refused() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let agent = host.agent(&Config::xsvr());
    let second = Config::xsvr().raw("port", "6260");
    // The later line of `state_dir` would be a duplicate key, so the directory is shared by a link.
    let dir = host.dir.path().join("refused");
    fs::create_dir_all(&dir).expect("a directory");
    std::os::unix::fs::symlink(agent.dir.join("state"), dir.join("state")).expect("a link");
    refuses_with(host, &second, Command::new(binary()), &["state"]);
    agent.reaches("clear", s(4));
}

/// The agent as `nobody` runs it, who lacks every privilege, with a directory and a file of his own.
fn as_nobody(host: &Host, config: &Config) -> Command {
    let dir = host.dir.path().join("refused");
    let file = config.write(&dir);
    fs::set_permissions(host.dir.path(), fs::Permissions::from_mode(0o755)).expect("the host's directory");
    for path in [&dir, &file] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("chown");
    }
    let mut program = command("setpriv");
    program.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]);
    program.arg("--bounding-set=-all").arg("--").arg(binary()).args(["run", "-c"]).arg(&file);
    program
}

#[test]
fn a_missing_privilege_is_refused() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    host.ns.sysctl("net/ipv4/ip_unprivileged_port_start", "1024");
    let output = host.ns.output(as_nobody(host, &Config::xsvr()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let line = said.lines().find(|l| l.contains("626") && l.contains("privilege"));
    assert!(line.is_some(), "no line names the port and the privilege:\n{said}");
    assert!(
        said.contains("--unprivileged") || said.contains("CAP_NET_BIND_SERVICE"),
        "says what to do: {said}"
    );
}

#[test]
fn a_plugin_without_read_permission_is_refused() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let policy = binary().with_file_name("libslnd_policy.so");
    let plugin = host.dir.path().join("libslnd_policy.so");
    fs::copy(policy, &plugin).expect("the policy plugin is built");
    let config = Config::xsvr().raw("port", "6260").plugin(plugin.to_str().expect("UTF-8"), "");
    let run = as_nobody(host, &config);
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o600)).expect("its mode");
    let output = host.ns.output(run);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let lines: Vec<_> = said.lines().filter(|l| l.contains("libslnd_policy.so")).collect();
    assert!(lines.len() == 1 && lines[0].to_lowercase().contains("permission"), "{said}");
}

#[test]
fn a_file_that_is_no_plugin_is_refused() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let plugin = host.dir.path().join("libplugin.so");
    for (what, bytes) in [("no ELF file", &b"no plugin"[..]), ("nothing", b"")] {
        fs::write(&plugin, bytes).expect("a file");
        let config = Config::xsvr().plugin(plugin.to_str().expect("UTF-8"), "");
        println!("{what}");
        refuses_with(host, &config, Command::new(binary()), &["libplugin.so"]);
    }
    let config = Config::xsvr().plugin("libslnd_nosuch.so", "");
    let (code, said) = host.refused("missing", &config, Command::new(binary()));
    assert!(code != 0 && code != 124, "{said}");
    assert!(said.contains("libslnd_nosuch.so") && said.contains("lib/serialnumberd/plugins"), "{said}");
}

#[test]
fn a_plugin_that_others_can_write_is_refused() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let policy = binary().with_file_name("libslnd_policy.so");
    let copy = host.dir.path().join("libslnd_policy.so");
    fs::copy(policy, &copy).expect("the policy plugin is built");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o777)).expect("its mode");
    let config = Config::xsvr().plugin(copy.to_str().expect("UTF-8"), "");
    refuses_with(host, &config, Command::new(binary()), &["libslnd_policy.so", "writ"]);
}

#[test]
fn a_serial_file_that_others_can_read_is_refused() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let serial = host.dir.path().join("xsvr.serial");
    fs::write(&serial, "XSVR-1").expect("a file");
    fs::set_permissions(&serial, fs::Permissions::from_mode(0o644)).expect("its mode");
    let mut config = Config::new();
    config = config.license_line(&format!("product = \"xsvr\"\nserial_file = {serial:?}"));
    refuses_with(host, &config, Command::new(binary()), &["xsvr.serial"]);
    fs::set_permissions(&serial, fs::Permissions::from_mode(0o600)).expect("its mode");
    host.agent_in("refused", &config).reaches("clear", s(4));
}

#[test]
fn bad_configuration_names_file_line_and_the_nearest_key() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    // [agent] is line 1; state_dir, control, interval and confirm_after follow; the bad key is line 6.
    let config = Config::xsvr().set("intervall", "5m");
    refuses_with(host, &config, Command::new(binary()), &["serialnumberd.toml", "6", "intervall"]);
    let (_, said) = host.refused("refused", &config, Command::new(binary()));
    assert!(said.contains("`interval`"), "names the nearest key: {said}");
    let out_of_range = Config::xsvr().set("interval", "2h");
    refuses_with(host, &out_of_range, Command::new(binary()), &["serialnumberd.toml", "interval"]);
}
