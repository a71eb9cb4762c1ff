//! What an administrator can do about a claim's state: the last part of `explain`.

use crate::status::{ClaimStatus, HolderStatus, Status};

/// Sentences, most helpful first; empty if there is nothing to mend.
pub(super) fn advice(status: &Status, claim: &ClaimStatus) -> Vec<String> {
    let mut advice = match claim.state.as_str() {
        "probing" => return vec!["Wait: the start-up burst takes about a second and a half.".to_owned()],
        "suspected" => suspected(status, claim),
        "conflict" | "duplicate" => over_subscribed(status, claim),
        _ => Vec::new(),
    };
    advice.extend(coverage(status, claim));
    advice.extend(status.plugins.iter().filter(|p| p.health != "ok" && p.verdict != "ignore").map(|plugin| {
        format!(
            "The plugin {} is {}: its last verdict stays in force, unless on_policy_failure = \"deny\". Restarting the \
             agent restarts it; its log says more.",
            plugin.id, plugin.health
        )
    }));
    advice
}

/// All but this agent, as `alpha (192.0.2.7, eth0)`.
fn others<'a>(claim: &'a ClaimStatus, fits: impl Fn(&HolderStatus) -> bool + 'a) -> Vec<String> {
    claim.others().filter(|h| fits(h)).map(HolderStatus::short).collect()
}

fn suspected(status: &Status, claim: &ClaimStatus) -> Vec<String> {
    let unproved = others(claim, |h| !h.proved).join(", ");
    let who = if unproved.is_empty() { "the other holder".to_owned() } else { unproved };
    vec![
        format!(
            "If {who} was switched off: nothing to do, it is forgotten after three of its intervals. If it runs: see \
             that UDP port {} passes both ways between the two hosts, for it is heard and does not answer.",
            status.agent.port
        ),
        format!("`serialnumberd probe {}` asks again at once.", claim.product),
    ]
}

fn over_subscribed(status: &Status, claim: &ClaimStatus) -> Vec<String> {
    let class = claim.conflict.as_ref().map_or("", |conflict| conflict.class.as_str());
    match class {
        "clone" => clone(status, claim),
        "split-brain" => split_brain(claim),
        _ => copy(claim),
    }
}

fn copy(claim: &ClaimStatus) -> Vec<String> {
    let (over, named) = match others(claim, |h| h.over).join(", ") {
        none if none.is_empty() => ("one of the holders above".to_owned(), false),
        some => (some, true),
    };
    let here = claim.holders.iter().any(|h| h.is_self && h.over);
    let (over, there) = match (here, named) {
        (true, true) => (format!("this host or {over}"), "there"),
        (true, false) => ("this host".to_owned(), "here"),
        (false, _) => (over, "there"),
    };
    let product = &claim.product;
    vec![
        format!(
            "Give {over} a serial of its own: put it into the serial file {there} and run `serialnumberd reload`."
        ),
        format!(
            "Or stop the agent and the licensed software {there} (`serialnumberd stop`): its goodbye frees the seat \
             at once. A host that just vanishes is forgotten after three of its intervals."
        ),
        format!(
            "Or, if the license of {product} covers more hosts than {}, set `seats` to what it says, on every host.",
            claim.seats
        ),
    ]
}

fn clone(status: &Status, claim: &ClaimStatus) -> Vec<String> {
    let dir = match status.agent.state_dir.as_str() {
        "" => "its state directory",
        dir => dir,
    };
    vec![
        format!(
            "Two machines run copies of one state directory: a cloned disk or container, or a resumed snapshot. On \
             the copy, stop the agent, remove {dir} and start it: it becomes an installation of its own."
        ),
        format!(
            "It still needs a serial of its own afterwards, if the license of {} covers one host only.",
            claim.product
        ),
    ]
}

fn split_brain(claim: &ClaimStatus) -> Vec<String> {
    vec![
        format!(
            "Two hosts of the fail-over group \"{}\" serve at once. Make one of them wait: set standby = true in \
             its [[license]] and run `serialnumberd reload` there.",
            claim.group
        ),
        "If both believe the other is dead: mend the link between them first.".to_owned(),
    ]
}

fn coverage(status: &Status, claim: &ClaimStatus) -> Vec<String> {
    let port = status.agent.port;
    match claim.coverage.state.as_str() {
        "none-heard" => vec![format!(
            "Nobody else is heard. That is right for a host that is alone; else see that UDP port {port} may come in \
             from the LAN, and that others use the same port."
        )],
        "one-way" if claim.state != "suspected" => vec![format!(
            "Somebody is heard and does not answer: see that UDP port {port} passes in both directions."
        )],
        "blind" => {
            let why = if claim.coverage.why.is_empty() { "it cannot hear" } else { &claim.coverage.why };
            vec![format!("This agent is blind and may miss a duplicate: {why}.")]
        }
        _ => Vec::new(),
    }
}
