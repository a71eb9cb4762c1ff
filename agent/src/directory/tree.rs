//! The tree that is served: what the status says, in NetInfo's conventional form.
//!
//! It knows neither engine nor socket, and no serial can come in: a status has none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use netinfo::tree::{Directory, NAME};

use crate::status::{ClaimStatus, HolderStatus, Status};

/// Top-level directories that are the agent's own: a plugin has none of these names.
pub const OWN: [&str; 4] = ["machines", "serialnumbers", "conflicts", "agents"];

/// This host, as others know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub host: String,
    /// The domain's tag.
    pub tag: String,
    /// Whether the tag `local` is served, too.
    pub local: bool,
    /// Who is let in.
    pub trusted_networks: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Hardware addresses, of this host and of neighbors, in NetInfo's form.
    pub hardware: BTreeMap<IpAddr, String>,
}

/// The whole tree.  `subtrees` are the plugins', in the configuration's order: a top-level directory belongs to the
/// first that brings it; the names of those left out are answered, too.
#[must_use]
pub fn of<'p>(
    place: &Place,
    status: &Status,
    subtrees: impl IntoIterator<Item = (&'p str, &'p Directory)>,
) -> (Directory, Vec<String>) {
    let mut root = Directory::default()
        .with("master", [format!("{}/{}", place.host, place.tag)])
        .with("trusted_networks", &place.trusted_networks)
        .child(machines(place, status))
        .child(serial_numbers(status))
        .child(conflicts(status))
        .child(agents(place, status));
    let mut taken: BTreeSet<Vec<u8>> = OWN.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut left_out = Vec::new();
    for (plugin, subtree) in subtrees {
        let mut own = BTreeSet::new();
        for child in &subtree.children {
            let name = child.name().unwrap_or_default().to_vec();
            if taken.contains(&name) {
                left_out.push(format!("{plugin}: /{}", String::from_utf8_lossy(&name).escape_debug()));
            } else {
                own.insert(name);
                root.children.push(child.clone());
            }
        }
        taken.extend(own);
    }
    (root, left_out)
}

/// A value without the NUL that the protocol cannot carry.
fn text(value: &str) -> String {
    value.replace('\0', "?")
}

fn texts<'v>(values: impl IntoIterator<Item = &'v String>) -> Vec<String> {
    values.into_iter().map(|value| text(value)).collect()
}

/// What is heard of one installation, over all its claims.
#[derive(Default)]
struct Machine {
    host: String,
    addresses: BTreeSet<IpAddr>,
    since: Option<String>,
    last_heard: String,
    verified: bool,
    products: BTreeSet<String>,
}

fn machines(place: &Place, status: &Status) -> Directory {
    let mut heard: BTreeMap<&str, Machine> = BTreeMap::new();
    let claims =
        status.claims.iter().flat_map(|claim| claim.others().map(move |holder| (&claim.product, holder)));
    let inventory = status.inventory.iter().map(|entry| (&entry.product, &entry.holder));
    for (product, holder) in claims.chain(inventory) {
        heard.entry(&holder.installation).or_default().add(product, holder);
    }
    let mut names = BTreeMap::from([(place.host.clone(), 1)]);
    for machine in heard.values() {
        *names.entry(machine.host.clone()).or_insert(0) += 1;
    }
    let mut all = Directory::named("machines").child(this_machine(place, status));
    for (installation, machine) in &heard {
        let is_unique = names.get(&machine.host) == Some(&1) && !machine.host.is_empty();
        all = all.child(machine.directory(installation, is_unique, place));
    }
    all
}

fn this_machine(place: &Place, status: &Status) -> Directory {
    let mut serves = vec![format!("./{}", place.tag)];
    if place.local {
        serves.push(format!("{}/local", place.host));
    }
    let since = status.claims.iter().filter_map(|claim| claim.since.clone()).min();
    let mut one = Directory::named(&text(&place.host));
    one = with_addresses(one, place.addresses.iter().copied(), place);
    one.with("serves", serves)
        .with("installation", [&status.agent.installation])
        .with("since", since)
        .with("last_heard", [&status.agent.now])
        .with("verified", ["yes"])
        .with("products", texts(status.claims.iter().map(|claim| &claim.product)))
}

fn with_addresses(
    one: Directory,
    addresses: impl Iterator<Item = IpAddr> + Clone,
    place: &Place,
) -> Directory {
    let hardware: BTreeSet<&String> = addresses.clone().filter_map(|a| place.hardware.get(&a)).collect();
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.partition(IpAddr::is_ipv4);
    let mut one = one.with("ip_address", v4.iter().map(ToString::to_string));
    if !v6.is_empty() {
        one = one.with("ipv6_address", v6.iter().map(ToString::to_string));
    }
    if hardware.is_empty() { one } else { one.with("en_address", hardware) }
}

