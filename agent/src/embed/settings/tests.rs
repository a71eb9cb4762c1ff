//! Every key of the template can be set, means what it means in a file, and is refused by the same sentence.

use super::*;
use crate::config::TEMPLATE;

/// For every key of the template a value that is not its default, as TOML; `None` for those that the key itself names.
const VALUES: &[(&str, Option<&str>)] = &[
    ("agent.state_dir", Some("\"/var/lib/other\"")),
    ("agent.control", Some("\"/run/other.sock\"")),
    ("agent.port", Some("62710")),
    ("agent.interfaces", Some("[\"eth*\", \"wlan0\"]")),
    ("agent.interval", Some("\"7s\"")),
    ("agent.confirm_after", Some("\"8s\"")),
    ("agent.legacy", Some("\"answer\"")),
    ("agent.observe", Some("true")),
    ("agent.plugin_dir", Some("\"/opt/plugins\"")),
    ("agent.stop_timeout", Some("\"9s\"")),
    ("agent.on_policy_failure", Some("\"deny\"")),
    ("agent.on_link_only", Some("false")),
    ("agent.control_uids", Some("[1000]")),
    ("agent.control_gids", Some("[1001]")),
    ("agent.expect_peers", Some("3")),
    ("agent.announce_host", Some("false")),
    ("agent.address", Some("\"127.0.0.9\"")),
    ("agent.peers", Some("[\"127.0.0.3\"]")),
    ("agent.plugin_helper", Some("\"/opt/serialnumberd\"")),
    ("directory.enabled", Some("true")),
    ("directory.port", Some("62711")),
    ("directory.tag", Some("\"site\"")),
    ("directory.local", Some("true")),
    ("directory.udp_reads", Some("false")),
    ("directory.allow", Some("[\"192.0.2.0/24\"]")),
    ("directory.portmapper", Some("\"embedded\"")),
    ("directory.tree", Some("\"/srv/site.nidump\"")),
    ("license.product", None),
    // Read when it is set: the file is made by the test.
    ("license.serial_file", Some("FILE")),
    ("license.seats", Some("5")),
    ("license.group", Some("\"pair\"")),
    ("license.standby", Some("true")),
    ("license.standbys", Some("2")),
    ("plugin.path", None),
    ("plugin.isolation", Some("\"process\"")),
    ("plugin.verdict", Some("\"advise\"")),
    ("plugin.grant", Some("[\"verdict\", \"holders\"]")),
    ("plugin.options.mode", Some("\"strict\"")),
    ("plugin.sandbox.read", Some("[\"/usr/share\"]")),
    ("plugin.sandbox.write", Some("[\"/var/spool/a\"]")),
    ("plugin.sandbox.connect", Some("[443, \"udp\"]")),
    ("plugin.sandbox.listen", Some("[9626]")),
    ("plugin.sandbox.exec", Some("true")),
    ("plugin.sandbox.user", Some("\"nobody\"")),
    ("plugin.sandbox.memory_mib", Some("64")),
];

/// The template's keys, `SECTION.KEY`.
fn template_keys() -> Vec<String> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in TEMPLATE.lines() {
        let line = line.trim_start_matches("# ");
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) {
            keys.push(format!("{section}.{key}"));
        }
    }
    keys
}

