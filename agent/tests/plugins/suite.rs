//! The suite of deliberately bad plugins: what each does wrong, and what a host sees of it.
//!
//! Data only; [`super::builder`] builds them.  Every tool that must survive bad plugins, or find the fault of each, goes
//! through all of this list.
#![allow(dead_code, reason = "the tests each use a part of it")]

/// What a host that runs it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is refused before any of its code but the entry symbol runs.
    Refused,
    /// The first event that it gets ends the process that it runs in, or takes its descriptors away.
    Kills,
    /// It does not return from the slot that is named.
    Hangs(&'static str),
    /// Its slots answer with an error, or it answers what is no answer.
    Fails,
    /// A host on which nobody looks closely sees nothing.
    Hidden,
}

/// One bad plugin.
#[derive(Clone, Copy, Debug)]
pub struct Bad {
    /// What it does wrong, in a few words; names its file, too.
    pub name: &'static str,
    /// A file of this folder without its suffix, or the folder of a package.
    pub source: &'static str,
    /// The `-D`s that it is compiled with.
    pub defines: &'static [&'static str],
    /// What a host sees.
    pub effect: Effect,
}

const fn bad(
    name: &'static str,
    source: &'static str,
    defines: &'static [&'static str],
    effect: Effect,
) -> Bad {
    Bad { name, source, defines, effect }
}

const CREATE: &str = "SLOT=\"create\"";
const CONFIGURE: &str = "SLOT=\"configure\"";
const START: &str = "SLOT=\"start\"";
const STOP: &str = "SLOT=\"stop\"";

/// All of them.
pub const SUITE: &[Bad] = &[
    // What the acceptance rules refuse.
    bad("wrong-size", "broken", &["SIZE=sizeof(slnd_plugin)-8"], Effect::Refused),
    bad("four-gib-size", "broken", &["SIZE=UINT32_MAX"], Effect::Refused),
    bad("at-a-pages-end", "broken", &["AT_A_PAGES_END=16"], Effect::Refused),
    bad("null-slot", "broken", &["ON_EVENTS=NULL"], Effect::Refused),
    bad("wrong-major", "broken", &["MAJOR=2"], Effect::Refused),
    bad("wrong-layout", "broken", &["LAYOUT=SLND_LAYOUT+1"], Effect::Refused),
    bad("no-manifest", "broken", &["NO_MANIFEST"], Effect::Refused),
    bad("no-entry", "broken", &["NO_ENTRY"], Effect::Refused),
    bad("unresolved", "broken", &["UNRESOLVED"], Effect::Refused),
    bad("odd-option", "broken", &["N_OPTIONS=1"], Effect::Refused),
    // R8: nothing leaves a slot but by return.
    bad("aborts", "fault", &["FAULT=aborts"], Effect::Kills),
    bad("segfaults", "fault", &["FAULT=segfaults"], Effect::Kills),
    bad("exits", "fault", &["FAULT=exits"], Effect::Kills),
    bad("throws", "throws", &[], Effect::Kills),
    bad("panics", "panics", &[], Effect::Fails),
    bad("fails", "bad", &["FAILS"], Effect::Fails),
    bad("create-fails", "broken", &["CREATE_FAILS"], Effect::Fails),
    bad("start-fails", "broken", &["START_FAILS"], Effect::Fails),
    bad("hangs-in-create", "fault", &["FAULT=hangs", CREATE], Effect::Hangs("create")),
    bad("hangs-in-configure", "fault", &["FAULT=hangs", CONFIGURE], Effect::Hangs("configure")),
    bad("hangs-in-start", "fault", &["FAULT=hangs", START], Effect::Hangs("start")),
    bad("hangs-in-on_events", "fault", &["FAULT=hangs"], Effect::Hangs("on_events")),
    bad("hangs-in-stop", "fault", &["FAULT=hangs", STOP], Effect::Hangs("stop")),
    bad("spins", "fault", &["FAULT=spins"], Effect::Hangs("on_events")),
    // R9: stop joins every thread, and is the end.
    bad("leaks-a-thread", "fault", &["FAULT=leaks_a_thread", START], Effect::Hidden),
    bad("calls-after-stop", "rash", &["CALLS_AFTER_STOP"], Effect::Hidden),
    // R5: what is in an event is the host's, until the call returns.
    bad("keeps-an-event", "fault", &["FAULT=keeps_an_event"], Effect::Hidden),
    bad("changes-events", "fault", &["FAULT=changes_events"], Effect::Hidden),
    // R2, R3, R6: what a newer host may send.
    bad("reads-past-the-end", "fault", &["FAULT=reads_past_the_end"], Effect::Hidden),
    bad("any-kind-a-duplicate", "fault", &["FAULT=takes_every_kind_for_a_duplicate"], Effect::Hidden),
    bad("ignores-the-stride", "fault", &["FAULT=ignores_the_stride"], Effect::Hidden),
    bad("needs-this-host", "rash", &["NEEDS_THIS_HOST"], Effect::Hidden),
    // What belongs to others: memory, descriptors, files, verdicts.
    bad("hogs-memory", "fault", &["FAULT=hogs_memory"], Effect::Kills),
    bad("leaks-memory", "fault", &["FAULT=leaks_memory", CREATE], Effect::Hidden),
    bad("leaks-a-descriptor", "fault", &["FAULT=leaks_a_descriptor", START], Effect::Hidden),
    bad("closes-descriptors", "fault", &["FAULT=closes_descriptors"], Effect::Kills),
    bad("writes-outside", "fault", &["FAULT=writes_outside", START], Effect::Hidden),
    bad("decides-unasked", "fault", &["FAULT=decides_unasked", "WISHES=0"], Effect::Hidden),
    // What it promises of its own answers.
    bad("odd-answers", "rash", &["ODD_ANSWERS"], Effect::Hidden),
    bad("odd-status", "rash", &["ODD_STATUS"], Effect::Hidden),
    bad("half-applies-a-reload", "rash", &["HALF_APPLIES"], Effect::Hidden),
];

/// The one of that name.
///
/// # Panics
/// If there is none.
pub fn one(name: &str) -> &'static Bad {
    SUITE.iter().find(|bad| bad.name == name).unwrap_or_else(|| panic!("no bad plugin \"{name}\""))
}
