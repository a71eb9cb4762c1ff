//! The agent as a portmapper of its own, for hosts where no rpcbind runs: it tells the directory's ports, and relays
//! what a client asks that looks for its parent.

use std::sync::Arc;

use netinfo::portmap::{self, Mapping};
use netinfo::server::{Origin, Transport};

use super::service::Directory;

impl Directory {
    /// The reply to a call of the portmapper's, if there is one.
    pub(super) fn answer_portmap(&mut self, call: &[u8], origin: &Origin) -> Option<Vec<u8>> {
        let mappings = Mapping::of_directory(self.doors.first()?.sockets.port());
        match portmap::serve(call, &mappings) {
            portmap::Answer::Reply(reply) => Some(reply),
            portmap::Answer::Relay(relay) => {
                let origin = Origin { transport: Transport::Udp, may_read: false, ..*origin };
                let tree = Arc::clone(&self.tree);
                self.answer_domain(0, &tree, &relay.call, &origin).and_then(|answer| relay.reply(&answer))
            }
            portmap::Answer::Silent => None,
        }
    }
}
