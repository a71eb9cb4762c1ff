//! The procedures that read, and those between servers, which have nothing to do here.

use super::{Asked, Body, Refusal, bind};
use crate::procedure as is;
use crate::rpc::Outcome;
use crate::status::Status;
use crate::tree::{PropertyView, Snapshot};
use crate::xdr::{Id, Writer};

/// SELF of this id asks late servers for the directory that was written last.
const LAST_CHANGED: Id = Id { object: u32::MAX, instance: u32::MAX };
/// SELF of this object asks for the version of the directory that the instance names.
const VERSION_OF: u32 = u32::MAX - 1;

pub(super) fn body(procedure: u32) -> Option<Body> {
    let body: Body = match procedure {
        is::PING | is::CRASHED => nothing,
        is::ROOT => root,
        is::SELF => itself,
        is::PARENT => parent,
        is::READ => read,
        is::CHILDREN => children,
        is::LOOKUP => lookup,
        is::LIST => list,
        is::READPROP => read_property,
        is::LISTPROPS => list_properties,
        is::READNAME => read_name,
        is::RPARENT => network_root,
        is::LISTALL => list_all,
        is::BIND => bind_to,
        is::READALL => read_all,
        is::RESYNC => done,
        is::LOOKUPREAD => lookup_read,
        _ => return None,
    };
    Some(body)
}

/// Whether it only reads, and as much as fits into a datagram: not the whole tree, nor what servers tell each other.
pub(super) fn over_udp(procedure: u32) -> bool {
    procedure == is::STATISTICS
        || (body(procedure).is_some() && !matches!(procedure, is::READALL | is::CRASHED | is::RESYNC))
}

impl Asked<'_> {
    /// The directory that the arguments name.  Its instance is not looked at: clients send left-over ones.
    fn directory(&mut self) -> Result<Id, Refusal> {
        let asked = self.arguments.id()?;
        Ok(self.tree.id(asked.object).ok_or(Status::NO_DIRECTORY)?)
    }

    fn ok(&mut self) {
        self.out.word(Status::OK.0);
    }

    fn properties(&mut self, object: u32) {
        let properties = self.tree.properties(object);
        self.out.length(properties.len());
        properties.for_each(|property| property.write(self.out));
    }

    fn objects(&mut self, objects: impl ExactSizeIterator<Item = u32>) {
        self.out.length(objects.len());
        objects.for_each(|object| self.out.word(object));
    }
}

fn nothing(_: &mut Asked<'_>) -> Result<(), Refusal> {
    Ok(())
}

fn done(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    asked.ok();
    Ok(())
}

/// Nobody is above this server.
fn network_root(_: &mut Asked<'_>) -> Result<(), Refusal> {
    Err(Status::NETWORK_ROOT.into())
}

fn root(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let root = asked.tree.id(0).ok_or(Status::NO_DIRECTORY)?;
    asked.ok();
    asked.out.id(root);
    Ok(())
}

fn itself(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let wanted = asked.arguments.id()?;
    let told = if wanted == LAST_CHANGED {
        asked.tree.last_written().unwrap_or_default()
    } else if wanted.object == VERSION_OF {
        let named = asked.tree.id(wanted.instance).ok_or(Status::NO_DIRECTORY)?;
        Id { object: wanted.instance, instance: named.instance }
    } else {
        asked.tree.id(wanted.object).ok_or(Status::NO_DIRECTORY)?
    };
    asked.ok();
    asked.out.id(told);
    Ok(())
}

fn parent(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let id = asked.directory()?;
    let parent = asked.tree.parent(id.object).ok_or(Status::NO_DIRECTORY)?;
    asked.ok();
    asked.out.word(parent);
    asked.out.id(id);
    Ok(())
}

fn read(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let id = asked.directory()?;
    asked.ok();
    asked.out.id(id);
    asked.properties(id.object);
    Ok(())
}

fn children(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let id = asked.directory()?;
    let children = asked.tree.children(id.object).ok_or(Status::NO_DIRECTORY)?;
    asked.ok();
    asked.objects(children.iter().copied());
    asked.out.id(id);
    Ok(())
}

fn lookup(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let (id, found) = matches(asked)?;
    asked.ok();
    asked.objects(found.into_iter());
    asked.out.id(id);
    Ok(())
}

/// Replies with the id of what was searched, not of what was found: so the original does.
fn lookup_read(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let (id, found) = matches(asked)?;
    asked.ok();
    asked.out.id(id);
    asked.properties(found[0]);
    Ok(())
}

