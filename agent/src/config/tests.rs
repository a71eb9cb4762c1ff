//! The configuration as a user writes it, and what is said of mistakes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::paths::Environment;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Profile::System, &Environment::default())
}

/// The only error of `text`.
fn error(text: &str) -> String {
    let ConfigError(problems) = parse(text).expect_err("must be refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    let p = &problems[0];
    format!("{}:{}: {}", p.line, p.column, p.text)
}

const LICENSE: &str = "[[license]]\nproduct = \"xsvr\"\nserial = \"XSVR-1\"\n";

fn with_license(key: &str) -> String {
    format!("{LICENSE}{key}\n")
}

#[test]
fn the_file_of_the_documentation() {
    let text = r#"
[agent]
state_dir = "/var/lib/serialnumberd"
control = "/run/serialnumberd/control.sock"
port = 626
interfaces = ["*"]
interval = "5m"
confirm_after = "90s"
legacy = "listen"
observe = false
plugin_dir = "/usr/lib/serialnumberd/plugins"
stop_timeout = "5s"
on_policy_failure = "keep"
on_link_only = true
control_uids = []
control_gids = []
expect_peers = 0
announce_host = true
[[license]]
product = "xsvr"
serial = "XSVR-999"
seats = 1
group = ""
standby = false
standbys = 0
[[plugin]]
path = "libslnd_policy.so"
isolation = "thread"
verdict = "require"
grant = ["verdict"]
[plugin.options]
mode = "seniority"
grace = "1h"
"#;
    let config = parse(text).unwrap();
    assert_eq!(config.agent, AgentConfig::defaults(Profile::System, &Environment::default()).unwrap());
    assert_eq!(config.licenses[0].serial.expose(), "XSVR-999");
    let plugin = &config.plugins[0];
    assert_eq!((plugin.verdict, &plugin.grant[..]), (VerdictUse::Require, &["verdict".to_owned()][..]));
    let options: Vec<_> = plugin.options.iter().map(|o| (o.key.as_str(), o.value.as_str(), o.line)).collect();
    assert_eq!(options, [("mode", Some("seniority"), 32), ("grace", Some("1h"), 33)]);
    assert_eq!(plugin.line, 26);
    assert!(config.warnings.is_empty());
}

#[test]
fn the_template_means_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let serial = dir.path().join("xsvr.serial");
    fs::write(&serial, "XSVR-1").unwrap();
    fs::set_permissions(&serial, fs::Permissions::from_mode(0o600)).unwrap();
    let here = |text: &str| text.replace("/etc/serialnumberd/xsvr.serial", serial.to_str().unwrap());
    let mut config = parse(&here(TEMPLATE)).unwrap();
    assert_eq!(config.agent, AgentConfig::defaults(Profile::System, &Environment::default()).unwrap());
    assert_eq!(config.directory, DirectoryConfig::defaults(Profile::System));
    // What stands behind "# key =" are those defaults too, but for those that have none.
    let has_default = |rest: &str| {
        !["address", "plugin_helper", "user", "enabled", "tree"].iter().any(|key| rest.starts_with(key))
    };
    let commented: String = TEMPLATE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_assignment(rest) && has_default(rest) => format!("{rest}\n"),
            Some(header @ "[plugin.sandbox]") => format!("{header}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(commented.contains("\ninterval = \"5m\""), "{commented}");
    // A sandbox is for a process.
    let commented = commented.replace("isolation = \"thread\"", "isolation = \"process\"");
    config.plugins[0].isolation = Isolation::Process;
    assert_eq!(parse(&here(&commented)).unwrap(), config);
}

