//! TOML values as the types of the configuration.  Each reader says in words what it takes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use crate::nearest::nearest;

fn wanted(what: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("expected {what}, found {found}")
}

pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(s) => Ok(s.clone().into_owned()),
        other => Err(wanted("a text in quotes", other)),
    }
}

pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(b) => Ok(*b),
        other => Err(wanted("true or false", other)),
    }
}

/// A whole number within `range`.
pub(super) fn number(range: RangeInclusive<u32>) -> impl Fn(&DeValue<'_>) -> Result<u32, String> {
    move |value| {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(written) = value else { return Err(wanted(&what, value)) };
        match u32::from_str_radix(written.as_str(), written.radix()) {
            Ok(n) if range.contains(&n) => Ok(n),
            _ => Err(format!("expected {what}, found {written}")),
        }
    }
}

/// A whole number from `least` to 65535.
pub(super) fn number16(least: u16) -> impl Fn(&DeValue<'_>) -> Result<u16, String> {
    move |value| {
        let n = number(u32::from(least)..=u32::from(u16::MAX))(value)?;
        u16::try_from(n).map_err(|e| e.to_string())
    }
}

/// A duration such as "90s" or "5m" within `range`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&DeValue<'_>) -> Result<Duration, String> {
    move |value| {
        let limits = format!(
            "a duration from {} to {}",
            humantime::format_duration(*range.start()),
            humantime::format_duration(*range.end())
        );
        let DeValue::String(written) = value else {
            return Err(wanted(&format!("{limits} in quotes, such as \"90s\" or \"5m\""), value));
        };
        match humantime::parse_duration(written) {
            Ok(d) if range.contains(&d) => Ok(d),
            Ok(_) => Err(format!("expected {limits}, found \"{written}\"")),
            Err(_) => Err(format!("expected {limits}, such as \"90s\" or \"5m\", found \"{written}\"")),
        }
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let all: Vec<String> = words.iter().map(|(w, _)| format!("\"{w}\"")).collect();
        let what = format!("one of {}", all.join(", "));
        let DeValue::String(written) = value else { return Err(wanted(&what, value)) };
        match words.iter().find(|(w, _)| w == written) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let near = nearest(written, words.iter().map(|(w, _)| *w)).unwrap_or("");
                Err(format!("expected {what}, found \"{written}\"; the nearest is \"{near}\""))
            }
        }
    }
}

/// A list; a mistake is told with the number of its entry, from 1.
pub(super) fn list<T>(
    read: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> impl Fn(&DeValue<'_>) -> Result<Vec<T>, String> {
    move |value| {
        let DeValue::Array(entries) = value else { return Err(wanted("a list in brackets", value)) };
        let numbered = entries.iter().enumerate();
        numbered
            .map(|(i, entry)| read(entry.get_ref()).map_err(|e| format!("entry {}: {e}", i + 1)))
            .collect()
    }
}

/// An address to bind: one that a host can have.
pub(super) fn host_address(value: &DeValue<'_>) -> Result<IpAddr, String> {
    let written = text(value)?;
    let address: IpAddr = written
        .parse()
        .map_err(|_| format!("expected an IP address such as \"192.0.2.7\", found \"{written}\""))?;
    let everyone = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || everyone {
        return Err(format!("{address} is no address of one host; leave the key out to bind all of them"));
    }
    if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return Err(format!("{address} is link-local: it names no interface; use `interfaces` instead"));
    }
    Ok(address)
}

/// A peer: an address, with or without port; a link-local one with its interface.
pub(super) fn peer(default_port: u16) -> impl Fn(&DeValue<'_>) -> Result<SocketAddr, String> {
    move |value| {
        let written = text(value)?;
        let address = socket_address(&written, default_port)?;
        let everyone = matches!(address.ip(), IpAddr::V4(v4) if v4.is_broadcast());
        if address.ip().is_unspecified() || address.ip().is_multicast() || everyone || address.port() == 0 {
            return Err(format!("\"{written}\" is no peer: a peer is one host's address and a port above 0"));
        }
        match address {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => Err(format!(
                "\"{written}\" is link-local and needs its interface: \"[{}%eth0]:{}\"",
                v6.ip(),
                v6.port()
            )),
            other => Ok(other),
        }
    }
}

/// Reads `127.0.0.3`, `127.0.0.3:626`, `fe80::1%eth0`, `[fe80::1%eth0]` and `[fe80::1%eth0]:626`.
fn socket_address(written: &str, default_port: u16) -> Result<SocketAddr, String> {
    let bad = || {
        format!(
            "expected an address with or without port, such as \"192.0.2.7\" or \"[fe80::1%eth0]:626\", \
             found \"{written}\""
        )
    };
    if let Ok(address) = written.parse::<SocketAddr>() {
        return Ok(address);
    }
    if let Ok(ip) = written.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, default_port));
    }
    let (inner, port) = match written.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inner, "")) => (inner, default_port),
        Some((inner, port)) => {
            let port = port.strip_prefix(':').ok_or_else(bad)?;
            (inner, port.parse().map_err(|_| bad())?)
        }
        None => (written, default_port),
    };
    let (ip, scope) = inner.split_once('%').unwrap_or((inner, ""));
    let ip: Ipv6Addr = ip.parse().map_err(|_| bad())?;
    Ok(SocketAddrV6::new(ip, port, 0, scope_id(scope)?).into())
}

