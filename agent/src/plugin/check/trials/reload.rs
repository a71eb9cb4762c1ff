//! A reload is a transaction: options that the plugin refuses leave the old ones in force.
//!
//! A plugin's options cannot be looked at, but what it does can: one instance refuses new options, its twin never hears of
//! them, and both are told the same story at the same times.  They must answer alike.  Two twins that are treated alike
//! come first: a plugin that answers by chance or by the hour cannot be tried so.

use super::values;
use super::{passed, started};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::tale::{BEGIN_NS, S, story};
use crate::plugin::limits::STATUS_MAX;
use crate::plugin::shared::Message;

/// Sets of options that are offered at most.
const OFFERS: usize = 64;

type Settings = Vec<(String, String)>;

/// What can be seen of an instance: its verdicts with their reasons, and its status.
#[derive(Debug, PartialEq, Eq)]
struct Conduct {
    verdicts: Vec<(u32, Vec<i8>)>,
    decided: Vec<String>,
    status: Option<Vec<u8>>,
}

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    let table = bench.descriptor.options.clone();
    if !table.iter().any(|spec| spec.reloadable) {
        return Ok(Report::Skipped("it has no option that a reload may change".to_owned()));
    }
    let old = bench.settings.clone();
    let (_, alone) = conduct(bench, &[])?;
    if alone != conduct(bench, &[])?.1 {
        return Ok(Report::Skipped(
            "it does not always answer alike, so two instances cannot be compared".to_owned(),
        ));
    }
    let (refused, _) = conduct(bench, &[old])?;
    if let Some(message) = refused {
        let what = format!("it refused a reload that changes nothing: {message}");
        return Err(Breach::new("life cycle", what, "take the options that are in force"));
    }
    let offers = offers(bench);
    let mut refusals = 0;
    for offer in &offers {
        let (refused, conduct) = conduct(bench, std::slice::from_ref(offer))?;
        let Some(message) = refused else { continue };
        refusals += 1;
        // Once more, and the others too: one that answers by the hour may have done so just now.
        let is_other = conduct != alone && self::conduct(bench, std::slice::from_ref(offer))?.1 == conduct;
        if is_other && self::conduct(bench, &[])?.1 == alone {
            let what = format!(
                "it refused a reload ({message}), and then behaved otherwise than one that had never heard of it"
            );
            return Err(Breach::new("configure", what, "check all options first, and take them only then"));
        }
    }
    passed(match refusals {
        0 => format!("{} sets of options, all of which it took", offers.len()),
        n => format!("{} sets of options, {n} of them refused without a trace", offers.len()),
    })
}

/// Every value of every option that may change: alone, and with all others changed, too.
fn offers(bench: &Bench) -> Vec<Settings> {
    let own = bench.job.state_dir.join("plugins").join(&bench.id);
    let table = &bench.descriptor.options;
    let old = &bench.settings;
    let is_old = |name: &str, value: &str| old.iter().any(|(key, is)| key == name && is == value);
    let mut all = Vec::new();
    for spec in table.iter().filter(|spec| spec.reloadable) {
        for value in values::of(spec, &own).into_iter().filter(|value| !is_old(&spec.name, value)) {
            let one = vec![(spec.name.clone(), value)];
            let others = table.iter().filter(|other| other.reloadable && other.name != spec.name);
            let others = others.filter_map(|other| {
                let new = values::of(other, &own).into_iter().find(|value| !is_old(&other.name, value))?;
                Some((other.name.clone(), new))
            });
            let every: Settings = one.iter().cloned().chain(others).collect();
            all.extend([values::with(table, old, &one), values::with(table, old, &every)]);
        }
    }
    all.truncate(OFFERS);
    all
}

/// One life in which a reload may be offered between two stories: what the refusal said, and how it behaved after that.
fn conduct(bench: &mut Bench, offers: &[Settings]) -> Result<(Option<String>, Conduct), Breach> {
    let own = bench.job.state_dir.join("plugins").join(&bench.id);
    // What an earlier instance kept must not tell them apart.
    let _none_yet = std::fs::remove_dir_all(&own);
    bench.set_clock(BEGIN_NS);
    let granted = bench.granted;
    let mut subject = started(bench, Shape::SAME, granted)?;
    subject.tell(bench, &story(BEGIN_NS))?;
    subject.messages();
    let mut refused = None;
    for offer in offers {
        refused = subject.configure(bench, offer, true).err();
    }
    if let Some(error) =
        refused.as_ref().filter(|error| error.status == serialnumberd_plugin::abi::SLND_E_PANIC)
    {
        return Err(error.clone().into());
    }
    let answers = subject.tell(bench, &story(BEGIN_NS + 60 * S))?;
    let verdicts = answers
        .iter()
        .filter(|answer| answer.asked)
        .map(|answer| (answer.decision.verdict, answer.decision.reason.to_vec()));
    let verdicts = verdicts.collect();
    let decided = subject.messages().iter().filter_map(decision).collect();
    let status = match subject.has_status() {
        true => {
            let (need, text) = subject.status(bench, STATUS_MAX)?;
            text.get(..need).map(<[u8]>::to_vec)
        }
        false => None,
    };
    subject.stop();
    subject.destroy();
    Ok((refused.map(|error| error.message), Conduct { verdicts, decided, status }))
}

fn decision(message: &Message) -> Option<String> {
    match message {
        Message::Decided { decision, .. } => Some(format!("{decision:?}")),
        _ => None,
    }
}
