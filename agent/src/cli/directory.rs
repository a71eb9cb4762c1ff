//! `directory`: reads a NetInfo server, this host's agent or any other, with ordinary sockets and no agent.

mod channel;
mod show;
#[cfg(test)]
mod tests;

use netinfo::client::{Client, Failure};
use netinfo::dump;
use netinfo::path::Path;
use serde_json::json;

use super::args::{DirectoryCommand, DirectoryFindArgs, DirectoryPathArgs, DirectoryServer};
use super::output::{Ending, standard};
use channel::Tcp;
use show::{names, property_lines, property_list, tree};

pub(super) fn directory(command: &DirectoryCommand) -> Ending {
    match command {
        DirectoryCommand::List(args) => list(args),
        DirectoryCommand::Read(args) => read(args),
        DirectoryCommand::Find(args) => find(args),
        DirectoryCommand::Dump(args) => dump(args),
        DirectoryCommand::Statistics(server) => statistics(server),
    }
}

type Server = Client<Tcp>;

/// A failure of a call, with who failed.
fn failed(server: &Server) -> impl Fn(Failure<String>) -> String + use<> {
    let to = server.channel.peer();
    move |failure| match failure {
        Failure::Channel(sentence) => sentence,
        other => format!("{to}: {other}"),
    }
}

/// Connects, and goes to a path.
fn open(args: &DirectoryServer, path: &Path) -> Result<(Server, u32), String> {
    let mut server = channel::connect(args)?;
    let found = server.find(path).map_err(failed(&server))?;
    let object = found.map_err(|depth| {
        let missing = Path(path.0[..=depth].to_vec());
        format!("{}: there is no directory {missing}", server.channel.peer())
    })?;
    Ok((server, object))
}

fn list(args: &DirectoryPathArgs) -> Ending {
    let (mut server, object) = open(&args.server, &args.path)?;
    let entries = server.list(object, netinfo::tree::NAME.as_bytes()).map_err(failed(&server))?;
    print_entries(
        args.server.json,
        entries.into_iter().map(|(child, values)| (child, values.unwrap_or_default())),
    )
}

fn find(args: &DirectoryFindArgs) -> Ending {
    let (mut server, object) = open(&args.server, &args.path)?;
    let (key, value) = &args.what;
    let found = server.lookup(object, key.as_bytes(), value.as_bytes()).map_err(failed(&server))?;
    if found.is_empty() {
        return Err(format!("{}: nothing in {} has {key}={value}", server.channel.peer(), args.path).into());
    }
    let mut entries = Vec::new();
    for child in found {
        let properties = server.read(child).map_err(failed(&server))?;
        let name = properties.into_iter().find(|p| p.name == netinfo::tree::NAME.as_bytes());
        entries.push((child, name.map(|p| p.values).unwrap_or_default()));
    }
    print_entries(args.server.json, entries.into_iter())
}

fn print_entries(json: bool, entries: impl Iterator<Item = (u32, Vec<Vec<u8>>)>) -> Ending {
    use std::io::Write as _;
    let (mut out, _) = standard();
    if json {
        let all: Vec<_> =
            entries.map(|(id, values)| json!({ "id": id, "name": show::texts(&values) })).collect();
        writeln!(out, "{}", serde_json::Value::from(all))?;
    } else {
        for (id, values) in entries {
            writeln!(out, "{id:<7} {}", names(&values))?;
        }
    }
    Ok(0)
}

fn read(args: &DirectoryPathArgs) -> Ending {
    use std::io::Write as _;
    let (mut server, object) = open(&args.server, &args.path)?;
    let properties = server.read(object).map_err(failed(&server))?;
    let (mut out, _) = standard();
    if args.server.json {
        writeln!(out, "{}", json!({ "id": object, "properties": property_list(&properties) }))?;
    } else {
        write!(out, "{}", property_lines(&properties))?;
    }
    Ok(0)
}

fn dump(args: &DirectoryPathArgs) -> Ending {
    use std::io::Write as _;
    let (mut server, object) = open(&args.server, &args.path)?;
    let whole = server.tree(object).map_err(failed(&server))?;
    let (mut out, _) = standard();
    if args.server.json {
        writeln!(out, "{}", tree(&whole))?;
    } else {
        write!(out, "{}", dump::print(&whole))?;
    }
    Ok(0)
}

fn statistics(args: &DirectoryServer) -> Ending {
    use std::io::Write as _;
    let mut server = channel::connect(args)?;
    let properties = server.statistics().map_err(failed(&server))?;
    let (mut out, _) = standard();
    if args.json {
        writeln!(out, "{}", property_list(&properties))?;
    } else {
        write!(out, "{}", property_lines(&properties))?;
    }
    Ok(0)
}
