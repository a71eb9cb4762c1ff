//! Interfaces that come, go and change addresses while the agent runs.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Agent, os_entropy};
use crate::socket::{Link, interfaces};

/// When to look again after the interfaces could not be listed, most likely for want of descriptors or memory.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Agent {
    /// Looks at the interfaces and tells sockets and engine what changed.
    pub(super) fn look_at_links(&mut self) {
        self.look_at = None;
        let agent = &self.setup.config.agent;
        let links = match interfaces::enumerate(&agent.interfaces, agent.address) {
            Ok(links) => links,
            Err(e) => {
                // The kernel will not tell of that change again.
                self.look_at = Some(self.now.boot.after(LOOK_AGAIN));
                log::warn!(
                    "the interfaces cannot be listed: {e}; tried again every {} s",
                    LOOK_AGAIN.as_secs()
                );
                return;
            }
        };
        let routes_changed = std::mem::take(&mut self.routes_changed);
        if links != self.links {
            log_changes(&self.links, &links);
        } else if routes_changed {
            self.engine.burst(self.now, &mut os_entropy, None);
        }
        // Even without a change: a group membership may have been lost with the link.
        let unjoined = self.sockets.set_interfaces(links.clone());
        let known = links.iter().map(|l| l.interface.clone()).collect();
        self.links = links;
        self.name_interfaces();
        self.tell_directory_of_links();
        self.engine.set_interfaces(self.now, &mut os_entropy, known);
        self.broken.retain(|index, _| self.links.iter().any(|l| l.interface.index == *index));
        self.note_unjoined(unjoined);
    }

    fn note_unjoined(&mut self, failures: Vec<(u32, std::io::Error)>) {
        let sentence = |e| format!("the IPv6 group cannot be joined: {e}");
        let unjoined = failures.into_iter().map(|(index, e)| (index, sentence(e))).collect();
        let before = std::mem::replace(&mut self.unjoined, unjoined);
        for (index, why) in &self.unjoined {
            if before.get(index) != Some(why) {
                log::warn!("{}: {why}", self.interface_text(*index));
            }
        }
        // Those of before, too: they may be joined by now.  The engine knows only interfaces that it was told of.
        let touched: BTreeSet<u32> = before.into_keys().chain(self.unjoined.keys().copied()).collect();
        touched.into_iter().for_each(|index| self.tell_broken(index));
    }

    /// Tells the engine whether an interface works.
    pub(super) fn tell_broken(&mut self, index: u32) {
        let why = self.broken.get(&index).or_else(|| self.unjoined.get(&index)).cloned();
        self.engine.set_broken(self.now, &mut os_entropy, index, why);
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