fn is_key(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn plan(settings: &Settings) -> Plan {
    settings.plan(None, &Environment::default()).expect("a good plan")
}

/// A file with nothing but one license and one plugin, to which a key is added.
fn file(section: &str, key: &str, value: &str) -> Config {
    let at = |here: &str| if here == section { format!("{key} = {value}\n") } else { String::new() };
    let serial = if key == "serial_file" { "" } else { "serial = \"SECRET\"\n" };
    let group = if key.starts_with("standby") { "group = \"g\"\n" } else { "" };
    let grant = if key == "verdict" { "grant = [\"verdict\"]\n" } else { "" };
    let (isolation, sandbox) = match section {
        "plugin.sandbox" => ("isolation = \"process\"\n", format!("[{section}]\n{}", at(section))),
        _ => ("", String::new()),
    };
    let text = format!(
        "[agent]\n{}[directory]\n{}[[license]]\nproduct = \"x.svr\"\n{serial}{group}{}[[plugin]]\npath = \"lib.a.so\"\n{grant}{}{isolation}[plugin.options]\n{}{}",
        at("agent"),
        at("directory"),
        at("license"),
        at("plugin"),
        at("plugin.options"),
        sandbox
    );
    Config::parse(&text, Profile::System, &Environment::default()).expect("a good file")
}

/// The same by keys.
fn settings(section: &str, key: &str, value: &str) -> Settings {
    let mut settings = Settings::default();
    settings.add_plugin("lib.a.so", &[]).expect("added");
    let mut set = |key: String, value: &str| settings.set(&key, value).expect("a good key");
    if key != "serial_file" {
        set("license.x.svr.serial".to_owned(), "SECRET");
    }
    // In this order: what a key needs may come after it.
    match section {
        "agent" => set(key.to_owned(), value),
        "directory" => set(format!("directory.{key}"), value),
        "license" => set(format!("license.x.svr.{key}"), value),
        _ => {
            let table = section.strip_prefix("plugin").unwrap_or_default();
            set(format!("plugin.lib.a.so{table}.{key}"), value);
        }
    }
    if key.starts_with("standby") {
        set("license.x.svr.group".to_owned(), "g");
    }
    if section == "plugin.sandbox" {
        set("plugin.lib.a.so.isolation".to_owned(), "process");
    }
    if key == "verdict" {
        set("plugin.lib.a.so.grant".to_owned(), "[\"verdict\"]");
    }
    settings
}

/// Without what only a file has: lines, and warnings about them.
fn bare(mut config: Config) -> Config {
    config.warnings.clear();
    for plugin in &mut config.plugins {
        (plugin.line, plugin.texts) = (0, false);
        plugin.options.iter_mut().for_each(|option| (option.line, option.column) = (0, 0));
    }
    config
}

#[test]
fn every_key_of_the_template_means_what_it_means_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let serial = dir.path().join("serial");
    crate::durable::replace(&serial, &dir.path().join("new"), b"OTHER", true).unwrap();
    let keys = template_keys();
    assert!(keys.len() > 25 && keys.contains(&"plugin.options.mode".to_owned()), "{keys:?}");
    for name in keys {
        let found = VALUES.iter().find(|(key, _)| *key == name);
        let (_, value) =
            found.unwrap_or_else(|| panic!("{name} is new in the template: give it a value here"));
        let (section, key) = name.rsplit_once('.').unwrap();
        let Some(value) = value.map(|v| v.replace("FILE", &format!("\"{}\"", serial.display()))) else {
            let mut settings = settings("agent", "port", "1");
            let full = if section == "license" {
                format!("license.x.{key}")
            } else {
                format!("plugin.lib.a.so.{key}")
            };
            let refused = settings.set(&full, "other").unwrap_err();
            assert!(refused.sentence.contains("is a part of the key"), "{refused}");
            continue;
        };
        let expected = bare(file(section, key, &value));
        assert_ne!(expected, bare(file("", "", "")), "{name}: {value} is the default, which proves nothing");
        // As TOML, and, where TOML has quotes, without them.
        for written in [value.as_str(), value.trim_matches('"')] {
            let plan = plan(&settings(section, key, written));
            assert_eq!(bare(plan.config), expected, "{name} = {written}");
            assert!(plan.terms.is_empty());
        }
    }
}

#[test]
fn what_is_wrong_is_refused_at_once_by_the_files_own_sentence() {
    for (section, key, value) in [
        ("agent", "interval", "2h"),
        ("agent", "interval", "5"),
        ("agent", "intervall", "5s"),
        ("agent", "port", "70000"),
        ("agent", "port", "many"),
        ("agent", "legacy", "anwser"),
        ("agent", "peers", "[\"0.0.0.0\"]"),
        ("agent", "observe", "maybe"),
        ("license", "seats", "-1"),
        ("license", "standby", "perhaps"),
        ("license", "serial", "\"\""),
        ("plugin", "verdict", "maybe"),
        ("plugin", "grant", "[\"all\"]"),
        ("plugin", "colour", "red"),
    ] {
        let quoted = if toml::from_str::<Table>(&format!("v = {value}")).is_ok() {
            value.to_owned()
        } else {
            format!("\"{value}\"")
        };
        let head = match section {
            "agent" => "[agent]\n".to_owned(),
            "license" if key == "serial" => "[[license]]\nproduct = \"x\"\n".to_owned(),
            "license" => "[[license]]\nproduct = \"x\"\nserial = \"S\"\ngroup = \"g\"\n".to_owned(),
            _ if key == "grant" => "[[plugin]]\npath = \"a.so\"\n".to_owned(),
            _ => "[[plugin]]\npath = \"a.so\"\ngrant = [\"verdict\"]\n".to_owned(),
        };
        let text = format!("{head}{key} = {quoted}\n");
        let expected = Config::parse(&text, Profile::System, &Environment::default()).unwrap_err();
        let mut settings = Settings::default();
        settings.add_plugin("a.so", &[]).unwrap();
        let full = match section {
            "agent" => key.to_owned(),
            "license" => format!("license.x.{key}"),
            _ => format!("plugin.a.so.{key}"),
        };
        let refused = settings.set(&full, value).unwrap_err();
        assert_eq!(refused.sentence, expected.to_string(), "{full} = {value}");
        assert!(plan(&settings).config.licenses.is_empty(), "a refused key changes nothing");
    }
}