/// The index of an interface named or numbered after `%`; 0 for none.
fn scope_id(scope: &str) -> Result<u32, String> {
    if scope.is_empty() {
        return Ok(0);
    }
    if let Ok(index) = scope.parse() {
        return Ok(index);
    }
    nix::net::if_::if_nametoindex(scope)
        .map_err(|_| format!("there is no interface \"{scope}\" on this host; `ip link` lists them"))
}

/// A user's number, or a user's name on this host.
pub(super) fn user(value: &DeValue<'_>) -> Result<u32, String> {
    account(value, "user", |name| {
        nix::unistd::User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
    })
}

/// A group's number, or a group's name on this host.
pub(super) fn group(value: &DeValue<'_>) -> Result<u32, String> {
    account(value, "group", |name| {
        nix::unistd::Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
    })
}

fn account(value: &DeValue<'_>, kind: &str, find: impl Fn(&str) -> Option<u32>) -> Result<u32, String> {
    match value {
        // u32::MAX is "no change" to chown and no account.
        DeValue::Integer(_) => number(0..=u32::MAX - 1)(value),
        DeValue::String(name) => find(name).ok_or_else(|| format!("there is no {kind} \"{name}\" here")),
        other => Err(wanted(&format!("a {kind}'s number or name"), other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(toml: &str) -> DeValue<'_> {
        DeValue::parse(toml).unwrap().into_inner()
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!(number(1..=9)(&value("9")), Ok(9));
        assert_eq!(number(1..=300)(&value("0xff")), Ok(255));
        for bad in ["0", "10", "-1", "99999999999999999999"] {
            assert!(number(1..=9)(&value(bad)).unwrap_err().contains("from 1 to 9"), "{bad}");
        }
        assert_eq!(number16(0)(&value("65535")), Ok(u16::MAX));
        assert!(number16(1)(&value("0")).is_err());
    }

    #[test]
    fn durations_have_limits_and_units() {
        let read = duration(Duration::from_secs(1)..=Duration::from_secs(3600));
        assert_eq!(read(&value("\"5m\"")), Ok(Duration::from_secs(300)));
        for bad in ["\"2h\"", "\"100ms\"", "\"5\"", "5", "\"\""] {
            assert!(read(&value(bad)).unwrap_err().contains("a duration from 1s to 1h"), "{bad}");
        }
    }

    #[test]
    fn words_are_suggested() {
        let read = word(&[("off", 0), ("listen", 1), ("answer", 2)]);
        assert_eq!(read(&value("\"listen\"")), Ok(1));
        let error = read(&value("\"anwser\"")).unwrap_err();
        assert!(error.ends_with("found \"anwser\"; the nearest is \"answer\""), "{error}");
    }

    #[test]
    fn lists_name_the_entry() {
        assert_eq!(list(boolean)(&value("[true, false]")), Ok(vec![true, false]));
        assert!(list(boolean)(&value("[true, 1]")).unwrap_err().starts_with("entry 2:"));
        assert!(list(boolean)(&value("true")).is_err());
    }

    #[test]
    fn peers_have_a_default_port() {
        let read = peer(626);
        for (written, meant) in [
            ("\"127.0.0.3\"", "127.0.0.3:626"),
            ("\"127.0.0.3:700\"", "127.0.0.3:700"),
            ("\"2001:db8::1\"", "[2001:db8::1]:626"),
            ("\"[2001:db8::1]\"", "[2001:db8::1]:626"),
            ("\"[2001:db8::1]:7\"", "[2001:db8::1]:7"),
            ("\"[fe80::1%3]:7\"", "[fe80::1%3]:7"),
            ("\"fe80::1%3\"", "[fe80::1%3]:626"),
        ] {
            assert_eq!(read(&value(written)).unwrap().to_string(), meant);
        }
    }

    #[test]
    fn the_loopback_interface_has_a_number() {
        let written = value("\"[fe80::1%lo]:626\"");
        let SocketAddr::V6(address) = peer(626)(&written).unwrap() else { panic!("no IPv6") };
        assert_ne!(address.scope_id(), 0);
    }

    #[test]
    fn what_is_no_peer_is_refused() {
        for bad in [
            "\"host\"",
            "\"127.0.0.3:0\"",
            "\"127.0.0.3:99999\"",
            "\"0.0.0.0\"",
            "\"255.255.255.255\"",
            "\"224.0.0.1\"",
            "\"ff02::1\"",
            "\"fe80::1\"",
            "\"[fe80::1%no-such-if]\"",
            "\"[::1]x\"",
            "7",
        ] {
            assert!(peer(626)(&value(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_one_hosts() {
        assert_eq!(host_address(&value("\"127.0.0.2\"")), Ok(IpAddr::from([127, 0, 0, 2])));
        for bad in ["\"0.0.0.0\"", "\"::\"", "\"224.0.0.1\"", "\"fe80::1\"", "\"x\"", "1"] {
            assert!(host_address(&value(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn accounts_have_numbers_or_names() {
        assert_eq!(user(&value("1000")), Ok(1000));
        assert_eq!(user(&value("\"root\"")), Ok(0));
        assert_eq!(group(&value("\"root\"")), Ok(0));
        assert!(user(&value("\"no such user\"")).unwrap_err().contains("there is no user"));
        assert!(user(&value("4294967295")).is_err());
        assert!(group(&value("true")).is_err());
    }
}
