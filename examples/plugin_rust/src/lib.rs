//! A whole plugin in Rust: logs what it is told, and with `grant = ["verdict"]` its verdict decides.
//! The same as `examples/plugin_minimal.c`, in as few words; `plugins/policy` shows how to keep state.
#![forbid(unsafe_code)]

use serialnumberd_plugin::{
    About, Decision, Error, Event, Events, Host, Kinds, OptionSpec, Options, Permissions, Plugin, Stage,
    State, Verdict,
};

/// One instance.
#[derive(Debug)]
pub struct Example {
    on_duplicate: Verdict,
}

const OPTIONS: &[OptionSpec] =
    &[OptionSpec::choice(c"verdict", c"warn|deny", c"What a proved duplicate gets.")
        .default(c"deny")
        .reloadable()];

impl Plugin for Example {
    const ABOUT: About = About {
        name: c"Example in Rust",
        wants_if_granted: Permissions::VERDICT,
        events: Kinds::ANNOUNCEMENT
            .and(Kinds::DUPLICATE)
            .and(Kinds::RESOLVED)
            .and(Kinds::STATE)
            .and(Kinds::TICK),
        options: OPTIONS,
        ..About::new(c"example-rust", serialnumberd_plugin::version!(), c"Logs, and decides on duplicates.")
    };

    fn create(host: Host, instance: &str) -> Result<Self, Error> {
        log::info!("{instance}: made by {} {}", host.name(), host.version());
        Ok(Example { on_duplicate: Verdict::DENY })
    }

    fn configure(&mut self, options: &Options<'_>, _reload: bool) -> Result<(), Error> {
        self.on_duplicate = if options.text("verdict")? == "deny" { Verdict::DENY } else { Verdict::WARN };
        Ok(())
    }

    fn on_events(&mut self, events: Events<'_>) -> Result<(), Error> {
        for mut delivery in events {
            if let Some(decision) = self.hear(delivery.event()) {
                delivery.answer(&decision);
            }
        }
        Ok(())
    }
}

impl Example {
    fn hear(&self, event: Event<'_>) -> Option<Decision> {
        match event {
            Event::Announcement(e) => log::info!("announcement {} from {}", e.product, e.holder.host),
            Event::Duplicate(e) => {
                log::warn!("duplicate {} stage {}: {} holders", e.product, e.stage, e.holders.len());
                let verdict = if e.stage == Stage::Duplicate { self.on_duplicate } else { Verdict::WARN };
                let reason = format!("{} hosts use the license of {}: stop one", e.holders.len(), e.product);
                return Some(Decision::new(verdict, reason));
            }
            Event::Resolved(e) => log::info!("resolved {} cause {}", e.product, e.cause),
            Event::State(e) => {
                log::info!("state {} {} -> {}", e.product, e.old, e.state);
                let verdict = match e.state {
                    State::Clear | State::Suspected => Verdict::ALLOW,
                    State::Conflict => Verdict::WARN,
                    State::Duplicate => self.on_duplicate,
                    _ => return None,
                };
                return Some(Decision::new(verdict, format!("{} is {}", e.product, e.state)));
            }
            Event::Tick(_) => log::debug!("tick"),
            _ => {}
        }
        None
    }
}

serialnumberd_plugin::export_plugin!(Example);