#[test]
fn keys_that_no_file_has() {
    let mut settings = Settings::default();
    settings.set("mode", "own").unwrap();
    assert_eq!(settings.mode, Mode::Own);
    assert!(settings.set("mode", "alone").unwrap_err().sentence.contains("\"auto\", \"connect\", \"own\""));
    settings.set("unprivileged", "true").unwrap();
    let environment =
        Environment { state_home: Some("/s".into()), runtime_dir: Some("/r".into()), home: None };
    let agent = settings.plan(None, &environment).unwrap().config.agent;
    assert_eq!((agent.port, agent.state_dir.to_str()), (62626, Some("/s/serialnumberd")));
    for wrong in ["yes", ""] {
        assert!(settings.set("unprivileged", wrong).unwrap_err().sentence.contains("true or false"));
    }
}

#[test]
fn a_license_without_a_serial_is_terms_for_a_later_claim() {
    let mut settings = Settings::default();
    for (key, value) in [("standby", "true"), ("standbys", "1"), ("group", "pair")] {
        settings.set(&format!("license.xsvr.{key}"), value).unwrap();
    }
    let plan = plan(&settings);
    assert!(plan.config.licenses.is_empty());
    let terms = Terms { seats: 1, group: "pair".to_owned(), standby: true, standbys: 1 };
    assert_eq!(plan.terms, BTreeMap::from([(Product::new("xsvr").unwrap(), terms)]));
    let mut settings = Settings::default();
    settings.set("license.xsvr.standby", "true").unwrap();
    let refused = settings.plan(None, &Environment::default()).unwrap_err();
    assert!(refused.sentence.contains("`standby` in [[license]] needs a fail-over group"), "{refused}");
}

#[test]
fn a_value_cannot_be_more_than_one() {
    let mut settings = Settings::default();
    let refused = settings.set("port", "7\nobserve = true").unwrap_err();
    assert!(refused.sentence.contains("expected a whole number"), "{refused}");
    settings.set("license.x.group", "5").unwrap();
    settings.set("license.x.seats", "5").unwrap();
    assert_eq!(plan(&settings).terms.values().next().map(|t| t.group.as_str()), Some("5"));
    for wrong in ["license.x", "license.X.group", "plugin.none.so.verdict", "plugin"] {
        assert!(settings.set(wrong, "1").is_err(), "{wrong}");
    }
}

#[test]
fn the_longer_of_two_plugins_names_is_meant_and_options_are_texts() {
    let mut settings = Settings::default();
    settings.add_plugin("/a", &[("n".to_owned(), "5".to_owned())]).unwrap();
    settings.add_plugin("/a.options", &[]).unwrap();
    assert!(settings.add_plugin("/a", &[]).unwrap_err().sentence.contains("added already"));
    assert!(settings.add_plugin("a/b", &[]).unwrap_err().sentence.contains("neither absolute nor"));
    settings.set("plugin./a.options.verdict", "ignore").unwrap();
    settings.set("plugin./a.options.options.text", "\"quoted\"").unwrap();
    let plugins = plan(&settings).config.plugins;
    let option =
        |place: usize| (plugins[place].options[0].key.as_str(), plugins[place].options[0].value.clone());
    assert_eq!(option(0), ("n", Value::from("5")));
    assert_eq!(option(1), ("text", Value::from("quoted")));
    assert!(plugins.iter().all(|plugin| plugin.texts));
}

#[test]
fn the_port_of_adopted_sockets_is_that_of_peers() {
    let mut settings = Settings::default();
    settings.set("port", "7").unwrap();
    settings.set("peers", "[\"127.0.0.3\"]").unwrap();
    let agent = settings.plan(Some(62710), &Environment::default()).unwrap().config.agent;
    assert_eq!((agent.port, agent.peers), (62710, vec!["127.0.0.3:62710".parse().unwrap()]));
}
