//! R4: with no permission granted every slot still answers, and the plugin lives with the answer.

use super::{passed, started, told, wound_up};
use crate::plugin::check::bench::Bench;
use crate::plugin::check::forge::Shape;
use crate::plugin::check::report::{Breach, Report};
use crate::plugin::check::spy::{self, Seen, Slot};
use crate::plugin::permission::Permissions;
use serialnumberd_plugin::abi::{SLND_PERM_ANNOUNCE, SLND_PERM_HOLDERS, SLND_PERM_VERDICT};

/// The permission that each slot takes.
const TAKES: [(Slot, u64, &str); 3] = [
    (Slot::Decide, SLND_PERM_VERDICT, "verdict"),
    (Slot::Announce, SLND_PERM_ANNOUNCE, "announce"),
    (Slot::Holders, SLND_PERM_HOLDERS, "holders"),
];

pub(super) fn run(bench: &mut Bench) -> Result<Report, Breach> {
    // The agent does not even start a plugin without what it wants: there it may fail, but not die.
    let may_fail = bench.descriptor.wants != Permissions::NONE;
    let lived = lives(bench);
    for (slot, permission, name) in TAKES {
        let (denied, function) = spy::of(slot, Seen::Denied);
        if denied && !bench.asked.covers(Permissions(permission)) {
            let what = format!("it calls {function}, but its descriptor does not ask for \"{name}\"");
            let mend = "add the permission to wants_if_granted, or to wants if it cannot do without, or leave the call";
            return Err(Breach::new("R4", what, mend));
        }
    }
    match lived {
        Err(_) if may_fail => passed("it refuses to work without what it wants, as it may"),
        Err(breach) => Err(breach),
        Ok(()) => passed(format!("{} denials, and it goes on", spy::total(Seen::Denied))),
    }
}

fn lives(bench: &mut Bench) -> Result<(), Breach> {
    let mut subject = started(bench, Shape::SAME, Permissions::NONE)?;
    told(bench, &mut subject)?;
    wound_up(bench, &subject)?;
    subject.stop();
    subject.destroy();
    Ok(())
}
