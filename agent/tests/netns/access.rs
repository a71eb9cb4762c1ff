//! Who may use the control socket: what the kernel says of a client's process, against the configuration.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Output};

use crate::agent::{Agent, Config, binary};
use crate::lan::{Host, Lan};
use crate::namespace::command;

/// A client that runs under a user and groups that have no account on this host, as with `DynamicUser=`.
fn client(uid: u32, groups: &str) -> Command {
    let mut program = command("setpriv");
    let uid = uid.to_string();
    program.args(["--reuid", &uid, "--regid", &uid, "--inh-caps=-all"]);
    match groups {
        "" => program.arg("--clear-groups"),
        some => program.args(["--groups", some]),
    };
    program.arg("--").arg(binary());
    program
}

/// An agent whose control socket other users can get to.
fn agent(host: &Host, config: &Config) -> Agent {
    fs::set_permissions(host.dir.path(), fs::Permissions::from_mode(0o755)).expect("the host's directory");
    host.agent(config)
}

fn gets_in(agent: &Agent, uid: u32, groups: &str) -> Result<(), String> {
    let Output { status, stderr, .. } = agent.ask_by(client(uid, groups), &["status"]);
    let said = String::from_utf8_lossy(&stderr).into_owned();
    if status.success() { Ok(()) } else { Err(format!("{:?}: {said}", status.code())) }
}

/// Mode and group of the control socket.
fn socket_file(agent: &Agent) -> (u32, u32) {
    let meta = fs::metadata(agent.dir.join("control.sock")).expect("the control socket");
    (meta.mode() & 0o7777, meta.gid())
}

#[test]
fn named_users_and_members_of_any_named_group_get_in_and_strangers_do_not() {
    let lan = Lan::new(1);
    let config = Config::xsvr().raw("control_uids", "[4242]").raw("control_gids", "[5001, 5002]");
    let agent = agent(&lan.hosts[0], &config);
    assert_eq!(gets_in(&agent, 4242, ""), Ok(()), "a user of control_uids");
    assert_eq!(gets_in(&agent, 4343, "5001"), Ok(()), "the first group");
    assert_eq!(gets_in(&agent, 4343, "6000,5002"), Ok(()), "the second group");
    assert_eq!(gets_in(&agent, 5002, ""), Ok(()), "it may be the only group of a process");
    let mut many: Vec<String> = (7000..7100).map(|gid| gid.to_string()).collect();
    many.push("5002".to_owned());
    assert_eq!(gets_in(&agent, 4343, &many.join(",")), Ok(()), "one group of many");
    let refused = gets_in(&agent, 4444, "6000").expect_err("a stranger");
    assert!(
        refused.starts_with("Some(1)")
            && refused.contains(
                "user 4444 may not use this agent; add 4444 to `control_uids` or one of its groups to `control_gids`"
            ),
        "{refused}"
    );
    assert_eq!(socket_file(&agent).0, 0o666);
}

#[test]
fn one_named_group_is_the_files_and_a_reload_gives_it_to_another() {
    let lan = Lan::new(1);
    let config = Config::xsvr().raw("control_gids", "[5001]");
    let agent = agent(&lan.hosts[0], &config);
    assert_eq!(socket_file(&agent), (0o660, 5001));
    assert_eq!(gets_in(&agent, 4343, "5001"), Ok(()));
    let refused = gets_in(&agent, 4343, "5002").expect_err("not yet");
    assert!(refused.contains("permission denied"), "{refused}");
    let reloads = |config: Config| {
        config.write(&agent.dir);
        let output = agent.ask(&["reload"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    reloads(Config::xsvr().raw("control_gids", "[5002]"));
    assert_eq!(socket_file(&agent), (0o660, 5002));
    assert_eq!(gets_in(&agent, 4343, "5002"), Ok(()));
    assert!(gets_in(&agent, 4343, "5001").is_err());
    reloads(Config::xsvr().raw("control_uids", "[4242]"));
    assert_eq!(socket_file(&agent).0, 0o666);
    assert_eq!(gets_in(&agent, 4242, ""), Ok(()));
    reloads(Config::xsvr());
    assert_eq!(socket_file(&agent), (0o660, nix::unistd::getegid().as_raw()));
}
