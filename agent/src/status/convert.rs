//! What the core says, in the words of the status document.

use serialnumberd_core::limits::SINCE_MIN_MS;
use serialnumberd_core::{HolderView, InterfaceCoverage, Now};

use super::{HolderStatus, InterfaceStatus, rfc3339, wall_time};

/// How interface indexes are called; an index without a name prints as `#7`.
pub type InterfaceNames<'a> = &'a dyn Fn(u32) -> Option<String>;

impl HolderStatus {
    /// Shows a holder at the time `now`.
    #[must_use]
    pub fn of(view: &HolderView, now: &Now, names: InterfaceNames<'_>) -> HolderStatus {
        HolderStatus {
            installation: view.instance.installation.to_string(),
            boot: view.instance.boot.to_string(),
            host: view.host.clone(),
            address: view.from.map(|from| from.to_string()),
            interface: interface(view.interface, names),
            is_self: view.is_self,
            role: view.role.as_str().to_owned(),
            group: view.group.clone(),
            seats: view.seats,
            interval_s: view.interval_s,
            runs: view.runs,
            since: (view.since_ms >= SINCE_MIN_MS).then(|| rfc3339(view.since_ms)),
            verified: view.verified,
            proved: view.proved,
            silent: view.silent,
            over: view.over,
            first_heard: wall_time(now, view.first_heard),
            last_heard: wall_time(now, view.last_heard),
            last_proved: view.last_proved.map(|at| wall_time(now, at)),
        }
    }
}

impl HolderStatus {
    /// Its name for people: `this host`, `alpha`, or the first digits of a key.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.is_self, self.host.as_str()) {
            (true, _) => "this host".to_owned(),
            (false, "") => format!("installation {}", self.installation.get(..8).unwrap_or("")),
            // A stranger's bytes: no terminal escapes.
            (false, host) => host.chars().filter(|c| !c.is_control()).collect(),
        }
    }

    /// Name, address and interface, such as `alpha (192.0.2.7, eth0)`.
    #[must_use]
    pub fn short(&self) -> String {
        let place: Vec<&str> = self.ip().into_iter().chain(self.interface.as_deref()).collect();
        if place.is_empty() { self.name() } else { format!("{} ({})", self.name(), place.join(", ")) }
    }

    /// Its address without the port, which is everybody's.
    #[must_use]
    pub fn ip(&self) -> Option<&str> {
        let (ip, _port) = self.address.as_deref()?.rsplit_once(':')?;
        Some(ip.trim_start_matches('[').trim_end_matches(']'))
    }
}

impl InterfaceStatus {
    /// Shows an interface's coverage at the time `now`.
    #[must_use]
    pub fn of(coverage: &InterfaceCoverage, now: &Now) -> InterfaceStatus {
        InterfaceStatus {
            name: coverage.name.clone(),
            index: coverage.index,
            state: coverage.state.as_str().to_owned(),
            since: wall_time(now, coverage.since),
            peers: coverage.peers,
            why: coverage.why.clone(),
        }
    }
}

/// The name of an interface; `None` for index 0, which is none.
#[must_use]
pub fn interface(index: u32, names: InterfaceNames<'_>) -> Option<String> {
    (index > 0).then(|| names(index).unwrap_or_else(|| format!("#{index}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use serialnumberd_core::{BootId, Coverage, Installation, Instance, Mono, PeerRole};

    use super::*;

    pub(crate) const SECOND: u64 = 1_000_000_000;

    /// Another host's claim, heard 5 s and proved 4 s before second 100.
    pub(crate) fn other_holder() -> HolderView {
        HolderView {
            instance: Instance { installation: Installation([0xab; 32]), boot: BootId([0xcd; 8]) },
            from: Some("192.0.2.7:626".parse().unwrap()),
            interface: 2,
            host: "alpha".to_owned(),
            group: String::new(),
            role: PeerRole::Active,
            interval_s: 300,
            seats: 1,
            runs: 3,
            since_ms: 1_790_000_000_000,
            first_heard: Mono(90 * SECOND),
            last_heard: Mono(95 * SECOND),
            last_proved: Some(Mono(96 * SECOND)),
            is_self: false,
            verified: true,
            proved: true,
            silent: false,
            over: true,
        }
    }

    fn now() -> Now {
        Now { boot: Mono(100 * SECOND), awake: Mono(100 * SECOND), wall_ms: 1_795_446_000_000 }
    }

    #[test]
    fn a_holder_is_told_in_wall_time_and_interface_names() {
        let names = |index: u32| (index == 2).then(|| "eth0".to_owned());
        let shown = HolderStatus::of(&other_holder(), &now(), &names);
        assert_eq!(shown.installation, "ab".repeat(32));
        assert_eq!(shown.address.as_deref(), Some("192.0.2.7:626"));
        assert_eq!(shown.interface.as_deref(), Some("eth0"));
        assert_eq!(shown.since.as_deref(), Some("2026-09-21T14:13:20.000Z"));
        assert_eq!(shown.last_heard, rfc3339(1_795_446_000_000 - 5000));
        let unnamed = HolderStatus::of(&other_holder(), &now(), &|_| None);
        assert_eq!(unnamed.interface.as_deref(), Some("#2"));
    }

    #[test]
    fn this_agent_has_no_address_and_an_old_since_is_unknown() {
        let view = HolderView { from: None, interface: 0, since_ms: 1, is_self: true, ..other_holder() };
        let shown = HolderStatus::of(&view, &now(), &|_| None);
        assert_eq!((shown.address, shown.interface, shown.since), (None, None, None));
    }

    #[test]
    fn an_interface_is_told_with_its_reason() {
        let coverage = InterfaceCoverage {
            index: 2,
            name: "eth0".to_owned(),
            state: Coverage::OneWay,
            since: Mono(40 * SECOND),
            peers: 1,
            why: "beta never answers".to_owned(),
        };
        let shown = InterfaceStatus::of(&coverage, &now());
        assert_eq!((shown.state.as_str(), shown.why.as_str()), ("one-way", "beta never answers"));
        assert_eq!(shown.since, rfc3339(1_795_446_000_000 - 60_000));
    }
}
