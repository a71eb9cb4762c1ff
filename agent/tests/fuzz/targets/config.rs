//! A configuration's text: a valid configuration, or sentences that name places in the text.

use super::is_sentence;
use serialnumberd::config::{Config, ConfigError};
use serialnumberd::paths::{Environment, Profile};
use serialnumberd::socket::interfaces::fits;
use std::collections::BTreeSet;
use std::time::Duration;

pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let environment = Environment { home: Some("/home/u".into()), ..Environment::default() };
    for profile in [Profile::System, Profile::Unprivileged] {
        match Config::parse(text, profile, &environment) {
            Ok(config) => valid(&config),
            Err(error) => refused(text, &error),
        }
    }
}

fn valid(config: &Config) {
    let agent = &config.agent;
    let hour = Duration::from_secs(3600);
    assert!((Duration::from_secs(1)..=hour).contains(&agent.interval) && agent.interval.subsec_nanos() == 0);
    assert!((Duration::from_secs(1)..=hour).contains(&agent.confirm_after));
    assert!(agent.port != 0 && !agent.interfaces.is_empty());
    assert!(agent.peers.iter().all(|p| p.port() != 0 && !p.ip().is_unspecified() && !p.ip().is_multicast()));
    assert!(
        agent
            .interfaces
            .iter()
            .all(|pattern| fits(pattern, "eth0") == fits_slowly(pattern.as_bytes(), b"eth0"))
    );
    let products: BTreeSet<_> = config.licenses.iter().map(|l| l.product).collect();
    assert!(products.len() == config.licenses.len() && products.len() <= 64);
    for license in &config.licenses {
        assert!(!license.serial.expose().is_empty());
        assert!(!license.group.is_empty() || (!license.standby && license.standbys == 0));
    }
    let shown = format!("{config:?}");
    // A serial of a few bytes may stand in it by chance.
    let secret = |l: &serialnumberd::config::LicenseConfig| {
        l.serial.expose().len() > 12 && shown.contains(l.serial.expose())
    };
    assert!(!config.licenses.iter().any(secret), "a serial is shown");
    assert!(config.warnings.iter().all(|w| is_sentence(&w.to_string())));
    assert!(config.restart_needed(config).is_empty());
}

fn refused(text: &str, error: &ConfigError) {
    assert!(!error.0.is_empty());
    assert!(error.0.is_sorted());
    let lines = text.split('\n').count();
    for problem in &error.0 {
        assert!(is_sentence(&problem.to_string()), "{:?}", problem.text);
        assert!(problem.line <= lines && (problem.line == 0) == (problem.column == 0), "{problem:?}");
    }
}

/// As [`fits`], by the definition.
fn fits_slowly(pattern: &[u8], name: &[u8]) -> bool {
    // Whether what is left of the pattern fits the first so many bytes of the name: one row a byte of the pattern.
    let mut row: Vec<bool> = (0..=name.len()).map(|n| n == 0).collect();
    for &c in pattern {
        let mut next = vec![false; row.len()];
        for n in 0..row.len() {
            next[n] = match c {
                b'*' => row[n] || (n > 0 && next[n - 1]),
                _ => n > 0 && row[n - 1] && (c == b'?' || c == name[n - 1]),
            };
        }
        row = next;
    }
    row[name.len()]
}
