//! Interfaces that come, go and change addresses while the agent runs.

use super::{Agent, os_entropy};
use crate::socket::{Link, interfaces};

impl Agent {
    /// Looks at the interfaces and tells sockets and engine what changed.
    pub(super) fn look_at_links(&mut self) {
        self.look_at = None;
        let agent = &self.setup.config.agent;
        let patterns: Vec<String> = agent.interfaces.iter().map(|g| g.as_str().to_owned()).collect();
        let links = match interfaces::enumerate(&patterns, agent.address) {
            Ok(links) => links,
            Err(e) => {
                log::warn!("the interfaces cannot be listed: {e}");
                return;
            }
        };
        let routes_changed = std::mem::take(&mut self.routes_changed);
        let changed = links != self.links;
        if changed {
            log_changes(&self.links, &links);
        } else if routes_changed {
            self.engine.burst(self.now, &mut os_entropy, None);
        }
        // Even without a change: a group membership may have been lost with the link.
        for (interface, error) in self.sockets.set_interfaces(links.clone()) {
            let name = Agent::interface_name(&links, interface).unwrap_or_default();
            log::warn!("{name}: the IPv6 group cannot be joined: {error}");
            let why = format!("the IPv6 group cannot be joined: {error}");
            self.broken.insert(interface, why.clone());
            self.engine.set_broken(self.now, &mut os_entropy, interface, Some(why));
        }
        self.broken.retain(|index, _| links.iter().any(|l| l.interface.index == *index));
        let known = links.iter().map(|l| l.interface.clone()).collect();
        self.links = links;
        self.engine.set_interfaces(self.now, &mut os_entropy, known);
    }
}

fn log_changes(old: &[Link], new: &[Link]) {
    let name = |l: &Link| l.interface.name.clone();
    for link in new.iter().filter(|l| !old.iter().any(|o| o.interface.index == l.interface.index)) {
        log::debug!("{}: used from now on", name(link));
    }
    for link in old.iter().filter(|l| !new.iter().any(|n| n.interface.index == l.interface.index)) {
        log::info!("{}: gone, down or without a usable address", name(link));
    }
}
