//! The options: declared, and read into valid types once.

use std::time::Duration;

use serialnumberd_plugin::{Error, OptionSpec, Options, Verdict};

/// What a duplicate does to the licensed software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// People are told, nothing is ever stopped.
    Observe,
    /// Every holder of an over-subscribed claim is denied.
    Strict,
    /// The first holders, as many as there are seats, go on; later ones are denied.
    Seniority,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Mode::Observe => "observe",
            Mode::Strict => "strict",
            Mode::Seniority => "seniority",
        }
    }
}

/// The configuration of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) mode: Mode,
    /// How long a restriction is only announced.
    pub(crate) grace: Duration,
    /// Whether a conflict that was proved once suffices.
    pub(crate) act_on_conflict: bool,
    /// LIMIT or DENY: what whoever is restricted gets.
    pub(crate) action: Verdict,
    /// ALLOW, WARN or DENY: what an agent gets that has been blind for `blind_after`.
    pub(crate) when_blind: Verdict,
    /// How long it may be blind before that.
    pub(crate) blind_after: Duration,
}

/// The longest grace, and the longest blindness: beyond it one wants "observe" and "allow".
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

pub(crate) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::choice(
        c"mode",
        c"observe|strict|seniority",
        c"What a duplicate does: only warn; deny every holder; or deny the holders beyond the seats.",
    )
    .default(c"observe")
    .reloadable(),
    OptionSpec::duration(
        c"grace",
        LONGEST,
        c"How long a restriction is only announced; restarting does not renew it.",
    )
    .default(c"0s")
    .reloadable(),
    OptionSpec::choice(
        c"act_on",
        c"conflict|duplicate",
        c"Act when over-subscription was proved once, or only when it was proved twice.",
    )
    .default(c"duplicate")
    .reloadable(),
    OptionSpec::choice(c"action", c"limit|deny", c"What whoever is restricted gets: LIMIT or DENY.")
        .default(c"deny")
        .reloadable(),
    OptionSpec::choice(
        c"when_blind",
        c"allow|warn|deny",
        c"The verdict while this host can hear nobody for a known reason.",
    )
    .default(c"allow")
    .reloadable(),
    OptionSpec::duration(c"blind_after", LONGEST, c"How long it must have been blind for that.")
        .default(c"15m")
        .reloadable(),
];

impl Rules {
    /// What the defaults above say.
    pub(crate) const DEFAULT: Rules = Rules {
        mode: Mode::Observe,
        grace: Duration::ZERO,
        act_on_conflict: false,
        action: Verdict::DENY,
        when_blind: Verdict::ALLOW,
        blind_after: Duration::from_secs(15 * 60),
    };

    /// Reads them; the host has checked each by itself.
    pub(crate) fn read(options: &Options<'_>) -> Result<Rules, Error> {
        Ok(Rules {
            mode: match options.text("mode")? {
                "observe" => Mode::Observe,
                "strict" => Mode::Strict,
                "seniority" => Mode::Seniority,
                other => return Err(unknown("mode", other, "observe, strict or seniority")),
            },
            grace: options.duration("grace")?,
            act_on_conflict: match options.text("act_on")? {
                "conflict" => true,
                "duplicate" => false,
                other => return Err(unknown("act_on", other, "conflict or duplicate")),
            },
            action: match options.text("action")? {
                "limit" => Verdict::LIMIT,
                "deny" => Verdict::DENY,
                other => return Err(unknown("action", other, "limit or deny")),
            },
            when_blind: match options.text("when_blind")? {
                "allow" => Verdict::ALLOW,
                "warn" => Verdict::WARN,
                "deny" => Verdict::DENY,
                other => return Err(unknown("when_blind", other, "allow, warn or deny")),
            },
            blind_after: options.duration("blind_after")?,
        })
    }
}

fn unknown(option: &str, value: &str, choices: &str) -> Error {
    Error::invalid(format!("option `{option}`: \"{value}\" is not {choices}"))
}