/// The searched directory, and at least one child that fits.
fn matches(asked: &mut Asked<'_>) -> Result<(Id, Vec<u32>), Refusal> {
    let searched = asked.arguments.id()?;
    let (key, value) = (asked.arguments.name()?, asked.arguments.name()?);
    let id = asked.tree.id(searched.object).ok_or(Status::NO_DIRECTORY)?;
    let found: Vec<u32> = asked.tree.lookup(id.object, key, value).collect();
    if found.is_empty() { Err(Status::NO_DIRECTORY.into()) } else { Ok((id, found)) }
}

fn list(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let listed = asked.arguments.id()?;
    let key = asked.arguments.name()?;
    let id = asked.tree.id(listed.object).ok_or(Status::NO_DIRECTORY)?;
    let children = asked.tree.children(id.object).ok_or(Status::NO_DIRECTORY)?;
    asked.ok();
    asked.out.length(children.len());
    for &child in children {
        asked.out.word(child);
        entry(asked.tree.property(child, key), asked.out);
    }
    asked.out.id(id);
    Ok(())
}

/// A null pointer where there is no such property, or one without values.
fn entry(property: Option<PropertyView<'_>>, out: &mut Writer) {
    match property.filter(|property| property.values().len() > 0) {
        Some(property) => {
            out.word(1);
            out.names(property.values());
        }
        None => out.word(0),
    }
}

fn read_property(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let (wanted, place) = (asked.arguments.id()?, asked.arguments.word()?);
    let tree = asked.tree;
    let id = tree.id(wanted.object).ok_or(Status::NO_DIRECTORY)?;
    let property = nth(tree, id, place)?;
    asked.ok();
    asked.out.names(property.values());
    asked.out.id(id);
    Ok(())
}

fn nth(tree: &Snapshot, id: Id, place: u32) -> Result<PropertyView<'_>, Refusal> {
    let place = usize::try_from(place).map_err(|_| Status::NO_PROPERTY)?;
    Ok(tree.properties(id.object).nth(place).ok_or(Status::NO_PROPERTY)?)
}

fn list_properties(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let id = asked.directory()?;
    asked.ok();
    asked.out.names(asked.tree.properties(id.object).map(PropertyView::name));
    asked.out.id(id);
    Ok(())
}

fn read_name(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let wanted = asked.arguments.id()?;
    let (place, value) = (asked.arguments.word()?, asked.arguments.word()?);
    let tree = asked.tree;
    let id = tree.id(wanted.object).ok_or(Status::NO_DIRECTORY)?;
    let value = usize::try_from(value).map_err(|_| Status::NO_NAME)?;
    let name = nth(tree, id, place)?.values().nth(value).ok_or(Status::NO_NAME)?;
    asked.ok();
    asked.out.id(id);
    asked.out.opaque(name);
    Ok(())
}

fn list_all(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let id = asked.directory()?;
    let children = asked.tree.children(id.object).ok_or(Status::NO_DIRECTORY)?;
    asked.ok();
    asked.out.id(id);
    asked.out.length(children.len());
    children.iter().for_each(|&child| asked.properties(child));
    Ok(())
}

/// Whether a machine may take this domain for its parent.
fn bind_to(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let tag = asked.arguments.name()?;
    let address = asked.arguments.word()?;
    if bind::serves(asked.tree, tag, address) { Ok(()) } else { Err(Refusal::Rpc(Outcome::SystemError)) }
}

/// The whole tree, depth-first.
fn read_all(asked: &mut Asked<'_>) -> Result<(), Refusal> {
    let known = asked.arguments.word()?;
    let checksum = asked.tree.checksum();
    asked.ok();
    if known == checksum {
        [0, 0, 0].into_iter().for_each(|word| asked.out.word(word));
        return Ok(());
    }
    asked.out.word(checksum);
    asked.out.word(asked.tree.highest_id());
    object(asked, 0);
    asked.out.word(0);
    Ok(())
}

/// One object of READALL, and all below it; a tree is at most `DEPTH_MAX` deep.
fn object(asked: &mut Asked<'_>, object_id: u32) {
    let tree = asked.tree;
    let (Some(id), Some(parent), Some(children)) =
        (tree.id(object_id), tree.parent(object_id), tree.children(object_id))
    else {
        return;
    };
    asked.out.word(1);
    asked.out.id(id);
    asked.properties(object_id);
    asked.out.word(parent);
    asked.objects(children.iter().copied());
    children.iter().for_each(|&child| object(asked, child));
}
