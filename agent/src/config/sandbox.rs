//! `[plugin.sandbox]`: what a plugin's process may do.

use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use toml::Spanned;
use toml::de::DeValue;

use super::document::{Document, Section};
use super::value::{boolean, list, number, number16, text, user};
use crate::plugin::{Account, Reach, Sandbox};

/// Below this not even the program itself starts; above, the plugin's process is no bounded one.
const MEMORY_MIB: std::ops::RangeInclusive<u32> = 32..=1024 * 1024;
/// Files and folders of one list; each is a rule in the kernel.
const MOST_PATHS: usize = 64;
/// Ports of one list; each is a rule in the kernel.
const MOST_PORTS: usize = 64;

/// Reads the table; `is_process` is whether the plugin has a process of its own.
pub(super) fn read(document: &Document<'_>, value: Spanned<DeValue<'_>>, is_process: bool) -> Sandbox {
    let start = value.span().start;
    let mut sandbox = Sandbox::default();
    let DeValue::Table(table) = value.into_inner() else {
        document.error(start, "`sandbox` in [[plugin]]: expected the table [plugin.sandbox]");
        return sandbox;
    };
    if !is_process {
        document.error(
            start,
            "[plugin.sandbox] is for a plugin in a process of its own: add isolation = \"process\" above it",
        );
    }
    let mut section = Section::new(document, "[plugin.sandbox]", table, start);
    let s = &mut section;
    s.set("read", &mut sandbox.read, paths);
    s.set("write", &mut sandbox.write, paths);
    s.set("connect", &mut sandbox.connect, reaches);
    s.set("listen", &mut sandbox.listen, reaches);
    s.set("exec", &mut sandbox.exec, boolean);
    s.set("user", &mut sandbox.user, |v| account(v).map(Some));
    s.set("memory_mib", &mut sandbox.memory_mib, number(MEMORY_MIB));
    section.finish();
    sandbox
}

fn paths(value: &DeValue<'_>) -> Result<Vec<PathBuf>, String> {
    let paths = list(|entry| {
        let written = text(entry)?;
        match Path::new(&written).is_absolute() && !written.contains('\0') {
            true => Ok(PathBuf::from(written)),
            false => Err(format!("\"{written}\" is no absolute path")),
        }
    })(value)?;
    bounded(paths, MOST_PATHS, "paths")
}

fn reaches(value: &DeValue<'_>) -> Result<Vec<Reach>, String> {
    let mut reaches = list(reach)(value)?;
    reaches.sort();
    reaches.dedup();
    bounded(reaches, MOST_PORTS, "ports")
}

fn bounded<T>(list: Vec<T>, most: usize, what: &str) -> Result<Vec<T>, String> {
    if list.len() > most { Err(format!("at most {most} {what}; there are {}", list.len())) } else { Ok(list) }
}

fn reach(value: &DeValue<'_>) -> Result<Reach, String> {
    match value {
        DeValue::String(word) if word == "udp" => Ok(Reach::Udp),
        DeValue::String(word) if word == "unix" => Ok(Reach::Unix),
        DeValue::String(word) => {
            Err(format!("expected a TCP port from 1 to 65535, \"udp\" or \"unix\", found \"{word}\""))
        }
        port => number16(1)(port).map(Reach::Tcp),
    }
}

fn account(value: &DeValue<'_>) -> Result<Account, String> {
    let uid = user(value)?;
    let found = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let found =
        found.ok_or_else(|| format!("there is no user {uid} on this host, so it has no group either"))?;
    Ok(Account { name: found.name, uid, gid: found.gid.as_raw() })
}
