//! STATISTICS: 44 properties, in the original's order.

use super::{Domain, Server};
use crate::procedure::NAMES;
use crate::rpc::Credentials;
use crate::tree::{Property, Snapshot};
use crate::xdr::Writer;

/// Whoever hides this in the machine name wants that property only.
const CHECKSUM: &str = "checksum";

impl Server {
    pub(super) fn statistics(
        &self,
        domain: &Domain,
        tree: &Snapshot,
        credentials: Option<Credentials<'_>>,
        out: &mut Writer,
    ) {
        let mut properties = self.properties(domain, tree);
        if wants_checksum_only(credentials) {
            properties.truncate(1);
        }
        out.length(properties.len());
        properties.iter().for_each(|property| out.property(property));
    }

    fn properties(&self, domain: &Domain, tree: &Snapshot) -> Vec<Property> {
        let addresses = domain.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        let servers = addresses.iter().map(|address| format!("{address}/{}", domain.tag)).collect();
        let zeros = |n: usize| vec!["0".to_owned(); n];
        let calls: u64 = self.counts.iter().map(|count| count.calls).sum();
        let mut all = vec![
            property(CHECKSUM, vec![tree.checksum().to_string()]),
            property("server_version", vec![format!("serialnumberd-{}", env!("CARGO_PKG_VERSION"))]),
            // Tag, role, clones: a directory that is written nowhere has none.
            property("tag", vec![domain.tag.clone(), "master".to_owned(), "0".to_owned()]),
            property("ip_address", if addresses.is_empty() { vec!["0.0.0.0".to_owned()] } else { addresses }),
            property("hostname", vec![domain.host.clone()]),
            property("domain_servers", servers),
            property("write_locked", vec!["Yes (read-only)".to_owned()]),
            property("notify_threads", zeros(3)),
            property("notifications_pending", zeros(1)),
            property("authentications", zeros(4)),
            property("readall_proxies", vec!["0".to_owned(), "loose".to_owned()]),
            property("cleanup_wait", vec!["0".to_owned(), "-1".to_owned()]),
            property("total_calls", vec![calls.to_string()]),
            property("binding", vec!["forcedRoot".to_owned()]),
            property(
                "connections",
                vec![self.open.to_string(), "0".to_owned(), self.most.to_string(), "0".to_owned()],
            ),
        ];
        all.extend(NAMES.iter().zip(&self.counts).enumerate().map(|(number, (name, count))| {
            property(name, vec![number.to_string(), count.calls.to_string(), count.us.to_string()])
        }));
        all
    }
}

fn property(name: &str, values: Vec<String>) -> Property {
    Property { name: name.as_bytes().to_vec(), values: values.into_iter().map(String::into_bytes).collect() }
}

/// As with a password, every bit is inverted.
fn wants_checksum_only(credentials: Option<Credentials<'_>>) -> bool {
    match credentials {
        Some(Credentials::Sys { machine, .. }) => {
            machine.len() == CHECKSUM.len()
                && machine.iter().zip(CHECKSUM.bytes()).all(|(&hidden, open)| !hidden == open)
        }
        _ => false,
    }
}
