//! Plugins of the program itself, and from files.

use serialnumberd::embed::{Kind, StaticPlugin, Verdict};
use serialnumberd_core::State;
use serialnumberd_plugin::abi::slnd_plugin;
use serialnumberd_plugin::{
    About, Decision, Error, Event, Events, Host, Kinds, OptionSpec, Options, Permissions, Plugin,
};

use crate::home::{Home, check, is, until};

/// Says LIMIT, with as many exclamation marks as its option wants.
struct Strict {
    marks: usize,
}

const OPTIONS: &[OptionSpec] =
    &[OptionSpec::int(c"marks", 0, 9, c"marks", c"How loud it is.").default(c"1").reloadable()];

impl Plugin for Strict {
    const ABOUT: About = About {
        wants: Permissions::VERDICT,
        events: Kinds::STATE,
        options: OPTIONS,
        ..About::new(c"strict.one", c"1.0", c"Limits everything")
    };

    fn create(_host: Host, _instance: &str) -> Result<Self, Error> {
        log::warn!("made");
        Ok(Strict { marks: 0 })
    }

    fn configure(&mut self, options: &Options<'_>, _reload: bool) -> Result<(), Error> {
        self.marks = usize::try_from(options.int("marks")?).unwrap_or(0);
        Ok(())
    }

    fn on_events(&mut self, events: Events<'_>) -> Result<(), Error> {
        for mut delivery in events {
            if let Event::State(_) = delivery.event() {
                delivery.answer(&Decision::limit(format!("strict{}", "!".repeat(self.marks))));
            }
        }
        Ok(())
    }
}

#[test]
fn a_plugin_of_the_program_itself_runs_under_the_same_rules() {
    let home = Home::new("127.0.8.50");
    let options = |marks: &str| vec![("marks".to_owned(), marks.to_owned())];
    let plugin = StaticPlugin::of::<Strict>().expect("a good descriptor");
    for (marks, grant, part) in [
        ("12", true, "must be between 0 and 9"),
        ("loud", true, "must be a whole number"),
        ("3", false, "it cannot work without the permission \"verdict\""),
    ] {
        let mut embedded = home.embedded(&[]);
        embedded.no_plugins();
        embedded.add_plugin_static(plugin.clone(), &options(marks)).expect("that is about files");
        if grant {
            embedded.set("plugin.strict.one.grant", "[\"verdict\"]").expect("set");
        }
        let refused = embedded.start().expect_err(part);
        assert!(refused.sentence.contains(part), "{refused}");
    }
    let mut embedded = home.embedded(&[]);
    embedded.add_plugin_static(plugin.clone(), &options("3")).expect("added");
    let twice = embedded.add_plugin_static(plugin, &[]).expect_err("twice");
    assert!(twice.kind == Kind::Invalid && twice.sentence.contains("strict.one"), "{twice}");
    embedded.set("plugin.strict.one.grant", "[\"verdict\"]").expect("set");
    embedded.set("plugin.strict.one.verdict", "require").expect("set");
    embedded.start().expect("it starts");
    let handle = embedded.handle();
    handle.claim("xsvr", "ALONE", 1).expect("claimed");
    let mut agents = [embedded];
    until("it decides", &mut agents, |_| {
        is(&handle, State::Clear) && check(&handle).verdict == Verdict::LIMIT
    });
    assert_eq!(check(&handle).reason, "strict!!!");
    assert_eq!(handle.counts().plugins, 1);
    let status: serde_json::Value =
        serde_json::from_str(&agents[0].status_json().expect("a document")).expect("JSON");
    assert_eq!(status["plugins"][0]["path"], "(static) strict.one");
    assert!(home.lines.contain("WARN made"), "its thread writes to its agent's log");
    assert!(home.dir.path().join("state/plugins/strict.one").is_dir());
}

#[test]
fn a_wrong_descriptor_is_refused_by_its_rule() {
    #[allow(unsafe_code, reason = "stands on the other side of the C interface")]
    // SAFETY: NULL is allowed.
    let none = unsafe { StaticPlugin::new(std::ptr::null()) };
    assert!(none.expect_err("NULL").to_string().contains("rule: entry symbol"));
    static SMALL: [u64; 64] = [0; 64];
    let small: *const slnd_plugin = SMALL.as_ptr().cast();
    #[allow(unsafe_code, reason = "stands on the other side of the C interface")]
    // SAFETY: constant, aligned, and larger than a descriptor.
    let small = unsafe { StaticPlugin::new(small) };
    assert!(small.expect_err("zeroes").to_string().contains("rule: struct_size"));
}

#[test]
fn a_plugin_that_is_not_there_is_named() {
    let home = Home::new("127.0.8.51");
    let mut embedded = home.embedded(&[]);
    embedded.add_plugin("libslnd_none.so", &[]).expect("it is looked for at the start");
    let refused = embedded.start().expect_err("there is none");
    assert!(refused.sentence.contains("libslnd_none.so: it is in none of"), "{refused}");
    embedded.no_plugins();
    assert_eq!(embedded.start().expect_err("it was added before").kind, Kind::Denied);
}