impl Machine {
    fn add(&mut self, product: &str, holder: &HolderStatus) {
        if self.host.is_empty() {
            self.host = text(&holder.host);
        }
        let address = holder.address.as_deref().and_then(|text| text.parse::<SocketAddr>().ok());
        self.addresses.extend(address.map(|address| address.ip()));
        // All times are UTC in one format: their order as text is theirs in time.
        if self.since.is_none() || (holder.since.is_some() && holder.since < self.since) {
            self.since.clone_from(&holder.since);
        }
        if holder.last_heard > self.last_heard {
            self.last_heard.clone_from(&holder.last_heard);
        }
        self.verified |= holder.verified;
        self.products.insert(text(product));
    }

    /// Where a name is shared, or missing, the installation makes it one of its own.
    fn directory(&self, installation: &str, is_unique: bool, place: &Place) -> Directory {
        let short = installation.get(..8).unwrap_or(installation);
        let names = match (is_unique, self.host.is_empty()) {
            (true, _) => vec![self.host.clone()],
            (false, true) => vec![format!("unnamed-{short}")],
            (false, false) => vec![self.host.clone(), format!("{}-{short}", self.host)],
        };
        let one = Directory::default().with(NAME, names);
        with_addresses(one, self.addresses.iter().copied(), place)
            .with("serves", Vec::<String>::new())
            .with("installation", [installation])
            .with("since", &self.since)
            .with("last_heard", [&self.last_heard])
            .with("verified", [yes(self.verified)])
            .with("products", &self.products)
    }
}

fn yes(whether: bool) -> &'static str {
    if whether { "yes" } else { "no" }
}

fn serial_numbers(status: &Status) -> Directory {
    let held = status.claims.iter().map(serial_number);
    // Several holders of one claim that is only heard are one entry.
    let mut heard: BTreeMap<(&str, &str), Vec<&HolderStatus>> = BTreeMap::new();
    for entry in &status.inventory {
        heard.entry((&entry.product, &entry.claim)).or_default().push(&entry.holder);
    }
    let heard = heard.into_iter().map(|((product, claim), holders)| {
        Directory::named(&text(&format!("{product}-{claim}")))
            .with("product", [text(product)])
            .with("claim", [claim])
            .with("state", ["heard"])
            .with("holders", holders.iter().map(|holder| of_holder(holder)))
    });
    Directory { children: held.chain(heard).collect(), ..Directory::named("serialnumbers") }
}

/// Who holds a claim: the host's name, or the installation of one that does not tell it.
fn of_holder(holder: &HolderStatus) -> String {
    if holder.host.is_empty() { holder.installation.clone() } else { text(&holder.host) }
}

fn serial_number(claim: &ClaimStatus) -> Directory {
    Directory::named(&format!("{}-{}", claim.product, claim.claim))
        .with("product", [&claim.product])
        .with("claim", [&claim.claim])
        .with("state", [&claim.state])
        .with("verdict", [&claim.verdict])
        .with("reason", [text(&claim.reason)])
        .with("seats", [claim.seats.to_string()])
        .with("holders", claim.holders.iter().map(of_holder))
        .with("coverage", [&claim.coverage.state])
}

fn conflicts(status: &Status) -> Directory {
    let all = status.claims.iter().filter_map(|claim| Some((claim, claim.conflict.as_ref()?)));
    let children = all.map(|(claim, conflict)| {
        let over = claim.holders.iter().filter(|holder| holder.over);
        Directory::named(&conflict.id.to_string())
            .with("product", [&claim.product])
            .with("claim", [&claim.claim])
            .with("class", [&conflict.class])
            .with("stage", [&conflict.stage])
            .with("since", [&conflict.since])
            .with("confirmed", &conflict.confirmed)
            .with("evidence", [&conflict.evidence])
            .with("holders", claim.holders.iter().map(of_holder))
            .with("over", over.map(of_holder))
    });
    Directory { children: children.collect(), ..Directory::named("conflicts") }
}

