//! What `status` tells of the plugin: one JSON object.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use serialnumberd_plugin::{ClaimId, Verdict};

use crate::facts::{Claim, Now};
use crate::grace::Ledger;
use crate::rules::Rules;
use crate::sentence::time;
use crate::store::Store;
use crate::verdict::Grace;

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::ABSTAIN => "abstain",
        Verdict::ALLOW => "allow",
        Verdict::WARN => "warn",
        Verdict::LIMIT => "limit",
        _ => "deny",
    }
}

/// The whole.
pub(crate) fn object(
    rules: &Rules,
    claims: &BTreeMap<ClaimId, Claim>,
    ledger: &Ledger,
    store: &Store,
    now: Now,
) -> String {
    let claims: Vec<Value> = claims.iter().map(|(id, c)| claim(rules, *id, c, ledger, now)).collect();
    json!({
        "mode": rules.mode.as_str(),
        "act_on": if rules.act_on_conflict { "conflict" } else { "duplicate" },
        "action": word(rules.action),
        "grace_s": rules.grace.as_secs(),
        "when_blind": word(rules.when_blind),
        "blind_after_s": rules.blind_after.as_secs(),
        "grace_file_error": store.failing,
        "claims": claims,
    })
    .to_string()
}

fn claim(rules: &Rules, id: ClaimId, claim: &Claim, ledger: &Ledger, now: Now) -> Value {
    let used = ledger.used(id, now).min(rules.grace);
    let until = match ledger.grace(id, rules.grace, now) {
        Grace::Until(end) => Some(time(end)),
        Grace::Over => None,
    };
    json!({
        "product": claim.product,
        "claim": id.to_string(),
        "state": claim.state.as_str(),
        "verdict": word(claim.given.verdict),
        "grace_left_s": (rules.grace - used).as_secs(),
        "grace_until": until,
        "blind_since": claim.blind_since.map(|since| time(since.wall_ms)),
    })
}