fn is_assignment(text: &str) -> bool {
    text.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_known_one() {
    assert_eq!(
        error(&format!("{LICENSE}[agent]\nport = 626\nintervall = \"5m\"\n")),
        "6:1: unknown key `intervall` in [agent]; the nearest known key is `interval`"
    );
    assert_eq!(
        error(&with_license("  serialfile = \"x\"")),
        "4:3: unknown key `serialfile` in [[license]]; the nearest known key is `serial_file`"
    );
    assert_eq!(
        error("[[plugins]]\npath = \"x\"\n"),
        "1:3: unknown key `plugins` in the file; the nearest known key is `plugin`"
    );
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_file() {
    let text = "[[license]]\nproduct = \"XSVR\"\n[agent]\nprot = 1\ninterval = \"2h\"\n[[plugin]]\n";
    let ConfigError(problems) = parse(text).unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [1, 2, 4, 5, 6]);
    let all = ConfigError(problems).to_string();
    assert_eq!(all.lines().count(), 5, "{all}");
}

#[test]
fn a_mistake_is_one_line_whatever_it_quotes() {
    for text in ["\"\\u001b[2J\" = 1", "[agent]\nlegacy = \"\\n\"", "[agent]\npeers = [\"\\n\"]"] {
        let shown = parse(text).expect_err("must be refused").to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
    let unknown = parse("\"a\\nb\" = 1").expect_err("must be refused").to_string();
    assert!(unknown.starts_with("unknown key `a\\nb` in the file"), "{unknown}");
}

#[test]
fn values_out_of_range_are_refused() {
    for (agent, said) in [
        ("port = 0", "a whole number from 1 to 65535"),
        ("port = \"626\"", "found a text"),
        ("interval = \"500ms\"", "a duration from 1s to 1h"),
        ("interval = \"1500ms\"", "whole seconds"),
        ("interval = 5", "in quotes"),
        ("confirm_after = \"0s\"", "a duration from 1s to 1h"),
        ("stop_timeout = \"2m\"", "a duration from 0s to 1m"),
        ("legacy = \"lissten\"", "the nearest is \"listen\""),
        ("interfaces = []", "fits no interface"),
        ("interfaces = [\"*\", \"a b\"]", "entry 2: an interface name has no white space"),
        ("interfaces = [\"\"]", "not empty"),
        ("interfaces = [\"eth/0\"]", "no '/'"),
        ("interfaces = [\"abcdefghijklmnop\"]", "at most 15 bytes"),
        ("peers = [\"nowhere\"]", "entry 1"),
        ("address = \"0.0.0.0\"", "no address of one host"),
        ("state_dir = \"\"", "not empty"),
        ("expect_peers = -1", "from 0 to 1024"),
    ] {
        let text = format!("[agent]\n{agent}\n{LICENSE}");
        let found = error(&text);
        assert!(found.starts_with("2:") && found.contains(said), "{agent}: {found}");
    }
}

#[test]
fn a_license_is_whole_and_consistent() {
    for (text, said) in [
        ("[[license]]\nserial = \"A\"\n", "1:1: this [[license]] has no `product`"),
        ("[[license]]\nproduct = \"x\"\n", "1:1: this [[license]] has no serial"),
        (
            "[[license]]\nproduct = \"x\"\nserial = \"A\"\nserial_file = \"/f\"\n",
            "both `serial` and `serial_file`",
        ),
        ("[[license]]\nproduct = \"Xsvr\"\nserial = \"A\"\n", "2:11: `product` in [[license]]"),
        ("[[license]]\nproduct = \"x\"\nserial = \" - \"\n", "the serial number is empty"),
        ("[[license]]\nproduct = \"x\"\nserial = \"A\"\nstandby = true\n", "4:11: `standby`"),
        ("[[license]]\nproduct = \"x\"\nserial = \"A\"\nstandbys = 1\n", "4:12: `standbys`"),
        ("[[license]]\nproduct = \"x\"\nserial = \"A\"\nseats = 65536\n", "from 0 to 65535"),
        ("license = 1\n", "write [[license]]"),
        ("license = [1]\n", "write [[license]]"),
    ] {
        let found = error(text);
        assert!(found.contains(said), "{text}: {found}");
    }
    let config = parse(&with_license("group = \"web\"\nstandby = true\nstandbys = 2\nseats = 0")).unwrap();
    let license = &config.licenses[0];
    assert_eq!(
        (license.group.as_str(), license.standby, license.standbys, license.seats),
        ("web", true, 2, 0)
    );
}

#[test]
fn a_product_is_claimed_once() {
    let found = error(&format!("{LICENSE}\n{LICENSE}"));
    assert!(found.starts_with("5:1: product \"xsvr\" has a [[license]] at line 1 already"), "{found}");
}

#[test]
fn no_error_shows_a_serial() {
    for text in [
        "[[license]]\nproduct = \"x\"\nserial = \"SECRET\u{e4}\"\n",
        "[[license]]\nproduct = \"x\"\nserial = \"SECRET\"\nserial_file = \"/f\"\n",
        "[[license]]\nproduct = \"x\"\nserial = \"SECRET\nseats = 1\n",
        "[[license]]\nproduct = \"x\"\nserial = SECRET\n",
    ] {
        let all = parse(text).unwrap_err().to_string();
        assert!(!all.contains("SECRET"), "{all}");
    }
    let debug = format!("{:?}", parse(LICENSE).unwrap());
    assert!(!debug.contains("XSVR-1") && debug.contains("redacted"), "{debug}");
}

#[test]
fn a_plugin_is_absolute_or_bare_and_asked_only_with_the_grant() {
    for (plugin, said) in [
        ("isolation = \"thread\"", "has no `path`"),
        ("path = \"plugins/a.so\"", "neither absolute nor the bare name"),
        ("path = \"../a.so\"", "neither absolute nor the bare name"),
        ("path = \"..\"", "neither absolute nor the bare name"),
        ("path = \"a.so\"\nverdict = \"require\"", "needs the grant"),
        ("path = \"a.so\"\ngrant = [\"verdikt\"]", "did you mean \"verdict\"?"),
        ("path = \"a.so\"\nisolation = \"proces\"", "the nearest is \"process\""),
        ("path = \"a.so\"\noptions = 1", "expected the table [plugin.options]"),
    ] {
        let found = error(&format!("{LICENSE}[[plugin]]\n{plugin}\n"));
        assert!(found.contains(said), "{plugin}: {found}");
    }
    let config =
        parse(&format!("{LICENSE}[[plugin]]\npath = \"/opt/a.so\"\ngrant = [\"raw\", \"raw\"]\n")).unwrap();
    assert_eq!(config.plugins[0].path, PathBuf::from("/opt/a.so"));
    assert_eq!(config.plugins[0].grant, ["raw"]);
    assert_eq!(config.plugins[0].verdict, VerdictUse::Ignore);
}

#[test]
fn an_ordinary_user_gets_own_places_unless_the_file_names_others() {
    let environment = Environment {
        state_home: Some("/home/u/.local/state".into()),
        runtime_dir: Some("/run/user/1000".into()),
        home: None,
    };
    let read = |text: &str| Config::parse(text, Profile::Unprivileged, &environment).unwrap().agent;
    let system = "[agent]\nport = 626\nstate_dir = \"/var/lib/serialnumberd\"\n\
                  control = \"/run/serialnumberd/control.sock\"\npeers = [\"127.0.0.3\"]\n";
    for text in ["[agent]\npeers = [\"127.0.0.3\"]\n", system] {
        let agent = read(text);
        assert_eq!(agent.port, 62626);
        assert_eq!(agent.state_dir, Path::new("/home/u/.local/state/serialnumberd"));
        assert_eq!(agent.control, Path::new("/run/user/1000/serialnumberd/control.sock"));
        assert_eq!(agent.peers[0].port(), 62626);
    }
    let agent = read("[agent]\nport = 700\nstate_dir = \"/tmp/s\"\ncontrol = \"/tmp/c\"\n");
    assert_eq!((agent.port, agent.state_dir, agent.control), (700, "/tmp/s".into(), "/tmp/c".into()));
    let ConfigError(problems) =
        Config::parse("", Profile::Unprivileged, &Environment::default()).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(problems[0].text.contains("XDG_RUNTIME_DIR") && problems[1].text.contains("HOME"));
}

#[test]
fn a_file_is_read_with_its_serial_file_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    let serial = dir.path().join("x.serial");
    fs::write(&path, "[[license]]\nproduct = \"x\"\nserial_file = \"x.serial\"\n").unwrap();
    fs::write(&serial, "abc").unwrap();
    let load = || Config::load(&path, Profile::System, &Environment::default());
    fs::set_permissions(&serial, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = load().unwrap_err().to_string();
    let (file, serial_shown) = (path.display(), serial.display());
    assert_eq!(
        refused,
        format!(
            "{file}:3:15: `serial_file` in [[license]]: others can read the serial file {serial_shown}; \
             run: chmod o= {serial_shown}"
        )
    );
    fs::set_permissions(&serial, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(load().unwrap().licenses[0].serial.expose(), "abc");
    let missing = Config::load(Path::new("/no/such"), Profile::System, &Environment::default());
    assert!(missing.unwrap_err().to_string().starts_with("/no/such: cannot read the configuration"));
}

#[test]
fn an_inline_serial_that_others_can_read_warns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    fs::write(&path, LICENSE).unwrap();
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let config = Config::load(&path, Profile::System, &Environment::default()).unwrap();
        assert_eq!(config.warnings.len(), warnings, "{mode:o}");
        if let Some(warning) = config.warnings.first() {
            assert!(warning.to_string().starts_with(&format!("{}:3:10: others can read", path.display())));
        }
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let found = error("[agent]\nport = \n");
    assert!(found.starts_with("2:"), "{found}");
    let twice = error("[agent]\nport = 1\nport = 2\n");
    assert!(twice.starts_with("3:1:") && twice.contains("duplicate key"), "{twice}");
}

#[test]
fn a_reload_that_needs_a_restart_says_which_keys() {
    let with = |agent: &str, plugin: &str| parse(&format!("[agent]\n{agent}\n{LICENSE}{plugin}")).unwrap();
    let old = with("", "[[plugin]]\npath = \"a.so\"\n[plugin.options]\nx = 1\n");
    let same = with(
        "interval = \"1m\"\npeers = [\"::1\"]",
        "[[plugin]]\npath = \"a.so\"\n[plugin.options]\nx = 2\n",
    );
    assert!(old.restart_needed(&same).is_empty());
    let other = with("port = 7\nstate_dir = \"/s\"\ncontrol = \"/c\"\naddress = \"127.0.0.2\"", "");
    assert_eq!(old.restart_needed(&other).len(), 5);
}

#[test]
fn one_license_without_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let serial = dir.path().join("s");
    fs::write(&serial, "abc").unwrap();
    fs::set_permissions(&serial, fs::Permissions::from_mode(0o600)).unwrap();
    let product = Product::new("xsvr").unwrap();
    let config = Config::of_one_license(product, &serial, Profile::System, &Environment::default()).unwrap();
    assert_eq!((config.licenses.len(), config.plugins.len()), (1, 0));
    assert_eq!(config.agent.interval, Duration::from_secs(300));
}

#[test]
fn reading_again_keeps_the_command_line_and_refuses_what_needs_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    let write = |agent: &str| {
        fs::write(&path, format!("[agent]\n{agent}\n{LICENSE}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let environment = Environment::default();
    write("");
    let config = Config::load(&path, Profile::System, &environment).unwrap();
    let config = Config { plugin_dirs: vec!["/p".into()], ..config };
    write("interval = \"1m\"");
    let again = config.read_again(&environment).unwrap();
    assert_eq!((again.agent.interval.as_secs(), &again.plugin_dirs), (60, &config.plugin_dirs));
    write("port = 7");
    let refused = config.read_again(&environment).unwrap_err().to_string();
    assert!(refused.ends_with(": a change of [agent] port needs a restart of the agent"), "{refused}");
    let fileless = Config { path: None, ..config };
    assert!(fileless.read_again(&environment).unwrap_err().to_string().contains("--product"));
}