fn agents(place: &Place, status: &Status) -> Directory {
    let (agent, counters) = (&status.agent, &status.counters);
    let mut one = Directory::named(&text(&place.host))
        .with("version", [&agent.version])
        .with("installation", [&agent.installation])
        .with("boot", [&agent.boot])
        .with("runs", [agent.runs.to_string()])
        .with("port", [agent.port.to_string()])
        .with("plugins", texts(status.plugins.iter().map(|plugin| &plugin.id)))
        .with("health", texts(&agent.health));
    let fixed = [
        ("received", counters.received),
        ("sent", counters.sent),
        ("send_errors", counters.send_errors),
        ("kernel_drops", counters.kernel_drops),
    ];
    for (name, count) in fixed {
        one = one.with(name, [count.to_string()]);
    }
    for (name, count) in &counters.fates {
        one = one.with(&format!("fate_{}", name.replace('-', "_")), [count.to_string()]);
    }
    for (name, count) in &counters.more {
        one = one.with(name, [count.to_string()]);
    }
    Directory::named("agents").child(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{AgentStatus, ConflictStatus, InventoryEntry};

    fn holder(installation: &str, host: &str, address: &str, is_self: bool) -> HolderStatus {
        HolderStatus {
            installation: installation.repeat(32),
            host: host.to_owned(),
            address: Some(address.to_owned()),
            is_self,
            last_heard: "2026-01-02T03:04:05Z".to_owned(),
            verified: true,
            over: !is_self,
            ..HolderStatus::default()
        }
    }

    fn status() -> Status {
        let claim = ClaimStatus {
            product: "xsvr".to_owned(),
            claim: "c1".to_owned(),
            state: "duplicate".to_owned(),
            verdict: "warn".to_owned(),
            seats: 1,
            holders: vec![
                holder("aa", "alpha", "10.5.0.1:626", true),
                holder("bb", "beta", "10.5.0.2:626", false),
                holder("cc", "beta", "[fe80::3%2]:626", false),
            ],
            conflict: Some(ConflictStatus { id: 7, class: "copy".to_owned(), ..ConflictStatus::default() }),
            ..ClaimStatus::default()
        };
        let other = InventoryEntry {
            product: "db".into(),
            claim: "c2".into(),
            holder: holder("dd", "", "10.5.0.4:626", false),
        };
        let agent = AgentStatus { installation: "aa".repeat(32), ..AgentStatus::default() };
        Status { agent, claims: vec![claim], inventory: vec![other], ..Status::default() }
    }

    fn place() -> Place {
        Place {
            host: "alpha".to_owned(),
            tag: "network".to_owned(),
            addresses: vec![IpAddr::from([10, 5, 0, 1])],
            hardware: BTreeMap::from([(IpAddr::from([10, 5, 0, 2]), "0:5:2:a:b:c".to_owned())]),
            ..Place::default()
        }
    }

    fn below<'d>(tree: &'d Directory, name: &str) -> &'d Directory {
        tree.children.iter().find(|child| child.name() == Some(name.as_bytes())).expect(name)
    }

    fn value<'d>(directory: &'d Directory, name: &str) -> Vec<&'d str> {
        directory.values(name).expect(name).iter().map(|v| str::from_utf8(v).unwrap()).collect()
    }

    #[test]
    fn every_installation_is_a_machine_and_namesakes_can_be_told_apart() {
        let (tree, left_out) = of(&place(), &status(), []);
        assert!(left_out.is_empty());
        assert_eq!(value(&tree, "master"), ["alpha/network"]);
        let machines = &below(&tree, "machines").children;
        let names: Vec<Vec<&str>> = machines.iter().map(|machine| value(machine, "name")).collect();
        assert_eq!(
            names,
            [
                vec!["alpha"],
                vec!["beta", "beta-bbbbbbbb"],
                vec!["beta", "beta-cccccccc"],
                vec!["unnamed-dddddddd"]
            ]
        );
        assert_eq!(value(&machines[0], "serves"), ["./network"]);
        assert_eq!(value(&machines[1], "ip_address"), ["10.5.0.2"]);
        assert_eq!(value(&machines[1], "en_address"), ["0:5:2:a:b:c"]);
        assert_eq!(value(&machines[2], "ip_address"), Vec::<&str>::new());
        assert_eq!(value(&machines[2], "ipv6_address"), ["fe80::3"]);
    }

    #[test]
    fn licenses_and_conflicts_are_told_by_claim_and_never_by_serial() {
        let (tree, _) = of(&place(), &status(), []);
        let license = below(below(&tree, "serialnumbers"), "xsvr-c1");
        assert_eq!((value(license, "verdict"), value(license, "seats")), (vec!["warn"], vec!["1"]));
        assert_eq!(value(license, "holders"), ["alpha", "beta", "beta"]);
        assert_eq!(value(below(below(&tree, "serialnumbers"), "db-c2"), "state"), ["heard"]);
        let conflict = below(below(&tree, "conflicts"), "7");
        assert_eq!((value(conflict, "class"), value(conflict, "over")), (vec!["copy"], vec!["beta", "beta"]));
    }

    #[test]
    fn a_top_level_directory_belongs_to_the_first_plugin_that_brings_it() {
        let users = Directory::default().child(Directory::named("users")).child(Directory::named("users"));
        let more = Directory::default()
            .child(Directory::named("users"))
            .child(Directory::named("machines"))
            .child(Directory::named("rooms"));
        let (tree, left_out) = of(&place(), &Status::default(), [("first", &users), ("second", &more)]);
        assert_eq!(left_out, ["second: /users", "second: /machines"]);
        let names: Vec<_> =
            tree.children.iter().map(|child| String::from_utf8_lossy(child.name().unwrap())).collect();
        assert_eq!(names, ["machines", "serialnumbers", "conflicts", "agents", "users", "users", "rooms"]);
    }
}
