//! What a running agent can take over from a new configuration, and what needs a restart.

use std::path::Path;

use super::{Config, DirectoryConfig, Isolation, PluginConfig};

impl Config {
    /// The keys whose change takes effect only with a restart; empty if `new` can replace `self` as it is.
    ///
    /// Sockets, directories and loaded code are made once: an agent that could not get the new ones would
    /// have given up the old ones.
    #[must_use]
    pub fn restart_needed(&self, new: &Config) -> Vec<&'static str> {
        let (a, b) = (&self.agent, &new.agent);
        let changed = [
            ("[agent] state_dir", a.state_dir != b.state_dir),
            ("[agent] control", a.control != b.control),
            ("[agent] port", a.port != b.port),
            ("[agent] address", a.address != b.address),
            ("[agent] plugin_dir", a.plugin_dir != b.plugin_dir),
            (
                "[directory] enabled, port, tag, local or portmapper",
                !same_doors(&self.directory, &new.directory),
            ),
            ("[[plugin]] entries, their path, isolation or grant", !same_code(&self.plugins, &new.plugins)),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }
}

/// The same sockets, told of in the same way.
fn same_doors(a: &DirectoryConfig, b: &DirectoryConfig) -> bool {
    let doors = |d: &DirectoryConfig| (d.enabled, d.port, d.tag.clone(), d.local, d.portmapper);
    doors(a) == doors(b)
}

/// The same plugins with the same rights, whatever their options and the worth of their verdicts.
fn same_code(a: &[PluginConfig], b: &[PluginConfig]) -> bool {
    fn fixed(p: &PluginConfig) -> (&Path, Isolation, &[String]) {
        (&p.path, p.isolation, &p.grant)
    }
    a.iter().map(fixed).eq(b.iter().map(fixed))
}
